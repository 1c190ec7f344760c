#include "control.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "port.h"

namespace linkemu {
namespace {

constexpr size_t kMaxLineBytes = 4096;
// A client that asks without reading the answers is not read from above this.
constexpr size_t kMaxOutputBytes = 64 << 10;
constexpr size_t kMaxClients = 64;
// Per turn of the loop, so that a client that floods does not hold up the frames.
constexpr size_t kReadBytes = 4096;
constexpr int kEventsPerServe = 16;

std::string reason() { return std::strerror(errno); }

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    throw UserError("control socket path must have 1.." + std::to_string(sizeof address.sun_path - 1) +
                    " bytes; choose a shorter one");
  }
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, path.size());
  return address;
}

// Makes way for a new socket at the path if what is there is the socket of a process that is gone.
void clear_path(const std::string& path, const sockaddr_un& address) {
  struct stat status{};
  if (lstat(path.c_str(), &status) != 0) return;
  if (!S_ISSOCK(status.st_mode)) {
    throw UserError("control path \"" + path + "\" exists and is not a socket; remove it or choose another path");
  }
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (probe < 0) throw UserError("cannot open a Unix socket: " + reason());
  const int result = connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const bool abandoned = result != 0 && errno == ECONNREFUSED;
  close(probe);
  if (!abandoned) {
    throw UserError("control socket \"" + path +
                    "\" is in use by a running process; stop that process or choose another path");
  }
  unlink(path.c_str());
}

}  // namespace

ControlServer::ControlServer(const std::string& path, Handler handler) : path_(path), handler_(std::move(handler)) {
  const sockaddr_un address = address_of(path);
  clear_path(path, address);
  listen_fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (listen_fd_ < 0) throw UserError("cannot open a Unix socket: " + reason());
  // Who can write to the socket can take interfaces down: owner only.
  const mode_t old_mask = umask(0177);
  const int bound = bind(listen_fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const std::string why = reason();
  umask(old_mask);
  if (bound != 0) {
    close(listen_fd_);
    throw UserError("cannot make control socket \"" + path + "\": " + why + "; choose a path in a writable directory");
  }
  epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = nullptr;
  if (listen(listen_fd_, kMaxClients) != 0 || epoll_fd_ < 0 ||
      epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, listen_fd_, &event) != 0) {
    throw UserError("cannot listen on control socket \"" + path + "\": " + reason());
  }
}

ControlServer::~ControlServer() {
  unlink(path_.c_str());
  for (const auto& client : clients_) close(client->fd);
  close(listen_fd_);
  close(epoll_fd_);
}

void ControlServer::serve() {
  epoll_event events[kEventsPerServe];
  const int ready = epoll_wait(epoll_fd_, events, kEventsPerServe, 0);
  for (int i = 0; i < ready; ++i) {
    auto* client = static_cast<Client*>(events[i].data.ptr);
    if (client == nullptr) {
      accept_clients();
      continue;
    }
    bool open = true;
    if ((events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) open = read_from(*client);
    if (open) open = write_to(*client);
    if (!open) close_client(client);
  }
}

void ControlServer::accept_clients() {
  while (true) {
    const int fd = accept4(listen_fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    if (clients_.size() >= kMaxClients) {
      constexpr std::string_view kFull = "error too many clients; close some connections\n";
      send(fd, kFull.data(), kFull.size(), MSG_NOSIGNAL);
      close(fd);
      continue;
    }
    auto client = std::make_unique<Client>();
    client->fd = fd;
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = client.get();
    if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) != 0) {
      close(fd);
      continue;
    }
    clients_.push_back(std::move(client));
  }
}

bool ControlServer::read_from(Client& client) {
  if (client.closing) return true;
  char chunk[kReadBytes];
  const ssize_t size = recv(client.fd, chunk, sizeof chunk, 0);
  if (size < 0) return errno == EAGAIN || errno == EINTR;
  if (size == 0) {
    // A client may end its sending side and still read the answers. Half a line is not a request.
    client.closing = true;
    return true;
  }
  client.input.append(chunk, static_cast<size_t>(size));
  take_lines(client);
  return true;
}

void ControlServer::take_lines(Client& client) {
  const std::string too_long = "error line longer than " + std::to_string(kMaxLineBytes) + " bytes\n";
  size_t start = 0;
  for (size_t end = 0; (end = client.input.find('\n', start)) != std::string::npos; start = end + 1) {
    std::string_view line(client.input.data() + start, end - start);
    if (client.skipping) {
      client.skipping = false;
    } else if (line.size() > kMaxLineBytes) {
      client.output += too_long;
    } else {
      if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
      client.output += handler_(line);
      client.output += '\n';
    }
  }
  client.input.erase(0, start);
  if (!client.skipping && client.input.size() > kMaxLineBytes) {
    client.output += too_long;
    client.skipping = true;
  }
  if (client.skipping) client.input.clear();
}

bool ControlServer::write_to(Client& client) {
  if (!client.output.empty()) {
    const ssize_t size = send(client.fd, client.output.data(), client.output.size(), MSG_NOSIGNAL);
    if (size < 0 && errno != EAGAIN && errno != EINTR) return false;
    if (size > 0) client.output.erase(0, static_cast<size_t>(size));
  }
  if (client.closing && client.output.empty()) return false;
  epoll_event event{};
  if (!client.closing && client.output.size() < kMaxOutputBytes) event.events |= EPOLLIN;
  if (!client.output.empty()) event.events |= EPOLLOUT;
  event.data.ptr = &client;
  return epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, client.fd, &event) == 0;
}

void ControlServer::close_client(Client* gone) {
  close(gone->fd);
  clients_.erase(
      std::find_if(clients_.begin(), clients_.end(), [&](const auto& client) { return client.get() == gone; }));
}

}  // namespace linkemu
