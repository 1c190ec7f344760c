#include "batch.h"

#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <time.h>

#include <cerrno>
#include <cstring>
#include <new>

namespace linkemu {
namespace {

int64_t clock_ns(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

Drop drop_for_errno(int error) {
  switch (error) {
    case ENETDOWN:  // the interface is down
    case ENXIO:     // it was deleted
    case ENODEV:
      return Drop::kCarrier;
    case EMSGSIZE:
      return Drop::kOversize;
    default:
      return Drop::kSendError;
  }
}

}  // namespace

int64_t monotonic_ns() { return clock_ns(CLOCK_MONOTONIC); }

ReceiveBatch::ReceiveBatch(FramePool& pool)
    : pool_(pool), overflow_(std::make_unique<uint8_t[]>(kBatchFrames * FramePool::kLargeSlotBytes)) {
  for (unsigned slot = 0; slot < kBatchFrames; ++slot) {
    frames_[slot] = pool_.take_small();
    if (frames_[slot] == nullptr) throw std::bad_alloc();
    prepare(slot);
  }
}

void ReceiveBatch::prepare(unsigned slot) {
  Frame* frame = frames_[slot];
  vectors_[slot][0] = {frame->wire, frame->buffer_bytes - kVlanTagBytes};
  // A frame that fills both parts must still fit a large slot.
  vectors_[slot][1] = {overflow_.get() + slot * FramePool::kLargeSlotBytes,
                       FramePool::kLargeSlotBytes - FramePool::kSmallSlotBytes};
  msghdr& header = messages_[slot].msg_hdr;
  header = {};
  header.msg_iov = vectors_[slot].data();
  header.msg_iovlen = vectors_[slot].size();
  header.msg_control = controls_[slot].data();
  header.msg_controllen = kControlBytes;
}

bool ReceiveBatch::receive(Port& port, Direction& direction) {
  const int64_t before_ns = monotonic_ns();
  const int received = recvmmsg(port.fd(), messages_.data(), kBatchFrames, MSG_DONTWAIT, nullptr);
  if (received <= 0) {
    if (received < 0 && errno == EINVAL) {
      ++port.refused_frames;
      return true;
    }
    // Going down or away is reported once here; nothing to do, frames come again when the interface is up again.
    port.drained_at(before_ns);
    return false;
  }
  frames_handled_ += static_cast<unsigned>(received);
  const int64_t now_ns = monotonic_ns();
  const int64_t now_wall_ns = clock_ns(CLOCK_REALTIME);
  for (unsigned slot = 0; slot < static_cast<unsigned>(received); ++slot) {
    accept(slot, port, direction, now_ns, now_wall_ns);
    prepare(slot);
  }
  if (static_cast<unsigned>(received) == kBatchFrames) return true;
  port.drained_at(before_ns);
  return false;
}

ReceiveBatch::Ancillary ReceiveBatch::read_ancillary(msghdr& header) {
  Ancillary ancillary;
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_TIMESTAMPNS) {
      timespec stamp{};
      std::memcpy(&stamp, CMSG_DATA(part), sizeof stamp);
      ancillary.stamp_wall_ns = stamp.tv_sec * 1'000'000'000 + stamp.tv_nsec;
    } else if (part->cmsg_level == SOL_PACKET && part->cmsg_type == PACKET_AUXDATA) {
      tpacket_auxdata data{};
      std::memcpy(&data, CMSG_DATA(part), sizeof data);
      ancillary.tagged = (data.tp_status & TP_STATUS_VLAN_VALID) != 0;
      ancillary.tag = data.tp_vlan_tci;
      ancillary.tag_protocol = (data.tp_status & TP_STATUS_VLAN_TPID_VALID) != 0 ? data.tp_vlan_tpid : ETH_P_8021Q;
    }
  }
  return ancillary;
}

void ReceiveBatch::accept(unsigned slot, Port& port, Direction& direction, int64_t now_ns, int64_t now_wall_ns) {
  msghdr& header = messages_[slot].msg_hdr;
  const uint32_t wire_bytes = messages_[slot].msg_len;
  if (wire_bytes < kVnetHeaderBytes + ETH_HLEN) return;
  const uint32_t size_bytes = wire_bytes - kVnetHeaderBytes;
  if ((header.msg_flags & MSG_TRUNC) != 0) {
    direction.drop_on_arrival(size_bytes, Drop::kOversize);
    return;
  }
  Frame* frame = take_over(slot, wire_bytes);
  if (frame == nullptr) {
    direction.drop_on_arrival(size_bytes, Drop::kMemory);
    return;
  }
  frame->size_bytes = size_bytes;
  const Ancillary ancillary = read_ancillary(header);
  if (ancillary.tagged) insert_vlan_tag(frame, ancillary.tag_protocol, ancillary.tag);
  direction.arrive(frame, port.arrival_ns(ancillary.stamp_wall_ns, now_ns, now_wall_ns));
}

// The slot's frame with a new one in its place, or a large copy; nullptr, and the slot as it was, without memory.
Frame* ReceiveBatch::take_over(unsigned slot, uint32_t wire_bytes) {
  const size_t first_bytes = vectors_[slot][0].iov_len;
  if (wire_bytes <= first_bytes) {
    Frame* fresh = pool_.take_small();
    if (fresh == nullptr) return nullptr;
    Frame* frame = frames_[slot];
    frames_[slot] = fresh;
    return frame;
  }
  Frame* frame = pool_.take_large();
  if (frame == nullptr) return nullptr;
  std::memcpy(frame->wire, frames_[slot]->wire, first_bytes);
  std::memcpy(frame->wire + first_bytes, vectors_[slot][1].iov_base, wire_bytes - first_bytes);
  return frame;
}

SendBatch::SendBatch() {
  for (unsigned slot = 0; slot < kBatchFrames; ++slot) {
    messages_[slot].msg_hdr.msg_iov = &vectors_[slot];
    messages_[slot].msg_hdr.msg_iovlen = 1;
  }
}

void SendBatch::send_due(Direction& direction, Port& port, int64_t now_ns) {
  direction.advance(now_ns);
  while (Frame* frame = direction.take_due(now_ns)) {
    frames_[count_] = frame;
    vectors_[count_] = {frame->wire, kVnetHeaderBytes + frame->size_bytes};
    if (++count_ == kBatchFrames) flush(direction, port.fd());
  }
  if (count_ > 0) flush(direction, port.fd());
}

void SendBatch::flush(Direction& direction, int fd) {
  unsigned done = 0;
  while (done < count_) {
    const int sent = sendmmsg(fd, messages_.data() + done, count_ - done, MSG_DONTWAIT);
    if (sent > 0) {
      for (const unsigned end = done + static_cast<unsigned>(sent); done < end; ++done) direction.sent(frames_[done]);
    } else {
      // The error is that of the first frame; the ones after it get their own try.
      direction.drop(frames_[done++], drop_for_errno(errno));
    }
  }
  frames_handled_ += count_;
  count_ = 0;
}

}  // namespace linkemu
