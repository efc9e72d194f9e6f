#include "daemon/enforcer/enforcer_socket.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/net/listen_socket.h"
#include "core/net/socket_peer.h"

namespace breakwater {
namespace {

constexpr int kBacklog = 8;
constexpr mode_t kDirectoryMode = 01775;

absl::Status Failed(absl::string_view what, const std::string& path) {
  return absl::ErrnoToStatus(errno, absl::StrCat(what, " ", path));
}

absl::StatusOr<sockaddr_un> AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(
        absl::StrCat("enforcer.socket: the path must have 1 to ",
                     sizeof address.sun_path - 1, " characters: ", path));
  }
  std::memcpy(address.sun_path, path.c_str(), path.size());
  return address;
}

absl::Status MakeDirectory(const std::string& path, const UserIds& daemon) {
  if (mkdir(path.c_str(), 0755) != 0) {
    return errno == EEXIST ? absl::OkStatus()
                           : Failed("make the directory", path);
  }
  if (geteuid() == 0 && chown(path.c_str(), 0, daemon.group) != 0) {
    return Failed("give the daemon's group the directory", path);
  }
  if (chmod(path.c_str(), kDirectoryMode) != 0) {
    return Failed("set the mode of", path);
  }
  return absl::OkStatus();
}

// Takes away what a dead enforcer has left.
absl::Status RemoveStale(const sockaddr_un& address) {
  const std::string path = address.sun_path;
  struct stat file;
  if (lstat(path.c_str(), &file) != 0) {
    return errno == ENOENT ? absl::OkStatus() : Failed("look at", path);
  }
  if (!S_ISSOCK(file.st_mode)) {
    return absl::AlreadyExistsError(
        absl::StrCat(path, " exists and is no socket"));
  }
  const FileDescriptor probe(
      socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe.is_open()) return Failed("make a socket to try", path);
  const bool answered =
      connect(probe.get(), reinterpret_cast<const sockaddr*>(&address),
              sizeof address) == 0 ||
      errno == EAGAIN;
  if (answered) {
    return absl::AlreadyExistsError(
        absl::StrCat("another enforcer listens on ", path));
  }
  if (errno == EACCES) {
    return absl::PermissionDeniedError(absl::StrCat(
        path,
        " is another user's socket, so that nobody knows whether it is "
        "still in use: end the program that has it, and remove it"));
  }
  if (errno != ECONNREFUSED && errno != EPROTOTYPE) {
    return Failed("see whether another enforcer listens on", path);
  }
  if (unlink(path.c_str()) != 0) return Failed("remove the stale", path);
  return absl::OkStatus();
}

// As from a unit with Group=, which then may forbid to change it.
bool HasGroup(const std::string& path, gid_t group) {
  struct stat file;
  return lstat(path.c_str(), &file) == 0 && file.st_gid == group;
}

// No link is followed: the directory is the daemon's, too.
bool GiveAway(const std::string& path, uid_t user, gid_t group) {
  return lchown(path.c_str(), user, group) == 0;
}

absl::Status SetAccess(const std::string& path, const UserIds& daemon,
                       uid_t enforcer) {
  constexpr auto kAsItIs = static_cast<uid_t>(-1);
  if (geteuid() == daemon.user) return absl::OkStatus();
  if (geteuid() == 0) {
    if (!GiveAway(path, enforcer, daemon.group) ||
        !SetModeOfNoLink(path, 0660)) {
      return Failed("give the enforcer's user the socket", path);
    }
    return absl::OkStatus();
  }
  if ((!HasGroup(path, daemon.group) &&
       !GiveAway(path, kAsItIs, daemon.group)) ||
      !SetModeOfNoLink(path, 0660)) {
    return Failed(absl::StrCat("give group ", daemon.group,
                               " (the daemon's, of which the enforcer's user "
                               "must be a member) the socket"),
                  path);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<FileDescriptor> ListenForDaemon(const std::string& path,
                                               const UserIds& daemon,
                                               uid_t enforcer) {
  const absl::StatusOr<sockaddr_un> address = AddressOf(path);
  if (!address.ok()) return address.status();
  const size_t slash = path.rfind('/');
  const std::string directory =
      slash == std::string::npos ? "."
                                 : path.substr(0, std::max<size_t>(slash, 1));
  if (absl::Status status = MakeDirectory(directory, daemon); !status.ok()) {
    return status;
  }
  // Two that start at once would take away each other's socket.
  const FileDescriptor lock(
      open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!lock.is_open() || flock(lock.get(), LOCK_EX) != 0) {
    return Failed("lock the directory", directory);
  }
  if (absl::Status status = RemoveStale(*address); !status.ok()) return status;

  FileDescriptor listener(
      socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener.is_open()) return Failed("make the socket", path);
  // 0600 from the first moment.
  const mode_t before = umask(0177);
  const int bound =
      bind(listener.get(), reinterpret_cast<const sockaddr*>(&*address),
           sizeof *address);
  umask(before);
  if (bound != 0) return Failed("bind the socket", path);
  if (absl::Status status = SetAccess(path, daemon, enforcer); !status.ok()) {
    unlink(path.c_str());
    return status;
  }
  if (listen(listener.get(), kBacklog) != 0) return Failed("listen on", path);
  return listener;
}

absl::Status CheckPeer(int fd, absl::Span<const uid_t> accepted) {
  const std::optional<ucred> peer = PeerOf(fd);
  if (!peer) return absl::ErrnoToStatus(errno, "ask who the peer is");
  if (std::ranges::find(accepted, peer->uid) == accepted.end()) {
    return absl::PermissionDeniedError(absl::StrCat(
        "uid ", peer->uid, " (pid ", peer->pid, ") is not the daemon"));
  }
  return absl::OkStatus();
}

}  // namespace breakwater
