#include "daemon/check_config.h"

#include <vector>

#include "daemon/config.h"
#include "daemon/privileges.h"
#include "daemon/unit_sandbox.h"

namespace breakwater {
namespace {

// Users and groups that this host does not have (yet): the file may be for
// another one, so it is sound all the same.
std::vector<std::string> UnknownHere(const Config& config) {
  std::vector<std::string> problems;
  const auto note = [&problems](const char* key, const absl::Status& status) {
    if (status.ok()) return;
    problems.push_back(std::string(key) + ": " + std::string(status.message()));
  };
  note("user", FindUser(config.user).status());
  note("enforcer.user", FindUser(config.enforcer.user).status());
  for (const std::string& user : config.control.users) {
    note("control.users", FindUser(user).status());
  }
  for (const auto& [key, group] :
       {std::pair("milter.group", config.milter.access.group),
        std::pair("policy.group", config.policy.access.group)}) {
    if (!group.empty()) note(key, FindGroup(group).status());
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
  for (std::string& problem : UnknownHere(*config)) {
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
