// TUN devices: open, offloads, link settings; read a batch, write a plan.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "addon.h"
#include "layout.h"
#include "plan.h"
#include "ring.h"

// Kernels since 6.2 know them; Debian 12's headers do not.
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

namespace mpip {
namespace {

enum TunFlag : int32_t { kMultiQueue = 1, kVnetHeader = 2 };
enum Offload : int32_t { kChecksum = 1, kTso = 2, kUso = 4 };

// tunOpen(name, flags): fd | -errno; -EEXIST: it is there, and does not go when it is closed.
napi_value tunOpen(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  ifreq request{};
  if (!args.text(0, request.ifr_name, IFNAMSIZ)) return integer(env, -EINVAL);
  const int32_t flags = args.integer(1);
  const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return integer(env, failure());
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  if (flags & kMultiQueue) request.ifr_flags |= IFF_MULTI_QUEUE;
  if (flags & kVnetHeader) request.ifr_flags |= IFF_VNET_HDR;
  int headerBytes = kVnetHeaderBytes;
  if (ioctl(fd, TUNSETIFF, &request) < 0 ||
      ((flags & kVnetHeader) && ioctl(fd, TUNSETVNETHDRSZ, &headerBytes) < 0) ||
      ioctl(fd, TUNGETIFF, &request) < 0) {
    const int32_t error = failure();
    close(fd);
    return integer(env, error);
  }
  if (request.ifr_flags & IFF_PERSIST) {
    close(fd);
    return integer(env, -EEXIST);
  }
  return integer(env, fd);
}

// tunOffload(fd, bits): 0 | -errno. What is set, the kernel may leave to the reader.
napi_value tunOffload(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  const int32_t bits = args.integer(1);
  unsigned long features = 0;
  if (bits & kChecksum) features |= TUN_F_CSUM;
  if (bits & kTso) features |= TUN_F_TSO4 | TUN_F_TSO6;
  if (bits & kUso) features |= TUN_F_USO4 | TUN_F_USO6;
  return integer(env, ioctl(args.descriptor(0), TUNSETOFFLOAD, features) < 0 ? failure() : 0);
}

// packetOpen(name): fd | -errno. A packet socket on an interface that reads and writes as a TUN device with vnet
// headers does, from the other side: what the one writes, the other reads. The self-test of the offloads needs it.
napi_value packetOpen(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  char name[IFNAMSIZ];
  if (!args.text(0, name, sizeof name)) return integer(env, -EINVAL);
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(if_nametoindex(name));
  if (address.sll_ifindex == 0) return integer(env, -ENODEV);
  // Protocol 0 until it is bound: nothing from other interfaces gets in.
  const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return integer(env, failure());
  const int on = 1;
  if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) < 0 ||
      bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) {
    const int32_t error = failure();
    close(fd);
    return integer(env, error);
  }
  return integer(env, fd);
}

// A socket for the interface ioctls, closed with the scope.
class ControlSocket {
 public:
  ControlSocket() : fd_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {}
  ~ControlSocket() {
    if (fd_ >= 0) close(fd_);
  }
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;
  int32_t control(unsigned long code, ifreq* request) const {
    if (fd_ < 0) return -EMFILE;
    return ioctl(fd_, code, request) < 0 ? failure() : 0;
  }

 private:
  int fd_;
};

// linkGet(name, out: [mtu, up, index, queue length]): 0 | -errno
napi_value linkGet(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  ifreq request{};
  const Words out = args.words(1);
  if (!args.text(0, request.ifr_name, IFNAMSIZ) || out.length < 4) return integer(env, -EINVAL);
  const ControlSocket socket;
  int32_t error = socket.control(SIOCGIFMTU, &request);
  out.data[0] = request.ifr_mtu;
  if (error == 0) error = socket.control(SIOCGIFFLAGS, &request);
  out.data[1] = (request.ifr_flags & IFF_UP) ? 1 : 0;
  if (error == 0) error = socket.control(SIOCGIFINDEX, &request);
  out.data[2] = request.ifr_ifindex;
  if (error == 0) error = socket.control(SIOCGIFTXQLEN, &request);
  out.data[3] = request.ifr_qlen;
  return integer(env, error);
}

// linkSet(name, mtu, up, queueLength): 0 | -errno; a negative value leaves a setting as it is.
napi_value linkSet(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  ifreq request{};
  if (!args.text(0, request.ifr_name, IFNAMSIZ)) return integer(env, -EINVAL);
  const int32_t mtu = args.integer(1);
  const int32_t up = args.integer(2);
  const int32_t queueLength = args.integer(3);
  const ControlSocket socket;
  int32_t error = 0;
  if (mtu >= 0) {
    request.ifr_mtu = mtu;
    error = socket.control(SIOCSIFMTU, &request);
  }
  if (error == 0 && queueLength >= 0) {
    request.ifr_qlen = queueLength;
    error = socket.control(SIOCSIFTXQLEN, &request);
  }
  if (error == 0 && up >= 0) {
    error = socket.control(SIOCGIFFLAGS, &request);
    request.ifr_flags = static_cast<short>(up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP);
    if (error == 0) error = socket.control(SIOCSIFFLAGS, &request);
  }
  return integer(env, error);
}

// Packets up to this length are moved up to the one before them: cheaper than a crossing for each, and what is read
// stays close together.
constexpr int32_t kMovedMaxBytes = 16384;

// Where packets go as they are read, and the record of them.
class ReadBatch {
 public:
  ReadBatch(uint8_t* arena, int32_t at, bool vnet, int32_t* records)
      : arena_(arena), at_(at), headerBytes_(vnet ? 0 : kVnetHeaderBytes), records_(records) {}

  int32_t at() const { return at_; }
  int32_t count() const { return count_; }
  // Where the i-th read of a crossing puts its packet, and how long that may be.
  uint8_t* slot(int32_t i) const { return arena_ + at_ + i * kTunSlotBytes + headerBytes_; }
  uint32_t slotBytes() const { return static_cast<uint32_t>(kTunReadMaxBytes - headerBytes_); }

  // Takes over a packet of `length` bytes that was read into `slot`, which lies at or behind the place of the next.
  void add(const uint8_t* slot, int32_t length) {
    const int32_t bytes = length + headerBytes_;
    int32_t at = static_cast<int32_t>(slot - headerBytes_ - arena_);
    if (at != at_ && length <= kMovedMaxBytes) {
      memmove(arena_ + at_ + headerBytes_, slot, static_cast<size_t>(length));
      at = at_;
    }
    memset(arena_ + at, 0, static_cast<size_t>(headerBytes_));
    records_[kTunRecordWords * count_] = at;
    records_[kTunRecordWords * count_ + 1] = bytes;
    count_++;
    at_ = at + (bytes + kTunAlignBytes - 1) / kTunAlignBytes * kTunAlignBytes;
  }

 private:
  uint8_t* const arena_;
  int32_t at_;
  const int32_t headerBytes_;
  int32_t* const records_;
  int32_t count_ = 0;
};

// One packet; 0 | -errno.
int32_t readOne(int fd, ReadBatch* batch) {
  uint8_t* slot = batch->slot(0);
  ssize_t length;
  do {
    length = read(fd, slot, batch->slotBytes());
  } while (length < 0 && errno == EINTR);
  if (length < 0) return failure();
  batch->add(slot, static_cast<int32_t>(length));
  return 0;
}

// Up to `tries` packets in one crossing; 0 | -errno where one of them failed.
int32_t readThrough(Ring* ring, int fd, int32_t tries, ReadBatch* batch) {
  uint8_t* slots[kBatchMax];
  for (int32_t i = 0; i < tries; i++) {
    slots[i] = batch->slot(i);
    ring->add(IORING_OP_READ, fd, slots[i], batch->slotBytes());
  }
  ring->submit();
  int32_t error = 0;
  for (int32_t i = 0; i < tries; i++) {
    if (ring->result(i) >= 0) {
      batch->add(slots[i], ring->result(i));
    } else {
      error = ring->result(i);
    }
  }
  return error;
}

// tunRead(fd, vnet, arena, start, end, max, records, tries): packets read | -errno
// Packets are laid in [start, end), one behind the other, while the largest one possible still fits. With `tries` they
// are read through the ring: so many in the first crossing, twice as many in the next. Without a vnet header on the
// device (vnet = 0) each packet gets one of zeros, so that the reader sees one format.
napi_value tunRead(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  const int fd = args.descriptor(0);
  const Bytes arena = args.bytes(2);
  const int32_t start = args.integer(3);
  const int32_t end = args.integer(4);
  const int32_t max = args.integer(5);
  const Words records = args.words(6);
  Ring* ring = args.ring(7);
  if (!arena.holds(start, static_cast<int64_t>(end) - start)) return integer(env, -EFAULT);
  if (static_cast<int64_t>(max) * kTunRecordWords > static_cast<int64_t>(records.length)) return integer(env, -EINVAL);
  ReadBatch batch(arena.data, start, args.integer(1) != 0, records.data);
  int32_t tries = std::clamp(args.integer(7), 1, static_cast<int32_t>(kBatchMax));
  int32_t error = 0;
  while (error == 0 && batch.count() < max && end - batch.at() >= kTunReadMaxBytes) {
    const int32_t fitting = std::min((end - batch.at()) / kTunSlotBytes, max - batch.count());
    const int32_t together = std::min(tries, fitting);
    error = ring == nullptr || together <= 1 ? readOne(fd, &batch) : readThrough(ring, fd, together, &batch);
    tries = std::min(2 * tries, static_cast<int32_t>(kBatchMax));
  }
  return integer(env, batch.count() > 0 || error == -EAGAIN ? batch.count() : error);
}

// Messages for a TUN device on their way into the kernel: one by one, or through the ring in one crossing.
class WriteBatch {
 public:
  WriteBatch(int fd, Ring* ring) : fd_(fd), ring_(ring) {}

  // Where the next message's pieces go, `pieces` of them.
  iovec* prepare(size_t pieces) {
    if (ring_ != nullptr && (ring_->count() == kBatchMax || used_ + pieces > kPiecesPerCall)) flush();
    return pieces_ + used_;
  }

  // The message's pieces have been written to what `prepare` answered.
  void add(int32_t* message, int32_t length) {
    const size_t pieces = static_cast<size_t>(message[kPlanPieces]);
    if (ring_ == nullptr) {
      ssize_t written;
      do {
        written = writev(fd_, pieces_, static_cast<int>(pieces));
      } while (written < 0 && errno == EINTR);
      finish(message, length, written < 0 ? failure() : static_cast<int32_t>(written));
      return;
    }
    messages_[ring_->count()] = message;
    lengths_[ring_->count()] = length;
    ring_->add(IORING_OP_WRITEV, fd_, pieces_ + used_, static_cast<uint32_t>(pieces));
    used_ += pieces;
  }

  void flush() {
    if (ring_ == nullptr || ring_->count() == 0) return;
    const int32_t count = ring_->count();
    ring_->submit();
    for (int32_t i = 0; i < count; i++) finish(messages_[i], lengths_[i], ring_->result(i));
    used_ = 0;
  }

  int32_t taken() const { return taken_; }

 private:
  void finish(int32_t* message, int32_t length, int32_t result) {
    message[kPlanStatus] = result < 0 ? result : length;
    if (result >= 0) taken_++;
  }

  const int fd_;
  Ring* const ring_;
  int32_t taken_ = 0;
  size_t used_ = 0;
  int32_t* messages_[kBatchMax];
  int32_t lengths_[kBatchMax];
  iovec pieces_[kPiecesPerCall];
};

// tunWrite(fd, vnet, arena, plan, messages, ring): messages taken whole | -errno of the call itself
// With `ring` they are written through it. Every message starts with a vnet header; without one on the device (vnet = 0) it is left out.
napi_value tunWrite(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  const bool vnet = args.integer(1) != 0;
  const Bytes arena = args.bytes(2);
  const Words plan = args.words(3);
  const int32_t messages = args.integer(4);
  PlanReader reader(arena, plan);
  WriteBatch batch(args.descriptor(0), messages > 1 ? args.ring(5) : nullptr);
  for (int32_t i = 0; i < messages; i++) {
    int32_t* message = reader.next();
    if (message == nullptr) {
      batch.flush();
      return integer(env, -EINVAL);
    }
    const int32_t count = message[kPlanPieces];
    iovec* pieces = batch.prepare(static_cast<size_t>(count));
    const int32_t length = reader.gather(message, pieces);
    if (length < 0) {
      message[kPlanStatus] = length;
      continue;
    }
    if (!vnet) {
      if (count == 0 || pieces[0].iov_len < kVnetHeaderBytes) {
        message[kPlanStatus] = -EINVAL;
        continue;
      }
      pieces[0].iov_base = static_cast<uint8_t*>(pieces[0].iov_base) + kVnetHeaderBytes;
      pieces[0].iov_len -= kVnetHeaderBytes;
    }
    batch.add(message, length);
  }
  batch.flush();
  return integer(env, batch.taken());
}

}  // namespace

bool registerTun(napi_env env, napi_value exports, Ring* ring) {
  return addFunction(env, exports, "tunOpen", tunOpen) && addFunction(env, exports, "tunOffload", tunOffload) &&
         addFunction(env, exports, "packetOpen", packetOpen) && addFunction(env, exports, "linkGet", linkGet) && addFunction(env, exports, "linkSet", linkSet) &&
         addFunction(env, exports, "tunRead", tunRead, ring) && addFunction(env, exports, "tunWrite", tunWrite, ring);
}

}  // namespace mpip
