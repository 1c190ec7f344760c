// One io_uring of an environment: a batch of reads, writes or sends in one crossing into the kernel, where calls would
// cross once for each. Everything in a batch is done when `submit` returns: descriptors are non-blocking, so the kernel
// tries each entry on the spot, in their order, and answers -EAGAIN instead of waiting.
#pragma once

#include <linux/io_uring.h>

#include <cstddef>
#include <cstdint>

#include "layout.h"

namespace mpip {

class Ring {
 public:
  Ring() = default;
  ~Ring() { close(); }
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // 0 | -errno. Opening it again is no mistake.
  int32_t open();
  void close();
  bool isOpen() const { return fd_ >= 0; }

  // The batch's next entry, of at most kBatchMax.
  void add(uint8_t operation, int fd, const void* data, uint32_t length);
  int32_t count() const { return static_cast<int32_t>(count_); }
  // Has the batch done and begins the next one; the results are there until that is submitted.
  void submit();
  // What the call in entry `at` would have returned, or a negative errno.
  int32_t result(int32_t at) const { return results_[at]; }

 private:
  unsigned reap();

  int fd_ = -1;
  unsigned count_ = 0;
  int32_t results_[kBatchMax];

  void* rings_ = nullptr;
  size_t ringsBytes_ = 0;
  io_uring_sqe* entries_ = nullptr;
  size_t entriesBytes_ = 0;
  unsigned* submitHead_ = nullptr;
  unsigned* submitTail_ = nullptr;
  unsigned submitMask_ = 0;
  unsigned* doneHead_ = nullptr;
  unsigned* doneTail_ = nullptr;
  unsigned doneMask_ = 0;
  io_uring_cqe* done_ = nullptr;
};

}  // namespace mpip
