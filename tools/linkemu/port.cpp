#include "port.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/if_ether.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

// <linux/if_packet.h> of older kernels' headers lacks it.
#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

namespace linkemu {
namespace {

// Half a second of full frames at 1 Gbit/s (the kernel doubles the number and counts about 2.3 KB for each), so that a
// pause of the process does not lose frames that the modelled link would have carried.
constexpr int kReceiveBufferBytes = 64 << 20;

std::string reason() { return std::strerror(errno); }

void enable(int fd, int level, int option, int value, const char* what) {
  if (setsockopt(fd, level, option, &value, sizeof value) != 0) {
    throw UserError(std::string("cannot set ") + what + " on a packet socket: " + reason());
  }
}

ifreq request_for(const std::string& interface) {
  ifreq request{};
  interface.copy(request.ifr_name, IFNAMSIZ - 1);
  return request;
}

}  // namespace

Port::Port(const std::string& interface) : interface_(interface) {
  index_ = interface.size() < IFNAMSIZ ? static_cast<int>(if_nametoindex(interface.c_str())) : 0;
  if (index_ == 0) {
    throw UserError("no interface \"" + interface +
                    "\" in this network namespace; create it first, or start linkemu in the namespace that has it");
  }
  // Protocol 0: nothing is received until the socket is bound to its interface.
  fd_ = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) throw UserError("cannot open a packet socket: " + reason());
  try {
    ifreq request = request_for(interface);
    if (ioctl(fd_, SIOCGIFHWADDR, &request) != 0 || request.ifr_hwaddr.sa_family != ARPHRD_ETHER) {
      throw UserError("interface \"" + interface + "\" is not an Ethernet interface; use veth ends");
    }
    enable(fd_, SOL_PACKET, PACKET_VNET_HDR, 1, "PACKET_VNET_HDR");
    enable(fd_, SOL_PACKET, PACKET_AUXDATA, 1, "PACKET_AUXDATA");
    // Frames that this namespace's own stack sends through the interface are not part of the link.
    enable(fd_, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1, "PACKET_IGNORE_OUTGOING");
    enable(fd_, SOL_SOCKET, SO_TIMESTAMPNS, 1, "SO_TIMESTAMPNS");
    enable(fd_, SOL_SOCKET, SO_RCVBUFFORCE, kReceiveBufferBytes, "SO_RCVBUFFORCE");

    packet_mreq membership{};
    membership.mr_ifindex = index_;
    membership.mr_type = PACKET_MR_PROMISC;
    if (setsockopt(fd_, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &membership, sizeof membership) != 0) {
      throw UserError("cannot make \"" + interface + "\" promiscuous: " + reason());
    }
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = index_;
    if (bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      throw UserError("cannot bind to \"" + interface + "\": " + reason());
    }
  } catch (...) {
    close(fd_);
    throw;
  }
}

Port::~Port() { close(fd_); }

// The interface is known by its index: a new one with the old name is not the one this socket is bound to.
bool Port::find_by_index(char* name) const {
  ifreq request{};
  request.ifr_ifindex = index_;
  if (ioctl(fd_, SIOCGIFNAME, &request) != 0) return false;
  std::memcpy(name, request.ifr_name, IFNAMSIZ);
  return true;
}

Port::State Port::state() const {
  ifreq request{};
  if (!find_by_index(request.ifr_name) || ioctl(fd_, SIOCGIFFLAGS, &request) != 0) return State::kGone;
  return (request.ifr_flags & IFF_UP) != 0 ? State::kUp : State::kDown;
}

void Port::set_up(bool up) {
  ifreq request{};
  if (!find_by_index(request.ifr_name) || ioctl(fd_, SIOCGIFFLAGS, &request) != 0) {
    throw UserError("interface \"" + interface_ + "\" was deleted; remove the link and add it again");
  }
  const int flags = up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP;
  request.ifr_flags = static_cast<short>(flags);
  if (ioctl(fd_, SIOCSIFFLAGS, &request) != 0) {
    throw UserError("cannot set \"" + interface_ + "\" " + (up ? "up: " : "down: ") + reason());
  }
}

uint64_t Port::overrun_frames() {
  tpacket_stats stats{};  // reading it resets it
  socklen_t size = sizeof stats;
  if (getsockopt(fd_, SOL_PACKET, PACKET_STATISTICS, &stats, &size) == 0) overrun_frames_ += stats.tp_drops;
  return overrun_frames_;
}

int64_t Port::arrival_ns(int64_t stamp_wall_ns, int64_t now_ns, int64_t now_wall_ns) {
  const int64_t age_ns = stamp_wall_ns == 0 ? 0 : std::max<int64_t>(0, now_wall_ns - stamp_wall_ns);
  arrival_floor_ns_ = std::max(arrival_floor_ns_, now_ns - age_ns);
  return arrival_floor_ns_;
}

void Port::drained_at(int64_t now_ns) { arrival_floor_ns_ = std::max(arrival_floor_ns_, now_ns); }

void require_privileges() {
  const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    throw UserError("cannot open packet sockets: " + reason() +
                    "; run as root, or with CAP_NET_RAW and CAP_NET_ADMIN in this network namespace");
  }
  // SO_RCVBUFFORCE needs CAP_NET_ADMIN, as carrier changes and promiscuous mode do.
  const int value = kReceiveBufferBytes;
  const int result = setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &value, sizeof value);
  const std::string why = reason();
  close(fd);
  if (result != 0) {
    throw UserError("cannot configure sockets and interfaces: " + why +
                    "; run as root, or with CAP_NET_ADMIN in this network namespace");
  }
}

}  // namespace linkemu
