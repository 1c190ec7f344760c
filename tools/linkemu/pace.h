// When the loop takes its turns. A turn per frame is the most exact but costs a wake-up for each; above some frame rate
// the turns are spaced out, and each handles the frames of its interval in one batch.
#pragma once

#include <cstdint>

namespace linkemu {

class Pace {
 public:
  // Long enough for some frames per batch at 1 Gbit/s, short against the 0.3 ms that delays may be off.
  static constexpr int64_t kTurnNs = 100'000;

  // `frames_handled` counts all frames ever received and sent.
  void turn_done(int64_t now_ns, uint64_t frames_handled) {
    if (now_ns < window_end_ns_) return;
    spaced_ = frames_handled - window_frames_ > kFramesPerWindow && now_ns < window_end_ns_ + kWindowNs;
    window_end_ns_ = now_ns + kWindowNs;
    window_frames_ = frames_handled;
  }

  // The next turn is to begin kTurnNs after the last one at the earliest.
  bool spaced() const { return spaced_; }

 private:
  static constexpr int64_t kWindowNs = 1'000'000;
  // Received and sent count each: 240 Mbit/s of full frames one way.
  static constexpr uint64_t kFramesPerWindow = 40;

  int64_t window_end_ns_ = 0;
  uint64_t window_frames_ = 0;
  bool spaced_ = false;
};

}  // namespace linkemu
