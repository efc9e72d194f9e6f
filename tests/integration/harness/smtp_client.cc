#include "tests/integration/harness/smtp_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/integration/harness/socket_address.h"

namespace breakwater::testing {
namespace {

using std::chrono::steady_clock;

// Says whether the event came in time.
bool Poll(int fd, short event, steady_clock::time_point deadline) {
  pollfd waiting = {fd, event, 0};
  while (true) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(
        deadline - steady_clock::now());
    int ready =
        poll(&waiting, 1, static_cast<int>(std::max<int64_t>(0, left.count())));
    if (ready >= 0) return ready > 0;
    if (errno != EINTR) return true;  // the call that follows says why
  }
}

absl::Status ErrorOf(int error, const std::string& doing) {
  return error == ECONNRESET || error == EPIPE || error == ECONNABORTED
             ? absl::AbortedError(absl::StrCat(doing, ": reset"))
             : absl::ErrnoToStatus(error, doing);
}

}  // namespace

absl::StatusOr<SmtpClient> SmtpClient::Connect(const Namespace& world,
                                               const Route& route,
                                               Milliseconds patience) {
  auto deadline = steady_clock::now() + patience;
  SocketAddress from(route.from, route.from_port);
  SocketAddress to(route.to, route.port);
  std::string doing =
      absl::StrCat("connecting from ", route.from, " to ", route.to);
  int fd = -1;
  {
    InNamespace here(world);
    fd = socket(from.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  }
  if (fd < 0) return absl::ErrnoToStatus(errno, doing);
  SmtpClient client(fd);
  if (bind(fd, from.get(), from.size) != 0 ||
      (connect(fd, to.get(), to.size) != 0 && errno != EINPROGRESS)) {
    return ErrorOf(errno, doing);
  }
  if (!Poll(fd, POLLOUT, deadline)) {
    return absl::DeadlineExceededError(doing);
  }
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return ErrorOf(error, doing);

  sockaddr_in6 local = {};  // the port is at the same place in both families
  size = sizeof local;
  getsockname(fd, reinterpret_cast<sockaddr*>(&local), &size);
  client.local_port_ = ntohs(local.sin6_port);
  return client;
}

SmtpClient::SmtpClient(SmtpClient&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      local_port_(other.local_port_),
      was_reset_(other.was_reset_),
      buffer_(std::move(other.buffer_)) {}

SmtpClient& SmtpClient::operator=(SmtpClient&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(local_port_, other.local_port_);
  std::swap(was_reset_, other.was_reset_);
  std::swap(buffer_, other.buffer_);
  return *this;
}

SmtpClient::~SmtpClient() { Close(); }

void SmtpClient::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

void SmtpClient::Reset() {
  linger hard = {.l_onoff = 1, .l_linger = 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  Close();
}

absl::Status SmtpClient::Fill(steady_clock::time_point deadline) {
  if (!Poll(fd_, POLLIN, deadline)) {
    return absl::DeadlineExceededError("waiting for the server");
  }
  char bytes[4096];
  ssize_t size = recv(fd_, bytes, sizeof bytes, 0);
  if (size < 0) return ErrorOf(errno, "reading");
  if (size == 0) return absl::OutOfRangeError("reading: closed");
  buffer_.append(bytes, static_cast<size_t>(size));
  return absl::OkStatus();
}

absl::StatusOr<std::string> SmtpClient::ReadLine(
    steady_clock::time_point deadline) {
  size_t end;
  while ((end = buffer_.find("\r\n")) == std::string::npos) {
    absl::Status status = Fill(deadline);
    if (!status.ok()) return status;
  }
  std::string line = buffer_.substr(0, end);
  buffer_.erase(0, end + 2);
  return line;
}

absl::StatusOr<SmtpReply> SmtpClient::ReadReply(Milliseconds patience) {
  auto deadline = steady_clock::now() + patience;
  SmtpReply reply;
  while (true) {
    absl::StatusOr<std::string> line = ReadLine(deadline);
    if (!line.ok()) return line.status();
    if (line->size() < 3 ||
        !absl::SimpleAtoi(line->substr(0, 3), &reply.code)) {
      return absl::InvalidArgumentError(absl::StrCat("not a reply: ", *line));
    }
    if (!reply.text.empty()) reply.text += '\n';
    if (line->size() > 4) reply.text += line->substr(4);
    if (line->size() < 4 || (*line)[3] != '-') return reply;
  }
}

absl::Status SmtpClient::Send(const std::string& bytes) {
  auto deadline = steady_clock::now() + kPatience;
  for (size_t sent = 0; sent < bytes.size();) {
    ssize_t size =
        send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (size >= 0) {
      sent += static_cast<size_t>(size);
    } else if (errno != EAGAIN) {
      was_reset_ |= errno == ECONNRESET;
      return ErrorOf(errno, "writing");
    } else if (!Poll(fd_, POLLOUT, deadline)) {
      return absl::DeadlineExceededError("writing");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<SmtpReply> SmtpClient::Command(const std::string& line,
                                              Milliseconds patience) {
  absl::Status status = Send(line + "\r\n");
  if (!status.ok()) return status;
  return ReadReply(patience);
}

absl::StatusOr<SmtpReply> SmtpClient::SendMessage(const std::string& from,
                                                  const std::string& to,
                                                  const std::string& body) {
  absl::StatusOr<SmtpReply> reply;
  for (const std::string& line :
       {std::string("EHLO client.test"), absl::StrCat("MAIL FROM:<", from, ">"),
        absl::StrCat("RCPT TO:<", to, ">"), std::string("DATA"),
        absl::StrCat("From: <", from, ">\r\nTo: <", to,
                     ">\r\nSubject: a test\r\n\r\n", body, "\r\n.")}) {
    reply = Command(line);
    if (!reply.ok() || !reply->Positive()) return reply;
  }
  return reply;
}

Ending SmtpClient::WaitForEnd(Milliseconds patience) {
  auto deadline = steady_clock::now() + patience;
  while (true) {
    absl::Status status = Fill(deadline);
    buffer_.clear();
    // The kernel tells of a reset once; to a Send, maybe.
    if (absl::IsOutOfRange(status)) {
      return was_reset_ ? Ending::kReset : Ending::kClosed;
    }
    if (absl::IsDeadlineExceeded(status)) return Ending::kOpen;
    if (!status.ok()) return Ending::kReset;
  }
}

}  // namespace breakwater::testing
