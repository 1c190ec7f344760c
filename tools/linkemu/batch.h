// Many frames per system call: from a packet socket into pool frames, and back.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <memory>

#include "direction.h"
#include "frame.h"
#include "port.h"

namespace linkemu {

constexpr unsigned kBatchFrames = 64;

// One for the whole process; it keeps a frame ready in each of its slots, so that the kernel writes into the frame
// that then travels through the model.
class ReceiveBatch {
 public:
  // Throws std::bad_alloc.
  explicit ReceiveBatch(FramePool& pool);

  // Hands what waits on the port's socket, at most one batch, to the direction. True when there may be more.
  bool receive(Port& port, Direction& direction);

  uint64_t frames_handled() const { return frames_handled_; }

 private:
  struct Ancillary {
    int64_t stamp_wall_ns = 0;
    bool tagged = false;
    uint16_t tag_protocol = 0;
    uint16_t tag = 0;
  };
  static constexpr size_t kControlBytes = 128;

  void prepare(unsigned slot);
  static Ancillary read_ancillary(msghdr& header);
  void accept(unsigned slot, Port& port, Direction& direction, int64_t now_ns, int64_t now_wall_ns);
  Frame* take_over(unsigned slot, uint32_t wire_bytes);

  FramePool& pool_;
  uint64_t frames_handled_ = 0;
  std::array<Frame*, kBatchFrames> frames_{};
  std::array<mmsghdr, kBatchFrames> messages_{};
  std::array<std::array<iovec, 2>, kBatchFrames> vectors_{};
  alignas(cmsghdr) std::array<std::array<uint8_t, kControlBytes>, kBatchFrames> controls_{};
  // What does not fit a small frame goes on here, per slot.
  std::unique_ptr<uint8_t[]> overflow_;
};

class SendBatch {
 public:
  SendBatch();

  // Sends all that is due by `now_ns` and accounts for it.
  void send_due(Direction& direction, Port& port, int64_t now_ns);

  uint64_t frames_handled() const { return frames_handled_; }

 private:
  void flush(Direction& direction, int fd);

  std::array<Frame*, kBatchFrames> frames_{};
  unsigned count_ = 0;
  uint64_t frames_handled_ = 0;
  std::array<mmsghdr, kBatchFrames> messages_{};
  std::array<iovec, kBatchFrames> vectors_{};
};

int64_t monotonic_ns();

}  // namespace linkemu
