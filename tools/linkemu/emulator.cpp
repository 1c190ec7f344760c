#include "emulator.h"

#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace linkemu {
namespace {

constexpr int kEventsPerWait = 64;
// A port that receives without a pause still lets the others, and the sending, have their turn.
constexpr int kBatchesPerTurn = 4;

timespec timespec_of(int64_t time_ns) { return {time_ns / 1'000'000'000, time_ns % 1'000'000'000}; }

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

}  // namespace

Link::Link(const std::string& link_name, const std::string& interface_a, const std::string& interface_b,
           FramePool& pool, uint64_t seed)
    : name(link_name),
      a(interface_a),
      b(interface_b),
      ab(pool, seed_for(seed, link_name, 1)),
      ba(pool, seed_for(seed, link_name, 2)),
      from_a{&a, &ab, {}},
      from_b{&b, &ba, {}} {}

Emulator::Emulator(uint64_t seed) : seed_(seed), receive_batch_(pool_) {
  // By default the kernel lets a sleep end 50 us late in order to save wake-ups.
  prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0);
  epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_fd_ < 0) fail("epoll_create1");
  timer_fd_ = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (timer_fd_ < 0) fail("timerfd_create");
  // Edge-triggered: setting the timer again is what clears it, so it is never read.
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.ptr = nullptr;
  if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, timer_fd_, &event) != 0) fail("epoll_ctl");
}

Emulator::~Emulator() {
  close(timer_fd_);
  close(epoll_fd_);
}

void Emulator::add_link(const std::string& name, const std::string& interface_a, const std::string& interface_b) {
  for (const auto& link : links_) {
    if (link->name == name) throw UserError("link \"" + name + "\" exists; remove it first or take another name");
    for (const std::string& used : {link->a.interface(), link->b.interface()}) {
      if (used == interface_a || used == interface_b) {
        throw UserError("interface \"" + used + "\" is in use by link \"" + link->name + "\"; remove that link first");
      }
    }
  }
  if (interface_a == interface_b) throw UserError("a link needs two different interfaces");
  auto link = std::make_unique<Link>(name, interface_a, interface_b, pool_, seed_);
  poll_source(link->a.fd(), link->from_a);
  poll_source(link->b.fd(), link->from_b);
  links_.push_back(std::move(link));
}

void Emulator::remove_link(std::string_view name) {
  const Link* found = &find_link(name);
  links_.erase(std::find_if(links_.begin(), links_.end(), [&](const auto& link) { return link.get() == found; }));
}

Link& Emulator::find_link(std::string_view name) {
  for (const auto& link : links_) {
    if (link->name == name) return *link;
  }
  throw UserError("no link \"" + std::string(name) + "\"; add it first");
}

int64_t Emulator::catch_up(Link& link) {
  receive(link.from_a);
  receive(link.from_b);
  const int64_t now_ns = monotonic_ns();
  send_due(link, now_ns);
  return now_ns;
}

void Emulator::watch(int fd, std::function<void()> handler) {
  auto source = std::make_unique<Source>();
  source->handler = std::move(handler);
  poll_source(fd, *source);
  watches_.push_back(std::move(source));
}

void Emulator::run() {
  epoll_event events[kEventsPerWait];
  std::vector<Source*> called;
  called.reserve(kEventsPerWait);
  while (!stopping_) {
    const int ready = wait(events);
    called.clear();
    for (int i = 0; i < ready; ++i) {
      auto* source = static_cast<Source*>(events[i].data.ptr);
      if (source == nullptr) continue;  // the timer
      if (source->port != nullptr) {
        receive(*source);
      } else {
        called.push_back(source);
      }
    }
    const int64_t now_ns = monotonic_ns();
    for (const auto& link : links_) send_due(*link, now_ns);

    // Handlers come last: they may remove links, which the events point into.
    for (Source* source : called) source->handler();
    pace_.turn_done(now_ns, receive_batch_.frames_handled() + send_batch_.frames_handled());
  }
}

int Emulator::wait(epoll_event* events) {
  if (pace_.spaced()) {
    const timespec until = timespec_of(turn_started_ns_ + Pace::kTurnNs);
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
  }
  const bool idle = arm_timer();
  const int ready = epoll_wait(epoll_fd_, events, kEventsPerWait, idle ? -1 : 0);
  if (ready < 0 && errno != EINTR) fail("epoll_wait");
  turn_started_ns_ = monotonic_ns();
  return ready;
}

void Emulator::poll_source(int fd, Source& source) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = &source;
  if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
}

void Emulator::receive(Source& source) {
  const uint64_t handled_before = receive_batch_.frames_handled();
  int batch = 0;
  while (batch < kBatchesPerTurn && receive_batch_.receive(*source.port, *source.direction)) ++batch;
  if (receive_batch_.frames_handled() != handled_before) cpu_latency_.active(monotonic_ns());
}

void Emulator::send_due(Link& link, int64_t now_ns) {
  send_batch_.send_due(link.ab, link.b, now_ns);
  send_batch_.send_due(link.ba, link.a, now_ns);
}

bool Emulator::arm_timer() {
  const int64_t now_ns = monotonic_ns();
  int64_t at_ns = kNever;
  for (const auto& link : links_) at_ns = std::min({at_ns, link->ab.next_event_ns(), link->ba.next_event_ns()});
  if (at_ns != kNever) cpu_latency_.active(now_ns);
  at_ns = std::min(at_ns, cpu_latency_.relax(now_ns));
  if (at_ns <= now_ns) return false;
  if (at_ns == timer_at_ns_) return true;
  timer_at_ns_ = at_ns;
  itimerspec setting{};  // zero disarms
  if (at_ns != kNever) setting.it_value = timespec_of(at_ns);
  if (timerfd_settime(timer_fd_, TFD_TIMER_ABSTIME, &setting, nullptr) != 0) fail("timerfd_settime");
  return true;
}

}  // namespace linkemu
