// Walking a plan that TypeScript wrote (layout.h). Everything is checked against the arrays' real bounds: a wrong
// plan is answered with -EINVAL or -EFAULT in the message's status and never touches other memory.
#pragma once

#include <sys/uio.h>

#include "addon.h"
#include "layout.h"

namespace mpip {

// Pieces that are handed to the kernel together.
constexpr size_t kPiecesPerCall = 4096;
static_assert(kPiecesPerCall >= kPiecesMax, "a message must fit in one call");

class PlanReader {
 public:
  PlanReader(const Bytes& arena, const Words& plan) : arena_(arena), plan_(plan) {}

  // The words of the next message, or null when the plan ends before `head` words and the pieces it promises.
  int32_t* next() {
    if (at_ + kPlanHead > plan_.length) return nullptr;
    int32_t* message = plan_.data + at_;
    const int32_t pieces = message[kPlanPieces];
    if (pieces < 0 || pieces > kPiecesMax) return nullptr;
    const size_t words = kPlanHead + 2 * static_cast<size_t>(pieces);
    if (at_ + words > plan_.length) return nullptr;
    at_ += words;
    return message;
  }

  // Writes the pieces of `message` to `out` (room for kPiecesMax); answers the total length or a negative errno.
  int32_t gather(const int32_t* message, iovec* out) const {
    const int32_t pieces = message[kPlanPieces];
    const int32_t* piece = message + kPlanHead;
    int64_t total = 0;
    for (int32_t i = 0; i < pieces; i++, piece += 2) {
      if (!arena_.holds(piece[0], piece[1])) return -EFAULT;
      out[i].iov_base = arena_.data + piece[0];
      out[i].iov_len = static_cast<size_t>(piece[1]);
      total += piece[1];
    }
    return total > INT32_MAX ? -EMSGSIZE : static_cast<int32_t>(total);
  }

 private:
  const Bytes& arena_;
  const Words& plan_;
  size_t at_ = 0;
};

}  // namespace mpip
