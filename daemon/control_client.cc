#include "daemon/control_client.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace breakwater {
namespace {

// An answer is far below this, unless something else answers.
constexpr size_t kLongestAnswer = 64 << 20;

struct Socket {
  ~Socket() {
    if (fd >= 0) close(fd);
  }
  int fd = -1;
};

absl::Status Unreachable(const std::string& path, const char* what) {
  return absl::UnavailableError(
      absl::StrCat(what, " ", path, ": ", std::strerror(errno)));
}

absl::Status ConnectTo(const std::string& path, int fd) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return absl::UnavailableError(
        absl::StrCat(path, " is too long for a unix socket"));
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address),
              sizeof address) == 0) {
    return absl::OkStatus();
  }
  if (errno == ENOENT || errno == ECONNREFUSED) {
    return absl::UnavailableError(absl::StrCat(
        "no daemon answers at ", path, " (", std::strerror(errno),
        "); is breakwaterd running, and control.socket the same?"));
  }
  return Unreachable(path, "connecting to");
}

}  // namespace

absl::StatusOr<std::string> AskDaemon(const std::string& socket_path,
                                      const std::string& line,
                                      Duration longest) {
  const Socket socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  if (socket.fd < 0) return Unreachable(socket_path, "making a socket for");
  const timeval patience{.tv_sec = longest.count() / 1000,
                         .tv_usec = longest.count() % 1000 * 1000};
  setsockopt(socket.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(socket.fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (absl::Status status = ConnectTo(socket_path, socket.fd); !status.ok()) {
    return status;
  }
  // Who may not command is answered and hung up on before the request is read:
  // a failure to send is no reason not to listen.
  const std::string request = line + "\n";
  const ssize_t sent =
      send(socket.fd, request.data(), request.size(), MSG_NOSIGNAL);
  if (sent != static_cast<ssize_t>(request.size()) && errno != EPIPE &&
      errno != ECONNRESET) {
    return Unreachable(socket_path, "sending to");
  }

  std::string answer;
  char buffer[65536];
  while (answer.size() < kLongestAnswer) {
    const ssize_t length = recv(socket.fd, buffer, sizeof buffer, 0);
    if (length < 0 && errno == EINTR) continue;
    if (length < 0) return Unreachable(socket_path, "waiting for an answer at");
    answer.append(buffer, static_cast<size_t>(length));
    if (answer.ends_with('\n')) {
      answer.pop_back();
      return answer;
    }
    if (length == 0) break;
  }
  return absl::UnavailableError(
      absl::StrCat("the daemon at ", socket_path, " gave no whole answer"));
}

}  // namespace breakwater
