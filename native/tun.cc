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

#include <cstring>

#include "addon.h"
#include "layout.h"
#include "plan.h"

// Kernels since 6.2 know them; Debian 12's headers do not.
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

namespace mpip {
namespace {

enum TunFlag : int32_t { kMultiQueue = 1, kVnetHeader = 2 };
enum Offload : int32_t { kChecksum = 1, kTso = 2, kUso = 4 };

// tunOpen(name, flags): fd | -errno
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
      ((flags & kVnetHeader) && ioctl(fd, TUNSETVNETHDRSZ, &headerBytes) < 0)) {
    const int32_t error = failure();
    close(fd);
    return integer(env, error);
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

// tunRead(fd, vnet, arena, start, end, max, records): packets read | -errno
// Packets are laid one behind the other in [start, end), while the largest one possible still fits. Without a vnet
// header on the device (vnet = 0) each packet gets one of zeros, so that the reader sees one format.
napi_value tunRead(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  const int fd = args.descriptor(0);
  const bool vnet = args.integer(1) != 0;
  const Bytes arena = args.bytes(2);
  int32_t at = args.integer(3);
  const int32_t end = args.integer(4);
  const int32_t max = args.integer(5);
  const Words records = args.words(6);
  if (!arena.holds(at, static_cast<int64_t>(end) - at)) return integer(env, -EFAULT);
  if (static_cast<int64_t>(max) * kTunRecordWords > static_cast<int64_t>(records.length)) return integer(env, -EINVAL);
  const int32_t headerBytes = vnet ? 0 : kVnetHeaderBytes;
  int32_t count = 0;
  while (count < max && end - at >= kTunReadMaxBytes) {
    const ssize_t length = read(fd, arena.data + at + headerBytes, static_cast<size_t>(kTunReadMaxBytes - headerBytes));
    if (length < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || count > 0) break;
      return integer(env, failure());
    }
    if (!vnet) memset(arena.data + at, 0, kVnetHeaderBytes);
    records.data[count * kTunRecordWords] = at;
    records.data[count * kTunRecordWords + 1] = static_cast<int32_t>(length) + headerBytes;
    count++;
    const int32_t used = static_cast<int32_t>(length) + headerBytes;
    at += (used + kTunAlignBytes - 1) / kTunAlignBytes * kTunAlignBytes;
  }
  return integer(env, count);
}

// tunWrite(fd, vnet, arena, plan, messages): messages taken whole | -errno of the call itself
// Every message starts with a vnet header; without one on the device (vnet = 0) it is left out.
napi_value tunWrite(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  const int fd = args.descriptor(0);
  const bool vnet = args.integer(1) != 0;
  const Bytes arena = args.bytes(2);
  const Words plan = args.words(3);
  const int32_t messages = args.integer(4);
  PlanReader reader(arena, plan);
  iovec pieces[kPiecesMax];
  int32_t taken = 0;
  for (int32_t i = 0; i < messages; i++) {
    int32_t* message = reader.next();
    if (message == nullptr) return integer(env, -EINVAL);
    int32_t& status = message[kPlanStatus];
    const int32_t length = reader.gather(message, pieces);
    if (length < 0) {
      status = length;
      continue;
    }
    if (!vnet) {
      if (message[kPlanPieces] == 0 || pieces[0].iov_len < kVnetHeaderBytes) {
        status = -EINVAL;
        continue;
      }
      pieces[0].iov_base = static_cast<uint8_t*>(pieces[0].iov_base) + kVnetHeaderBytes;
      pieces[0].iov_len -= kVnetHeaderBytes;
    }
    ssize_t written;
    do {
      written = writev(fd, pieces, message[kPlanPieces]);
    } while (written < 0 && errno == EINTR);
    status = written < 0 ? failure() : length;
    if (written >= 0) taken++;
  }
  return integer(env, taken);
}

}  // namespace

bool registerTun(napi_env env, napi_value exports) {
  return addFunction(env, exports, "tunOpen", tunOpen) && addFunction(env, exports, "tunOffload", tunOffload) &&
         addFunction(env, exports, "packetOpen", packetOpen) && addFunction(env, exports, "linkGet", linkGet) && addFunction(env, exports, "linkSet", linkSet) &&
         addFunction(env, exports, "tunRead", tunRead) && addFunction(env, exports, "tunWrite", tunWrite);
}

}  // namespace mpip
