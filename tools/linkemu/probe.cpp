// probe: measures a link from outside, one way, datagram by datagram. Both ends must share one machine's clock.
//
//   probe receive PORT IDLE_MS                              prints "ready", then a line per datagram until none has
//                                                           come for IDLE_MS: SEQUENCE SENT_NS RECEIVED_NS LATE_NS
//   probe send ADDRESS PORT COUNT INTERVAL_US SIZE_BYTES    sends on an absolute schedule
//
// RECEIVED_NS is the kernel's stamp when the frame reached the interface. LATE_NS is by how much the sender itself woke
// late: what timers are worth on this machine at this time.

#include <arpa/inet.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

namespace {

constexpr int kNsPerUs = 1000;
constexpr int kReceiveBufferBytes = 64 << 20;
constexpr size_t kMaxDatagramBytes = 65507;

struct Stamp {
  int64_t sequence;
  int64_t sent_ns;
  int64_t late_ns;
};

struct Arrival {
  Stamp stamp;
  int64_t received_ns;
};

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "probe: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

int64_t to_ns(const timespec& time) { return time.tv_sec * 1'000'000'000 + time.tv_nsec; }

int64_t clock_ns(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return to_ns(now);
}

void sleep_until(int64_t at_ns) {
  const timespec until{at_ns / 1'000'000'000, at_ns % 1'000'000'000};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) {
  }
}

int64_t stamp_of(msghdr& header) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_TIMESTAMPNS) continue;
    timespec stamp{};
    std::memcpy(&stamp, CMSG_DATA(part), sizeof stamp);
    return to_ns(stamp);
  }
  return clock_ns(CLOCK_REALTIME);
}

int receive(uint16_t port, int idle_ms) {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (fd < 0 || bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail("cannot bind");
  const int on = 1;
  if (setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) != 0) fail("SO_TIMESTAMPNS");
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBufferBytes, sizeof kReceiveBufferBytes) != 0) {
    fail("SO_RCVBUFFORCE");
  }
  std::puts("ready");
  std::fflush(stdout);

  std::vector<Arrival> arrivals;
  std::vector<uint8_t> data(kMaxDatagramBytes);
  alignas(cmsghdr) char control[128];
  pollfd waited{fd, POLLIN, 0};
  while (poll(&waited, 1, idle_ms) > 0) {
    iovec vector{data.data(), data.size()};
    msghdr header{};
    header.msg_iov = &vector;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    Arrival arrival{};
    if (recvmsg(fd, &header, 0) < static_cast<ssize_t>(sizeof arrival.stamp)) continue;
    std::memcpy(&arrival.stamp, data.data(), sizeof arrival.stamp);
    arrival.received_ns = stamp_of(header);
    arrivals.push_back(arrival);
  }
  for (const Arrival& arrival : arrivals) {
    std::printf("%" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 "\n", arrival.stamp.sequence, arrival.stamp.sent_ns,
                arrival.received_ns, arrival.stamp.late_ns);
  }
  return 0;
}

int send_all(const char* host, uint16_t port, int64_t count, double interval_us, size_t size_bytes) {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (inet_pton(AF_INET, host, &address.sin_addr) != 1 || size_bytes < sizeof(Stamp) ||
      size_bytes > kMaxDatagramBytes) {
    std::fprintf(stderr, "probe: ADDRESS must be IPv4 and SIZE_BYTES %zu..%zu\n", sizeof(Stamp), kMaxDatagramBytes);
    return 2;
  }
  if (fd < 0 || connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail("cannot connect");
  prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0);
  std::vector<uint8_t> data(size_bytes);
  const int64_t start_ns = clock_ns(CLOCK_MONOTONIC);
  for (int64_t sequence = 0; sequence < count; ++sequence) {
    const int64_t at_ns = start_ns + static_cast<int64_t>(static_cast<double>(sequence) * interval_us * kNsPerUs);
    if (at_ns > clock_ns(CLOCK_MONOTONIC)) sleep_until(at_ns);
    const int64_t late_ns = clock_ns(CLOCK_MONOTONIC) - at_ns;
    const Stamp stamp{sequence, clock_ns(CLOCK_REALTIME), late_ns};
    std::memcpy(data.data(), &stamp, sizeof stamp);
    // A refused port or a full queue is a lost datagram, which the receiver's sequence shows.
    (void)!send(fd, data.data(), data.size(), 0);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "";
  if (mode == "receive" && argc == 4) return receive(static_cast<uint16_t>(std::atoi(argv[2])), std::atoi(argv[3]));
  if (mode == "send" && argc == 7) {
    return send_all(argv[2], static_cast<uint16_t>(std::atoi(argv[3])), std::atoll(argv[4]), std::atof(argv[5]),
                    static_cast<size_t>(std::atoll(argv[6])));
  }
  std::fputs("usage: probe receive PORT IDLE_MS | probe send ADDRESS PORT COUNT INTERVAL_US SIZE_BYTES\n", stderr);
  return 2;
}
