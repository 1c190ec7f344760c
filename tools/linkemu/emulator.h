// All links of the process and the loop that moves their frames.
#pragma once

#include <sys/epoll.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "batch.h"
#include "cpu_latency.h"
#include "direction.h"
#include "frame.h"
#include "pace.h"
#include "port.h"

namespace linkemu {

// What the loop waits for: frames on a port, or a readable descriptor of someone else.
struct Source {
  Port* port = nullptr;
  Direction* direction = nullptr;
  std::function<void()> handler;
};

struct Link {
  Link(const std::string& link_name, const std::string& interface_a, const std::string& interface_b, FramePool& pool,
       uint64_t seed);

  std::string name;
  Port a;
  Port b;
  Direction ab;  // from a to b
  Direction ba;
  Source from_a;
  Source from_b;
};

class Emulator {
 public:
  // Throws std::system_error.
  explicit Emulator(uint64_t seed);
  ~Emulator();
  Emulator(const Emulator&) = delete;
  Emulator& operator=(const Emulator&) = delete;

  // All three throw UserError.
  void add_link(const std::string& name, const std::string& interface_a, const std::string& interface_b);
  void remove_link(std::string_view name);
  Link& find_link(std::string_view name);

  const std::vector<std::unique_ptr<Link>>& links() const { return links_; }

  // Reads and sends what is there now, so that a change of settings or a report holds from this moment on.
  // Returns the time up to which it did.
  int64_t catch_up(Link& link);

  // Calls `handler` from `run` whenever `fd` is readable. Handlers may add and remove links.
  void watch(int fd, std::function<void()> handler);

  // Until `stop` is called from a handler.
  void run();
  void stop() { stopping_ = true; }

 private:
  void poll_source(int fd, Source& source);
  void receive(Source& source);
  void send_due(Link& link, int64_t now_ns);
  // Returns when there may be frames to handle or a handler to call.
  int wait(epoll_event* events);
  // Sets the timer for the next thing to do; false when something is due already.
  bool arm_timer();

  uint64_t seed_;
  FramePool pool_;
  ReceiveBatch receive_batch_;
  SendBatch send_batch_;
  CpuLatency cpu_latency_;
  Pace pace_;
  std::vector<std::unique_ptr<Link>> links_;
  std::vector<std::unique_ptr<Source>> watches_;
  int epoll_fd_ = -1;
  int timer_fd_ = -1;
  int64_t timer_at_ns_ = kNever;
  int64_t turn_started_ns_ = 0;
  bool stopping_ = false;
};

}  // namespace linkemu
