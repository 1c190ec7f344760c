#include "cpu_latency.h"

#include <fcntl.h>
#include <unistd.h>

#include "direction.h"

namespace linkemu {
namespace {

// Long against the gaps of any traffic worth measuring, short against leaving a lab idle.
constexpr int64_t kHoldNs = 1'000'000'000;
constexpr int32_t kNoSleepUs = 0;
// PM_QOS_CPU_LATENCY_DEFAULT_VALUE of the kernel: no wish.
constexpr int32_t kNoWishUs = 2'000'000'000;

}  // namespace

// The kernel's latency limit is held by the open descriptor, so it ends with the process however that ends.
CpuLatency::CpuLatency() : fd_(open("/dev/cpu_dma_latency", O_WRONLY | O_CLOEXEC)) { request(kNoWishUs); }

CpuLatency::~CpuLatency() {
  if (fd_ >= 0) close(fd_);
}

void CpuLatency::active(int64_t now_ns) {
  if (fd_ < 0) return;
  release_at_ns_ = now_ns + kHoldNs;
  if (held_) return;
  held_ = true;
  look_at_ns_ = release_at_ns_;
  request(kNoSleepUs);
}

int64_t CpuLatency::relax(int64_t now_ns) {
  if (!held_) return kNever;
  if (now_ns < look_at_ns_) return look_at_ns_;
  if (now_ns < release_at_ns_) return look_at_ns_ = release_at_ns_;
  held_ = false;
  request(kNoWishUs);
  return kNever;
}

void CpuLatency::request(int32_t latency_us) {
  if (fd_ >= 0 && write(fd_, &latency_us, sizeof latency_us) != sizeof latency_us) {
    close(fd_);
    fd_ = -1;
  }
}

}  // namespace linkemu
