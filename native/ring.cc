#include "ring.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "addon.h"

namespace mpip {
namespace {

// Kernels that know these flags (6.0) also know that TUN devices can be read without waiting (5.13); older ones would
// hand each entry to a thread.
constexpr unsigned kSetupFlags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN;

int enter(int fd, unsigned submit, unsigned wait) {
  return static_cast<int>(syscall(SYS_io_uring_enter, fd, submit, wait, wait > 0 ? IORING_ENTER_GETEVENTS : 0, nullptr, 0));
}

}  // namespace

int32_t Ring::open() {
  if (isOpen()) return 0;
  io_uring_params params{};
  params.flags = kSetupFlags;
  const int fd = static_cast<int>(syscall(SYS_io_uring_setup, kBatchMax, &params));
  if (fd < 0) return failure();
  fd_ = fd;
  if ((params.features & IORING_FEAT_SINGLE_MMAP) == 0) {
    close();
    return -ENOSYS;
  }
  ringsBytes_ = std::max(params.sq_off.array + params.sq_entries * sizeof(unsigned),
                         params.cq_off.cqes + params.cq_entries * sizeof(io_uring_cqe));
  entriesBytes_ = params.sq_entries * sizeof(io_uring_sqe);
  constexpr int kProtection = PROT_READ | PROT_WRITE;
  void* rings = mmap(nullptr, ringsBytes_, kProtection, MAP_SHARED | MAP_POPULATE, fd, IORING_OFF_SQ_RING);
  void* entries = mmap(nullptr, entriesBytes_, kProtection, MAP_SHARED | MAP_POPULATE, fd, IORING_OFF_SQES);
  if (rings != MAP_FAILED) rings_ = rings;
  if (entries != MAP_FAILED) entries_ = static_cast<io_uring_sqe*>(entries);
  if (rings_ == nullptr || entries_ == nullptr) {
    close();
    return -ENOMEM;
  }
  const auto word = [this](unsigned offset) {
    return reinterpret_cast<unsigned*>(static_cast<uint8_t*>(rings_) + offset);
  };
  submitHead_ = word(params.sq_off.head);
  submitTail_ = word(params.sq_off.tail);
  submitMask_ = *word(params.sq_off.ring_mask);
  doneHead_ = word(params.cq_off.head);
  doneTail_ = word(params.cq_off.tail);
  doneMask_ = *word(params.cq_off.ring_mask);
  done_ = reinterpret_cast<io_uring_cqe*>(word(params.cq_off.cqes));
  for (unsigned i = 0; i < params.sq_entries; i++) word(params.sq_off.array)[i] = i;
  return 0;
}

void Ring::close() {
  if (rings_ != nullptr) munmap(rings_, ringsBytes_);
  if (entries_ != nullptr) munmap(entries_, entriesBytes_);
  if (fd_ >= 0) ::close(fd_);
  rings_ = nullptr;
  entries_ = nullptr;
  fd_ = -1;
}

void Ring::add(uint8_t operation, int fd, const void* data, uint32_t length) {
  io_uring_sqe& entry = entries_[(*submitTail_ + count_) & submitMask_];
  memset(&entry, 0, sizeof entry);
  entry.opcode = operation;
  entry.fd = fd;
  if (operation == IORING_OP_SENDMSG) {
    entry.msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL;
  } else {
    // From where the descriptor stands (none of ours has a place), and -EAGAIN at once: that a descriptor does not
    // block is not enough for the kernel.
    entry.off = ~0ULL;
    entry.rw_flags = RWF_NOWAIT;
  }
  entry.addr = reinterpret_cast<uint64_t>(data);
  entry.len = length;
  entry.user_data = count_++;
}

void Ring::submit() {
  unsigned expected = count_;
  unsigned submitted = 0;
  unsigned finished = 0;
  count_ = 0;
  __atomic_store_n(submitTail_, *submitTail_ + expected, __ATOMIC_RELEASE);
  while (finished < expected) {
    const int taken = enter(fd_, expected - submitted, expected - finished);
    if (taken > 0) submitted += static_cast<unsigned>(taken);
    if (taken < 0 && errno != EINTR && submitted < expected) {
      // What the kernel has not taken (it has no memory) is taken back; the rest is still waited for.
      std::fill(results_ + submitted, results_ + expected, failure());
      __atomic_store_n(submitTail_, *submitTail_ - (expected - submitted), __ATOMIC_RELEASE);
      expected = submitted;
    }
    finished += reap();
  }
}

unsigned Ring::reap() {
  unsigned head = *doneHead_;
  const unsigned tail = __atomic_load_n(doneTail_, __ATOMIC_ACQUIRE);
  const unsigned count = tail - head;
  for (; head != tail; head++) {
    const io_uring_cqe& done = done_[head & doneMask_];
    results_[done.user_data] = done.res;
  }
  __atomic_store_n(doneHead_, head, __ATOMIC_RELEASE);
  return count;
}

}  // namespace mpip
