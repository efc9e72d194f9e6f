#include "daemon/checks/check_config.h"

#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/net/listen_socket.h"
#include "core/net/socket_address.h"
#include "daemon/checks/unit_sandbox.h"
#include "daemon/config/config.h"
#include "daemon/system/privileges.h"
#include "daemon/system/run_program.h"

namespace breakwater {
namespace {

// Only its members, and root, may give a file to a group; the unit's daemon was
// never root.
absl::Status CheckMember(const std::string& user, const std::string& group) {
  const absl::StatusOr<gid_t> wanted = FindGroup(group);
  if (!wanted.ok()) return wanted.status();
  const absl::StatusOr<UserIds> ids = FindUser(user);
  if (!ids.ok() || ids->user == 0) return absl::OkStatus();  // told already
  std::vector<gid_t> groups(1024);
  int count = static_cast<int>(groups.size());
  if (getgrouplist(ids->name.c_str(), ids->group, groups.data(), &count) < 0) {
    return absl::OkStatus();
  }
  groups.resize(static_cast<size_t>(count));
  if (std::ranges::find(groups, *wanted) != groups.end()) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      user, " is not in group ", group,
      ", so that only a start as root could give it the socket; write usermod "
      "-aG ",
      group, " ", user));
}

// Users and groups that this host does not have (yet), or has as somebody else.
std::vector<std::string> UnknownHere(const Config& config) {
  std::vector<std::string> problems;
  const auto note = [&problems](const char* key, const absl::Status& status) {
    if (status.ok()) return;
    problems.push_back(std::string(key) + ": " + std::string(status.message()));
  };
  note("user", FindProgramUser(config.user).status());
  note("enforcer.user", FindProgramUser(config.enforcer.user).status());
  for (const std::string& user : config.control.users) {
    note("control.users", FindUser(user).status());
  }
  for (const std::string& user : config.report.users) {
    note("report.users", FindUser(user).status());
  }
  for (const auto& [key, group] :
       {std::pair("milter.group", config.milter.access.group),
        std::pair("policy.group", config.policy.access.group),
        std::pair("report.group", config.report.access.group)}) {
    if (!group.empty()) note(key, CheckMember(config.user, group));
  }
  return problems;
}

// Why nobody on this host could listen there; empty if somebody could.
std::string AgainstListening(const SocketAddress& address) {
  if (!address.path.empty()) {
    struct stat about {};
    if (lstat(address.path.c_str(), &about) == 0) {
      return S_ISSOCK(about.st_mode)
                 ? ""
                 : absl::StrCat(address.path, " is there, and is no socket");
    }
    // The directory is made at the start, unless something is in its place.
    return errno == ENOTDIR
               ? absl::StrCat(address.path, ": ", std::strerror(ENOTDIR))
               : "";
  }
  // Only the address is tried: the port may be our own daemon's.
  const IpAddress& ip = address.endpoint.address;
  const std::string any_port = absl::StrCat(
      ip.IsV4() ? "inet:" : "inet:[", ip.ToString(), ip.IsV4() ? ":0" : "]:0");
  const absl::StatusOr<int> fd = Listen(any_port, "", 0);
  if (!fd.ok()) return std::string(fd.status().message());
  close(*fd);
  return "";
}

// Sockets that could not be made here, programs that are not here, and a memory
// that is no file.
std::vector<std::string> UnusableHere(const Config& config) {
  std::vector<std::string> problems;
  const auto try_socket = [&problems](const char* key,
                                      std::optional<SocketAddress> address) {
    const std::string why = address ? AgainstListening(*address) : "";
    if (!why.empty()) problems.push_back(absl::StrCat(key, ": ", why));
  };
  try_socket("milter.socket", ParseMilterSocket(config.milter.socket));
  for (const std::string& socket : config.policy.sockets) {
    try_socket("policy.sockets", ParseSocketAddress(socket));
  }
  try_socket("report.socket", ParseSocketAddress(config.report.socket));
  try_socket("control.socket",
             SocketAddress{.path = config.control.socket, .endpoint = {}});
  try_socket("enforcer.socket",
             SocketAddress{.path = config.enforcer.socket, .endpoint = {}});
  struct stat about {};
  const std::string& memory = config.memory.file;
  if (!memory.empty() && stat(memory.c_str(), &about) == 0 &&
      !S_ISREG(about.st_mode)) {
    problems.push_back(
        absl::StrCat("memory.file: ", memory, " is not a regular file"));
  }
  const std::string& postconf = config.protect.postconf[0];
  if (config.protect.mynetworks &&
      access(ProgramPath(postconf).c_str(), X_OK) != 0) {
    problems.push_back(
        absl::StrCat("protect.postconf: ", postconf,
                     " cannot be run here, and protect.mynetworks needs it"));
  }
  return problems;
}

}  // namespace

int CheckConfig(const std::string& path, std::ostream& out) {
  const absl::StatusOr<Config> config = LoadConfig(path);
  if (!config.ok()) {
    out << config.status().message() << "\n";
    return 1;
  }
  std::vector<std::string> warnings = config->warnings;
  // The file may be for another host, so it is sound all the same.
  for (std::string& problem : UnknownHere(*config)) {
    warnings.push_back(std::move(problem));
  }
  for (std::string& problem : UnusableHere(*config)) {
    warnings.push_back(std::move(problem));
  }
  for (std::string& problem : SandboxProblems(*config)) {
    warnings.push_back(std::move(problem));
  }
  for (const std::string& warning : warnings) {
    out << path << ": warning: " << warning << "\n";
  }
  out << path << ": ok\n";
  return 0;
}

}  // namespace breakwater
