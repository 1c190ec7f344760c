// UDP sockets: open, options, bind; receive a batch, send a plan.
#include <ctime>  // before linux/errqueue.h, which needs timespec

#include <linux/errqueue.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "addon.h"
#include "layout.h"
#include "plan.h"
#include "ring.h"

// In the kernel's headers, not in Debian 12's C library.
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#define UDP_GRO 104
#endif

namespace mpip {
namespace {

// The options of native/index.d.ts, in its order.
enum Option : int32_t {
  kMark = 0,
  kReceiveBuffer = 1,
  kSendBuffer = 2,
  kMtuDiscover = 3,
  kGro = 4,
  kTimestamp = 5,
  kLocalAddress = 6,
  kTos = 7,
  kOnlyIpv6 = 8,
  kErrors = 9,
};

bool isIpv4(const int32_t* address) {
  const uint32_t* words = reinterpret_cast<const uint32_t*>(address);
  return words[0] == 0 && words[1] == 0 && words[2] == htonl(0xffff);
}

void storeIpv4(int32_t* out, const in_addr& address) {
  out[0] = 0;
  out[1] = 0;
  out[2] = static_cast<int32_t>(htonl(0xffff));
  memcpy(out + 3, &address, sizeof address);
}

void storeIpv6(int32_t* out, const in6_addr& address) { memcpy(out, &address, sizeof address); }

void storePeer(int32_t* record, const sockaddr_storage& peer) {
  if (peer.ss_family == AF_INET) {
    const sockaddr_in* v4 = reinterpret_cast<const sockaddr_in*>(&peer);
    record[kRecordPort] = ntohs(v4->sin_port);
    storeIpv4(&record[kRecordAddress], v4->sin_addr);
  } else if (peer.ss_family == AF_INET6) {
    const sockaddr_in6* v6 = reinterpret_cast<const sockaddr_in6*>(&peer);
    record[kRecordPort] = ntohs(v6->sin6_port);
    storeIpv6(&record[kRecordAddress], v6->sin6_addr);
  }
}

// The socket address of a plan's or a bind's words. An IPv4-mapped address makes an IPv4 one.
socklen_t socketAddress(const int32_t* address, int32_t port, sockaddr_storage* out) {
  if (isIpv4(address)) {
    sockaddr_in* v4 = reinterpret_cast<sockaddr_in*>(out);
    *v4 = {};
    v4->sin_family = AF_INET;
    v4->sin_port = htons(static_cast<uint16_t>(port));
    memcpy(&v4->sin_addr, address + 3, sizeof v4->sin_addr);
    return sizeof *v4;
  }
  sockaddr_in6* v6 = reinterpret_cast<sockaddr_in6*>(out);
  *v6 = {};
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(static_cast<uint16_t>(port));
  memcpy(&v6->sin6_addr, address, sizeof v6->sin6_addr);
  return sizeof *v6;
}

// udpOpen(family: 4 | 6): fd | -errno
napi_value udpOpen(napi_env env, napi_callback_info info) {
  const int32_t family = Args(env, info).integer(0);
  if (family != 4 && family != 6) return integer(env, -EAFNOSUPPORT);
  const int fd = socket(family == 4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  return integer(env, fd < 0 ? failure() : fd);
}

int32_t setOne(int fd, int level, int name, int value) {
  return setsockopt(fd, level, name, &value, sizeof value) < 0 ? failure() : 0;
}

// The kernel doubles what it is given. Past the system's limit only a privileged process gets its wish; others get
// the limit, which is no reason to fail.
int32_t setBuffer(int fd, int forced, int limited, int value) {
  const int32_t error = setOne(fd, SOL_SOCKET, forced, value);
  return error == -EPERM ? setOne(fd, SOL_SOCKET, limited, value) : error;
}

// udpOption(fd, family, option, value): 0 | -errno
napi_value udpOption(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  const int fd = args.descriptor(0);
  const bool v4 = args.integer(1) == 4;
  const int32_t value = args.integer(3);
  switch (args.integer(2)) {
    case kMark:
      return integer(env, setOne(fd, SOL_SOCKET, SO_MARK, value));
    case kReceiveBuffer:
      return integer(env, setBuffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, value));
    case kSendBuffer:
      return integer(env, setBuffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, value));
    case kMtuDiscover:
      return integer(env, v4 ? setOne(fd, IPPROTO_IP, IP_MTU_DISCOVER, value)
                             : setOne(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, value));
    case kGro:
      return integer(env, setOne(fd, IPPROTO_UDP, UDP_GRO, value));
    case kTimestamp:
      return integer(env, setOne(fd, SOL_SOCKET, SO_TIMESTAMPNS, value));
    case kLocalAddress:
      return integer(env, v4 ? setOne(fd, IPPROTO_IP, IP_PKTINFO, value)
                             : setOne(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, value));
    case kTos:
      return integer(env, v4 ? setOne(fd, IPPROTO_IP, IP_RECVTOS, value)
                             : setOne(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, value));
    case kOnlyIpv6:
      return integer(env, setOne(fd, IPPROTO_IPV6, IPV6_V6ONLY, value));
    case kErrors: {
      // Marks readiness that is the error queue's; poll.cc says why.
      const int32_t error = setOne(fd, SOL_SOCKET, SO_SELECT_ERR_QUEUE, value);
      if (error != 0) return integer(env, error);
      return integer(env, v4 ? setOne(fd, IPPROTO_IP, IP_RECVERR, value)
                             : setOne(fd, IPPROTO_IPV6, IPV6_RECVERR, value));
    }
    default:
      return integer(env, -EINVAL);
  }
}

// udpDevice(fd, name): 0 | -errno. Packets leave and arrive by this interface only.
napi_value udpDevice(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  char name[IFNAMSIZ];
  if (!args.text(1, name, sizeof name)) return integer(env, -EINVAL);
  const socklen_t length = static_cast<socklen_t>(strlen(name));
  return integer(env, setsockopt(args.descriptor(0), SOL_SOCKET, SO_BINDTODEVICE, name, length) < 0 ? failure() : 0);
}

// udpBind(fd, address, port): the port bound | -errno
napi_value udpBind(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  const int fd = args.descriptor(0);
  const Words address = args.words(1);
  const int32_t port = args.integer(2);
  if (address.length < 4 || port < 0 || port > UINT16_MAX) return integer(env, -EINVAL);
  sockaddr_storage local{};
  socklen_t length = socketAddress(address.data, port, &local);
  if (bind(fd, reinterpret_cast<sockaddr*>(&local), length) < 0) return integer(env, failure());
  length = sizeof local;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&local), &length) < 0) return integer(env, failure());
  // The port stands at the same place for both families.
  return integer(env, ntohs(reinterpret_cast<sockaddr_in*>(&local)->sin_port));
}

int64_t realtimeNs() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

constexpr size_t kReceiveControlBytes = 192;

void readControl(msghdr* header, int64_t nowNs, int32_t* record) {
  for (cmsghdr* part = CMSG_FIRSTHDR(header); part != nullptr; part = CMSG_NXTHDR(header, part)) {
    const void* data = CMSG_DATA(part);
    if (part->cmsg_level == IPPROTO_UDP && part->cmsg_type == UDP_GRO) {
      memcpy(&record[kRecordSegment], data, sizeof(int));
    } else if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_TIMESTAMPNS) {
      timespec at;
      memcpy(&at, data, sizeof at);
      const int64_t ageUs = (nowNs - (at.tv_sec * 1000000000LL + at.tv_nsec)) / 1000;
      // The system's clock may be set in between.
      record[kRecordAgeUs] = static_cast<int32_t>(std::clamp<int64_t>(ageUs, 0, 10000000));
    } else if (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_TOS) {
      record[kRecordTos] = *static_cast<const uint8_t*>(data);
    } else if (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_TCLASS) {
      memcpy(&record[kRecordTos], data, sizeof(int));
    } else if (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_PKTINFO) {
      in_pktinfo local;
      memcpy(&local, data, sizeof local);
      storeIpv4(&record[kRecordLocal], local.ipi_addr);
    } else if (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo local;
      memcpy(&local, data, sizeof local);
      storeIpv6(&record[kRecordLocal], local.ipi6_addr);
    }
  }
}

// udpReceive(fd, arena, start, slotBytes, max, records): messages | -errno
// Message i lies at start + i * slotBytes.
napi_value udpReceive(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  const Bytes arena = args.bytes(1);
  const int32_t start = args.integer(2);
  const int32_t slotBytes = args.integer(3);
  const int32_t max = std::min(args.integer(4), static_cast<int32_t>(kBatchMax));
  const Words records = args.words(5);
  if (max <= 0 || slotBytes <= 0) return integer(env, -EINVAL);
  if (!arena.holds(start, static_cast<int64_t>(slotBytes) * max)) return integer(env, -EFAULT);
  if (static_cast<size_t>(max) * kRecordWords > records.length) return integer(env, -EINVAL);

  mmsghdr messages[kBatchMax];
  iovec slots[kBatchMax];
  sockaddr_storage senders[kBatchMax];
  alignas(cmsghdr) uint8_t control[kBatchMax][kReceiveControlBytes];
  for (int32_t i = 0; i < max; i++) {
    slots[i].iov_base = arena.data + start + static_cast<int64_t>(i) * slotBytes;
    slots[i].iov_len = static_cast<size_t>(slotBytes);
    msghdr& header = messages[i].msg_hdr;
    header = {};
    header.msg_name = &senders[i];
    header.msg_namelen = sizeof senders[i];
    header.msg_iov = &slots[i];
    header.msg_iovlen = 1;
    header.msg_control = control[i];
    header.msg_controllen = kReceiveControlBytes;
  }
  int received;
  do {
    received = recvmmsg(args.descriptor(0), messages, static_cast<unsigned>(max), MSG_DONTWAIT, nullptr);
  } while (received < 0 && errno == EINTR);
  if (received < 0) return integer(env, errno == EAGAIN ? 0 : failure());

  const int64_t nowNs = realtimeNs();
  for (int i = 0; i < received; i++) {
    int32_t* record = records.data + i * kRecordWords;
    memset(record, 0, kRecordWords * sizeof(int32_t));
    msghdr& header = messages[i].msg_hdr;
    const int32_t length = static_cast<int32_t>(messages[i].msg_len);
    record[kRecordLength] = (header.msg_flags & MSG_TRUNC) ? -EMSGSIZE : length;
    record[kRecordSegment] = length;
    storePeer(record, senders[i]);
    readControl(&header, nowNs, record);
  }
  return integer(env, received);
}

// udpErrors(fd, records): errors | -errno
// What the network answered to earlier messages (ICMP), for a socket with the errors option: the destination's
// address and port, length = -errno, segment = the MTU that an EMSGSIZE names. Leaving them unread keeps the socket
// "ready" for ever.
napi_value udpErrors(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  const Words records = args.words(1);
  const int32_t max = static_cast<int32_t>(records.length / kRecordWords);
  int32_t count = 0;
  while (count < max) {
    sockaddr_storage destination{};
    alignas(cmsghdr) uint8_t control[512];
    msghdr header{};
    header.msg_name = &destination;
    header.msg_namelen = sizeof destination;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    if (recvmsg(args.descriptor(0), &header, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
      if (errno == EINTR) continue;
      return integer(env, count > 0 || errno == EAGAIN ? count : failure());
    }
    sock_extended_err error{};
    for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
      const bool v4 = part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_RECVERR;
      const bool v6 = part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_RECVERR;
      if (v4 || v6) memcpy(&error, CMSG_DATA(part), sizeof error);
    }
    // What our own kernel refused stands in the status of the message already.
    if (error.ee_origin != SO_EE_ORIGIN_ICMP && error.ee_origin != SO_EE_ORIGIN_ICMP6) continue;
    int32_t* record = records.data + count * kRecordWords;
    memset(record, 0, kRecordWords * sizeof(int32_t));
    storePeer(record, destination);
    record[kRecordLength] = -static_cast<int32_t>(error.ee_errno);
    record[kRecordSegment] = static_cast<int32_t>(error.ee_info);
    count++;
  }
  return integer(env, count);
}

constexpr size_t kSendControlBytes = CMSG_SPACE(sizeof(uint16_t)) + CMSG_SPACE(sizeof(int));

void appendControl(msghdr* header, int level, int type, const void* data, size_t size) {
  uint8_t* at = static_cast<uint8_t*>(header->msg_control) + header->msg_controllen;
  cmsghdr* part = reinterpret_cast<cmsghdr*>(at);
  part->cmsg_level = level;
  part->cmsg_type = type;
  part->cmsg_len = CMSG_LEN(size);
  memcpy(CMSG_DATA(part), data, size);
  header->msg_controllen += CMSG_SPACE(size);
}

// What goes to the kernel in one crossing: by sendmmsg where it leaves by one socket, through the ring where by several.
// `status` says where the result of each entry belongs; several entries may share one, when a message is sent datagram
// by datagram.
class SendBatch {
 public:
  explicit SendBatch(Ring* ring) : ring_(ring) {}

  // Makes room for one more entry of up to `pieces` pieces that leaves by `fd`. A batch with `chained` entries has one
  // socket: none is sent behind one that has failed.
  void prepare(int fd, size_t pieces, bool chained) {
    const bool another = fd != fd_ && count_ > 0;
    if ((another && (ring_ == nullptr || chained || chained_)) || count_ == kBatchMax || used_ + pieces > kPiecesPerCall) {
      flush();
    }
    mixed_ = mixed_ || (fd != fd_ && count_ > 0);
    chained_ = chained_ || chained;
    fd_ = fd;
  }
  bool empty() const { return count_ == 0; }
  iovec* pieces() { return pieces_ + used_; }

  // The entry's pieces have been written behind pieces().
  void add(int32_t* message, size_t pieces, int32_t segment) {
    msghdr& header = messages_[count_].msg_hdr;
    header = {};
    header.msg_namelen = socketAddress(message + kPlanAddress, message[kPlanPort], &receivers_[count_]);
    header.msg_name = &receivers_[count_];
    header.msg_iov = pieces_ + used_;
    header.msg_iovlen = pieces;
    header.msg_control = control_[count_];
    if (segment > 0) {
      const uint16_t size = static_cast<uint16_t>(segment);
      appendControl(&header, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof size);
    }
    if (message[kPlanTos] != 0) {
      const bool v4 = receivers_[count_].ss_family == AF_INET;
      appendControl(&header, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TOS : IPV6_TCLASS, &message[kPlanTos],
                    sizeof(int32_t));
    }
    if (header.msg_controllen == 0) header.msg_control = nullptr;
    status_[count_] = &message[kPlanStatus];
    used_ += pieces;
    count_++;
  }

  void flush() {
    if (mixed_) {
      flushMixed();
    } else {
      flushAlone();
    }
    mixed_ = false;
    chained_ = false;
    count_ = 0;
    used_ = 0;
  }

 private:
  static constexpr int kSendFlags = MSG_DONTWAIT | MSG_NOSIGNAL;

  // sendmmsg answers how many entries went out before it met an error, and the error itself only when the very first
  // one fails; so the call is repeated from the entry it stopped at. A socket with the errors option may also be
  // handed the network's answer to an earlier message here: that error is gone at the next try, this entry's own is
  // not. (ENOBUFS is final: the entry has been counted as dropped.)
  void flushAlone() {
    unsigned at = 0;
    bool again = false;
    while (at < count_) {
      const int sent = sendmmsg(fd_, messages_ + at, count_ - at, kSendFlags);
      if (sent > 0) {
        for (int i = 0; i < sent; i++, at++) *status_[at] += static_cast<int32_t>(messages_[at].msg_len);
        again = false;
        continue;
      }
      if (errno == EINTR) continue;
      if (!again && isWorthAnotherTry(errno)) {
        again = true;
        continue;
      }
      again = false;
      int32_t* failed = status_[at];
      if (*failed == 0) *failed = failure();
      while (at < count_ && status_[at] == failed) at++;
    }
  }

  void flushMixed() {
    for (unsigned i = 0; i < count_; i++) {
      ring_->add(IORING_OP_SENDMSG, status_[i][kPlanSocket], &messages_[i].msg_hdr, 1);
    }
    ring_->submit();
    for (unsigned i = 0; i < count_; i++) {
      int32_t result = ring_->result(static_cast<int32_t>(i));
      if (result < 0 && isWorthAnotherTry(-result)) result = sendAgain(status_[i][kPlanSocket], messages_[i].msg_hdr);
      *status_[i] = result;
    }
  }

  static int32_t sendAgain(int fd, const msghdr& header) {
    ssize_t sent;
    do {
      sent = sendmsg(fd, &header, kSendFlags);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? failure() : static_cast<int32_t>(sent);
  }

  static bool isWorthAnotherTry(int error) { return error != ENOBUFS && error != EAGAIN; }

  Ring* const ring_;
  int fd_ = -1;
  bool mixed_ = false;
  bool chained_ = false;
  unsigned count_ = 0;
  size_t used_ = 0;
  mmsghdr messages_[kBatchMax];
  int32_t* status_[kBatchMax];
  sockaddr_storage receivers_[kBatchMax];
  iovec pieces_[kPiecesPerCall];
  alignas(cmsghdr) uint8_t control_[kBatchMax][kSendControlBytes];
};

// Splits `pieces` into datagrams of `segment` bytes, for kernels without UDP_SEGMENT, and stops behind the first one
// that failed.
void sendOneByOne(SendBatch* batch, int32_t* message, const iovec* pieces, int32_t segment) {
  const size_t count = static_cast<size_t>(message[kPlanPieces]);
  size_t piece = 0;
  size_t offset = 0;
  int32_t queued = 0;
  while (piece < count) {
    batch->prepare(message[kPlanSocket], count, true);
    if (batch->empty() && message[kPlanStatus] != queued) return;
    iovec* out = batch->pieces();
    size_t used = 0;
    size_t left = static_cast<size_t>(segment);
    while (left > 0 && piece < count) {
      const size_t take = std::min(left, pieces[piece].iov_len - offset);
      out[used].iov_base = static_cast<uint8_t*>(pieces[piece].iov_base) + offset;
      out[used++].iov_len = take;
      left -= take;
      offset += take;
      if (offset == pieces[piece].iov_len) {
        piece++;
        offset = 0;
      }
    }
    queued += segment - static_cast<int32_t>(left);
    batch->add(message, used, 0);
  }
}

bool contains(const Words& words, int32_t value) {
  return std::find(words.data, words.data + words.length, value) != words.data + words.length;
}

// udpSend(arena, plan, messages, unsegmented, ring): messages taken whole | -errno of the call itself
// A message's status becomes the number of bytes that went out; less than its length means that the datagrams behind
// them did not, and a negative errno that none did. A message whose status is not 0 is left alone. By the sockets in
// `unsegmented` a message leaves datagram by datagram. Messages leave in the plan's order, over all sockets, so that
// the receiver finds them in that order; with `ring`, also through the ring.
napi_value udpSend(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  const Bytes arena = args.bytes(0);
  const Words plan = args.words(1);
  const int32_t messages = args.integer(2);
  const Words unsegmented = args.words(3);
  SendBatch batch(args.ring(4));
  PlanReader reader(arena, plan);
  iovec pieces[kPiecesMax];
  for (int32_t i = 0; i < messages; i++) {
    int32_t* message = reader.next();
    if (message == nullptr) {
      batch.flush();
      return integer(env, -EINVAL);
    }
    if (message[kPlanStatus] != 0) continue;
    const int32_t fd = message[kPlanSocket];
    const int32_t segment = message[kPlanSegment];
    const size_t count = static_cast<size_t>(message[kPlanPieces]);
    const bool split = segment > 0 && contains(unsegmented, fd);
    if (!split) batch.prepare(fd, count, false);
    const int32_t length = reader.gather(message, split ? pieces : batch.pieces());
    if (length < 0) {
      message[kPlanStatus] = length;
    } else if (split) {
      sendOneByOne(&batch, message, pieces, segment);
    } else {
      batch.add(message, count, segment < length ? segment : 0);
    }
  }
  batch.flush();

  PlanReader results(arena, plan);
  int32_t taken = 0;
  for (int32_t i = 0; i < messages; i++) {
    const int32_t* message = results.next();
    const int32_t* piece = message + kPlanHead;
    int64_t length = 0;
    for (int32_t k = 0; k < message[kPlanPieces]; k++) length += piece[2 * k + 1];
    if (message[kPlanStatus] == length) taken++;
  }
  return integer(env, taken);
}

}  // namespace

bool registerUdp(napi_env env, napi_value exports, Ring* ring) {
  return addFunction(env, exports, "udpOpen", udpOpen) && addFunction(env, exports, "udpOption", udpOption) &&
         addFunction(env, exports, "udpDevice", udpDevice) && addFunction(env, exports, "udpBind", udpBind) &&
         addFunction(env, exports, "udpReceive", udpReceive) && addFunction(env, exports, "udpErrors", udpErrors) &&
         addFunction(env, exports, "udpSend", udpSend, ring);
}

}  // namespace mpip
