#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/log.h"
#include "daemon/config/config.h"
#include "daemon/enforcer/enforcer_server.h"
#include "daemon/enforcer/enforcer_socket.h"
#include "daemon/enforcer/make_sets.h"
#include "daemon/system/command_line.h"
#include "daemon/system/failed_start.h"
#include "daemon/system/parent.h"
#include "daemon/system/privileges.h"
#include "firewall/ipset/ip_sets.h"
#include "firewall/left_overs.h"
#include "firewall/nftables/nft_sets.h"
#include "firewall/recent_lists.h"

// breakwater-enforcer(8): the only program of Breakwater that may change the
// kernel. Read top to bottom.

namespace breakwater {
namespace {

EnforcerServer* g_server = nullptr;

extern "C" void OnStop(int) { g_server->Stop(); }
extern "C" void OnReload(int) { g_server->Reload(); }

void HandleSignals(EnforcerServer& server) {
  g_server = &server;
  struct sigaction action {};
  action.sa_flags = SA_RESTART;
  action.sa_handler = OnStop;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  action.sa_handler = OnReload;
  sigaction(SIGHUP, &action, nullptr);
}

bool ChangesKernel(const Config& config) {
  return !config.firewall.backends.empty();
}

absl::StatusOr<std::unique_ptr<BanSets>> OpenBackend(FirewallBackend backend,
                                                     const Config& config) {
  const FirewallConfig& firewall = config.firewall;
  const auto usual =
      std::chrono::ceil<std::chrono::seconds>(config.rules.ban_duration);
  const TimedSetsOptions timed = {
      .prefix = firewall.set_prefix,
      .extend = firewall.extend,
      .usual_seconds = static_cast<uint32_t>(usual.count()),
      .most_entries = firewall.most_entries,
      .widening = config.rules.widening};
  switch (backend) {
    case FirewallBackend::kIpset:
      return IpSets::Open({timed, firewall.hash_size});
    case FirewallBackend::kNftables:
      return NftSets::Open({timed});
    case FirewallBackend::kXtRecent:
      return RecentLists::Open(
          {.prefix = firewall.set_prefix, .most_bans = config.most_bans});
  }
  return absl::InternalError("no such backend");
}

// Those that need root to be opened, or those that do not.
absl::Status OpenBackends(const Config& config, bool as_root,
                          std::vector<std::unique_ptr<BanSets>>& sets) {
  for (const FirewallBackend backend : config.firewall.backends) {
    if ((backend == FirewallBackend::kXtRecent) != as_root) continue;
    absl::StatusOr<std::unique_ptr<BanSets>> opened =
        OpenBackend(backend, config);
    if (!opened.ok()) return opened.status();
    sets.push_back(*std::move(opened));
  }
  return absl::OkStatus();
}

// Also where no backend is in use: then we may do nothing later on. Null on a
// kernel that has no firewall.
std::unique_ptr<LeftOvers> OpenLeftOvers(const Config& config) {
  const FirewallConfig& firewall = config.firewall;
  absl::StatusOr<std::unique_ptr<LeftOvers>> opened =
      LeftOvers::Open({.prefix = firewall.set_prefix,
                       .ipset = firewall.Uses(FirewallBackend::kIpset),
                       .nftables = firewall.Uses(FirewallBackend::kNftables),
                       .xt_recent = firewall.Uses(FirewallBackend::kXtRecent)});
  if (!opened.ok()) return nullptr;
  (*opened)->Look();
  return *std::move(opened);
}

absl::StatusOr<std::unique_ptr<Reaper>> OpenReaper(const Config& config) {
  if (!ChangesKernel(config)) return nullptr;
  return Reaper::Start(ReaperOptionsOf(config.ban_ports));
}

absl::StatusOr<std::unique_ptr<EnforcerServer>> MakeServer(
    const std::string& config_file, const Config& config) {
  const absl::StatusOr<UserIds> daemon = FindUser(config.user);
  if (!daemon.ok()) return daemon.status();
  uid_t self = geteuid();
  if (self == 0) {
    const absl::StatusOr<UserIds> user = FindUser(config.enforcer.user);
    if (!user.ok()) return user.status();
    self = user->user;
  }
  absl::StatusOr<FileDescriptor> listener =
      ListenForDaemon(config.enforcer.socket, *daemon, self);
  if (!listener.ok()) return listener.status();

  std::vector<std::unique_ptr<BanSets>> sets;
  if (absl::Status status = OpenBackends(config, /*as_root=*/true, sets);
      !status.ok()) {
    return status;
  }
  std::unique_ptr<LeftOvers> left_overs = OpenLeftOvers(config);
  const absl::Status dropped =
      DropPrivileges(config.enforcer.user, ChangesKernel(config));
  if (!dropped.ok()) return dropped;

  absl::Status opened = OpenBackends(config, /*as_root=*/false, sets);
  if (!opened.ok()) return opened;
  absl::StatusOr<HostProtection> hosts = HostProtection::Open();
  if (!hosts.ok()) return hosts.status();
  absl::StatusOr<std::unique_ptr<Reaper>> reaper = OpenReaper(config);
  if (!reaper.ok()) return reaper.status();

  return EnforcerServer::Make(
      {.listener = *std::move(listener),
       .accepted = {daemon->user, geteuid()},
       .sets = std::move(sets),
       .reaper = *std::move(reaper),
       .hosts = *std::move(hosts),
       .left_overs = std::move(left_overs),
       .load = [config_file] { return LoadConfig(config_file); }},
      config);
}

std::string BackendNames(const Config& config) {
  std::string names;
  for (const FirewallBackend backend : config.firewall.backends) {
    absl::StrAppend(&names, names.empty() ? "" : ",",
                    FirewallBackendName(backend));
  }
  return names.empty() ? "none" : names;
}

int Fail(const std::string& config_file, const absl::Status& status) {
  Log(Severity::kError, "enforcer-failed")
      .Add("why", std::string(status.message()));
  PauseAfterFailedStart({.program = "breakwater-enforcer",
                         .config_file = config_file,
                         .why = std::string(status.message())});
  return 1;
}

int Main(const std::string& config_file) {
  EndWithParent();
  OpenLog(LogTarget::kStderr, "breakwater-enforcer");
  const absl::StatusOr<Config> config = LoadConfig(config_file);
  if (!config.ok()) return Fail(config_file, config.status());
  OpenLog(config->log.target, "breakwater-enforcer");
  SetLeastSeverity(config->log.level);

  absl::StatusOr<std::unique_ptr<EnforcerServer>> server =
      MakeServer(config_file, *config);
  if (!server.ok()) return Fail(config_file, server.status());
  HandleSignals(**server);
  Log(Severity::kInfo, "enforcer-started")
      .Add("socket", config->enforcer.socket)
      .Add("backend", BackendNames(*config));
  (*server)->Run();
  // A second signal is too late to do anything.
  std::signal(SIGTERM, SIG_IGN);
  std::signal(SIGINT, SIG_IGN);
  std::signal(SIGHUP, SIG_IGN);
  // Where we may not, the next enforcer will.
  unlink(config->enforcer.socket.c_str());
  Log(Severity::kInfo, "enforcer-ended");
  return 0;
}

}  // namespace
}  // namespace breakwater

int main(int argc, char** argv) {
  CLI::App app(
      "Puts Breakwater's bans into the kernel. See "
      "breakwater-enforcer(8).",
      "breakwater-enforcer");
  std::string config_file = BREAKWATER_CONFIG;
  app.add_option("-c,--config", config_file, "The configuration file")
      ->capture_default_str();
  bool make_sets = false;
  app.add_flag("--make-sets", make_sets,
               "Make the ip sets that rules may name, and end");
  app.set_version_flag("--version", "breakwater-enforcer " BREAKWATER_VERSION);
  if (const auto ended = breakwater::ReadCommandLine(app, argc, argv)) {
    return *ended;
  }
  if (make_sets) {
    breakwater::OpenLog(breakwater::LogTarget::kStderr, "breakwater-enforcer");
    return breakwater::MakeSets(config_file);
  }
  return breakwater::Main(config_file);
}
