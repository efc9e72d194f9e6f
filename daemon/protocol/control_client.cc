#include "daemon/protocol/control_client.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/base/duration.h"

namespace breakwater {
namespace {

// An answer is far below this, unless something else answers.
constexpr size_t kLongestAnswer = 64 << 20;

absl::Status Unreachable(const std::string& path, const char* what) {
  return absl::UnavailableError(
      absl::StrCat(what, " ", path, ": ", std::strerror(errno)));
}

absl::Status Failed(const std::string& path, Duration longest,
                    const char* what) {
  if (errno != EAGAIN && errno != EWOULDBLOCK) return Unreachable(path, what);
  return absl::DeadlineExceededError(absl::StrCat(
      "the daemon at ", path, " has not answered for ", FormatDuration(longest),
      ": it hangs, or is stopped; mail flows without its judgement as long as "
      "that is so. Its log may say why, a restart of breakwaterd ends it"));
}

absl::Status ConnectTo(const std::string& path, Duration longest, int fd) {
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
  // So many wait already that the kernel takes no more.
  return Failed(path, longest, "connecting to");
}

}  // namespace

absl::StatusOr<DaemonConnection> DaemonConnection::Open(
    const std::string& socket_path, Duration longest) {
  FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) {
    return Unreachable(socket_path, "making a socket for");
  }
  const timeval patience{.tv_sec = longest.count() / 1000,
                         .tv_usec = longest.count() % 1000 * 1000};
  setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  absl::Status status = ConnectTo(socket_path, longest, socket.get());
  if (!status.ok()) return status;
  return DaemonConnection(socket_path, longest, std::move(socket));
}

absl::StatusOr<std::string> DaemonConnection::Ask(const std::string& line) {
  // Who may not command is answered and hung up on before the request is read:
  // a failure to send is no reason not to listen.
  const std::string request = line + "\n";
  for (size_t at = 0; at < request.size();) {
    const ssize_t sent = send(socket_.get(), request.data() + at,
                              request.size() - at, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && (errno == EPIPE || errno == ECONNRESET)) break;
    if (sent < 0) return Failed(path_, longest_, "sending to");
    at += static_cast<size_t>(sent);
  }

  std::string answer;
  char buffer[65536];
  while (answer.size() < kLongestAnswer) {
    const ssize_t length = recv(socket_.get(), buffer, sizeof buffer, 0);
    if (length < 0 && errno == EINTR) continue;
    if (length < 0) {
      return Failed(path_, longest_, "waiting for an answer at");
    }
    answer.append(buffer, static_cast<size_t>(length));
    if (answer.ends_with('\n')) {
      answer.pop_back();
      return answer;
    }
    if (length == 0) break;
  }
  return absl::UnavailableError(
      absl::StrCat("the daemon at ", path_, " gave no whole answer"));
}

absl::StatusOr<std::string> AskDaemon(const std::string& socket_path,
                                      const std::string& line,
                                      Duration longest) {
  absl::StatusOr<DaemonConnection> connection =
      DaemonConnection::Open(socket_path, longest);
  if (!connection.ok()) return connection.status();
  return connection->Ask(line);
}

Duration PatienceFor(Verb verb) {
  switch (verb) {
    case Verb::kStatus:
    case Verb::kBans:
    case Verb::kAllowed:
    case Verb::kZones:
    case Verb::kMetrics:
      return std::chrono::seconds(5);
    // Of a million, or when the enforcer and the memory have confirmed it.
    case Verb::kExport:
    case Verb::kBan:
    case Verb::kUnban:
    case Verb::kDisallow:
      return std::chrono::seconds(15);
    default:
      return std::chrono::seconds(40);
  }
}

}  // namespace breakwater
