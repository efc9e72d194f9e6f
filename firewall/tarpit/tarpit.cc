#include "firewall/tarpit/tarpit.h"

#include <endian.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

#include "core/net/address.h"

namespace breakwater {
namespace {

constexpr int kEvents = 256;
// Connections accepted before those that are due have their turn.
constexpr int kAcceptedAtOnce = 256;
// More than the socket's buffer holds.
constexpr size_t kInput = 8192;
// Bytes that are due within so little are said together: one who is late by it
// does not mind.
constexpr Duration kCoalesced = std::chrono::milliseconds(10);
// How long to do without new connections when the host is short of something.
constexpr Duration kShortage = std::chrono::seconds(1);

bool IsShortage(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS ||
         error == ENOMEM;
}

// Ends it without waiting for the client's acknowledgement, which would leave
// the kernel with an orphan.
void Reset(int fd) {
  const linger none{.l_onoff = 1, .l_linger = 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
  close(fd);
}

}  // namespace

uint64_t TarpitClientOf(const sockaddr* address) {
  const std::optional<IpAddress> ip = IpAddress::From(address);
  if (!ip) return 0;
  if (ip->IsV4()) return ip->V4();
  // Never below 2^32: an address in ::/32 is none of a client's.
  uint64_t network;
  std::memcpy(&network, ip->bytes.data(), sizeof network);
  return be64toh(network);
}

absl::StatusOr<std::unique_ptr<Tarpit>> Tarpit::Make(
    const TarpitOptions& options, TarpitScript script,
    std::vector<int> listeners) {
  if (script.size() > std::numeric_limits<uint16_t>::max()) {
    return absl::InvalidArgumentError("what the tarpit says is too long");
  }
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  std::unique_ptr<Tarpit> tarpit(
      new Tarpit(options, std::move(script), std::move(listeners), epoll));
  if (epoll < 0) return absl::ErrnoToStatus(errno, "making an epoll");
  for (const int listener : tarpit->listeners_) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = listener}};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) != 0) {
      return absl::ErrnoToStatus(errno, "waiting for connections");
    }
  }
  return tarpit;
}

Tarpit::~Tarpit() {
  while (first_ >= 0) Release(first_, counts_.expired);
  for (const int listener : listeners_) close(listener);
  if (epoll_ >= 0) close(epoll_);
}

absl::Status Tarpit::Step(Duration at_most) {
  epoll_event events[kEvents];
  const int count =
      epoll_wait(epoll_, events, kEvents, Wait(at_most, Clock::now()));
  if (count < 0 && errno != EINTR) {
    return absl::ErrnoToStatus(errno, "waiting for connections");
  }
  const Instant now = Clock::now();
  // A descriptor stands in the events once. Those that are closed here can be
  // given to new connections here, of which nothing is told yet.
  for (int i = 0; i < count; ++i) {
    const int fd = events[i].data.fd;
    if (IsListener(fd)) {
      if (absl::Status status = Accept(fd, now); !status.ok()) return status;
      continue;
    }
    const bool told = connections_[fd].position == script_.size();
    Release(fd, told ? counts_.told : counts_.left);
  }
  while (first_ >= 0 && connections_[first_].due <= now) Serve(first_, now);
  return ResumeIfPossible(now);
}

int Tarpit::Wait(Duration at_most, Instant now) const {
  Duration wait = at_most;
  if (first_ >= 0) {
    const auto left =
        std::chrono::ceil<Duration>(connections_[first_].due - now);
    wait = left.count() <= 0 ? Duration(0)
                             : std::min(wait, std::max(left, kCoalesced));
  }
  return static_cast<int>(wait.count());
}

bool Tarpit::IsListener(int fd) const {
  return std::find(listeners_.begin(), listeners_.end(), fd) !=
         listeners_.end();
}

absl::Status Tarpit::Listen(bool on) {
  for (const int listener : listeners_) {
    epoll_event event{.events = on ? uint32_t{EPOLLIN} : 0,
                      .data = {.fd = listener}};
    if (epoll_ctl(epoll_, EPOLL_CTL_MOD, listener, &event) != 0) {
      return absl::ErrnoToStatus(errno, "waiting for connections");
    }
  }
  return absl::OkStatus();
}

absl::Status Tarpit::Pause(Instant until) {
  if (paused_) return absl::OkStatus();
  paused_ = true;
  resume_ = until;
  ++counts_.paused;
  return Listen(false);
}

absl::Status Tarpit::ResumeIfPossible(Instant now) {
  if (!paused_ || now < resume_ || counts_.held >= options_.most) {
    return absl::OkStatus();
  }
  paused_ = false;
  return Listen(true);
}

absl::Status Tarpit::Accept(int listener, Instant now) {
  for (int i = 0; i < kAcceptedAtOnce; ++i) {
    if (counts_.held >= options_.most) return Pause(now);
    sockaddr_storage from;
    socklen_t size = sizeof from;
    auto* const address = reinterpret_cast<sockaddr*>(&from);
    const int fd =
        accept4(listener, address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EAGAIN) return absl::OkStatus();
      if (IsShortage(errno)) return Pause(now + kShortage);
      // The listener is no listener any more: somebody destroyed the socket.
      if (errno == EINVAL || errno == EBADF || errno == ENOTSOCK) {
        return absl::ErrnoToStatus(errno, "accepting a connection");
      }
      continue;  // that one is gone already
    }
    const uint64_t client = TarpitClientOf(address);
    if (Admit(client)) {
      Hold(fd, client, now);
    } else {
      ++counts_.turned_away;
      Reset(fd);
    }
  }
  return absl::OkStatus();
}

bool Tarpit::Admit(uint64_t client) {
  const auto held = held_of_.find(client);
  return held == held_of_.end() || held->second < options_.most_per_client;
}

void Tarpit::Hold(int fd, uint64_t client, Instant now) {
  // No EPOLLIN: nobody may wake us by talking.
  epoll_event event{.events = EPOLLRDHUP | EPOLLET, .data = {.fd = fd}};
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) {
    ++counts_.turned_away;
    Reset(fd);
    return;
  }
  if (connections_.size() <= static_cast<size_t>(fd)) {
    connections_.resize(static_cast<size_t>(fd) + 1);
  }
  connections_[fd] = {.end = now + options_.longest, .client = client};
  ++held_of_[client];
  ++counts_.held;
  ++counts_.accepted;
  Queue(fd, now + options_.interval);
}

void Tarpit::Serve(int fd, Instant now) {
  Connection& connection = connections_[fd];
  if (connection.position == script_.size()) {
    return Release(fd, counts_.told);
  }
  if (!ThrowAwayInput(fd, connection)) return Release(fd, counts_.left);
  if (now >= connection.end) return Release(fd, counts_.expired);
  const bool waits = script_.WaitsAt(connection.position);
  if (!waits || connection.lines > 0) {
    const uint16_t before = connection.position;
    if (!SayByte(fd, connection)) return Release(fd, counts_.left);
    if (waits && connection.position != before) --connection.lines;
  }
  Unqueue(fd);
  Queue(fd, now + options_.interval);
}

bool Tarpit::ThrowAwayInput(int fd, Connection& connection) {
  char input[kInput];
  const ssize_t size = recv(fd, input, sizeof input, 0);
  if (size < 0) return errno == EAGAIN || errno == EINTR;
  if (size == 0) return false;
  const auto lines = connection.lines + std::count(input, input + size, '\n');
  connection.lines = static_cast<uint8_t>(
      std::min<ptrdiff_t>(lines, std::numeric_limits<uint8_t>::max()));
  return true;
}

bool Tarpit::SayByte(int fd, Connection& connection) {
  const ssize_t sent =
      send(fd, script_.ByteAt(connection.position), 1, MSG_NOSIGNAL);
  // A client that acknowledges nothing has as much time as any other.
  if (sent < 0) return errno == EAGAIN || errno == EINTR;
  ++connection.position;
  // It has an interval to read the end before the connection is closed.
  if (connection.position == script_.size()) shutdown(fd, SHUT_WR);
  return true;
}

void Tarpit::Queue(int fd, Instant due) {
  Connection& connection = connections_[fd];
  connection.due = due;
  connection.before = last_;
  connection.behind = -1;
  (last_ < 0 ? first_ : connections_[last_].behind) = fd;
  last_ = fd;
}

void Tarpit::Unqueue(int fd) {
  const Connection& connection = connections_[fd];
  (connection.before < 0 ? first_ : connections_[connection.before].behind) =
      connection.behind;
  (connection.behind < 0 ? last_ : connections_[connection.behind].before) =
      connection.before;
}

void Tarpit::Release(int fd, uint64_t& count) {
  Unqueue(fd);
  const auto held = held_of_.find(connections_[fd].client);
  if (--held->second == 0) held_of_.erase(held);
  --counts_.held;
  ++count;
  if (connections_[fd].position == script_.size()) {
    close(fd);
  } else {
    Reset(fd);
  }
}

}  // namespace breakwater
