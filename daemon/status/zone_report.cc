#include "daemon/status/zone_report.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace breakwater {
namespace {

using nlohmann::json;
using Allowance = ZoneLedger::Allowance;

json DescribeTally(const Tally& tally) {
  json outcomes = json::object();
  for (size_t i = 0; i < kZoneOutcomes; ++i) {
    if (tally.outcomes[i] == 0) continue;
    outcomes[ZoneOutcomeName(static_cast<ZoneOutcome>(i))] = tally.outcomes[i];
  }
  json saved = json::object();
  for (size_t i = 0; i < kSavings; ++i) {
    saved[SavingName(static_cast<Saving>(i))] = tally.saved[i];
  }
  return {{"asked", tally.questions()},
          {"listing_questions", tally.of(Question::kListing)},
          {"reason_questions", tally.of(Question::kReason)},
          {"probe_questions", tally.of(Question::kProbe)},
          {"saved", saved},
          {"outcomes", outcomes},
          {"listed", tally.of(ZoneOutcome::kListed)},
          {"not_listed", tally.of(ZoneOutcome::kNotListed)},
          {"errors", tally.errors()}};
}

json Milliseconds(const LatencyQuantiles& latency, double share) {
  const auto quantile = latency.Quantile(share);
  if (!quantile) return nullptr;
  return static_cast<double>(quantile->count()) / 1000.0;
}

const char* AllowanceName(Allowance allowance) {
  switch (allowance) {
    case Allowance::kFree:
      return "free";
    case Allowance::kSparing:
      return "sparing";
    case Allowance::kSpent:
      return "spent";
  }
  return "?";
}

// What is wrong for one family; nothing where a list simply has none of it.
void AddTrouble(const char* family, const ZoneProof& proof, json& trouble) {
  switch (proof.standing) {
    case ZoneStanding::kListsEverything:
    case ZoneStanding::kRefused:
    case ZoneStanding::kUnreachable:
      trouble.push_back(
          absl::StrCat(family, ": ", ZoneStandingName(proof.standing),
                       proof.hint.empty() ? "" : ": ", proof.hint));
      break;
    case ZoneStanding::kUnknown:
    case ZoneStanding::kOk:
    case ZoneStanding::kNoTestEntry:
      break;
  }
}

json TroubleOf(const ZoneHealth& health) {
  json trouble = json::array();
  if (health.type == ZoneType::kDomain) {
    AddTrouble("names", health.domain, trouble);
  } else {
    AddTrouble("IPv4", health.ipv4, trouble);
    AddTrouble("IPv6", health.ipv6, trouble);
  }
  // A list may have IPv6 alone.
  const ZoneProof& proof = health.proof();
  if (trouble.empty() && !proof.believed && !health.ipv6.believed) {
    trouble.push_back(
        proof.standing == ZoneStanding::kNoTestEntry
            ? absl::StrCat("it has no test entry, so nothing that it says "
                           "counts",
                           proof.hint.empty() ? "" : ": ", proof.hint)
            : absl::StrCat("nothing is proven of it yet, so nothing that it "
                           "says counts",
                           proof.hint.empty() ? "" : ": ", proof.hint));
  }
  if (health.in_doubt) {
    trouble.push_back("in doubt: it bans nobody until it is proven again");
  }
  if (std::string spent = SpentBudget(health); !spent.empty()) {
    trouble.push_back(std::move(spent));
  }
  return trouble;
}

// One family's verdict, in words.
std::string Words(const char* test_entry, const ProbeReading& reading) {
  switch (reading.standing) {
    case ZoneStanding::kOk:
      return absl::StrCat(test_entry,
                          " is listed, as it must be, and what must "
                          "not be is not");
    case ZoneStanding::kNoTestEntry:
      return absl::StrCat(test_entry, " is not listed, as it should be");
    case ZoneStanding::kListsEverything:
      return "it lists what no list may";
    case ZoneStanding::kRefused:
      return "it refuses to serve us";
    case ZoneStanding::kUnreachable:
      return "no answer came";
    case ZoneStanding::kUnknown:
      return "it was not asked: too many questions are in flight";
  }
  return "?";
}

json DescribeReading(const char* test_entry, const ProbeReading& reading,
                     bool is_other_good = false) {
  std::string words = Words(test_entry, reading);
  // Then it needs no advice.
  if (reading.standing == ZoneStanding::kNoTestEntry && is_other_good) {
    return {{"state", ZoneStandingName(reading.standing)},
            {"words", absl::StrCat(test_entry,
                                   " is not listed: the list has none of these "
                                   "addresses, and is not asked about them")}};
  }
  if (!reading.hint.empty()) absl::StrAppend(&words, "; ", reading.hint);
  return {{"state", ZoneStandingName(reading.standing)}, {"words", words}};
}

// Of a list of domains.
json DescribeNamesTest(const Zone& zone, const Dnsbl::ZoneTest& test) {
  const ProbeReading& reading = test.probe.domain;
  const bool is_empty = reading.standing == ZoneStanding::kNoTestEntry;
  const bool ok =
      reading.standing == ZoneStanding::kOk || (is_empty && !zone.strict);
  const char* verdict =
      ok ? is_empty ? "it has no test entry, and strict is false: believed"
                    : "good"
      : is_empty ? "it has no test entry: is the name right? If the list has "
                   "none, say strict = false"
                 : "not to be believed";
  return {{"label", zone.label},
          {"type", ZoneTypeName(zone.type)},
          {"ok", ok},
          {"verdict", verdict},
          {"domain", DescribeReading("TEST", reading)},
          {"ms", test.took.count()}};
}

}  // namespace

const char* ZoneTypeName(ZoneType type) {
  return type == ZoneType::kDomain ? "domain" : "address";
}

std::string SpentBudget(const ZoneHealth& health) {
  if (health.is_spent) {
    return absl::StrCat("daily_budget is spent, ", health.daily_budget,
                        " questions: it is not asked about clients until "
                        "midnight, UTC");
  }
  if (!health.held) return "";
  return absl::StrCat(
      health.held->network.ToString(), " has had its share of daily_budget, ",
      health.held->share, " of ", health.daily_budget,
      " questions: it is judged without this list until midnight, UTC (",
      health.held->withheld, " questions withheld today)");
}

json DescribeLedger(const Zone& zone, const ZoneHealth& health,
                    const ZoneLedger& ledger, UtcDay today) {
  json weights = json::array();
  for (const ZoneFilter& filter : zone.filters) {
    weights.push_back(filter.weight);
  }
  const Allowance allowance = ledger.allowance(today);
  const json trouble = TroubleOf(health);
  json state = {{"ipv4", ZoneStandingName(health.ipv4.standing)},
                {"ipv6", ZoneStandingName(health.ipv6.standing)}};
  if (zone.type == ZoneType::kDomain) {
    state = {{"domain", ZoneStandingName(health.domain.standing)}};
  }
  return {{"label", zone.label},
          {"type", ZoneTypeName(zone.type)},
          {"ok", trouble.empty()},
          {"trouble", trouble},
          {"state", state},
          {"in_doubt", health.in_doubt},
          {"kind", zone.kind == ZoneKind::kAllow ? "allow" : "block"},
          {"weights", weights},
          {"after", zone.after},
          {"daily_budget",
           ledger.budget() == 0 ? json(nullptr) : json(ledger.budget())},
          {"allowance", AllowanceName(allowance)},
          {"today", DescribeTally(ledger.today(today))},
          {"total", DescribeTally(ledger.total())},
          {"p50_ms", Milliseconds(ledger.latency(), 0.5)},
          {"p99_ms", Milliseconds(ledger.latency(), 0.99)}};
}

json DescribeLedgers(json zones, UtcDay today) {
  const bool all_ok = std::ranges::all_of(
      zones, [](const json& zone) { return zone["ok"] == true; });
  const std::chrono::year_month_day day = today;
  return {{"ok", true},
          {"all_ok", all_ok},
          {"day", absl::StrFormat("%04d-%02d-%02d", int{day.year()},
                                  unsigned{day.month()}, unsigned{day.day()})},
          {"zones", std::move(zones)}};
}

json DescribeZoneTest(const Zone& zone, const Dnsbl::ZoneTest& test) {
  if (zone.type == ZoneType::kDomain) return DescribeNamesTest(zone, test);
  const ProbeReading& ipv4 = test.probe.ipv4;
  const ProbeReading& ipv6 = test.probe.ipv6;
  const auto is_empty = [](const ProbeReading& reading) {
    return reading.standing == ZoneStanding::kNoTestEntry;
  };
  const auto is_good = [&](const ProbeReading& reading) {
    return reading.standing == ZoneStanding::kOk ||
           (is_empty(reading) && !zone.strict);
  };
  // Many lists have no IPv6, and some have nothing else.
  const bool ok = (is_good(ipv4) && (is_good(ipv6) || is_empty(ipv6))) ||
                  (is_good(ipv6) && is_empty(ipv4));
  std::string verdict;
  if (!ok) {
    verdict = is_empty(ipv4) && is_empty(ipv6)
                  ? "it has no test entries: is the name right? If the list "
                    "has none, say strict = false"
                  : "not to be believed";
  } else if (is_empty(ipv4) && is_empty(ipv6)) {
    verdict = "it has no test entries, and strict is false: believed";
  } else if (is_empty(ipv6)) {
    verdict = "good for IPv4; it has no IPv6";
  } else if (is_empty(ipv4)) {
    verdict = "good for IPv6; it has no IPv4";
  } else {
    verdict = "good";
  }
  return {{"label", zone.label},
          {"type", ZoneTypeName(zone.type)},
          {"ok", ok},
          {"verdict", verdict},
          {"ipv4", DescribeReading("127.0.0.2", ipv4,
                                   ipv6.standing == ZoneStanding::kOk)},
          {"ipv6", DescribeReading("::ffff:127.0.0.2", ipv6,
                                   ipv4.standing == ZoneStanding::kOk)},
          {"ms", test.took.count()}};
}

}  // namespace breakwater
