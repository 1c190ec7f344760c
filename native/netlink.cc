// The kernel's announcements of changes in its tables (rtnetlink): that something has changed, not what. Whoever wants
// to know looks it up. So announcements that do not fit into the socket's buffer are no loss: those in front of them
// have not been taken yet, and who looks then sees all. Nor are they an error, which would end the polling (poll.cc).
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

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

}  // namespace

bool registerNetlink(napi_env env, napi_value exports) {
  return addFunction(env, exports, "netlinkOpen", netlinkOpen) &&
         addFunction(env, exports, "netlinkDrain", netlinkDrain);
}

}  // namespace mpip
