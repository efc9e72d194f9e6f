#include "daemon/daemon.h"

#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "asio/experimental/as_tuple.hpp"
#include "asio/use_awaitable.hpp"
#include "core/base/log.h"
#include "core/base/service_manager.h"
#include "core/net/listen_socket.h"
#include "core/types/domain_name.h"
#include "daemon/reports/report_outcome.h"
#include "daemon/system/privileges.h"

namespace breakwater {
namespace {

using asio::experimental::as_tuple;

constexpr Duration kHousekeepingPeriod = std::chrono::milliseconds(50);
// Bans that end, in each of these.
constexpr size_t kMostAtOnce = 5'000;
// What the start waits for the enforcer's first word, if somebody is there.
constexpr Duration kUntilReady = std::chrono::seconds(5);
constexpr Duration kReadyStep = std::chrono::milliseconds(10);
// What the operator waits for the kernel to have it.
constexpr Duration kUntilSettled = std::chrono::seconds(2);
// What a client's milter callback may wait beyond the lists' deadline: the
// reason's own, and a loop that is busy.
constexpr Duration kSlack = std::chrono::milliseconds(500);

Duration VerdictDeadline(const DnsblOptions& dnsbl) {
  return dnsbl.deadline + dnsbl.reason_deadline + kSlack;
}

MemoryStore::Retention RetentionOf(const MemoryConfig& config) {
  return {.keep = config.keep, .most_events = config.most_events};
}

// What a fresh host lacks, and a unit's StateDirectory= makes. Whoever is not
// root finds out when the file is opened.
void MakeStateDirectory(const std::string& file, const std::string& user) {
  const std::string directory = file.substr(0, file.rfind('/'));
  if (geteuid() != 0 || mkdir(directory.c_str(), 0700) != 0) return;
  const absl::StatusOr<UserIds> owner = FindUser(user);
  if (owner.ok() && lchown(directory.c_str(), owner->user, owner->group) == 0) {
    return;
  }
  rmdir(directory.c_str());
}

// Who may speak for the kernel: root, the enforcer's user, and our own when
// everything was started by one unprivileged user.
std::vector<uid_t> EnforcerUids(const Config& config) {
  std::vector<uid_t> uids = {0, geteuid()};
  const absl::StatusOr<std::vector<uid_t>> user =
      FindUsers({config.enforcer.user});
  if (user.ok()) uids.push_back(user->front());
  return uids;
}

// With which nobody else may say HELO. Empty if it is not known.
std::string HostName() {
  char name[HOST_NAME_MAX + 1] = {};
  if (gethostname(name, sizeof name - 1) != 0) return "";
  // Every "localhost" may call itself so.
  return ListedName(name).value_or("");
}

}  // namespace

absl::StatusOr<std::unique_ptr<Daemon>> Daemon::Make(Config config) {
  std::unique_ptr<Daemon> daemon(new Daemon(std::move(config)));
  if (absl::Status status = daemon->Open(); !status.ok()) return status;
  return daemon;
}

Daemon::Daemon(Config config)
    : config_(std::make_shared<const Config>(std::move(config))),
      loop_(1),
      signals_(loop_),
      housekeeping_timer_(loop_),
      bans_(config_->most_bans) {}

absl::Status Daemon::Open() {
  const Config& config = *config_;
  shares_ = ShareDescriptors(DescriptorLimit(), config);
  absl::StatusOr<std::unique_ptr<Resolver>> resolver =
      Resolver::Make(loop_, config.resolver);
  if (!resolver.ok()) return resolver.status();
  resolver_ = *std::move(resolver);
  dnsbl_.emplace(loop_, *resolver_, metrics_, config.dnsbl);
  domains_.emplace(loop_, *resolver_, MailDomainOptions{});
  enforcer_.emplace(loop_, metrics_,
                    EnforcerLink::Options{.socket = config.enforcer.socket,
                                          .accepted = EnforcerUids(config)});
  protections_.SetConfig(*config_);
  screener_.emplace(loop_, *dnsbl_, bans_, *enforcer_, metrics_, CurrentRules(),
                    &sockets_, &*domains_);

  std::optional<uid_t> owner;
  if (geteuid() == 0) {
    const absl::StatusOr<UserIds> user = FindUser(config.user);
    if (!user.ok()) return user.status();
    owner = user->user;
  }
  for (const std::string& spec : config.policy.sockets) {
    const absl::StatusOr<int> listening = Listen(
        spec, config.policy.access.group, config.policy.access.mode, owner);
    if (!listening.ok()) return listening.status();
    policy_sockets_.push_back(*listening);
  }
  if (!config.milter.socket.empty()) {
    absl::StatusOr<std::unique_ptr<MilterFront>> milter =
        MilterFront::Open(*screener_, metrics_,
                          {.socket = config.milter.socket,
                           .group = config.milter.access.group,
                           .owner = owner,
                           .mode = config.milter.access.mode,
                           .verdict_deadline = VerdictDeadline(config.dnsbl),
                           .most_sessions = shares_.milter});
    if (!milter.ok()) return milter.status();
    milter_ = *std::move(milter);
  }
  if (!config.memory.file.empty()) {
    MakeStateDirectory(config.memory.file, config.user);
  }
  const absl::StatusOr<int> control =
      ControlServer::Listen(config.control.socket, owner);
  if (!control.ok()) return control.status();
  control_socket_ = *control;
  if (!config.report.socket.empty()) {
    const absl::StatusOr<int> listening =
        Listen(config.report.socket, config.report.access.group,
               config.report.access.mode, owner);
    if (!listening.ok()) return listening.status();
    report_socket_ = *listening;
  }
  return absl::OkStatus();
}

void Daemon::Run() {
  WatchSignals();
  StartParts();
  Log(Severity::kInfo, "ready")
      .Add("version", BREAKWATER_VERSION)
      .Add("mode", config_->rules.observe ? "observe" : "enforce")
      .Add("zones", config_->rules.zones.size());
  loop_.run();
  // Nothing is taken down: libmilter's workers may be inside callbacks and
  // nobody joins them, the kernel keeps the bans, and an MTA takes our going
  // as it takes any filter's, by its default action.
  if (memory_) memory_->Finish(MemorySource());
  Log(Severity::kInfo, "stopped");
  _exit(0);
}

void Daemon::StartParts() {
  const Config& config = *config_;
  ApplyRules();
  // Before anybody asks, and before the enforcer tells what the kernel holds.
  if (!config.memory.file.empty()) StartMemory();
  policy_.emplace(loop_, *screener_, metrics_,
                  PolicyServerOptions{.most_connections = shares_.policy});
  for (const int socket : std::exchange(policy_sockets_, {})) {
    policy_->Serve(socket);
  }
  enforcer_->Start({
      .bans = [this] { return BansInForce(); },
      .adopt = [this](const Network& network,
                      Duration left) { screener_->Adopt(network, left); },
      .withdraw =
          [this](const Network& network) { screener_->Withdraw(network); },
      .protect =
          [this] {
            protections_.SetSaid(enforcer_->configured(),
                                 enforcer_->protections());
            ApplyRules();
          },
      .lifting =
          [this](const Network& network) {
            if (memory_) memory_->Changed(network);
          },
  });
  operator_.emplace(Operator::Parts{
      .screener = *screener_,
      .dnsbl = *dnsbl_,
      .bans = bans_,
      .allowances = allowances_,
      .metrics = metrics_,
      .memory = memory_ ? &*memory_ : nullptr,
      .config = [this] { return config_; },
      .enforcer = [this] { return DescribeEnforcer(); },
      .doors = [this] { return DoorLoads(); },
      .settled = [this] { return enforcer_->Settled(kUntilSettled); },
      .remembered =
          [this](std::vector<Network> who) {
            return Remembers(std::move(who));
          },
      .apply_allowances = [this] { ApplyRules(); },
      .reload = [this] { return Reload(); },
  });
  const absl::StatusOr<std::vector<uid_t>> users =
      FindUsers(config.control.users);
  if (!users.ok()) {
    Log(Severity::kWarning, "config-warning")
        .Add("why", std::string(users.status().message()));
  }
  control_.emplace(
      loop_, std::exchange(control_socket_, -1),
      [this](ControlRequest request, uid_t user) {
        return operator_->Handle(std::move(request), user);
      },
      ControlServer::Options{.users = users.value_or(std::vector<uid_t>())});
  if (report_socket_ >= 0) StartReports();
  if (milter_) {
    milter_->Start([this] {
      Log(Severity::kError, "milter-ended");
      loop_.stop();
    });
  }
  asio::co_spawn(loop_, Housekeeping(), asio::detached);
  asio::co_spawn(loop_, AnnounceReady(), asio::detached);
}

void Daemon::StartMemory() {
  memory_.emplace(loop_, metrics_,
                  MemoryOptions{.file = config_->memory.file,
                                .retention = RetentionOf(config_->memory)});
  Learn(memory_->Start());
  screener_->Restored();
  screener_->SetMemory(*memory_);
}

void Daemon::Learn(Remembered known) {
  dnsbl_->Restore(known.zones);
  bool allows = false;
  for (Allowance& allowance : known.allowances) {
    if (allowances_.Has(allowance.network)) continue;
    allows |= allowances_.Allow(std::move(allowance)).ok();
  }
  // Nobody who is allowed is banned again.
  if (allows) ApplyRules();
  for (const Lifting& lifting : known.liftings) {
    memory_->Changed(lifting.network);
  }
  const std::vector<ZoneProven> proofs = std::move(known.proofs);
  screener_->Restore(std::move(known));
  dnsbl_->Restore(proofs);
}

std::vector<EnforcerLink::InForce> Daemon::BansInForce() {
  std::vector<EnforcerLink::InForce> in_force;
  in_force.reserve(bans_.size());
  const Instant now = Clock::now();
  BanTable::Cursor cursor;
  while (bans_.Look(cursor, kMostAtOnce, [&](const BanTable::Glance& ban) {
    if (ban.expires > now) in_force.push_back({ban.network, ban.expires});
    return false;
  })) {
  }
  return in_force;
}

asio::awaitable<bool> Daemon::Remembers(std::vector<Network> who) {
  if (!memory_) co_return true;
  co_return co_await memory_->Written(MemorySource(), std::move(who),
                                      kUntilSettled);
}

MemoryFile::Source Daemon::MemorySource() {
  return {.recall =
              [this](absl::Span<const Network> networks) {
                Remembered known = screener_->Recall(networks);
                known.allowances = AllowancesOf(networks);
                known.liftings = enforcer_->Liftings(networks);
                known.zones = dnsbl_->Days();
                known.proofs = dnsbl_->Proofs();
                return known;
              },
          .everybody =
              [this] {
                std::vector<Network> all = screener_->KnownNetworks();
                for (const Network& network : enforcer_->LiftedNetworks()) {
                  all.push_back(network);
                }
                for (const Allowance& allowance : allowances_.list()) {
                  all.push_back(allowance.network);
                }
                return all;
              },
          .learn = [this](Remembered some) { Learn(std::move(some)); },
          .learned = [this] { screener_->Restored(); }};
}

std::vector<Allowance> Daemon::AllowancesOf(
    absl::Span<const Network> networks) const {
  std::vector<Allowance> found;
  if (allowances_.list().empty()) return found;
  const absl::flat_hash_set<Network> asked(networks.begin(), networks.end());
  for (const Allowance& allowance : allowances_.list()) {
    if (asked.contains(allowance.network)) found.push_back(allowance);
  }
  return found;
}

void Daemon::StartReports() {
  const absl::StatusOr<std::vector<uid_t>> users =
      FindUsers(config_->report.users, "report.users");
  if (!users.ok()) {
    Log(Severity::kWarning, "config-warning")
        .Add("why", std::string(users.status().message()));
  }
  reports_.emplace(
      loop_, std::exchange(report_socket_, -1),
      [this](ReportRequest request) -> asio::awaitable<std::string> {
        const absl::StatusOr<ReportOutcome> outcome =
            co_await TakeReport(*screener_, bans_, std::move(request));
        co_return ReportAnswer(outcome, Clock::now());
      },
      metrics_,
      ReportServerOptions{.users = users.value_or(std::vector<uid_t>()),
                          .most_connections = shares_.report});
}

void Daemon::WatchSignals() {
  asio::error_code ignored;
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    signals_.add(signal, ignored);
  }
  asio::co_spawn(
      loop_,
      [this]() -> asio::awaitable<void> {
        for (;;) {
          const auto [error, signal] =
              co_await signals_.async_wait(as_tuple(asio::use_awaitable));
          if (error) co_return;
          if (signal != SIGHUP) break;
          if (const auto notes = operator_->Load(); !notes.ok()) {
            Log(Severity::kError, "reload-failed")
                .Add("why", std::string(notes.status().message()));
          }
        }
        Log(Severity::kInfo, "stopping");
        TellServiceManager("STOPPING=1");
        loop_.stop();
      },
      asio::detached);
}

asio::awaitable<void> Daemon::Housekeeping() {
  Instant next_second;
  for (;;) {
    // A million may end in one second.
    bans_.Expire(Clock::now(), kMostAtOnce);
    if (memory_) memory_->Tick(MemorySource());
    housekeeping_timer_.expires_after(kHousekeepingPeriod);
    co_await housekeeping_timer_.async_wait(as_tuple(asio::use_awaitable));
    if (Clock::now() < next_second) continue;
    next_second = Clock::now() + std::chrono::seconds(1);
    FeedWatchdog();
    screener_->Tick();
    EndAllowances();
    metrics_.bans_in_force.Set(static_cast<double>(bans_.size()));
    metrics_.cached_clients.Set(static_cast<double>(dnsbl_->cached_clients()));
    metrics_.dns_queries_in_flight.Set(
        static_cast<double>(resolver_->in_flight()));
  }
}

// The sockets listen and the memory is read; what the kernel holds the enforcer
// tells, unless it is away.
asio::awaitable<void> Daemon::AnnounceReady() {
  asio::steady_timer timer(loop_);
  const Instant limit = Clock::now() + kUntilReady;
  while (!enforcer_->has_tried() && Clock::now() < limit) {
    timer.expires_after(kReadyStep);
    co_await timer.async_wait(as_tuple(asio::use_awaitable));
  }
  TellServiceManager("READY=1");
}

void Daemon::EndAllowances() {
  const std::vector<Allowance> ended = allowances_.Expire(Clock::now());
  if (ended.empty()) return;
  for (const Allowance& allowance : ended) {
    Log(Severity::kInfo, "allowance-ended")
        .Add("network", allowance.network.ToString())
        .Add("why", allowance.reason);
  }
  ApplyRules();
}

absl::StatusOr<std::vector<std::string>> Daemon::Reload() {
  absl::StatusOr<Config> next = LoadConfig(config_->path);
  if (!next.ok()) return next.status();
  const absl::StatusOr<std::vector<uid_t>> users =
      FindUsers(next->control.users);
  if (!users.ok()) return users.status();
  const absl::StatusOr<std::vector<uid_t>> reporters =
      FindUsers(next->report.users, "report.users");
  if (!reporters.ok()) return reporters.status();

  config_ = std::make_shared<const Config>(
      KeepUntilRestart(*config_, *std::move(next)));

  SetLeastSeverity(config_->log.level);
  protections_.SetConfig(*config_);
  dnsbl_->SetOptions(config_->dnsbl);
  if (milter_) milter_->SetVerdictDeadline(VerdictDeadline(config_->dnsbl));
  ApplyRules();
  control_->SetUsers(*users);
  if (reports_) reports_->SetUsers(*reporters);
  if (memory_) memory_->SetRetention(RetentionOf(config_->memory));
  enforcer_->Reload();
  Log(Severity::kInfo, "reloaded").Add("notes", config_->warnings.size());
  return config_->warnings;
}

std::shared_ptr<const Rules> Daemon::CurrentRules() const {
  auto rules = std::make_shared<Rules>(config_->rules);
  rules->deadline = config_->dnsbl.deadline;
  rules->growth.exact_first = config_->firewall.extend;
  rules->conduct.own_names.push_back(HostName());
  rules->named_networks = rules->protected_networks;
  rules->protected_networks = protections_.all();
  std::vector<Network> allowed;
  for (const Allowance& allowance : allowances_.list()) {
    allowed.push_back(allowance.network);
  }
  rules->allowed_networks = NetworkSet(std::move(allowed));
  rules->protection_known = ProtectionKnown();
  return rules;
}

bool Daemon::ProtectionKnown() const {
  const bool asked_for =
      config_->protect.mynetworks || config_->protect.ssh_peers;
  // Nobody is refused by observing.
  return config_->rules.observe || !asked_for ||
         enforcer_->has_told_protections();
}

void Daemon::ApplyRules() {
  const bool known = ProtectionKnown();
  const bool before = std::exchange(protection_known_, known);
  if (before && !known) Log(Severity::kInfo, "protection-unknown");
  if (!before && known) Log(Severity::kInfo, "protection-known");
  screener_->SetRules(CurrentRules());
}

std::vector<DoorLoad> Daemon::DoorLoads() const {
  std::vector<DoorLoad> loads;
  if (milter_) loads.push_back(milter_->load());
  if (!config_->policy.sockets.empty()) loads.push_back(policy_->load());
  return loads;
}

EnforcerState Daemon::DescribeEnforcer() const {
  EnforcerState state{.connected = enforcer_->connected(),
                      .since = enforcer_->since(),
                      .trouble = enforcer_->trouble(),
                      .owes_since = enforcer_->owes_since(),
                      .protection_known = ProtectionKnown()};
  state.protections = protections_.derived();
  for (const auto& [counter, value] : enforcer_->counters()) {
    state.counters[EnforcerCounterName(counter)] = value;
  }
  state.without_rule = enforcer_->without_rule();
  return state;
}

}  // namespace breakwater
