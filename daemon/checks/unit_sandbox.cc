#include "daemon/checks/unit_sandbox.h"

#include <grp.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "daemon/system/privileges.h"

namespace breakwater {
namespace {

namespace fs = std::filesystem;

// The first that has the unit counts; all may have drop-ins.
constexpr const char* kUnitDirectories[] = {
    "/etc/systemd/system", "/run/systemd/system",
    "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
    "/lib/systemd/system"};

bool IsBelow(absl::string_view path, absl::string_view directory) {
  return absl::ConsumePrefix(&path, directory) &&
         (path.empty() || path[0] == '/' || absl::EndsWith(directory, "/"));
}

bool IsYes(absl::string_view value) {
  return value == "yes" || value == "true" || value == "on" || value == "1";
}

void Hide(UnitSandbox& sandbox, bool hide,
          std::initializer_list<const char*> paths) {
  for (const char* path : paths) {
    std::erase(sandbox.hidden, path);
    if (hide) sandbox.hidden.emplace_back(path);
  }
}

void TakeSetting(absl::string_view key, absl::string_view value,
                 UnitSandbox& sandbox) {
  if (key == "User") {
    sandbox.user = std::string(value);
  } else if (key == "ProtectSystem") {
    sandbox.strict = value == "strict";
  } else if (key == "ProtectHome") {
    Hide(sandbox, IsYes(value) || value == "tmpfs",
         {"/home", "/root", "/run/user"});
  } else if (key == "PrivateTmp") {
    Hide(sandbox, IsYes(value), {"/tmp", "/var/tmp"});
  } else if (key == "ReadWritePaths" && value.empty()) {
    sandbox.writable.clear();
  }
  const char* const below = key == "StateDirectory"     ? "/var/lib/"
                            : key == "RuntimeDirectory" ? "/run/"
                                                        : "";
  if (*below == '\0' && key != "ReadWritePaths" && key != "BindPaths") return;
  for (absl::string_view path : absl::StrSplit(value, ' ', absl::SkipEmpty())) {
    while (absl::ConsumePrefix(&path, "-") || absl::ConsumePrefix(&path, "+")) {
    }
    // Of what is bound, the place in there.
    const size_t colon = key == "BindPaths" ? path.find(':') : path.npos;
    if (colon != path.npos) path.remove_prefix(colon + 1);
    sandbox.writable.push_back(
        absl::StrCat(below, path.substr(0, path.find(':'))));
  }
}

void ReadFile(const fs::path& file, UnitSandbox& sandbox) {
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);) {
    const std::pair<absl::string_view, absl::string_view> setting =
        absl::StrSplit(line, absl::MaxSplits('=', 1));
    TakeSetting(absl::StripAsciiWhitespace(setting.first),
                absl::StripAsciiWhitespace(setting.second), sandbox);
  }
}

// ---- Who may do what
// ---------------------------------------------------------

struct Person {
  UserIds ids;
  std::set<gid_t> groups;
};

Person PersonOf(const UserIds& ids) {
  Person person{.ids = ids, .groups = {ids.group}};
  gid_t groups[256];
  int count = 256;
  if (getgrouplist(ids.name.c_str(), ids.group, groups, &count) >= 0) {
    person.groups.insert(groups, groups + count);
  }
  return person;
}

// As the bits of a mode say it, 7 being all; root may anything.
bool May(const Person& who, const struct stat& file, mode_t what) {
  if (who.ids.user == 0) return true;
  const int shift = file.st_uid == who.ids.user        ? 6
                    : who.groups.contains(file.st_gid) ? 3
                                                       : 0;
  return ((file.st_mode >> shift) & what) == what;
}

// The directory, of that one and those above, in which he may not make a file
// or through which he may not go; empty if all is well.
std::string Barrier(const Person& who, const fs::path& directory,
                    const std::string& root) {
  fs::path path = "/";
  for (const fs::path& part : directory.relative_path()) {
    path /= part;
    struct stat file;
    if (stat((root + path.string()).c_str(), &file) != 0) return "";
    const bool is_last = path == directory;
    if (!May(who, file, is_last ? 3 : 1)) return path.string();
  }
  return "";
}

class Checker {
 public:
  Checker(const UnitSandbox& sandbox, std::string root)
      : sandbox_(sandbox), root_(std::move(root)) {
    const absl::StatusOr<UserIds> ids = FindUser(sandbox.user);
    if (ids.ok()) person_ = PersonOf(*ids);
  }

  // In the directory of which a file is to be made.
  void Writes(const char* key, const std::string& file) {
    const fs::path directory = fs::path(file).parent_path();
    const std::string name = directory.string();
    if (!Sees(key, file)) return;
    const auto covers = [&name](const std::string& writable) {
      return IsBelow(name, writable);
    };
    if (sandbox_.strict && std::ranges::none_of(sandbox_.writable, covers)) {
      problems_.push_back(absl::StrCat(key, ": under ", sandbox_.unit,
                                       " nothing can be written to ", name,
                                       "; \"systemctl edit ", sandbox_.unit,
                                       "\" and add [Service] and "
                                       "ReadWritePaths=",
                                       name));
    }
    if (!person_) return;
    if (const std::string barrier = Barrier(*person_, directory, root_);
        !barrier.empty()) {
      problems_.push_back(
          absl::StrCat(key, ": user ", sandbox_.user, " of ", sandbox_.unit,
                       " may not write to ", barrier,
                       barrier == name ? "" : " nor to what is in it"));
    }
  }
  void WritesSocket(const char* key, absl::string_view socket) {
    if (!absl::ConsumePrefix(&socket, "unix:") &&
        !absl::ConsumePrefix(&socket, "local:")) {
      if (!absl::StartsWith(socket, "/")) return;
    }
    Writes(key, std::string(socket));
  }
  bool Sees(const char* key, const std::string& file) {
    for (const std::string& hidden : sandbox_.hidden) {
      if (!IsBelow(file, hidden)) continue;
      problems_.push_back(absl::StrCat(key, ": ", sandbox_.unit,
                                       " does not see ", hidden, ", so not ",
                                       file, " either"));
      return false;
    }
    return true;
  }

  std::vector<std::string> TakeProblems() { return std::move(problems_); }

 private:
  const UnitSandbox& sandbox_;
  const std::string root_;
  std::optional<Person> person_;
  std::vector<std::string> problems_;
};

}  // namespace

std::optional<UnitSandbox> ReadUnitSandbox(const std::string& unit,
                                           const std::string& root) {
  UnitSandbox sandbox{.unit = unit};
  bool found = false;
  std::set<fs::path> drop_ins;
  for (const char* directory : kUnitDirectories) {
    const fs::path file = fs::path(root + directory) / unit;
    std::error_code error;
    if (!found && fs::is_regular_file(file, error)) {
      found = true;
      ReadFile(file, sandbox);
    }
    for (const auto& entry : fs::directory_iterator(
             file.string() + ".d", fs::directory_options::none, error)) {
      if (entry.path().extension() == ".conf") drop_ins.insert(entry.path());
    }
  }
  if (!found) return std::nullopt;
  for (const fs::path& file : drop_ins) ReadFile(file, sandbox);
  return sandbox;
}

std::vector<std::string> SandboxProblems(const Config& config,
                                         const UnitSandbox& daemon,
                                         const std::string& root) {
  Checker checker(daemon, root);
  checker.WritesSocket("milter.socket", config.milter.socket);
  for (const std::string& socket : config.policy.sockets) {
    checker.WritesSocket("policy.sockets", socket);
  }
  checker.WritesSocket("report.socket", config.report.socket);
  checker.WritesSocket("control.socket", config.control.socket);
  if (!config.memory.file.empty()) {
    checker.Writes("memory.file", config.memory.file);
  }
  if (!config.path.empty()) {
    checker.Sees("this file", fs::absolute(config.path).string());
  }
  for (const std::string& file : config.protect.files) {
    checker.Sees("protect.files", file);
  }
  for (const std::string& file : config.spare_files) {
    checker.Sees("spare.files", file);
  }
  for (const std::string& file : config.offence_files) {
    checker.Sees("offence.files", file);
  }
  return checker.TakeProblems();
}

std::vector<std::string> SandboxProblems(const Config& config) {
  const std::optional<UnitSandbox> daemon =
      ReadUnitSandbox("breakwaterd.service");
  if (!daemon) return {};
  std::vector<std::string> problems = SandboxProblems(config, *daemon);
  const std::optional<UnitSandbox> enforcer =
      ReadUnitSandbox("breakwater-enforcer.service");
  if (enforcer) {
    Checker checker(*enforcer, "");
    checker.WritesSocket("enforcer.socket", config.enforcer.socket);
    for (std::string& problem : checker.TakeProblems()) {
      problems.push_back(std::move(problem));
    }
  }
  return problems;
}

}  // namespace breakwater
