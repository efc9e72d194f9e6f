#include "contrib/adapter/policy_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <optional>

namespace breakwater {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr size_t kLongestValue = 1000;
// Postfix's line_length_limit is 2 KiB; Breakwater's answers are far below.
constexpr size_t kLongestAnswer = 4096;
// RFC 5321 section 4.5.3.1.5: 512 octets with CRLF, some left for a prefix.
constexpr size_t kLongestReply = 500;
// Between two tries at a unix socket whose queue is full: poll cannot tell when
// it is not any more.
constexpr std::chrono::milliseconds kConnectPause(10);

class Deadline {
 public:
  explicit Deadline(std::chrono::milliseconds patience)
      : end_(SteadyClock::now() + patience) {}

  // As poll takes it; 0 when the time is over.
  int Left() const {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(end_ - SteadyClock::now());
    return static_cast<int>(std::clamp<int64_t>(left.count(), 0, 1 << 30));
  }

  // Whether the descriptor was ready in time. POLLERR and POLLHUP count: what
  // is done next says what is wrong.
  bool Wait(int fd, short events) const {
    for (;;) {
      pollfd entry{.fd = fd, .events = events, .revents = 0};
      const int ready = poll(&entry, 1, Left());
      if (ready > 0) return true;
      if (ready == 0 || errno != EINTR) return false;
    }
  }

  // False if there is no time left to pause.
  bool Pause(std::chrono::milliseconds length) const {
    const int left = Left();
    poll(nullptr, 0, std::min(left, static_cast<int>(length.count())));
    return left > 0;
  }

 private:
  const SteadyClock::time_point end_;
};

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return fd_; }

 private:
  const int fd_;
};

struct Endpoint {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

std::optional<Endpoint> UnixEndpoint(std::string_view path) {
  Endpoint result;
  auto* address = reinterpret_cast<sockaddr_un*>(&result.storage);
  // The last byte stays 0.
  if (path.empty() || path.size() >= sizeof address->sun_path) {
    return std::nullopt;
  }
  address->sun_family = AF_UNIX;
  std::memcpy(address->sun_path, path.data(), path.size());
  result.length = sizeof *address;
  return result;
}

std::optional<Endpoint> InetEndpoint(std::string_view host,
                                     std::string_view port_text) {
  uint16_t port = 0;
  const char* const end = port_text.data() + port_text.size();
  const auto [parsed, error] = std::from_chars(port_text.data(), end, port);
  if (error != std::errc() || parsed != end || port == 0) return std::nullopt;
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  const std::string name(host);  // ends with a NUL
  Endpoint result;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&result.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&result.storage);
  if (inet_pton(AF_INET, name.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    result.length = sizeof *v4;
  } else if (inet_pton(AF_INET6, name.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    result.length = sizeof *v6;
  } else {
    return std::nullopt;
  }
  return result;
}

std::optional<Endpoint> ParseSocket(std::string_view socket) {
  if (socket.starts_with("unix:")) return UnixEndpoint(socket.substr(5));
  if (socket.starts_with('/')) return UnixEndpoint(socket);
  if (socket.starts_with("inet:")) socket.remove_prefix(5);
  if (const size_t at = socket.find('@'); at != socket.npos) {
    return InetEndpoint(socket.substr(at + 1), socket.substr(0, at));
  }
  const size_t colon = socket.rfind(':');
  if (colon == socket.npos) return std::nullopt;
  return InetEndpoint(socket.substr(0, colon), socket.substr(colon + 1));
}

PolicyAnswer Failed(const char* doing, int error) {
  return {.action = "",
          .error = std::string(doing) + ": " + std::strerror(error)};
}

PolicyAnswer Overdue(const char* doing) {
  return {.action = "", .error = std::string("no time left while ") + doing};
}

// 0, or errno; ETIMEDOUT when the deadline came.
int Connect(int fd, const Endpoint& endpoint, const Deadline& deadline) {
  const auto* address = reinterpret_cast<const sockaddr*>(&endpoint.storage);
  while (connect(fd, address, endpoint.length) != 0) {
    if (errno == EISCONN) return 0;
    if (errno == EINTR) continue;
    if (errno == EAGAIN) {  // a unix socket with a full queue
      if (!deadline.Pause(kConnectPause)) return ETIMEDOUT;
      continue;
    }
    if (errno != EINPROGRESS && errno != EALREADY) return errno;
    if (!deadline.Wait(fd, POLLOUT)) return ETIMEDOUT;
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    return error;
  }
  return 0;
}

int Send(int fd, std::string_view bytes, const Deadline& deadline) {
  while (!bytes.empty()) {
    if (!deadline.Wait(fd, POLLOUT)) return ETIMEDOUT;
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent > 0) bytes.remove_prefix(static_cast<size_t>(sent));
    if (sent < 0 && errno != EINTR && errno != EAGAIN) return errno;
  }
  return 0;
}

// The value of the first line "action=...".
PolicyAnswer ParseAnswer(std::string_view lines) {
  constexpr std::string_view kName = "action=";
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(line.size() + 1, lines.size()));
    if (!line.starts_with(kName)) continue;
    if (line.size() == kName.size()) break;
    return {.action = std::string(line.substr(kName.size())), .error = ""};
  }
  return {.action = "", .error = "the answer holds no action"};
}

PolicyAnswer Receive(int fd, const Deadline& deadline) {
  char buffer[kLongestAnswer];
  size_t size = 0;
  while (size < sizeof buffer) {
    if (!deadline.Wait(fd, POLLIN)) return Overdue("waiting for the answer");
    const ssize_t got = recv(fd, buffer + size, sizeof buffer - size, 0);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) return Failed("reading the answer", errno);
    if (got == 0) return {.action = "", .error = "closed without an answer"};
    size += static_cast<size_t>(got);
    const std::string_view all(buffer, size);
    if (const size_t end = all.find("\n\n"); end != all.npos) {
      return ParseAnswer(all.substr(0, end));
    }
  }
  return {.action = "", .error = "the answer has no end"};
}

}  // namespace

std::string FormatPolicyRequest(const PolicyAttributes& attributes) {
  std::string request = "request=smtpd_access_policy\n";
  for (const auto& [name, value] : attributes) {
    if (value.empty()) continue;
    request.append(name).push_back('=');
    for (const char c : value.substr(0, kLongestValue)) {
      request.push_back(c == '\n' || c == '\r' || c == '\0' ? '?' : c);
    }
    request.push_back('\n');
  }
  request.push_back('\n');
  return request;
}

PolicyAnswer AskPolicyServer(std::string_view socket,
                             const PolicyAttributes& attributes,
                             std::chrono::milliseconds patience) {
  const Deadline deadline(patience);
  const std::optional<Endpoint> endpoint = ParseSocket(socket);
  if (!endpoint) {
    return {.action = "", .error = "this is not the address of a socket"};
  }
  const Descriptor fd(::socket(endpoint->storage.ss_family,
                               SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return Failed("making a socket", errno);
  int error = Connect(fd.get(), *endpoint, deadline);
  if (error == ETIMEDOUT) return Overdue("connecting");
  if (error != 0) return Failed("connecting", error);
  error = Send(fd.get(), FormatPolicyRequest(attributes), deadline);
  if (error == ETIMEDOUT) return Overdue("asking");
  if (error != 0) return Failed("asking", error);
  return Receive(fd.get(), deadline);
}

PolicyDecision ParsePolicyAction(std::string_view action) {
  if (action == "DUNNO" || action == "OK") return {};
  const auto digit = [&](size_t i, char last) {
    return i < action.size() && action[i] >= '0' && action[i] <= last;
  };
  const bool code = (action.starts_with('4') || action.starts_with('5')) &&
                    digit(1, '5') && digit(2, '9');
  if (!code || action.find_first_not_of(" \t", 3) == action.npos ||
      (action[3] != ' ' && action[3] != '\t')) {
    return {.reply = "", .odd = true};
  }
  PolicyDecision result{.reply = std::string(action.substr(0, kLongestReply))};
  for (char& c : result.reply) {
    if (c == '\t') c = ' ';
    if (c < 0x20 || c > 0x7e) c = '?';
  }
  return result;
}

}  // namespace breakwater
