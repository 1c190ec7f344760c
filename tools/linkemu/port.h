// One interface end of a link: a packet socket bound to it, and its administrative state.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace linkemu {

// Something the user can put right; the text says what is wrong and what to do.
struct UserError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Port {
 public:
  // Throws UserError.
  explicit Port(const std::string& interface);
  ~Port();
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  int fd() const { return fd_; }
  const std::string& interface() const { return interface_; }

  enum class State { kUp, kDown, kGone };
  State state() const;

  // Administrative state of the interface; the other end of a veth pair follows with its carrier. Throws UserError.
  void set_up(bool up);

  // Frames the kernel could not queue on the socket, since the port was opened.
  uint64_t overrun_frames();

  // Turns the kernel's wall-clock receive stamps into a never decreasing CLOCK_MONOTONIC arrival time.
  // `now_ns` and `now_wall_ns` are read together, after the frame was received. A stamp of 0 means none.
  int64_t arrival_ns(int64_t stamp_wall_ns, int64_t now_ns, int64_t now_wall_ns);

  // The socket was found empty at this time: what is read later arrived later, whatever the wall clock does.
  void drained_at(int64_t now_ns);

  // Frames the kernel could not describe in a virtio_net_hdr (tunnel segmentation offload), hence not received.
  uint64_t refused_frames = 0;

 private:
  bool find_by_index(char* name) const;

  std::string interface_;
  int index_ = 0;
  int fd_ = -1;
  uint64_t overrun_frames_ = 0;
  int64_t arrival_floor_ns_ = 0;
};

// Throws UserError when this process may not open packet sockets or configure interfaces.
void require_privileges();

}  // namespace linkemu
