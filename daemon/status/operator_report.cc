#include "daemon/status/operator_report.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "core/base/duration.h"
#include "core/base/text.h"
#include "core/judge/reply.h"
#include "daemon/status/set_report.h"
#include "daemon/status/zone_report.h"
#include "daemon/toml/wide_networks.h"

namespace breakwater {
namespace {

using nlohmann::json;
using std::chrono::duration_cast;
using std::chrono::seconds;

constexpr Duration kCrowdIsOver = std::chrono::minutes(10);
// Of those that the configuration names.
constexpr size_t kMostProtectedShown = 200;
// An enforcer answers at once, unless a dump of the kernel's keeps it.
constexpr Duration kOverdue = seconds(3);
constexpr size_t kLongestShown = 255;  // of a list's own words

int64_t SecondsBetween(Instant from, Instant to) {
  return duration_cast<seconds>(to - from).count();
}

// In whole seconds: nobody reads milliseconds of an hour.
std::string Words(Instant from, Instant to) {
  return FormatDuration(
      seconds(std::max<int64_t>(SecondsBetween(from, to), 0)));
}

// How long an answer is overdue of an enforcer that seems to be there, or null.
json SilentSeconds(const EnforcerState& state, Instant now) {
  if (!state.connected || !state.owes_since ||
      now - *state.owes_since < kOverdue) {
    return nullptr;
  }
  return SecondsBetween(*state.owes_since, now);
}

std::string AddressText(uint32_t address) {
  return IpAddress::FromV4(address).ToString();
}

// Why a zone's listings do not count, if they do not.
std::optional<std::string> Disbelief(const ZoneHealth& zone, Instant now) {
  const ZoneProof& proof = zone.proof();
  if (proof.standing == ZoneStanding::kUnknown && !proof.hint.empty()) {
    return absl::StrCat(
        "zone ", zone.label,
        " is not asked, for nothing is proven of it yet: ", proof.hint);
  }
  if (!proof.since || proof.standing == ZoneStanding::kOk) return std::nullopt;
  if (proof.believed && proof.standing == ZoneStanding::kNoTestEntry) {
    return std::nullopt;
  }
  return absl::StrCat("zone ", zone.label, " is not asked, ",
                      ZoneStandingName(proof.standing), " for ",
                      Words(*proof.since, now), ": ", proof.hint);
}

// The same of IPv6, where a list that is believed for IPv4 has gone astray. It
// may as well have none.
std::optional<std::string> DisbeliefIn6(const ZoneHealth& zone, Instant now) {
  const ZoneProof& proof = zone.ipv6;
  if (zone.type == ZoneType::kDomain || !zone.ipv4.believed || !proof.since ||
      (proof.standing != ZoneStanding::kListsEverything &&
       proof.standing != ZoneStanding::kRefused)) {
    return std::nullopt;
  }
  return absl::StrCat("zone ", zone.label, " is not asked about IPv6 clients, ",
                      ZoneStandingName(proof.standing), " for ",
                      Words(*proof.since, now), ": ", proof.hint);
}

}  // namespace

std::string WallTime(Instant instant, Instant now) {
  return WallTime(
      std::chrono::system_clock::now() +
      duration_cast<std::chrono::system_clock::duration>(instant - now));
}

std::string WallTime(std::chrono::system_clock::time_point wall) {
  const std::time_t time = std::chrono::system_clock::to_time_t(wall);
  tm utc{};
  gmtime_r(&time, &utc);
  return absl::StrFormat("%04d-%02d-%02dT%02d:%02d:%02dZ", utc.tm_year + 1900,
                         utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min,
                         utc.tm_sec);
}

json DescribeBan(const Ban& ban, Instant now) {
  return {
      {"network", ban.network.ToString()},
      {"seconds_left", std::max<int64_t>(SecondsBetween(now, ban.expires), 0)},
      {"until", WallTime(ban.expires, now)},
      {"origin", OriginName(ban.origin)},
      {"count", ban.count},
      {"members", ban.members},
      {"id", ban.id},
      {"zone", ban.label},
      {"reason", ban.text}};
}

json DescribeZone(const Zone& zone, const ZoneHealth& health, Instant now) {
  const ZoneProof& proof = health.proof();
  json result = {{"label", zone.label},
                 {"type", ZoneTypeName(zone.type)},
                 {"bans", zone.ban},
                 {"queries", health.queries()},
                 {"listed", health.count(ZoneOutcome::kListed)},
                 {"errors", health.errors()},
                 {"last", health.queries() == 0 ? "not asked yet"
                                                : ZoneOutcomeName(health.last)},
                 {"failing_seconds", nullptr},
                 {"state", ZoneStandingName(proof.standing)},
                 {"state_ipv4", nullptr},
                 {"state_ipv6", nullptr},
                 {"state_seconds", nullptr},
                 {"hint", proof.hint},
                 {"in_doubt", health.in_doubt},
                 {"listed_share", std::round(health.listed_share * 100) / 100}};
  if (zone.type == ZoneType::kAddress) {
    result["state_ipv4"] = ZoneStandingName(health.ipv4.standing);
    result["state_ipv6"] = ZoneStandingName(health.ipv6.standing);
  }
  if (proof.since) {
    result["state_seconds"] = SecondsBetween(*proof.since, now);
  }
  if (health.failing_since) {
    result["failing_seconds"] = SecondsBetween(*health.failing_since, now);
  }
  return result;
}

json DescribeEnforcer(const EnforcerState& state, Instant now) {
  return {{"connected", state.connected},
          {"since", WallTime(state.since, now)},
          {"seconds", SecondsBetween(state.since, now)},
          {"silent_seconds", SilentSeconds(state, now)},
          {"trouble", state.trouble},
          {"counters", state.counters}};
}

std::optional<Protection> FindProtection(const IpAddress& address,
                                         const Config& config,
                                         const EnforcerState& enforcer) {
  if (const auto network = AlwaysProtected().Find(address)) {
    return Protection{*network, "loopback or link-local"};
  }
  if (const auto network = config.rules.protected_networks.Find(address)) {
    return Protection{*network, "protect.networks"};
  }
  for (const auto& [network, why] : enforcer.protections) {
    if (network.Contains(address)) return Protection{network, why};
  }
  if (const auto range = SpecialRanges().Find(address);
      range && config.protect.special_ranges) {
    return Protection{*range, "special range"};
  }
  return std::nullopt;
}

json DescribeAllowance(const Allowance& allowance, Instant now) {
  return {{"network", allowance.network.ToString()},
          {"seconds_left",
           std::max<int64_t>(SecondsBetween(now, allowance.until), 0)},
          {"until", WallTime(allowance.until, now)},
          {"reason", allowance.reason}};
}

json DescribeAllowances(const Allowances& allowances, Instant now) {
  json result = json::array();
  for (const Allowance& allowance : allowances.list()) {
    result.push_back(DescribeAllowance(allowance, now));
  }
  return result;
}

json DescribeDoors(const std::vector<DoorLoad>& doors, Instant now) {
  json result = json::array();
  for (const DoorLoad& door : doors) {
    result.push_back(
        {{"front", door.front},
         {"connections", door.connections},
         {"most", door.most},
         {"turned_away", door.turned_away},
         {"asked_seconds_ago", door.last_asked
                                   ? json(SecondsBetween(*door.last_asked, now))
                                   : json(nullptr)}});
  }
  return result;
}

std::string RefusedReloadProblem(const RefusedReload& refused, Instant now) {
  const std::vector<absl::string_view> wrong =
      absl::StrSplit(refused.why, '\n', absl::SkipEmpty());
  return absl::StrCat(
      "the configuration was refused at the reload ", Words(refused.when, now),
      " ago, and the one before it is in force: ",
      wrong.empty() ? "" : wrong.front(),
      wrong.size() > 1 ? absl::StrCat(" (and ", wrong.size() - 1, " more)")
                       : "",
      "; a restart may fail until that is mended, and \"breakwater reload\" "
      "tells whether it is");
}

std::vector<std::string> CrowdedDoors(const std::vector<DoorLoad>& doors,
                                      Instant now) {
  std::vector<std::string> problems;
  for (const DoorLoad& door : doors) {
    if (door.turned_away == 0 || now - door.last_turned_away > kCrowdIsOver) {
      continue;
    }
    problems.push_back(absl::StrCat(
        "the ", door.front, " door had no room for ",
        Counted(door.turned_away, "connection", "connections"), ", the last ",
        Words(door.last_turned_away, now), " ago: it holds ", door.most,
        ", and mail behind the others was not judged; more descriptors "
        "(LimitNOFILE) or a higher policy.max_connections make room"));
  }
  return problems;
}

std::vector<std::string> WideAllowances(const Allowances& allowances,
                                        Instant now) {
  std::vector<std::string> problems;
  for (const Allowance& allowance : allowances.list()) {
    if (!IsWide(allowance.network)) continue;
    const std::string network = allowance.network.ToString();
    problems.push_back(absl::StrCat(
        network, " is allowed until ", WallTime(allowance.until, now),
        ": nobody in it is judged; \"breakwater disallow ", network,
        "\" ends that"));
  }
  return problems;
}

json ExemptBy(const Allowance& allowance, Instant now) {
  return {{"network", allowance.network.ToString()},
          {"why", allowance.reason.empty()
                      ? "allowed"
                      : absl::StrCat("allowed (", allowance.reason, ")")},
          {"until", WallTime(allowance.until, now)}};
}

size_t ProtectionsNotShown(const Config& config) {
  const size_t all = config.rules.protected_networks.networks().size();
  return all - std::min(all, kMostProtectedShown);
}

json DescribeProtections(const Config& config, const EnforcerState& enforcer) {
  json result = json::array();
  // Each once: the enforcer says what the configuration says too.
  absl::flat_hash_set<Network> seen;
  const auto add = [&](const Network& network, const std::string& why) {
    if (!seen.insert(network).second) return;
    result.push_back({{"network", network.ToString()}, {"why", why}});
  };
  for (const Network& network : AlwaysProtected().networks()) {
    add(network, "loopback or link-local");
  }
  const std::vector<Network>& configured =
      config.rules.protected_networks.networks();
  const size_t shown = std::min(configured.size(), kMostProtectedShown);
  for (size_t i = 0; i < shown; ++i) add(configured[i], "protect.networks");
  for (const auto& [network, why] : enforcer.protections) add(network, why);
  if (config.protect.special_ranges) {
    for (const Network& network : SpecialRanges().networks()) {
      add(network, "special range");
    }
  }
  return result;
}

std::vector<std::string> Problems(const Config& config,
                                  const EnforcerState& enforcer,
                                  const std::vector<ZoneHealth>& zones,
                                  size_t bans, Metrics& metrics, Instant now) {
  std::vector<std::string> problems;
  if (!enforcer.connected && !config.rules.observe) {
    problems.push_back(absl::StrCat(
        "the enforcer has been away for ", Words(enforcer.since, now),
        enforcer.trouble.empty() ? "" : " (", enforcer.trouble,
        enforcer.trouble.empty() ? "" : ")",
        enforcer.protection_known
            ? ": listed clients are rejected, but nobody new is kept out"
            : ""));
  }
  if (!SilentSeconds(enforcer, now).is_null() && !config.rules.observe) {
    problems.push_back(absl::StrCat(
        "the enforcer is connected and has not answered for ",
        Words(*enforcer.owes_since, now),
        ": it hangs, is stopped or busy, and nobody new is kept out until it "
        "answers"));
  }
  if (!enforcer.protection_known) {
    problems.push_back(
        "the enforcer has not told yet whom protect.mynetworks and "
        "protect.ssh_peers protect: all mail passes until it does");
  }
  for (std::string& problem : SetProblems(config, enforcer)) {
    problems.push_back(std::move(problem));
  }
  const auto unprotected = enforcer.counters.find("unprotected");
  if (enforcer.connected && unprotected != enforcer.counters.end() &&
      unprotected->second > 0) {
    problems.push_back(
        "not all that is in Postfix' mynetworks is protected: the enforcer's "
        "log says why, at event=protection-incomplete");
  }
  for (const auto& [network, why] : enforcer.protections) {
    if (auto wide = WideNetworkWarning(why, network, "judged or banned")) {
      problems.push_back(*std::move(wide));
    }
  }
  size_t failing = 0;
  for (const ZoneHealth& zone : zones) {
    for (auto& disbelief : {Disbelief(zone, now), DisbeliefIn6(zone, now)}) {
      if (disbelief) problems.push_back(*disbelief);
    }
    if (const std::string spent = SpentBudget(zone); !spent.empty()) {
      problems.push_back(absl::StrCat("zone ", zone.label, ": ", spent));
    }
    if (!zone.failing_since) continue;
    ++failing;
    problems.push_back(absl::StrCat(
        "zone ", zone.label, " has answered with errors for ",
        Words(*zone.failing_since, now), ", ", zone.errors_in_a_row,
        " in a row, the last: ", ZoneOutcomeName(zone.last)));
  }
  if (failing > 0 && failing == zones.size()) {
    problems.push_back(
        "no zone answers: all mail passes; is the resolver of dns.servers "
        "running?");
  }
  if (config.rules.zones.empty()) {
    problems.push_back("no zone is configured: all mail passes");
  }
  if (bans >= config.most_bans) {
    problems.push_back(
        "the table of bans is full: new ones push out those that would end "
        "first; raise ban.max");
  }
  // One now and then is a client that hung up at once.
  if (metrics.BansWithheld(WithheldName(Withheld::kNoSocket)).Value() > 0 &&
      metrics.Bans(OriginName(Origin::kList)).Value() +
              metrics.Bans(OriginName(Origin::kOffence)).Value() ==
          0) {
    problems.push_back(
        "no refused client has been banned, for none had a connection with "
        "this host: is the mail server behind a proxy, or in a network "
        "namespace of its own? See ban.needs_socket");
  }
  if (metrics.BansWithheld(WithheldName(Withheld::kNoPorts)).Value() > 0) {
    problems.push_back(
        "clients were refused and not banned, for the mail server did not say "
        "by which ports and addresses they are connected: does what asks leave "
        "out client_port, server_address or server_port? See ban.needs_socket");
  }
  return problems;
}

json DescribeZoneReport(const Zone& zone, const Dnsbl::ZoneReport& report) {
  json addresses = json::array();
  for (const uint32_t address : report.addresses) {
    addresses.push_back(AddressText(address));
  }
  const bool listed = report.answer.outcome == ZoneOutcome::kListed;
  return {{"label", zone.label},
          {"outcome", ZoneOutcomeName(report.answer.outcome)},
          {"error", IsZoneFault(report.answer.outcome)},
          {"addresses", addresses},
          {"counted",
           listed ? json(AddressText(report.answer.address)) : json(nullptr)},
          {"believed", report.believed},
          {"may_ban", report.may_ban},
          {"text", SafeReplyText(report.text, kLongestShown)},
          {"ms", report.took.count()}};
}

json DescribeJudgement(const Rules& rules, const Subject& subject,
                       const std::vector<Dnsbl::ZoneReport>& reports) {
  std::vector<Listing> listings;
  for (const Dnsbl::ZoneReport& report : reports) {
    if (report.answer.outcome != ZoneOutcome::kListed) continue;
    if (!report.believed) continue;
    listings.push_back({.zone = report.zone,
                        .filters = report.answer.filters,
                        .may_ban = report.may_ban});
  }
  const Judgement judgement = Judge(rules, listings);
  json result = {{"action", ActionName(judgement.action)},
                 {"zone", nullptr},
                 {"reply", nullptr},
                 {"ban_seconds", nullptr}};
  if (!judgement.zone) return result;

  const Zone& zone = rules.zones[*judgement.zone];
  const ReplyForm& form = ReplyFormOf(rules, zone);
  std::string reason;
  for (const Dnsbl::ZoneReport& report : reports) {
    if (report.zone == *judgement.zone) reason = report.text;
  }
  const auto* address = std::get_if<IpAddress>(&subject);
  const auto* name = std::get_if<std::string>(&subject);
  // The id is made when a client is really answered.
  const std::string text = RenderReply(
      form.text_template, {.client = address ? *address : IpAddress(),
                           .list = LabelOf(rules, listings, *judgement.zone),
                           .reason = reason,
                           .id = "....",
                           .name = name ? *name : ""});
  const Verdict verdict{.code = form.code};
  result["zone"] = zone.label;
  result["reply"] =
      absl::StrCat(form.code, " ", verdict.enhanced_code(), " ", text);
  if (judgement.ban) {
    result["ban_seconds"] = duration_cast<seconds>(*judgement.ban).count();
  }
  return result;
}

}  // namespace breakwater
