#include "daemon/operator/operator.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "asio/experimental/as_tuple.hpp"
#include "asio/steady_timer.hpp"
#include "asio/this_coro.hpp"
#include "asio/use_awaitable.hpp"
#include "core/base/log.h"
#include "core/net/width.h"
#include "core/types/normal_name.h"
#include "daemon/protocol/breather.h"
#include "daemon/reports/report_outcome.h"
#include "daemon/status/memory_report.h"
#include "daemon/status/offence_report.h"
#include "daemon/status/operator_report.h"
#include "daemon/status/operator_words.h"
#include "daemon/status/restraint_report.h"
#include "daemon/status/set_report.h"
#include "daemon/status/zone_report.h"

namespace breakwater {
namespace {

using nlohmann::json;
using std::chrono::seconds;

// Of what the enforcer takes; the rest is for clients that come meanwhile.
constexpr double kImportShare = 0.5;
// Of one unban; the rest is counted.
constexpr size_t kMostLiftedShown = 100;
constexpr Duration kPause = std::chrono::milliseconds(20);
constexpr size_t kLookedAtOnce = 1024;

json Failure(const absl::Status& status) {
  return {{"ok", false}, {"error", std::string(status.message())}};
}

}  // namespace

Operator::Operator(Parts parts)
    : parts_(std::move(parts)), export_(parts_.bans) {}

asio::awaitable<json> Operator::Handle(ControlRequest request, uid_t user) {
  json answer;
  std::string what;
  switch (request.verb) {
    case Verb::kStatus:
      co_return Status();
    case Verb::kBans:
      co_return co_await Bans(request.limit);
    case Verb::kHistory:
      co_return co_await History(std::move(request));
    case Verb::kExplain:
      if (!request.name.empty()) co_return co_await ExplainName(request.name);
      co_return co_await Explain(request.address);
    case Verb::kZones:
      co_return Zones();
    case Verb::kTestZones:
      co_return co_await TestZones(request.label);
    case Verb::kMetrics:
      co_return MetricsText();
    case Verb::kExport:
      co_return co_await Export(request.snapshot, request.offset);
    case Verb::kImport:
      what = absl::StrCat("import ", request.entries.size(), " bans");
      answer = co_await Import(std::move(request.entries));
      break;
    case Verb::kBan:
      answer = co_await BanAddress(request);
      break;
    case Verb::kUnban:
      answer = co_await Unban(request);
      break;
    case Verb::kAllow:
      answer = co_await Allow(request);
      break;
    case Verb::kAllowed:
      co_return Allowed();
    case Verb::kDisallow:
      answer = co_await Disallow(request.network);
      break;
    case Verb::kReport:
      answer = co_await Report(request.report);
      break;
    case Verb::kReload:
      answer = Reload();
      break;
  }
  // Who changed what.
  Log(Severity::kInfo, "operator")
      .Add("uid", user)
      .Add("request", what.empty() ? FormatControlRequest(request) : what)
      .Add("error", answer.value("error", ""));
  co_return answer;
}

json Operator::Status() const {
  const Instant now = Clock::now();
  const std::shared_ptr<const Config> config = parts_.config();
  const Rules& rules = config->rules;
  const EnforcerState enforcer = parts_.enforcer();
  const std::vector<ZoneHealth> health = parts_.dnsbl.Health();
  const size_t bans = parts_.bans.size();

  const Restraint& restraint = parts_.screener.restraint();
  const Brake::State brake = restraint.brake().state();
  std::vector<std::string> problems =
      Problems(*config, enforcer, health, bans, parts_.metrics, now);
  const Brake::State offences = restraint.brake(Ground::kOffences).state();
  if (auto problem =
          BrakeProblem(offences, Ground::kOffences, rules.observe, now)) {
    problems.insert(problems.begin(), *std::move(problem));
  }
  if (auto problem = BrakeProblem(brake, Ground::kLists, rules.observe, now)) {
    problems.insert(problems.begin(), *std::move(problem));
  }
  if (rules.offences.IsOn(OffenceKind::kTrap) &&
      parts_.screener.SeesNoRecipients()) {
    problems.push_back(
        "traps are configured, and none can be seen: no mail server has shown "
        "a "
        "recipient. The policy server is asked about recipients by a line in "
        "smtpd_recipient_restrictions, the milter sees them in any case");
  }
  if (parts_.screener.cannot_look()) {
    problems.push_back(
        "the kernel does not say who is connected, so nobody is banned for "
        "what lists or conduct say: the log says why, at event=sockets-unseen");
  }
  if (auto problem = ProxyProblem(restraint.proxy().state(), now)) {
    problems.insert(problems.begin(), *std::move(problem));
  }
  if (refused_) {
    problems.insert(problems.begin(), RefusedReloadProblem(*refused_, now));
  }

  for (std::string& wide : WideAllowances(parts_.allowances, now)) {
    problems.push_back(std::move(wide));
  }
  const std::vector<DoorLoad> doors = parts_.doors();
  for (std::string& crowd : CrowdedDoors(doors, now)) {
    problems.push_back(std::move(crowd));
  }
  const std::string forgets =
      parts_.memory == nullptr ? "" : parts_.memory->trouble();
  if (!forgets.empty()) {
    problems.push_back(absl::StrCat(
        parts_.memory->is_read()
            ? "what is known of clients would be lost with a restart: "
            : "the memory cannot be read: who is allowed or banned by it is "
              "not, until it can be: ",
        forgets));
  }
  std::string loss = parts_.memory == nullptr ? "" : parts_.memory->loss();
  if (!loss.empty()) problems.push_back(std::move(loss));

  json zones = json::array();
  for (size_t i = 0; i < health.size() && i < rules.zones.size(); ++i) {
    zones.push_back(DescribeZone(rules.zones[i], health[i], now));
  }
  json enforcing = DescribeEnforcer(enforcer, now);
  enforcing["without_rule"] = DescribeWithoutRule(*config, enforcer);
  enforcing["backends"] = json::array();
  for (const FirewallBackend backend : config->firewall.backends) {
    enforcing["backends"].push_back(FirewallBackendName(backend));
  }
  return {
      {"ok", true},
      {"version", BREAKWATER_VERSION},
      {"mode", rules.observe ? "observe" : "enforce"},
      {"config", config->path},
      {"started", WallTime(started_, now)},
      {"uptime_seconds",
       std::chrono::duration_cast<seconds>(now - started_).count()},
      {"fronts",
       {{"milter", config->milter.socket}, {"policy", config->policy.sockets}}},
      {"doors", DescribeDoors(doors, now)},
      {"zones", zones},
      {"enforcer", enforcing},
      {"protected", DescribeProtections(*config, enforcer)},
      {"protected_not_shown", ProtectionsNotShown(*config)},
      {"allowed", DescribeAllowances(parts_.allowances, now)},
      {"proxy", DescribeProxy(restraint.proxy().state(), now)},
      {"bans", bans},
      {"waiting", parts_.screener.waiting()},
      {"sessions", parts_.screener.sessions()},
      {"cached_clients", parts_.dnsbl.cached_clients()},
      {"brake", DescribeBrake(brake, now)},
      {"offence_brake", DescribeBrake(offences, now)},
      {"history", DescribeHistory(restraint.history(), rules.history)},
      {"problems", problems},
      {"warnings", config->warnings}};
}

asio::awaitable<json> Operator::Bans(size_t limit) const {
  const Instant now = Clock::now();
  json list = json::array();
  Breather breather;
  for (const Network& network : parts_.bans.Soonest(now, limit)) {
    if (const auto ban = parts_.bans.Find(network, now)) {
      list.push_back(DescribeBan(*ban, now));
    }
    if (breather.IsDue()) co_await breather.Breathe();
  }
  co_return json{
      {"ok", true}, {"total", parts_.bans.size()}, {"bans", std::move(list)}};
}

asio::awaitable<json> Operator::Export(uint64_t snapshot, size_t offset) {
  const Instant now = Clock::now();
  std::vector<Network> who;
  if (snapshot == 0) {
    // What was widened is widened again where its clients are imported.
    const auto note = [&who, now](const BanTable::Glance& ban) {
      if (ban.expires > now && IsClient(ban.network)) {
        who.push_back(ban.network);
      }
      return false;
    };
    who.reserve(parts_.bans.size());
    BanTable::Cursor cursor;
    Breather breather;
    while (parts_.bans.Look(cursor, kLookedAtOnce, note)) {
      if (breather.IsDue()) co_await breather.Breathe();
    }
  }
  co_return export_.Page(snapshot, offset, std::move(who),
                         FirewallNames(parts_.config()->firewall.set_prefix),
                         now);
}

asio::awaitable<json> Operator::BanAddress(ControlRequest request) {
  const std::string why =
      request.reason.empty() ? "banned by the operator" : request.reason;
  const absl::StatusOr<Ban> ban =
      parts_.screener.BanByOperator(request.address, request.length, why);
  if (!ban.ok()) co_return Failure(ban.status());
  json answer = {{"ok", true}, {"ban", DescribeBan(*ban, Clock::now())}};
  co_return co_await WhenSettled(std::move(answer), "this ban",
                                 NetworksOf(request.address));
}

asio::awaitable<json> Operator::Import(std::vector<BanEntry> entries) {
  size_t began = 0;
  size_t prolonged = 0;
  json refused = json::array();
  Breather breather;
  for (size_t i = 0; i < entries.size(); ++i) {
    BanEntry& entry = entries[i];
    co_await Pace();
    if (breather.IsDue()) co_await breather.Breathe();
    const absl::StatusOr<BanKeeper::InForce> ban =
        parts_.screener.BanAsTold({.network = entry.network,
                                   .expires = Clock::now() + entry.left,
                                   .origin = entry.origin,
                                   .count = entry.count,
                                   .id = std::move(entry.id),
                                   .label = std::move(entry.label),
                                   .text = std::move(entry.reason)},
                                  /*is_news=*/false);
    if (!ban.ok()) {
      refused.push_back(
          {{"entry", i}, {"error", std::string(ban.status().message())}});
    } else {
      began += ban->began;
      prolonged += ban->prolonged;
    }
  }
  json answer = {{"ok", true},
                 {"new", began},
                 {"prolonged", prolonged},
                 {"refused", refused}};
  // So many are written bit by bit, and what is lost can be imported again.
  co_return co_await WhenSettled(std::move(answer), "these bans", {});
}

asio::awaitable<void> Operator::Pace() {
  const double rate = parts_.config()->enforcer.bans_per_second * kImportShare;
  if (!pace_ || paced_rate_ != rate) {
    paced_rate_ = rate;
    pace_.emplace(
        rate, std::max(1.0, parts_.config()->enforcer.ban_burst * kImportShare),
        Clock::now());
  }
  bool may = pace_->Take(Clock::now());
  while (!may) {
    asio::steady_timer pause(co_await asio::this_coro::executor, kPause);
    co_await pause.async_wait(
        asio::experimental::as_tuple(asio::use_awaitable));
    may = pace_->Take(Clock::now());
  }
}

asio::awaitable<json> Operator::Unban(ControlRequest request) {
  const Network network =
      request.IsWide() ? request.network : Network::OfClient(request.address);
  const std::vector<Ban> bans = parts_.screener.Unban(network);
  if (request.IsWide() && parts_.memory != nullptr) {
    parts_.memory->LetIn(network);
  }
  if (bans.empty()) {
    co_await parts_.settled();
    co_return Failure(absl::NotFoundError(absl::StrCat(
        network.ToString(),
        " was not banned; the kernel was told to let it in all the same")));
  }
  const Instant now = Clock::now();
  json answer = {{"ok", true},
                 {"was", DescribeBan(bans.front(), now)},
                 {"lifted", bans.size()},
                 {"more", json::array()}};
  std::vector<Network> changed = NetworksOf(network.address);
  for (size_t i = 1; i < bans.size(); ++i) {
    if (i <= kMostLiftedShown) {
      answer["more"].push_back(DescribeBan(bans[i], now));
    }
    changed.push_back(bans[i].network);
  }
  co_return co_await WhenSettled(std::move(answer), "it", std::move(changed));
}

// Who is told yes, without a note, may rely on it: no crash of ours undoes it.
asio::awaitable<json> Operator::WhenSettled(json answer, std::string what,
                                            std::vector<Network> changed) {
  const bool settled = co_await parts_.settled();
  const bool remembered = co_await parts_.remembered(std::move(changed));
  std::vector<std::string> notes;
  if (!settled) notes.push_back(NotYet(what));
  if (!remembered) {
    notes.push_back("the memory has not written it yet: a crash would undo it");
  }
  if (!notes.empty()) answer["note"] = absl::StrJoin(notes, "; ");
  co_return answer;
}

std::string Operator::NotYet(const std::string& what) const {
  return parts_.enforcer().connected
             ? absl::StrCat("the kernel has not confirmed ", what, " yet")
             : absl::StrCat("the enforcer is away: the kernel will hear of ",
                            what, " when it is back");
}

asio::awaitable<json> Operator::Allow(ControlRequest request) {
  const Instant now = Clock::now();
  const Allowance allowance{.network = request.network,
                            .until = now + request.length,
                            .reason = request.reason,
                            .forced = request.force};
  const std::optional<Allowance> replaced =
      parts_.allowances.Of(request.network);
  const absl::Status status = parts_.allowances.Allow(allowance);
  if (!status.ok()) co_return Failure(status);
  Remember(allowance, EventKind::kAllowed, request.length);
  const size_t unbanned = co_await ApplyAllowances();
  // The table may have forgotten what the kernel still holds.
  const IpAddress& address = request.network.address;
  if (unbanned == 0 && Network::OfClient(address) == request.network) {
    parts_.screener.Unban(request.network);
  }
  json answer = {{"ok", true},
                 {"allowed", DescribeAllowance(allowance, now)},
                 {"unbanned", unbanned}};
  if (replaced) answer["replaced"] = DescribeAllowance(*replaced, now);
  if (const auto protection = FindProtection(
          request.network.address, *parts_.config(), parts_.enforcer());
      protection && protection->network.Contains(request.network)) {
    answer["protected"] = {{"network", protection->network.ToString()},
                           {"by", protection->why}};
  }
  std::vector<Network> changed = {request.network};
  co_return co_await WhenSettled(std::move(answer), "it", std::move(changed));
}

asio::awaitable<size_t> Operator::ApplyAllowances() {
  const size_t before = parts_.screener.lifted_by_rules();
  parts_.apply_allowances();
  Breather breather;
  while (parts_.screener.is_sweeping()) co_await breather.Breathe();
  co_return parts_.screener.lifted_by_rules() - before;
}

json Operator::Allowed() const {
  return {{"ok", true},
          {"allowed", DescribeAllowances(parts_.allowances, Clock::now())}};
}

void Operator::Remember(const Allowance& allowance, EventKind kind,
                        Duration length) {
  if (parts_.memory == nullptr) return;
  parts_.memory->Changed(allowance.network);
  parts_.memory->Happened({.who = allowance.network,
                           .kind = kind,
                           .label = "operator",
                           .detail = allowance.reason,
                           .length = length});
}

asio::awaitable<json> Operator::Disallow(Network network) {
  const std::optional<Allowance> was = parts_.allowances.End(network);
  if (!was) {
    const std::optional<Allowance> wider = parts_.allowances.Find(network);
    std::string why =
        wider ? absl::StrCat(network.ToString(), " is allowed with ",
                             wider->network.ToString(),
                             ", and not by itself; \"breakwater disallow ",
                             wider->network.ToString(), "\" ends that")
              : absl::StrCat(
                    network.ToString(),
                    " was not allowed; \"breakwater allow\" shows what is");
    if (parts_.memory != nullptr && !parts_.memory->is_read()) {
      Remember({.network = network}, EventKind::kDisallowed, {});
      absl::StrAppend(&why,
                      ". The memory cannot be read yet: if it is allowed by "
                      "that, it will not be");
    }
    co_return Failure(absl::NotFoundError(why));
  }
  Remember(*was, EventKind::kDisallowed, {});
  parts_.apply_allowances();
  json answer = {{"ok", true}, {"was", DescribeAllowance(*was, Clock::now())}};
  if (const auto wider = parts_.allowances.Find(network)) {
    answer["still"] = DescribeAllowance(*wider, Clock::now());
  }
  std::vector<Network> changed = {network};
  co_return co_await WhenSettled(std::move(answer), "it", std::move(changed));
}

asio::awaitable<json> Operator::Report(ReportRequest request) {
  const IpAddress client = request.address;
  const absl::StatusOr<ReportOutcome> outcome =
      co_await TakeReport(parts_.screener, parts_.bans, std::move(request));
  co_return DescribeReport(outcome, client, Clock::now());
}

asio::awaitable<json> Operator::History(ControlRequest request) {
  if (parts_.memory == nullptr) {
    co_return Failure(
        absl::FailedPreconditionError("nothing is kept: memory.file is \"\""));
  }
  std::vector<Network> who = request.IsWide() ? std::vector{request.network}
                                              : NetworksOf(request.address);
  const absl::StatusOr<std::vector<PastEvent>> events =
      co_await parts_.memory->History(std::move(who), request.limit,
                                      /*with_members=*/request.IsWide());
  if (!events.ok()) co_return Failure(events.status());
  const std::string shown = request.IsWide() ? request.network.ToString()
                                             : request.address.ToString();
  json answer = {
      {"ok", true}, {"address", shown}, {"events", DescribeEvents(*events)}};
  if (const std::string trouble = parts_.memory->trouble(); !trouble.empty()) {
    answer["note"] = absl::StrCat(
        "what has happened of late may be missing, for the memory is not "
        "being written: ",
        trouble);
  }
  co_return answer;
}

asio::awaitable<json> Operator::Explain(IpAddress address) {
  const std::shared_ptr<const Config> config = parts_.config();
  const Rules& rules = config->rules;
  const std::vector<Dnsbl::ZoneReport> reports =
      co_await parts_.dnsbl.Ask(address);
  // Everything else as it is now that the lists have answered.
  const Instant now = Clock::now();
  json answer = {{"ok", true},
                 {"address", address.ToString()},
                 {"network", Network::OfClient(address).ToString()},
                 {"mode", rules.observe ? "observe" : "enforce"},
                 {"exempt", nullptr},
                 {"ban", nullptr},
                 {"looked_for", nullptr},
                 {"left_over_sets", HasLeftOvers(parts_.enforcer())},
                 {"history", nullptr},
                 {"zones", json::array()}};
  if (const auto protection =
          FindProtection(address, *config, parts_.enforcer())) {
    answer["exempt"] = {{"network", protection->network.ToString()},
                        {"why", protection->why},
                        {"until", nullptr}};
  } else if (const auto allowance = parts_.allowances.Find(address)) {
    answer["exempt"] = ExemptBy(*allowance, now);
  }
  if (const auto ban = parts_.bans.Find(address, now)) {
    answer["ban"] = DescribeBan(*ban, now);
    answer["looked_for"] =
        IsLookedFor(ban->network, *config, parts_.enforcer());
  }
  const Restraint& restraint = parts_.screener.restraint();
  if (const auto standing = restraint.history().Find(address, now)) {
    answer["history"] = DescribeStanding(*standing, now);
  }
  answer["conduct"] = DescribeConduct(parts_.screener, rules, address, now);
  for (const Dnsbl::ZoneReport& report : reports) {
    if (report.zone >= rules.zones.size()) continue;
    answer["zones"].push_back(
        DescribeZoneReport(rules.zones[report.zone], report));
  }
  answer["verdict"] = DescribeJudgement(rules, address, reports);
  answer["verdict"]["withheld"] = nullptr;
  if (answer["verdict"]["ban_seconds"].is_number()) {
    if (const auto withheld = restraint.Against(address, Ground::kLists, now)) {
      answer["verdict"]["withheld"] = WithheldName(*withheld);
    }
  }
  const bool known = parts_.enforcer().protection_known;
  answer["verdict"]["reply_withheld"] =
      WhyNoReply(answer, rules.observe, known);
  answer["summary"] = Summary(answer, rules.observe, known);
  answer["not_judged_on_ports"] = rules.submission_ports;
  co_return answer;
}

asio::awaitable<json> Operator::ExplainName(std::string name) {
  const std::vector<Dnsbl::ZoneReport> reports =
      co_await parts_.dnsbl.Ask(name);
  const std::shared_ptr<const Config> config = parts_.config();
  const Rules& rules = config->rules;
  json answer = {{"ok", true},
                 {"name", name},
                 {"mode", rules.observe ? "observe" : "enforce"},
                 {"zones", json::array()}};
  for (const Dnsbl::ZoneReport& report : reports) {
    if (report.zone >= rules.zones.size()) continue;
    const Zone& zone = rules.zones[report.zone];
    json described = DescribeZoneReport(zone, report);
    described["names"] = json::array();
    for (const NameKind kind : zone.names) {
      described["names"].push_back(NameKindName(kind));
    }
    answer["zones"].push_back(std::move(described));
  }
  answer["verdict"] = DescribeJudgement(rules, name, reports);
  answer["verdict"]["reply_withheld"] = WhyNoReply(answer, rules.observe);
  answer["summary"] = NameSummary(answer, rules.observe);
  co_return answer;
}

json Operator::Zones() const {
  const std::shared_ptr<const Config> config = parts_.config();
  const std::vector<Zone>& zones = config->rules.zones;
  const std::vector<ZoneHealth> health = parts_.dnsbl.Health();
  const std::vector<const ZoneLedger*> ledgers = parts_.dnsbl.Ledgers();
  const UtcDay today = Today();
  json described = json::array();
  for (size_t i = 0; i < ledgers.size() && i < zones.size(); ++i) {
    described.push_back(
        DescribeLedger(zones[i], health[i], *ledgers[i], today));
  }
  return DescribeLedgers(std::move(described), today);
}

asio::awaitable<json> Operator::TestZones(std::string label) {
  const std::shared_ptr<const Config> config = parts_.config();
  const std::vector<Zone>& zones = config->rules.zones;
  std::vector<size_t> chosen;
  for (size_t i = 0; i < zones.size(); ++i) {
    if (label.empty() || zones[i].label == label ||
        zones[i].name == NormalName(label)) {
      chosen.push_back(i);
    }
  }
  if (chosen.empty() && !label.empty()) {
    // The word is not repeated: it may be a name with a key in it.
    co_return Failure(absl::NotFoundError(
        "no zone has that label; \"breakwater zones\" shows those there are"));
  }
  const std::vector<Dnsbl::ZoneTest> tests =
      co_await parts_.dnsbl.Test(std::move(chosen));
  json described = json::array();
  bool all_ok = true;
  for (const Dnsbl::ZoneTest& test : tests) {
    if (test.zone >= zones.size()) continue;
    described.push_back(DescribeZoneTest(zones[test.zone], test));
    all_ok = all_ok && described.back()["ok"] == true;
  }
  co_return json{{"ok", true}, {"all_ok", all_ok}, {"zones", described}};
}

json Operator::MetricsText() const {
  parts_.dnsbl.UpdateGauges();
  return {{"ok", true}, {"metrics", parts_.metrics.Render()}};
}

absl::StatusOr<std::vector<std::string>> Operator::Load() {
  absl::StatusOr<std::vector<std::string>> notes = parts_.reload();
  refused_.reset();
  if (!notes.ok()) {
    refused_ = RefusedReload{.when = Clock::now(),
                             .why = std::string(notes.status().message())};
  }
  return notes;
}

json Operator::Reload() {
  const absl::StatusOr<std::vector<std::string>> notes = Load();
  if (!notes.ok()) return Failure(notes.status());
  return {{"ok", true}, {"notes", *notes}};
}

}  // namespace breakwater
