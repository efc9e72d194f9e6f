// breakwaterd(8): started as root it becomes a parent that only waits, for the
// daemon, which drops every privilege, and for the enforcer. Started as
// anybody else, or with --alone, it is the daemon.

#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <string>

#include "absl/strings/str_split.h"
#include "core/base/log.h"
#include "core/base/service_manager.h"
#include "daemon/checks/check_config.h"
#include "daemon/checks/socket_places.h"
#include "daemon/config/config.h"
#include "daemon/daemon.h"
#include "daemon/system/command_line.h"
#include "daemon/system/failed_start.h"
#include "daemon/system/parent.h"
#include "daemon/system/privileges.h"
#include "daemon/system/supervisor.h"

namespace {

using breakwater::Config;

constexpr int kFailed = 1;

// Each session needs descriptors; without one the MTA waits to be accepted.
void RaiseDescriptorLimit() {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
}

int Fail(const std::string& config_path, const absl::Status& status) {
  breakwater::Log(breakwater::Severity::kError, "failed")
      .Add("why", std::string(status.message()));
  breakwater::PauseAfterFailedStart({.program = "breakwaterd",
                                     .config_file = config_path,
                                     .why = std::string(status.message())});
  return kFailed;
}

// All that is wrong with the configuration, a line for each.
int Refuse(const std::string& config_path, const absl::Status& status) {
  if (!breakwater::HasServiceManager()) {
    std::cerr << status.message() << "\n";
    return kFailed;
  }
  const std::vector<std::string> lines =
      absl::StrSplit(status.message(), '\n', absl::SkipEmpty());
  for (const std::string& line : lines) {
    if (&line == &lines.back()) break;
    breakwater::Log(breakwater::Severity::kError, "failed").Add("why", line);
  }
  return Fail(config_path,
              absl::InvalidArgumentError(lines.empty() ? "" : lines.back()));
}

int RunParent(const std::string& config_path) {
  using breakwater::SiblingProgram;
  return breakwater::Supervise({
      {.name = "breakwater-enforcer",
       .argv = {SiblingProgram("breakwater-enforcer"), "--config",
                config_path}},
      {.name = "breakwaterd",
       .argv = {SiblingProgram("breakwaterd"), "--config", config_path,
                "--alone"}},
  });
}

int RunDaemon(Config config) {
  RaiseDescriptorLimit();
  const std::string path = config.path;
  const std::string user = config.user;
  auto daemon = breakwater::Daemon::Make(std::move(config));
  if (!daemon.ok()) return Fail(path, daemon.status());
  const absl::Status dropped =
      breakwater::DropPrivileges(user, /*keep_net_admin=*/false);
  if (!dropped.ok()) return Fail(path, dropped);
  (*daemon)->Run();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  breakwater::EndWithParent();
  CLI::App app("Stops spam waves at the door of a mail server.", "breakwaterd");
  std::string config_path = BREAKWATER_CONFIG;
  bool check = false;
  bool places = false;
  bool alone = false;
  app.add_option("--config", config_path, "The configuration file")
      ->capture_default_str();
  app.add_flag("--check-config", check, "Say what is wrong with it, and end");
  app.add_flag("--make-places", places,
               "Make the directories of its sockets, and end");
  app.add_flag("--alone", alone,
               "Be the daemon, without a parent and without the enforcer");
  app.set_version_flag("--version", BREAKWATER_VERSION);
  if (const auto ended = breakwater::ReadCommandLine(app, argc, argv)) {
    return *ended;
  }

  if (check) return breakwater::CheckConfig(config_path, std::cout);

  breakwater::OpenLog(breakwater::LogTarget::kStderr, "breakwaterd");
  absl::StatusOr<Config> config = breakwater::LoadConfig(config_path);
  if (!config.ok()) {
    // The start says what is wrong with it.
    return places ? 0 : Refuse(config_path, config.status());
  }
  if (places) return breakwater::MakeSocketPlaces(*config);
  breakwater::OpenLog(config->log.target, "breakwaterd");
  breakwater::SetLeastSeverity(config->log.level);
  if (geteuid() == 0) {
    // Else what listens makes them, for root alone, and a later start by the
    // unit finds them so. What could not be made, that start tells of.
    breakwater::MakeSocketPlaces(*config);
    if (!alone) return RunParent(config_path);
  }
  for (const std::string& warning : config->warnings) {
    breakwater::Log(breakwater::Severity::kWarning, "config-warning")
        .Add("why", warning);
  }
  return RunDaemon(*std::move(config));
}
