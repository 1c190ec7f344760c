// The control socket: a Unix stream socket, one request line in, one answer line out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace linkemu {

class ControlServer {
 public:
  using Handler = std::function<std::string(std::string_view line)>;

  // Takes over the path of a process that died; throws UserError when it is in use or cannot be made.
  ControlServer(const std::string& path, Handler handler);
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  // Readable when `serve` has something to do.
  int fd() const { return epoll_fd_; }
  void serve();

 private:
  struct Client {
    int fd;
    std::string input;
    std::string output;
    bool skipping = false;  // the rest of a line that was too long
    bool closing = false;   // after the output is written
  };

  void accept_clients();
  // False when the client is to be closed.
  bool read_from(Client& client);
  bool write_to(Client& client);
  void take_lines(Client& client);
  void close_client(Client* client);

  std::string path_;
  Handler handler_;
  int listen_fd_ = -1;
  int epoll_fd_ = -1;
  std::vector<std::unique_ptr<Client>> clients_;
};

}  // namespace linkemu
