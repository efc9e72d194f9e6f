#include "tests/integration/harness/syslog.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace breakwater::testing {
namespace {

// Room for the longest message; syslog(3) sends none beyond 8 KiB.
constexpr size_t kLongestMessage = 16384;

}  // namespace

absl::StatusOr<std::unique_ptr<Syslog>> Syslog::Start(
    const std::string& socket_path, const std::string& log_path) {
  sockaddr_un address{.sun_family = AF_UNIX};
  if (socket_path.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(absl::StrCat(socket_path, ": too long"));
  }
  std::memcpy(address.sun_path, socket_path.data(), socket_path.size());
  const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const int log =
      open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  const int stop = eventfd(0, EFD_CLOEXEC);
  std::unique_ptr<Syslog> syslog(new Syslog(socket, log, stop));
  if (socket < 0 || log < 0 || stop < 0 ||
      bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) !=
          0 ||
      chmod(socket_path.c_str(), 0666) != 0) {
    return absl::ErrnoToStatus(
        errno, absl::StrCat("a syslog at ", socket_path, " into ", log_path));
  }
  syslog->thread_ = std::thread([&syslog = *syslog] { syslog.Run(); });
  return syslog;
}

Syslog::Syslog(int socket, int log, int stop)
    : socket_(socket), log_(log), stop_(stop) {}

Syslog::~Syslog() {
  if (thread_.joinable()) {
    eventfd_write(stop_, 1);
    thread_.join();
  }
  for (const int fd : {socket_, log_, stop_}) {
    if (fd >= 0) close(fd);
  }
}

void Syslog::Run() const {
  std::string message;
  for (;;) {
    pollfd fds[] = {{socket_, POLLIN, 0}, {stop_, POLLIN, 0}};
    if (poll(fds, 2, -1) < 0 && errno != EINTR) return;
    if (fds[0].revents != 0) {
      message.resize(kLongestMessage);
      const ssize_t size = recv(socket_, message.data(), message.size(), 0);
      if (size < 0) continue;
      message.resize(static_cast<size_t>(size));
      message.push_back('\n');
      if (write(log_, message.data(), message.size()) < 0) return;
    } else if (fds[1].revents != 0) {
      return;
    }
  }
}

}  // namespace breakwater::testing
