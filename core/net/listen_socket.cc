#include "core/net/listen_socket.h"

#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/base/text.h"
#include "core/net/address.h"
#include "core/net/socket_address.h"

namespace breakwater {
namespace {

absl::Status Errno(int error, const char* what, const std::string& thing) {
  return absl::ErrnoToStatus(error, absl::StrCat(what, " ", thing));
}

// Closed unless given away.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

struct Bindable {
  sockaddr_storage storage{};
  socklen_t length = 0;

  const sockaddr* address() const {
    return reinterpret_cast<const sockaddr*>(&storage);
  }
};

absl::StatusOr<Bindable> UnixEndpoint(const std::string& path) {
  Bindable result;
  auto& address = reinterpret_cast<sockaddr_un&>(result.storage);
  if (path.empty() || path[0] != '/') {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", Escaped(path), "\" is not the absolute path of a socket"));
  }
  if (path.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " is too long for a socket: at most ",
                     sizeof address.sun_path - 1, " bytes"));
  }
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  result.length = sizeof address;
  return result;
}

Bindable InetEndpoint(const Endpoint& endpoint) {
  const auto& [ip, port] = endpoint;
  Bindable result;
  if (ip.IsV4()) {
    auto& address = reinterpret_cast<sockaddr_in&>(result.storage);
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(ip.V4());
    result.length = sizeof address;
  } else {
    auto& address = reinterpret_cast<sockaddr_in6&>(result.storage);
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(port);
    std::memcpy(&address.sin6_addr, ip.bytes.data(), ip.bytes.size());
    result.length = sizeof address;
  }
  return result;
}

absl::StatusOr<int> ListenAt(const Bindable& endpoint,
                             const std::string& spec) {
  Descriptor fd(socket(endpoint.storage.ss_family,
                       SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return Errno(errno, "making a socket for", spec);
  const int on = 1;
  if (endpoint.storage.ss_family != AF_UNIX) {
    setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  }
  if (endpoint.storage.ss_family == AF_INET6) {
    setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  }
  if (bind(fd.get(), endpoint.address(), endpoint.length) != 0) {
    return Errno(errno, "binding", spec);
  }
  if (listen(fd.get(), SOMAXCONN) != 0) {
    return Errno(errno, "listening on", spec);
  }
  return fd.Release();
}

absl::StatusOr<gid_t> GroupId(const std::string& group) {
  uint32_t number = 0;
  if (absl::SimpleAtoi(group, &number)) return number;
  std::vector<char> buffer(16 * 1024);
  struct group entry;
  struct group* found = nullptr;
  const int error =
      getgrnam_r(group.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found != nullptr) return entry.gr_gid;
  if (error != 0) return Errno(error, "looking up group", group);
  return absl::NotFoundError(absl::StrCat("there is no group ", group));
}

}  // namespace

bool SetModeOfNoLink(const std::string& path, mode_t mode) {
  if (fchmodat(AT_FDCWD, path.c_str(), mode, AT_SYMLINK_NOFOLLOW) == 0) {
    return true;
  }
  // glibc does it by way of /proc, which a bare root lacks.
  return errno == EOPNOTSUPP && access("/proc/self/fd", F_OK) != 0 &&
         chmod(path.c_str(), mode) == 0;
}

absl::Status ClearSocketPath(const std::string& path) {
  const absl::StatusOr<Bindable> endpoint = UnixEndpoint(path);
  if (!endpoint.ok()) return endpoint.status();
  const auto directory = std::filesystem::path(path).parent_path();
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    return Errno(error.value(), "making the directory", directory.string());
  }
  struct stat info;
  if (lstat(path.c_str(), &info) != 0) {
    return errno == ENOENT ? absl::OkStatus()
                           : Errno(errno, "looking at", path);
  }
  if (!S_ISSOCK(info.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " is not a socket, and is left alone"));
  }
  const Descriptor probe(
      socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (probe.get() < 0) return Errno(errno, "making a socket to try", path);
  if (connect(probe.get(), endpoint->address(), endpoint->length) == 0 ||
      errno == EAGAIN || errno == EPROTOTYPE) {
    return absl::AlreadyExistsError(
        absl::StrCat(path, " is in use: another program answers there"));
  }
  if (errno == EACCES) {
    return absl::PermissionDeniedError(absl::StrCat(
        path,
        " is another user's socket, so that nobody knows whether it is "
        "still in use: end the program that has it, and remove it"));
  }
  if (errno != ECONNREFUSED) return Errno(errno, "trying", path);
  if (unlink(path.c_str()) != 0) return Errno(errno, "removing", path);
  return absl::OkStatus();
}

// No link is followed: root may do this in a directory of a user's, who could
// have put one there.
absl::Status SetSocketAccess(const std::string& path, const std::string& group,
                             mode_t mode, std::optional<uid_t> owner) {
  constexpr auto kAsItIs = static_cast<id_t>(-1);
  if (!group.empty()) {
    const absl::StatusOr<gid_t> gid = GroupId(group);
    if (!gid.ok()) return gid.status();
    // A directory with the setgid bit has given it already, and a unit may
    // forbid the call.
    struct stat file;
    const bool given = lstat(path.c_str(), &file) == 0 && file.st_gid == *gid;
    if (!given && lchown(path.c_str(), kAsItIs, *gid) != 0) {
      return Errno(errno, absl::StrCat("giving group ", group).c_str(), path);
    }
  }
  if (!SetModeOfNoLink(path, mode)) {
    return Errno(errno, "setting the mode of", path);
  }
  if (owner && lchown(path.c_str(), *owner, kAsItIs) != 0) {
    return Errno(errno, "changing the owner of", path);
  }
  return absl::OkStatus();
}

absl::StatusOr<int> Listen(std::string_view spec, const std::string& group,
                           mode_t mode, std::optional<uid_t> owner) {
  const std::string shown(spec);
  if (absl::StartsWith(shown, "unix:")) {
    const std::string path = shown.substr(5);
    absl::Status ready = ClearSocketPath(path);
    if (!ready.ok()) return ready;
    const absl::StatusOr<Bindable> endpoint = UnixEndpoint(path);
    absl::StatusOr<int> fd = ListenAt(*endpoint, shown);
    if (!fd.ok()) return fd;
    Descriptor owned(*fd);
    // Until now the umask has kept others out.
    ready = SetSocketAccess(path, group, mode, owner);
    if (!ready.ok()) return ready;
    return owned.Release();
  }
  const std::optional<SocketAddress> address = ParseSocketAddress(spec);
  if (!address) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", Escaped(spec),
        "\" is not a socket; write \"unix:/path\" or \"inet:ADDRESS:PORT\", an "
        "IPv6 address in brackets"));
  }
  return ListenAt(InetEndpoint(address->endpoint), shown);
}

}  // namespace breakwater
