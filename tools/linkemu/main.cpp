// linkemu: joins pairs of Ethernet interfaces of its network namespace as if each pair were a real link.

#include <fcntl.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>
#include <system_error>

#include "commands.h"
#include "control.h"
#include "emulator.h"
#include "port.h"

namespace linkemu {
namespace {

constexpr int kExitRuntime = 1;
constexpr int kExitUsage = 2;

constexpr char kHelp[] =
    "usage: linkemu --control SOCKET [--seed N] [--exit-with-stdin]\n"
    "\n"
    "Joins pairs of Ethernet interfaces of this network namespace with rate, delay, jitter, loss, reordering and a\n"
    "bounded queue in each direction. Prints \"ready\" when the control socket accepts connections.\n"
    "\n"
    "  --control SOCKET    path of the Unix stream socket to make; requests are lines, each answered by one line:\n"
    "                        add NAME IFA IFB\n"
    "                        set NAME ab|ba|both KEY=VALUE ...\n"
    "                        carrier NAME a|b|both up|down\n"
    "                        stats [NAME]\n"
    "                        remove NAME\n"
    "  --seed N            start of the random numbers, 0..18446744073709551615 (default 1)\n"
    "  --exit-with-stdin   exit when standard input, a pipe, is closed\n"
    "  --help              print this\n"
    "\n"
    "Needs CAP_NET_RAW and CAP_NET_ADMIN in the network namespace. Exit code 2: wrong use; 1: failure while running.\n";

struct Options {
  std::string control_path;
  uint64_t seed = 1;
  bool exit_with_stdin = false;
  bool help = false;
};

Options parse_options(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    if (flag == "--help") {
      options.help = true;
    } else if (flag == "--exit-with-stdin") {
      options.exit_with_stdin = true;
    } else if (flag == "--control" || flag == "--seed") {
      if (++i == argc) throw UserError(std::string(flag) + " needs a value; see linkemu --help");
      const std::string_view value = argv[i];
      if (flag == "--control") {
        options.control_path = value;
      } else if (const auto [end, error] = std::from_chars(value.begin(), value.end(), options.seed);
                 error != std::errc() || end != value.end()) {
        throw UserError("--seed must be 0..18446744073709551615, not \"" + std::string(value) + "\"");
      }
    } else {
      throw UserError("unknown argument \"" + std::string(flag) + "\"; see linkemu --help");
    }
  }
  if (!options.help && options.control_path.empty()) {
    throw UserError("--control SOCKET is missing; see linkemu --help");
  }
  return options;
}

// Returns a descriptor that becomes readable when the process is asked to end.
int open_signals() {
  signal(SIGPIPE, SIG_IGN);
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, number);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  const int fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), "signalfd");
  return fd;
}

bool stdin_ended() {
  char ignored[512];
  const ssize_t size = read(STDIN_FILENO, ignored, sizeof ignored);
  return size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR);
}

void watch_stdin(Emulator& emulator) {
  try {
    emulator.watch(STDIN_FILENO, [&emulator] {
      if (stdin_ended()) emulator.stop();
    });
  } catch (const std::system_error&) {
    throw UserError("--exit-with-stdin cannot watch this standard input; connect it to a pipe");
  }
}

int run(int argc, char** argv) {
  const Options options = parse_options(argc, argv);
  if (options.help) {
    std::fputs(kHelp, stdout);
    return 0;
  }
  require_privileges();
  const int signal_fd = open_signals();
  Emulator emulator(options.seed);
  emulator.watch(signal_fd, [&emulator] { emulator.stop(); });
  if (options.exit_with_stdin) watch_stdin(emulator);
  ControlServer control(options.control_path, [&emulator](std::string_view line) { return execute(emulator, line); });
  emulator.watch(control.fd(), [&control] { control.serve(); });
  std::puts("ready");
  std::fflush(stdout);
  emulator.run();
  return 0;
}

}  // namespace
}  // namespace linkemu

int main(int argc, char** argv) {
  try {
    return linkemu::run(argc, argv);
  } catch (const linkemu::UserError& problem) {
    std::fprintf(stderr, "linkemu: %s\n", problem.what());
    return linkemu::kExitUsage;
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "linkemu: %s\n", problem.what());
    return linkemu::kExitRuntime;
  }
}
