// Keeps the processors out of sleep states while frames flow. A timer that has to wake a halted processor, above all a
// virtual one, is late by milliseconds in its worst percent; one that interrupts the kernel's polling idle loop is late
// by some tens of microseconds. The processors still count as idle and run other work at once.
#pragma once

#include <cstdint>

namespace linkemu {

class CpuLatency {
 public:
  // Without permission or support this object does nothing.
  CpuLatency();
  ~CpuLatency();
  CpuLatency(const CpuLatency&) = delete;
  CpuLatency& operator=(const CpuLatency&) = delete;

  // Call when frames were handled.
  void active(int64_t now_ns);

  // Lets the processors sleep again when nothing was handled for a while. Returns when to call again, kNever for not
  // before the next `active`. That time does not move with each frame, so that no timer is set for each.
  int64_t relax(int64_t now_ns);

 private:
  void request(int32_t latency_us);

  int fd_;
  bool held_ = false;
  int64_t release_at_ns_ = 0;
  int64_t look_at_ns_ = 0;
};

}  // namespace linkemu
