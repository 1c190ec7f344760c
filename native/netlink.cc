// The kernel's announcements of changes in its tables (rtnetlink): that something has changed, not what. Whoever wants
// to know looks it up. So announcements that do not fit into the socket's buffer are no loss: those in front of them
// have not been taken yet, and who looks then sees all. Nor are they an error, which would end the polling (poll.cc).
// And what stands in those of its tables that no file shows.
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "addon.h"

namespace mpip {
namespace {

constexpr int32_t kDrainMax = 1024;

// netlinkOpen(groups): fd | -errno. `groups` are the RTMGRP_* bits of what is to be announced.
napi_value netlinkOpen(napi_env env, napi_callback_info info) {
  const int32_t groups = Args(env, info).integer(0);
  if (groups <= 0) return integer(env, -EINVAL);
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) return integer(env, failure());
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = static_cast<uint32_t>(groups);
  const int on = 1;
  if (setsockopt(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof on) < 0 ||
      bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) {
    const int32_t error = failure();
    close(fd);
    return integer(env, error);
  }
  return integer(env, fd);
}

// netlinkDrain(fd): messages | -errno. Throws away what is there.
napi_value netlinkDrain(napi_env env, napi_callback_info info) {
  const int fd = Args(env, info).descriptor(0);
  int32_t count = 0;
  while (count < kDrainMax) {
    char ignored;
    if (recv(fd, &ignored, sizeof ignored, MSG_DONTWAIT) >= 0) {
      count++;
    } else if (errno != EINTR) {
      return integer(env, count > 0 || errno == EAGAIN ? count : failure());
    }
  }
  return integer(env, count);
}

// What one read of an answer may bring: the kernel makes them no larger.
constexpr size_t kReadBytes = 1 << 15;

// There may be a million routes. Of interest are those to everything, or those into one device.
bool isWantedRoute(const nlmsghdr* message, uint32_t device) {
  auto* route = static_cast<const rtmsg*>(NLMSG_DATA(message));
  if (device == 0) return route->rtm_dst_len == 0;
  auto bytes = static_cast<int>(RTM_PAYLOAD(message));
  for (const rtattr* each = RTM_RTA(route); RTA_OK(each, bytes); each = RTA_NEXT(each, bytes)) {
    uint32_t index = 0;
    if (each->rta_type != RTA_OIF || RTA_PAYLOAD(each) != sizeof index) continue;
    memcpy(&index, RTA_DATA(each), sizeof index);
    return index == device;
  }
  return false;
}

// Copies the messages of one read that are wanted to `answer`, where `length` bytes are already. 1 where more are to
// come, 0 after the last, -errno.
int32_t takeMessages(const char* read, size_t bytes, uint32_t device, const Bytes& answer, size_t* length) {
  auto* message = reinterpret_cast<const nlmsghdr*>(read);
  for (; NLMSG_OK(message, bytes); message = NLMSG_NEXT(message, bytes)) {
    if (message->nlmsg_type == NLMSG_DONE) return 0;
    if (message->nlmsg_type == NLMSG_ERROR) return static_cast<const nlmsgerr*>(NLMSG_DATA(message))->error;
    if (message->nlmsg_type == RTM_NEWROUTE && !isWantedRoute(message, device)) continue;
    const size_t size = NLMSG_ALIGN(message->nlmsg_len);
    if (!answer.holds(static_cast<int64_t>(*length), static_cast<int64_t>(size))) return -ENOBUFS;
    memcpy(answer.data + *length, message, message->nlmsg_len);
    *length += size;
  }
  return 1;
}

// netlinkDump(request, family, answer, device): bytes | -errno. The messages with which the kernel answers a request for
// all entries of a table (RTM_GETADDR, RTM_GETROUTE, RTM_GETRULE); of routes, those into the device or, where that is 0,
// those to everything. -ENOBUFS where they are longer.
napi_value netlinkDump(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  const int32_t type = args.integer(0);
  const Bytes answer = args.bytes(2);
  const auto device = static_cast<uint32_t>(args.integer(3));
  const bool isKnown = type == RTM_GETADDR || type == RTM_GETROUTE || type == RTM_GETRULE;
  if (answer.data == nullptr || !isKnown) return integer(env, -EINVAL);
  struct {
    nlmsghdr header;
    rtmsg body;
    rtattr attribute;
    uint32_t device;
  } request{};
  request.header.nlmsg_len = NLMSG_LENGTH(sizeof request.body);
  request.header.nlmsg_type = static_cast<uint16_t>(type);
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.body.rtm_family = static_cast<uint8_t>(args.integer(1));
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) return integer(env, failure());
  if (type == RTM_GETROUTE && device != 0) {
    // The kernel itself picks the routes of a device since Linux 4.20, if it is asked to mind what the request says.
    const int on = 1;
    setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
    request.header.nlmsg_len = sizeof request;
    request.attribute = {RTA_LENGTH(sizeof device), RTA_OIF};
    request.device = device;
  }
  alignas(nlmsghdr) char read[kReadBytes];
  size_t length = 0;
  int32_t result = send(fd, &request, request.header.nlmsg_len, 0) < 0 ? failure() : 1;
  while (result > 0) {
    const ssize_t bytes = recv(fd, read, sizeof read, 0);
    if (bytes >= 0) {
      result = takeMessages(read, static_cast<size_t>(bytes), device, answer, &length);
    } else if (errno != EINTR) {
      result = failure();
    }
  }
  close(fd);
  return integer(env, result < 0 ? result : static_cast<int32_t>(length));
}

}  // namespace

bool registerNetlink(napi_env env, napi_value exports) {
  return addFunction(env, exports, "netlinkOpen", netlinkOpen) &&
         addFunction(env, exports, "netlinkDrain", netlinkDrain) &&
         addFunction(env, exports, "netlinkDump", netlinkDump);
}

}  // namespace mpip
