// The model of one direction of a link. Pure: no clock, no sockets; the caller passes the times (CLOCK_MONOTONIC ns).
//
//   arrive -> [waiting, bounded] -> transmitting (size*8/rate) -> lost? -> [propagating: delay + jitter] -> take_due
//                                                                      \-> [late: + reorder_us] ---------/
//
// Every time is derived from the frame's own arrival and its predecessor's departure, never from the moment the
// caller happened to run: a caller that is late delivers late, but does not lower the rate.
#pragma once

#include <array>
#include <cstdint>
#include <limits>

#include "chance.h"
#include "frame.h"
#include "params.h"

namespace linkemu {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

enum class Drop { kQueue, kLoss, kBurst, kBlackhole, kCarrier, kOversize, kMemory, kSendError };
constexpr std::array<const char*, 8> kDropNames = {"queue",   "loss",     "burst",  "blackhole",
                                                   "carrier", "oversize", "memory", "send_error"};

struct Counters {
  uint64_t frames_in = 0;
  uint64_t bytes_in = 0;
  uint64_t frames_out = 0;
  uint64_t bytes_out = 0;
  uint64_t gso_frames = 0;
  std::array<uint64_t, kDropNames.size()> dropped{};
};

class Direction {
 public:
  Direction(FramePool& pool, uint64_t seed);
  ~Direction();
  Direction(const Direction&) = delete;
  Direction& operator=(const Direction&) = delete;

  // Takes ownership of the frame. Contract: `arrival_ns` does not go backwards.
  void arrive(Frame* frame, int64_t arrival_ns);

  // Brings the transmitter up to `now_ns`.
  void advance(int64_t now_ns);

  // A frame that has left the link by `now_ns`, in order of leaving, now the caller's; nullptr when there is none.
  // The caller answers with `sent` or `drop`.
  Frame* take_due(int64_t now_ns);

  // The earliest moment at which `advance` and `take_due` may have something to do; kNever when nothing is held.
  int64_t next_event_ns() const;

  // Takes effect at `now_ns`, also for the frame being transmitted and those waiting. Frames that have left the
  // transmitter keep their time. A black hole swallows everything the direction holds.
  void set_params(const Params& params, int64_t now_ns);

  // Accounts for a frame that ended here and gives it back to the pool.
  void sent(Frame* frame);
  void drop(Frame* frame, Drop reason);
  // Accounts for a frame that arrived but could not be held at all.
  void drop_on_arrival(uint32_t size_bytes, Drop reason);

  const Params& params() const { return params_; }
  const Counters& counters() const { return counters_; }
  const FrameQueue& waiting() const { return waiting_; }
  uint64_t waiting_max_bytes() const { return waiting_max_bytes_; }
  // Being transmitted or propagating.
  uint64_t in_flight_frames() const {
    return propagating_.frames() + late_.frames() + (transmitting_ == nullptr ? 0 : 1);
  }

 private:
  bool admits(const Frame* frame, int64_t at_ns) const;
  void start_transmission(Frame* frame, int64_t at_ns);
  void propagate(Frame* frame, int64_t departure_ns);
  void hold_until(FrameQueue& line, int64_t& line_last_due_ns, Frame* frame, int64_t due_ns);
  void drop_all(FrameQueue& queue, Drop reason);
  int64_t transmission_ns(uint64_t size_bytes) const;

  FramePool& pool_;
  Params params_;
  Counters counters_;

  FrameQueue waiting_;
  uint64_t waiting_max_bytes_ = 0;
  Frame* transmitting_ = nullptr;
  int64_t departure_ns_ = 0;  // of the transmitting frame, else of the last one
  int64_t carry_ = 0;         // the part of departure_ns_ below a nanosecond, in 1/rate_bps ns

  FrameQueue propagating_;
  int64_t propagating_last_due_ns_ = 0;
  FrameQueue late_;
  int64_t late_last_due_ns_ = 0;

  Rng loss_rng_;
  Rng reorder_rng_;
  GilbertElliott burst_;
  Jitter jitter_;
};

}  // namespace linkemu
