// A kernel with wrong or missing offloads, for tests: preloaded into a process, it lets the system calls of the addon
// go wrong as MPIP_FAULT says. Everything else goes through unchanged.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <arpa/inet.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define UDP_SEGMENT 103
#define UDP_GRO 104
#define USO_BITS 0x60
// The addon reads packets with this much room, and nothing else in the process does.
#define TUN_READ_BYTES 65545
#define GSO_TYPE_AT 1
#define GSO_TCP4 1
#define GSO_UDP 5

static int faulty(const char *fault) {
  const char *set = getenv("MPIP_FAULT");
  return set != NULL && strcmp(set, fault) == 0;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static struct cmsghdr *control(struct msghdr *message, int type) {
  for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL; part = CMSG_NXTHDR(message, part)) {
    if (part->cmsg_level == IPPROTO_UDP && part->cmsg_type == type) return part;
  }
  return NULL;
}

// Whether a message goes beyond 127.0.0.1 and ::1, where the self-test is.
static int leavesLoopback(const struct msghdr *message) {
  const struct sockaddr_in *v4 = message->msg_name;
  const struct sockaddr_in6 *v6 = message->msg_name;
  if (v4->sin_family == AF_INET) return v4->sin_addr.s_addr != htonl(INADDR_LOOPBACK);
  return !IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static void flipLastByte(struct msghdr *message) {
  struct iovec *last = &message->msg_iov[message->msg_iovlen - 1];
  ((unsigned char *)last->iov_base)[last->iov_len - 1] ^= 0xff;
}

// The queue of the device is full for one datagram, the fifth, and has room again for the next.
static int dropOne(int fd, struct mmsghdr *messages, unsigned int count, int flags) {
  static int left = 4;
  if (left == 0) {
    left = -1;
    errno = ENOBUFS;
    return -1;
  }
  int sent = REAL(sendmmsg)(fd, messages, left > 0 && count > (unsigned)left ? (unsigned)left : count, flags);
  if (left > 0 && sent > 0) left -= sent;
  return sent;
}

int sendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags) {
  if (faulty("udp-send-drops-one")) return dropOne(fd, messages, count, flags);
  unsigned int plain = 0;
  while (plain < count && control(&messages[plain].msg_hdr, UDP_SEGMENT) == NULL) plain++;
  struct msghdr *cut = plain < count ? &messages[plain].msg_hdr : NULL;
  if (cut == NULL) return REAL(sendmmsg)(fd, messages, count, flags);
  // What a device says that cannot checksum the datagrams.
  if (faulty("udp-send-refused") || (faulty("udp-send-refused-later") && leavesLoopback(cut))) {
    if (plain > 0) return REAL(sendmmsg)(fd, messages, plain, flags);
    errno = EIO;
    return -1;
  }
  if (faulty("udp-send-corrupted")) {
    flipLastByte(cut);
    int sent = REAL(sendmmsg)(fd, messages, plain + 1, flags);
    flipLastByte(cut);
    return sent;
  }
  // Kernels before 4.18 do not know the option and do not look at it.
  if (faulty("udp-send-unknown")) control(cut, UDP_SEGMENT)->cmsg_level = 0x7fff;
  return REAL(sendmmsg)(fd, messages, count, flags);
}

int recvmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags, struct timespec *timeout) {
  int received = REAL(recvmmsg)(fd, messages, count, flags, timeout);
  for (int i = 0; i < received; i++) {
    struct msghdr *message = &messages[i].msg_hdr;
    if (control(message, UDP_GRO) == NULL) continue;
    if (faulty("udp-receive-corrupted")) ((unsigned char *)message->msg_iov[0].iov_base)[messages[i].msg_len - 1] ^= 0xff;
    // The driver forgets what it has joined.
    if (faulty("udp-receive-unmarked")) control(message, UDP_GRO)->cmsg_type = 0;
  }
  return received;
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t length) {
  if (level == IPPROTO_UDP && name == UDP_GRO && faulty("udp-receive-unknown")) {
    errno = ENOPROTOOPT;
    return -1;
  }
  return REAL(setsockopt)(fd, level, name, value, length);
}

int ioctl(int fd, unsigned long request, ...) {
  va_list arguments;
  va_start(arguments, request);
  void *argument = va_arg(arguments, void *);
  va_end(arguments);
  if (request == TUNSETOFFLOAD && ((unsigned long)argument & USO_BITS) && faulty("tun-uso-unknown")) {
    errno = EINVAL;
    return -1;
  }
  return REAL(ioctl)(fd, request, argument);
}

// The addon's way to io_uring.
long syscall(long number, ...) {
  va_list arguments;
  long a[6];
  va_start(arguments, number);
  for (int i = 0; i < 6; i++) a[i] = va_arg(arguments, long);
  va_end(arguments);
  if ((number == SYS_io_uring_setup && faulty("ring-unknown")) ||
      (number == SYS_io_uring_enter && faulty("ring-refused"))) {
    errno = ENOSYS;
    return -1;
  }
  return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

ssize_t read(int fd, void *buffer, size_t size) {
  ssize_t length = REAL(read)(fd, buffer, size);
  unsigned char *bytes = buffer;
  if (size != TUN_READ_BYTES || length <= 0) return length;
  const int type = bytes[GSO_TYPE_AT];
  if ((type == GSO_TCP4 && faulty("tun-tso-corrupted")) || (type == GSO_UDP && faulty("tun-uso-corrupted"))) {
    bytes[length - 1] ^= 0xff;
  }
  return length;
}

ssize_t writev(int fd, const struct iovec *pieces, int count) {
  const int type = count > 0 && pieces[0].iov_len >= 10 ? ((unsigned char *)pieces[0].iov_base)[GSO_TYPE_AT] : 0;
  if ((type == GSO_TCP4 && faulty("tun-tso-refused")) || (type == GSO_UDP && faulty("tun-uso-refused"))) {
    errno = EINVAL;
    return -1;
  }
  return REAL(writev)(fd, pieces, count);
}
