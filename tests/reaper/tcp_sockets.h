#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <string>
#include <utility>

#include "core/types/client.h"

namespace breakwater {

// TCP over loopback for the reaper's tests, with the plainest of clients and
// servers.

class TcpSocketFd {
 public:
  explicit TcpSocketFd(int fd = -1) : fd_(fd) {}
  TcpSocketFd(TcpSocketFd&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)) {}
  TcpSocketFd& operator=(TcpSocketFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~TcpSocketFd() { Close(); }
  void Close() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }
  int get() const { return fd_; }

  bool Say(const std::string& text) const {
    return send(fd_, text.data(), text.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(text.size());
  }

  // What arrives within the time; errno is set when it returns "".
  std::string Hear(std::chrono::milliseconds wait) const {
    pollfd waiting{fd_, POLLIN, 0};
    errno = ETIMEDOUT;
    if (poll(&waiting, 1, static_cast<int>(wait.count())) <= 0) return "";
    char buffer[4096];
    errno = 0;
    const ssize_t size = recv(fd_, buffer, sizeof buffer, 0);
    return size > 0 ? std::string(buffer, static_cast<size_t>(size)) : "";
  }

  // Whether the connection is reset within the time, whatever is said before.
  bool IsReset(std::chrono::milliseconds within) const {
    const auto end = std::chrono::steady_clock::now() + within;
    while (true) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          end - std::chrono::steady_clock::now());
      if (left.count() <= 0) return false;
      if (!Hear(left).empty()) continue;
      return errno == ECONNRESET || errno == ECONNABORTED;
    }
  }

 private:
  int fd_;
};

struct Endpoint {
  sockaddr_storage storage{};
  socklen_t size = 0;

  static Endpoint Of(const std::string& address, uint16_t port) {
    Endpoint result;
    if (address.find(':') == std::string::npos) {
      auto& in = reinterpret_cast<sockaddr_in&>(result.storage);
      in.sin_family = AF_INET;
      in.sin_port = htons(port);
      inet_pton(AF_INET, address.c_str(), &in.sin_addr);
      result.size = sizeof in;
    } else {
      auto& in6 = reinterpret_cast<sockaddr_in6&>(result.storage);
      in6.sin6_family = AF_INET6;
      in6.sin6_port = htons(port);
      inet_pton(AF_INET6, address.c_str(), &in6.sin6_addr);
      result.size = sizeof in6;
    }
    return result;
  }
  sockaddr* raw() { return reinterpret_cast<sockaddr*>(&storage); }
  uint16_t port() const {
    return ntohs(reinterpret_cast<const sockaddr_in&>(storage).sin_port);
  }
};

// Listens on the address; "::" is dual-stack.
inline TcpSocketFd ListenOn(const std::string& address, uint16_t port) {
  Endpoint endpoint = Endpoint::Of(address, port);
  TcpSocketFd listener(
      socket(endpoint.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  const int off = 0;
  setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (endpoint.storage.ss_family == AF_INET6) {
    setsockopt(listener.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  }
  if (bind(listener.get(), endpoint.raw(), endpoint.size) != 0 ||
      listen(listener.get(), 1024) != 0) {
    return TcpSocketFd();
  }
  return listener;
}

// Both ends of a connection.
struct Session {
  TcpSocketFd client;
  TcpSocketFd server;  // none if it was not accepted
  Connection connection;
};

inline Session ConnectFrom(const std::string& client, const std::string& server,
                           uint16_t port, const TcpSocketFd& listener,
                           bool accepted = true, uint16_t from_port = 0) {
  Session session;
  Endpoint from = Endpoint::Of(client, from_port);
  Endpoint to = Endpoint::Of(server, port);
  session.client = TcpSocketFd(
      socket(from.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (bind(session.client.get(), from.raw(), from.size) != 0 ||
      connect(session.client.get(), to.raw(), to.size) != 0) {
    return session;
  }
  Endpoint mine;
  mine.size = sizeof mine.storage;
  getsockname(session.client.get(), mine.raw(), &mine.size);
  session.connection = {.client = *IpAddress::Parse(client),
                        .client_port = mine.port(),
                        .server = *IpAddress::Parse(server),
                        .server_port = port};
  if (accepted) {
    session.server =
        TcpSocketFd(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  }
  return session;
}

}  // namespace breakwater
