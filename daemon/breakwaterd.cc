// breakwaterd(8): started as root it becomes a parent that only waits, for the
// daemon, which drops every privilege, and for the enforcer. Started as
// anybody else, or with --alone, it is the daemon.

#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <string>

#include "core/log.h"
#include "daemon/check_config.h"
#include "daemon/config.h"
#include "daemon/daemon.h"
#include "daemon/privileges.h"
#include "daemon/supervisor.h"

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

int Fail(const absl::Status& status) {
  breakwater::Log(breakwater::Severity::kError, "failed")
      .Add("why", std::string(status.message()));
  return kFailed;
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
  const std::string user = config.user;
  auto daemon = breakwater::Daemon::Make(std::move(config));
  if (!daemon.ok()) return Fail(daemon.status());
  const absl::Status dropped =
      breakwater::DropPrivileges(user, /*keep_net_admin=*/false);
  if (!dropped.ok()) return Fail(dropped);
  (*daemon)->Run();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Stops spam waves at the door of a mail server.", "breakwaterd");
  std::string config_path = "/etc/breakwater/breakwater.toml";
  bool check = false;
  bool alone = false;
  app.add_option("--config", config_path, "The configuration file")
      ->capture_default_str();
  app.add_flag("--check-config", check, "Say what is wrong with it, and end");
  app.add_flag("--alone", alone,
               "Be the daemon, without a parent and without the enforcer");
  app.set_version_flag("--version", BREAKWATER_VERSION);
  CLI11_PARSE(app, argc, argv);

  if (check) return breakwater::CheckConfig(config_path, std::cout);

  absl::StatusOr<Config> config = breakwater::LoadConfig(config_path);
  if (!config.ok()) {
    std::cerr << config.status().message() << "\n";
    return kFailed;
  }
  breakwater::OpenLog(config->log.target, "breakwaterd");
  breakwater::SetLeastSeverity(config->log.level);
  if (geteuid() == 0 && !alone) return RunParent(config_path);
  for (const std::string& warning : config->warnings) {
    breakwater::Log(breakwater::Severity::kWarning, "config-warning")
        .Add("why", warning);
  }
  return RunDaemon(*std::move(config));
}
