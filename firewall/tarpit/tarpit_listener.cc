#include "firewall/tarpit/tarpit_listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "core/net/listen_socket.h"

namespace breakwater {
namespace {

// The kernel makes 2304 and 4608 of it.
constexpr int kSmallest = 1;
// Connections that wait to be accepted: a burst has place, and when all of our
// places are taken no more than these are in the way.
constexpr int kBacklog = 1024;

bool Set(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

}  // namespace

absl::StatusOr<int> ListenForTarpit(const std::string& where,
                                    Duration silence) {
  const absl::StatusOr<int> fd = Listen(absl::StrCat("inet:", where), "", 0);
  if (!fd.ok()) return fd;
  // Before anybody can have connected but in the first microseconds.
  if (Set(*fd, SOL_SOCKET, SO_RCVBUF, kSmallest) &&
      Set(*fd, SOL_SOCKET, SO_SNDBUF, kSmallest) &&
      Set(*fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
          static_cast<int>(silence.count())) &&
      listen(*fd, kBacklog) == 0) {
    return *fd;
  }
  const absl::Status failed =
      absl::ErrnoToStatus(errno, absl::StrCat("setting up ", where));
  close(*fd);
  return failed;
}

}  // namespace breakwater
