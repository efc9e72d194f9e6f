#include "daemon/checks/socket_places.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "core/base/file_descriptor.h"
#include "daemon/system/privileges.h"

namespace breakwater {
namespace {

// Where a mail server's sockets usually are, and whose they must be.
constexpr std::pair<const char*, const char*> kUsualPlaces[] = {
    {"/var/spool/postfix/breakwater", "postfix"},
    {"/run/breakwater/courier", "courier"},
};

std::string UsualGroup(const std::string& directory) {
  for (const auto& [place, group] : kUsualPlaces) {
    if (directory == place) return group;
  }
  return "";
}

absl::Status Make(const std::string& directory, const UserIds& owner,
                  const std::string& group) {
  // The group of a mail server that is not here is nobody's.
  const absl::StatusOr<gid_t> gid = FindGroup(group);
  const bool shared = !group.empty() && gid.ok();
  if (mkdir(directory.c_str(), 0700) != 0) {
    // As it is, or another's business.
    if (errno == EEXIST || errno == ENOENT) return absl::OkStatus();
    return absl::ErrnoToStatus(errno, absl::StrCat("making ", directory));
  }
  const FileDescriptor made(
      open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!made.is_open() ||
      fchown(made.get(), owner.user, shared ? *gid : owner.group) != 0 ||
      fchmod(made.get(), shared ? 02750 : 0755) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("giving away ", directory));
  }
  return absl::OkStatus();
}

}  // namespace

int MakeSocketPlaces(const Config& config) {
  const absl::StatusOr<UserIds> owner = FindUser(config.user);
  if (!owner.ok()) {
    std::cerr << owner.status().message() << "\n";
    return 1;
  }
  int failed = 0;
  const auto make = [&](const std::string& socket, const SocketAccess& access) {
    absl::string_view path = socket;
    if (!absl::ConsumePrefix(&path, "unix:")) return;
    const std::string directory =
        std::filesystem::path(std::string(path)).parent_path().string();
    const absl::Status made =
        Make(directory, *owner,
             access.group.empty() ? UsualGroup(directory) : access.group);
    if (made.ok()) return;
    std::cerr << made.message() << "\n";
    failed = 1;
  };
  make(config.milter.socket, config.milter.access);
  for (const std::string& socket : config.policy.sockets) {
    make(socket, config.policy.access);
  }
  make(config.report.socket, config.report.access);
  return failed;
}

}  // namespace breakwater
