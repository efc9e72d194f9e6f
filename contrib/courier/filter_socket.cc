#include "contrib/courier/filter_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <thread>
#include <utility>

namespace breakwater {
namespace {

// A message with many recipients has a control file for every hundred or so,
// and a name of theirs has some 60 bytes.
constexpr size_t kLongestRequest = 64 * 1024;
// How long Courier may take to send what it has at hand.
constexpr timeval kPatience = {.tv_sec = 5, .tv_usec = 0};
// Before accept is tried again after it failed for want of descriptors.
constexpr std::chrono::milliseconds kAcceptPause(100);
// Messages that wait to be looked at.
constexpr int kBacklog = 1024;

// Empty if it has no end.
std::string ReadRequest(int fd) {
  std::string request(kLongestRequest, '\0');
  size_t size = 0;
  while (size < request.size()) {
    const ssize_t got =
        recv(fd, request.data() + size, request.size() - size, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return "";
    size += static_cast<size_t>(got);
    const std::string_view all(request.data(), size);
    if (all.ends_with("\n\n")) return std::string(all);
  }
  return "";
}

pid_t PidOf(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
  return peer.pid;
}

// If Courier does not want it any more, it is not our loss.
void Write(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
}

}  // namespace

std::vector<std::string> ParseFileNames(std::string_view request) {
  std::vector<std::string> names;
  while (!request.empty()) {
    const std::string_view name = request.substr(0, request.find('\n'));
    if (name.empty()) break;
    request.remove_prefix(std::min(name.size() + 1, request.size()));
    names.emplace_back(name);
  }
  return names;
}

FilterSocket::FilterSocket(std::string directory, std::string name)
    : path_(directory + "/allfilters/" + name),
      hidden_path_(directory + "/allfilters/." + name),
      other_path_(directory + "/filters/" + name) {}

FilterSocket::~FilterSocket() {
  if (fd_ >= 0) close(fd_);
}

bool FilterSocket::Open() {
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  if (hidden_path_.size() >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return false;
  }
  std::memcpy(address.sun_path, hidden_path_.data(), hidden_path_.size());
  fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  unlink(hidden_path_.c_str());
  struct stat made;
  // For Courier's group too, as its own filters have it.
  if (fd_ < 0 ||
      bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      stat(hidden_path_.c_str(), &made) != 0 ||
      chmod(hidden_path_.c_str(), 0660) != 0 || listen(fd_, kBacklog) != 0 ||
      rename(hidden_path_.c_str(), path_.c_str()) != 0) {
    return false;
  }
  inode_ = made.st_ino;
  // A filter is in one of the two directories: courierfilter(8).
  unlink(other_path_.c_str());
  return true;
}

void FilterSocket::Withdraw() {
  struct stat there;
  if (stat(path_.c_str(), &there) == 0 && there.st_ino == inode_) {
    unlink(path_.c_str());
  }
  // Who has connected is still accepted; then accept says that it is over.
  shutdown(fd_, SHUT_RD);
}

void FilterSocket::Serve(
    const std::function<std::string(const FilterRequest&)>& answer) {
  for (;;) {
    const int fd = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0 && errno == EINVAL) return;
    if (fd < 0) {
      if (errno != EINTR && errno != ECONNABORTED) {
        std::this_thread::sleep_for(kAcceptPause);
      }
      continue;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience);
    const FilterRequest request{.files = ParseFileNames(ReadRequest(fd)),
                                .asker = PidOf(fd)};
    Write(fd, answer(request) + "\n");
    close(fd);
  }
}

}  // namespace breakwater
