// Frames in memory: a pool reserved once, and FIFO lists of frames. Nothing here allocates per frame.
#pragma once

#include <cstddef>
#include <cstdint>

namespace linkemu {

// With PACKET_VNET_HDR every frame on a packet socket comes behind this header: what offloads left undone in it. It is
// struct virtio_net_hdr in native byte order; <linux/virtio_net.h> itself is not valid C++ in every release.
struct VnetHeader {
  uint8_t flags;
  uint8_t gso_type;
  uint16_t hdr_len;
  uint16_t gso_size;
  uint16_t csum_start;
  uint16_t csum_offset;
};
constexpr uint8_t kVnetNeedsChecksum = 1;  // VIRTIO_NET_HDR_F_NEEDS_CSUM
constexpr uint8_t kVnetNoGso = 0;          // VIRTIO_NET_HDR_GSO_NONE
constexpr size_t kVnetHeaderBytes = sizeof(VnetHeader);
static_assert(kVnetHeaderBytes == 10);

// Room before it for the 802.1Q tag that the kernel takes out of a received frame.
constexpr size_t kVlanTagBytes = 4;

struct Frame {
  Frame* next = nullptr;
  int64_t due_ns = 0;       // when it leaves the link, CLOCK_MONOTONIC
  uint32_t size_bytes = 0;  // the Ethernet frame with its header, without preamble and FCS
  bool large = false;
  uint8_t* wire = nullptr;  // kVnetHeaderBytes + size_bytes
  uint8_t* buffer = nullptr;
  uint32_t buffer_bytes = 0;

  VnetHeader* vnet() { return reinterpret_cast<VnetHeader*>(wire); }
};

// The kernel takes the outermost VLAN tag out of a frame before packet sockets see it; the far end must get it back.
// Contract: the frame was not tagged before, so the room in front of it is free.
void insert_vlan_tag(Frame* frame, uint16_t protocol, uint16_t tag);

class FrameQueue {
 public:
  bool empty() const { return head_ == nullptr; }
  Frame* head() const { return head_; }
  uint64_t frames() const { return frames_; }
  uint64_t bytes() const { return bytes_; }

  void push(Frame* frame) {
    frame->next = nullptr;
    if (head_ == nullptr) {
      head_ = frame;
    } else {
      tail_->next = frame;
    }
    tail_ = frame;
    ++frames_;
    bytes_ += frame->size_bytes;
  }

  // Contract: not empty.
  Frame* pop() {
    Frame* frame = head_;
    head_ = frame->next;
    --frames_;
    bytes_ -= frame->size_bytes;
    return frame;
  }

 private:
  Frame* head_ = nullptr;
  Frame* tail_ = nullptr;
  uint64_t frames_ = 0;
  uint64_t bytes_ = 0;
};

// Slots of one size in one reserved address range. The kernel gives a page its memory when it is first touched, and
// the free list is last-in first-out, so the resident size is the high-water mark of frames held, not the reservation.
class SlotPool {
 public:
  SlotPool(size_t slot_bytes, size_t slots, bool large);
  ~SlotPool();
  SlotPool(const SlotPool&) = delete;
  SlotPool& operator=(const SlotPool&) = delete;

  // nullptr when all slots are taken.
  Frame* take();
  void give(Frame* frame);

 private:
  uint8_t* base_;
  size_t slot_bytes_;
  size_t slots_;
  size_t untouched_ = 0;
  Frame* free_ = nullptr;
  bool large_;
};

// Two sizes: one slot fits a frame of a 1500-byte MTU, the other anything up to a 64 KB segmentation-offload frame.
class FramePool {
 public:
  static constexpr size_t kSmallSlotBytes = 2048;
  static constexpr size_t kLargeSlotBytes = 69632;
  static constexpr size_t kDefaultSmallSlots = 262144;
  static constexpr size_t kDefaultLargeSlots = 4096;

  explicit FramePool(size_t small_slots = kDefaultSmallSlots, size_t large_slots = kDefaultLargeSlots)
      : small_(kSmallSlotBytes, small_slots, false), large_(kLargeSlotBytes, large_slots, true) {}

  Frame* take_small() { return small_.take(); }
  Frame* take_large() { return large_.take(); }
  void give(Frame* frame) { (frame->large ? large_ : small_).give(frame); }

 private:
  SlotPool small_;
  SlotPool large_;
};

}  // namespace linkemu
