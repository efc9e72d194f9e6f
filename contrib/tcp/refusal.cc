#include "contrib/tcp/refusal.h"

#include <linux/sockios.h>
#include <poll.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <string>

namespace breakwater {
namespace {

using SteadyClock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// One round trip of nearly every client, while it holds a slot of the server.
constexpr milliseconds kLongestFarewell(500);
// For a pipe that takes nothing; the socket of a new connection always does.
constexpr milliseconds kLongestWrite = std::chrono::seconds(5);

int Left(SteadyClock::time_point end) {
  const auto left = std::chrono::ceil<milliseconds>(end - SteadyClock::now());
  return static_cast<int>(std::clamp<int64_t>(left.count(), 0, 1 << 30));
}

bool IsReady(int fd, short events, int patience) {
  pollfd entry{.fd = fd, .events = events, .revents = 0};
  return poll(&entry, 1, patience) > 0;
}

// Whether all of it was taken in time.
bool Write(int fd, std::string_view bytes, SteadyClock::time_point end) {
  while (!bytes.empty()) {
    if (!IsReady(fd, POLLOUT, Left(end))) {
      if (Left(end) == 0) return false;
      continue;
    }
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written > 0) bytes.remove_prefix(static_cast<size_t>(written));
    if (written < 0 && errno != EINTR && errno != EAGAIN) return false;
  }
  return true;
}

// Whether the client's kernel has the reply; our FIN, which counts as one byte,
// may be on its way. Nothing wakes one up when that happens.
bool IsAcknowledged(int fd) {
  int unacknowledged = 0;
  return ioctl(fd, SIOCOUTQ, &unacknowledged) == 0 && unacknowledged <= 1;
}

// What is there to be read. False at the end.
bool Discard(int fd) {
  char buffer[1024];
  const ssize_t got = read(fd, buffer, sizeof buffer);
  return got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN));
}

enum class Command { kAccepted, kQuit, kOther };

Command CommandOf(std::string_view line) {
  const std::string verb(line.substr(0, line.find_first_of(" \r\n")));
  const auto is = [&](const char* word) {
    return strcasecmp(verb.c_str(), word) == 0;
  };
  if (is("quit")) return Command::kQuit;
  for (const char* word : {"helo", "ehlo", "mail", "rset", "noop"}) {
    if (is(word)) return Command::kAccepted;
  }
  return Command::kOther;
}

// Lines of a stranger, of which only the beginning is kept.
class LineReader {
 public:
  LineReader(int fd, SteadyClock::time_point end) : fd_(fd), end_(end) {}

  // The first bytes of the next line; false when there will be none.
  bool Next(std::string& line) {
    line.clear();
    for (;;) {
      while (begin_ < size_) {
        const char c = buffer_[begin_++];
        if (c == '\n') return true;
        if (line.size() < kKept) line.push_back(c);
      }
      if (!Fill()) return false;
    }
  }

 private:
  static constexpr size_t kKept = 16;

  bool Fill() {
    for (;;) {
      const int left = Left(end_);
      if (left == 0) return false;
      if (!IsReady(fd_, POLLIN, left)) continue;
      const ssize_t got = read(fd_, buffer_, sizeof buffer_);
      if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      begin_ = 0;
      size_ = got > 0 ? static_cast<size_t>(got) : 0;
      return got > 0;
    }
  }

  const int fd_;
  const SteadyClock::time_point end_;
  char buffer_[512];
  size_t begin_ = 0;
  size_t size_ = 0;
};

}  // namespace

void SayAsBanner(int in, int out, std::string_view reply) {
  std::signal(SIGPIPE, SIG_IGN);
  if (!Write(out, std::string(reply) + "\r\n",
             SteadyClock::now() + kLongestWrite)) {
    return;
  }
  // Not a socket: whoever holds the other end of the pipe sees to it.
  if (shutdown(out, SHUT_WR) != 0) return;
  // Who has waited for a greeting has nothing on its way to us either.
  if (!IsReady(in, POLLIN, 0)) return;
  const auto end = SteadyClock::now() + kLongestFarewell;
  for (int pause = 1; Left(end) > 0; pause = std::min(2 * pause, 16)) {
    if (IsReady(in, POLLIN, std::min(pause, Left(end)))) {
      if (!Discard(in)) return;
    } else if (IsAcknowledged(out)) {
      return;
    }
  }
}

void SayInDialogue(int in, int out, std::string_view reply,
                   milliseconds length) {
  std::signal(SIGPIPE, SIG_IGN);
  const std::string refusal = std::string(reply) + "\r\n";
  const auto end = SteadyClock::now() + length;
  LineReader lines(in, end);
  if (!Write(out, "220 breakwater.local\r\n", end)) return;
  for (std::string line; lines.Next(line);) {
    const Command command = CommandOf(line);
    const std::string_view answer =
        command == Command::kQuit       ? "221 breakwater.local\r\n"
        : command == Command::kAccepted ? "250 breakwater.local\r\n"
                                        : std::string_view(refusal);
    if (!Write(out, answer, end) || command == Command::kQuit) return;
  }
}

}  // namespace breakwater
