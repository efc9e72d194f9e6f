#include "daemon/status/zone_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/status/operator_report.h"

namespace breakwater {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const UtcDay kDay{std::chrono::year{2026} / 11 / 21};
const Zone kZone = {.name = "k3y.list.test", .label = "list.test"};

ZoneHealth Believed() {
  ZoneHealth health;
  health.ipv4 = {.standing = ZoneStanding::kOk, .believed = true};
  health.ipv6 = {.standing = ZoneStanding::kNoTestEntry};
  return health;
}

TEST(DescribeLedger, TellsWhatAZoneCostsAndGives) {
  ZoneLedger ledger("list.test");
  for (int i = 0; i < 3; ++i) {
    ledger.NoteQuestion(Question::kListing, ZoneOutcome::kListed, 2ms, kDay);
  }
  ledger.NoteQuestion(Question::kListing, ZoneOutcome::kTimeout, 2ms, kDay);
  ledger.NoteQuestion(Question::kReason, ZoneOutcome::kListed, 2ms, kDay);
  ledger.NoteSaving(Saving::kBan, kDay);
  const json told = DescribeLedger(kZone, Believed(), ledger, kDay);
  EXPECT_EQ(told["label"], "list.test");
  EXPECT_EQ(told["ok"], true) << told;
  EXPECT_EQ(told["today"]["asked"], 5);
  EXPECT_EQ(told["today"]["listing_questions"], 4);
  EXPECT_EQ(told["today"]["outcomes"], json({{"listed", 3}, {"timeout", 1}}));
  EXPECT_EQ(told["today"]["saved"]["ban"], 1);
  EXPECT_EQ(told["daily_budget"], nullptr);
  EXPECT_NEAR(told["p50_ms"].get<double>(), 2.0, 0.3);
  EXPECT_EQ(told.dump().find("k3y"), std::string::npos);
}

TEST(DescribeLedger, YesterdaysFiguresAreOfTheTotalOnly) {
  ZoneLedger ledger("list.test");
  ledger.NoteQuestion(Question::kListing, ZoneOutcome::kListed, 2ms, kDay);
  const json told =
      DescribeLedger(kZone, Believed(), ledger, kDay + std::chrono::days(1));
  EXPECT_EQ(told["today"]["asked"], 0);
  EXPECT_EQ(told["total"]["asked"], 1);
}

// Which zones a monitor should complain of.
TEST(DescribeLedger, SaysWhatIsWrong) {
  const struct {
    const char* what;
    ZoneHealth health;
    const char* trouble;  // null: nothing
  } kTable[] = {
      {"believed", Believed(), nullptr},
      {"not probed yet", {}, "nothing is proven"},
      {"strict = false",
       {.ipv4 = {.standing = ZoneStanding::kNoTestEntry, .believed = true}},
       nullptr},
      {"empty",
       {.ipv4 = {.standing = ZoneStanding::kNoTestEntry}},
       "no test entry"},
      {"IPv6 only",
       {.ipv4 = {.standing = ZoneStanding::kNoTestEntry},
        .ipv6 = {.standing = ZoneStanding::kOk, .believed = true}},
       nullptr},
      {"never an answer that could prove it",
       {.ipv4 = {.hint = "so"}},
       "nothing is proven of it yet, so nothing that it says counts: so"},
      {"refused",
       {.ipv4 = {.standing = ZoneStanding::kRefused, .hint = "the key?"}},
       "IPv4: refused: the key?"},
      {"IPv6 lies",
       {.ipv4 = {.standing = ZoneStanding::kOk, .believed = true},
        .ipv6 = {.standing = ZoneStanding::kListsEverything}},
       "IPv6: lists-everything"},
      {"doubt",
       {.ipv4 = {.standing = ZoneStanding::kOk, .believed = true},
        .in_doubt = true},
       "in doubt"},
  };
  for (const auto& row : kTable) {
    const json told =
        DescribeLedger(kZone, row.health, ZoneLedger("list.test"), kDay);
    EXPECT_EQ(told["ok"], row.trouble == nullptr) << row.what;
    if (row.trouble == nullptr) {
      EXPECT_THAT(told["trouble"], IsEmpty()) << row.what;
    } else {
      EXPECT_THAT(told["trouble"].dump(), HasSubstr(row.trouble)) << row.what;
    }
  }
}

std::string ProblemsOf(const ZoneHealth& health) {
  Config config;
  config.rules.zones = {kZone};
  EnforcerState enforcer;
  enforcer.connected = true;
  enforcer.protection_known = true;
  enforcer.without_rule = {{SetsOf::kIpset, 0}};
  Metrics metrics;
  return json(Problems(config, enforcer, {health}, 0, metrics, Clock::now()))
      .dump();
}

TEST(Problems, AFamilyThatAListDoesNotHaveIsNone) {
  const Instant since = Clock::now();
  const ZoneProof good = {
      .standing = ZoneStanding::kOk, .since = since, .believed = true};
  const ZoneProof none = {.standing = ZoneStanding::kNoTestEntry,
                          .since = since,
                          .hint = "set strict = false"};
  EXPECT_EQ(ProblemsOf({.ipv4 = good, .ipv6 = none}), "[]");
  EXPECT_EQ(ProblemsOf({.ipv4 = none, .ipv6 = good}), "[]");
  EXPECT_THAT(ProblemsOf({.ipv4 = none, .ipv6 = none}),
              HasSubstr("strict = false"));
}

TEST(Problems, AFamilyThatListsEverythingIsOne) {
  const Instant since = Clock::now();
  const ZoneProof good = {
      .standing = ZoneStanding::kOk, .since = since, .believed = true};
  const ZoneProof liar = {.standing = ZoneStanding::kListsEverything,
                          .since = since,
                          .hint = "a wildcard"};
  EXPECT_THAT(ProblemsOf({.ipv4 = good, .ipv6 = liar}),
              HasSubstr("about IPv6 clients, lists-everything"));
  EXPECT_THAT(ProblemsOf({.ipv4 = liar, .ipv6 = good}),
              HasSubstr("lists-everything"));
  EXPECT_THAT(ProblemsOf({.ipv4 = {.hint = "SERVFAIL"}}),
              HasSubstr("nothing is proven of it yet: SERVFAIL"));
}

TEST(DescribeZone, AListThatHasIpv6AloneIsOk) {
  const ZoneHealth health = {
      .ipv4 = {.standing = ZoneStanding::kNoTestEntry},
      .ipv6 = {.standing = ZoneStanding::kOk, .believed = true}};
  const json told = DescribeZone(kZone, health, Clock::now());
  EXPECT_EQ(told["state"], "ok");
  EXPECT_EQ(told["state_ipv4"], "no-test-entry");
}

TEST(Problems, ABudgetThatIsSpentIsOneAndSoIsAShareOfIt) {
  const ZoneProof good = {
      .standing = ZoneStanding::kOk, .since = Clock::now(), .believed = true};
  ZoneHealth health = {.ipv4 = good, .daily_budget = 2000};
  EXPECT_EQ(ProblemsOf(health), "[]");
  health.held = {
      .network = *Network::Parse("2001:db8::/48"), .share = 100, .withheld = 7};
  EXPECT_THAT(ProblemsOf(health),
              HasSubstr("2001:db8::/48 has had its share of daily_budget, 100 "
                        "of 2000 questions"));
  health.is_spent = true;
  EXPECT_THAT(ProblemsOf(health), HasSubstr("daily_budget is spent, 2000 "));
  const json told =
      DescribeLedger(kZone, health, ZoneLedger("list.test"), kDay);
  EXPECT_EQ(told["ok"], false);
  EXPECT_THAT(told["trouble"].dump(), HasSubstr("daily_budget is spent"));
}

TEST(DescribeLedger, ABudgetThatIsNearlySpentIsNotWrong) {
  ZoneLedger ledger("list.test");
  ledger.SetBudget(5);
  for (int i = 0; i < 4; ++i) {
    ledger.NoteQuestion(Question::kListing, ZoneOutcome::kListed, 2ms, kDay);
  }
  json told = DescribeLedger(kZone, Believed(), ledger, kDay);
  EXPECT_EQ(told["allowance"], "sparing");
  EXPECT_EQ(told["ok"], true);
  ledger.NoteQuestion(Question::kListing, ZoneOutcome::kListed, 2ms, kDay);
  told = DescribeLedger(kZone, Believed(), ledger, kDay);
  EXPECT_EQ(told["allowance"], "spent");
}

TEST(DescribeLedgers, AllAreOkOnlyIfEachIs) {
  const json good = {{"ok", true}};
  const json bad = {{"ok", false}};
  EXPECT_EQ(DescribeLedgers({good, good}, kDay)["all_ok"], true);
  EXPECT_EQ(DescribeLedgers({good, bad}, kDay)["all_ok"], false);
  EXPECT_EQ(DescribeLedgers(json::array(), kDay)["day"], "2026-11-21");
}

TEST(DescribeZoneTest, IsAVerdictInWords) {
  using enum ZoneStanding;
  const struct {
    ZoneStanding ipv4;
    ZoneStanding ipv6;
    bool strict;
    bool ok;
    const char* verdict;
  } kTable[] = {
      {kOk, kOk, true, true, "good"},
      {kOk, kNoTestEntry, true, true, "good for IPv4; it has no IPv6"},
      {kNoTestEntry, kOk, true, true, "good for IPv6; it has no IPv4"},
      {kNoTestEntry, kNoTestEntry, true, false, "it has no test entries: is"},
      {kNoTestEntry, kNoTestEntry, false, true, "strict is false: believed"},
      {kOk, kListsEverything, true, false, "not to be believed"},
      {kListsEverything, kListsEverything, false, false, "not to be believed"},
      {kRefused, kRefused, true, false, "not to be believed"},
      {kUnreachable, kUnreachable, false, false, "not to be believed"},
      {kUnknown, kUnknown, true, false, "not to be believed"},
  };
  for (const auto& row : kTable) {
    Zone zone = kZone;
    zone.strict = row.strict;
    const json told = DescribeZoneTest(
        zone, {.probe = {.ipv4 = {.standing = row.ipv4, .hint = "so"},
                         .ipv6 = {.standing = row.ipv6}}});
    EXPECT_EQ(told["ok"], row.ok) << told;
    EXPECT_THAT(told["verdict"].get<std::string>(), HasSubstr(row.verdict));
    const bool is_spare = row.ipv4 == kNoTestEntry && row.ipv6 == kOk;
    EXPECT_THAT(told["ipv4"]["words"].get<std::string>(),
                is_spare ? HasSubstr("not asked") : HasSubstr("; so"));
    EXPECT_EQ(told.dump().find("k3y"), std::string::npos);
  }
}

TEST(DescribeZoneTest, AListOfDomainsHasOneVerdict) {
  using enum ZoneStanding;
  const struct {
    ZoneStanding standing;
    bool strict;
    bool ok;
    const char* verdict;
  } kTable[] = {
      {kOk, true, true, "good"},
      {kNoTestEntry, true, false, "say strict = false"},
      {kNoTestEntry, false, true, "strict is false: believed"},
      {kListsEverything, false, false, "not to be believed"},
      {kUnreachable, true, false, "not to be believed"},
  };
  for (const auto& row : kTable) {
    Zone zone = kZone;
    zone.type = ZoneType::kDomain;
    zone.strict = row.strict;
    const json told = DescribeZoneTest(
        zone, {.probe = {.domain = {.standing = row.standing, .hint = "so"}}});
    EXPECT_EQ(told["ok"], row.ok) << told;
    EXPECT_THAT(told["verdict"].get<std::string>(), HasSubstr(row.verdict));
    EXPECT_THAT(told["domain"]["words"].get<std::string>(), HasSubstr("; so"));
    EXPECT_FALSE(told.contains("ipv4"));
  }
}

TEST(DescribeLedger, AListOfDomainsThatRefusesIsTrouble) {
  Zone zone = kZone;
  zone.type = ZoneType::kDomain;
  ZoneHealth health{.type = ZoneType::kDomain};
  health.domain = {.standing = ZoneStanding::kRefused, .hint = "127.0.1.255"};
  const json told = DescribeLedger(zone, health, ZoneLedger("L"), Today());
  EXPECT_EQ(told["ok"], false);
  EXPECT_EQ(told["trouble"].dump(), R"(["names: refused: 127.0.1.255"])");
  EXPECT_EQ(told["state"].dump(), R"({"domain":"refused"})");
  health.domain = {.standing = ZoneStanding::kOk, .believed = true};
  EXPECT_EQ(DescribeLedger(zone, health, ZoneLedger("L"), Today())["ok"], true);
}

}  // namespace
}  // namespace breakwater
