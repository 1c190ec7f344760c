#include "frame.h"

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <new>
#include <system_error>

namespace linkemu {

void insert_vlan_tag(Frame* frame, uint16_t protocol, uint16_t tag) {
  constexpr size_t kAddressBytes = 2 * ETH_ALEN;
  frame->wire -= kVlanTagBytes;
  std::memmove(frame->wire, frame->wire + kVlanTagBytes, kVnetHeaderBytes + kAddressBytes);
  const uint16_t words[2] = {htons(protocol), htons(tag)};
  std::memcpy(frame->wire + kVnetHeaderBytes + kAddressBytes, words, sizeof words);
  frame->size_bytes += kVlanTagBytes;
  VnetHeader* vnet = frame->vnet();
  if ((vnet->flags & kVnetNeedsChecksum) != 0) vnet->csum_start += kVlanTagBytes;
  if (vnet->hdr_len != 0) vnet->hdr_len += kVlanTagBytes;
}

SlotPool::SlotPool(size_t slot_bytes, size_t slots, bool large)
    : slot_bytes_(slot_bytes), slots_(slots), large_(large) {
  void* base = mmap(nullptr, slot_bytes * slots, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                    -1, 0);
  if (base == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "cannot reserve frame memory");
  base_ = static_cast<uint8_t*>(base);
}

SlotPool::~SlotPool() { munmap(base_, slot_bytes_ * slots_); }

Frame* SlotPool::take() {
  Frame* frame = free_;
  if (frame != nullptr) {
    free_ = frame->next;
  } else if (untouched_ < slots_) {
    uint8_t* slot = base_ + slot_bytes_ * untouched_++;
    frame = new (slot) Frame;
    frame->large = large_;
    frame->buffer = slot + sizeof(Frame);
    frame->buffer_bytes = static_cast<uint32_t>(slot_bytes_ - sizeof(Frame));
  } else {
    return nullptr;
  }
  frame->wire = frame->buffer + kVlanTagBytes;
  return frame;
}

void SlotPool::give(Frame* frame) {
  frame->next = free_;
  free_ = frame;
}

}  // namespace linkemu
