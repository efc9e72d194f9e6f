#include "core/judge/judge.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <tuple>

#include "absl/strings/str_cat.h"

namespace breakwater {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

// Zones by what they ask for.
enum : size_t { kBans, kRejects, kDefers, kBansLong, kDefersAndBans };

Rules MakeRules() {
  Rules rules;
  rules.ban_duration = minutes(10);
  const ReplyForm defer{.code = 451, .text_template = "later"};
  rules.zones = {
      {.name = "bans.test"},
      {.name = "rejects.test", .ban = false},
      {.name = "defers.test", .ban = false, .reply = defer},
      {.name = "long.test", .ban_duration = hours(24)},
      {.name = "defers-bans.test", .reply = defer},
  };
  return rules;
}

Judgement JudgeBy(const std::vector<size_t>& zones) {
  std::vector<Listing> listings;
  for (const size_t zone : zones) {
    listings.push_back({.zone = zone});
  }
  return Judge(MakeRules(), listings);
}

TEST(JudgeTest, TheStrongestListingDecides) {
  const Judgement bans{
      .action = Action::kReject, .zone = kBans, .score = 1, .ban = minutes(10)};
  const Judgement rejects{
      .action = Action::kReject, .zone = kRejects, .score = 1};
  const Judgement defers{.action = Action::kDefer, .zone = kDefers, .score = 1};
  const Judgement bans_long{.action = Action::kReject,
                            .zone = kBansLong,
                            .score = 1,
                            .ban = hours(24)};
  const auto with = [](Judgement judgement, int score) {
    judgement.score = score;
    return judgement;
  };
  const struct {
    std::vector<size_t> zones;
    Judgement judgement;
  } kTable[] = {
      {{}, {}},
      {{kBans}, bans},
      {{kRejects}, rejects},
      {{kDefers}, defers},
      {{kBansLong}, bans_long},
      // A ban before a rejection before a deferral, whoever answers first.
      {{kRejects, kBans}, with(bans, 2)},
      {{kBans, kRejects}, with(bans, 2)},
      {{kDefers, kRejects}, with(rejects, 2)},
      {{kDefers, kBans}, with(bans, 2)},
      {{kDefersAndBans, kRejects}, with(rejects, 2)},
      // Among equals the one configured first.
      {{kBansLong, kBans}, with(bans, 2)},
      {{kBans, kBansLong}, with(bans, 2)},
  };
  for (const auto& [zones, judgement] : kTable) {
    EXPECT_EQ(JudgeBy(zones), judgement) << testing::PrintToString(zones);
  }
}

TEST(JudgeTest, WithoutWeightsARejectionWithABanSettlesIt) {
  const Rules rules = MakeRules();
  const size_t all[] = {kBans, kRejects, kDefers, kBansLong, kDefersAndBans};
  EXPECT_FALSE(IsSettled(rules, {}, all));
  EXPECT_TRUE(IsSettled(rules, {{.zone = kBans}}, all));
  EXPECT_FALSE(IsSettled(rules, {{.zone = kRejects}}, all));
  EXPECT_FALSE(IsSettled(rules, {{.zone = kDefersAndBans}}, all));
  EXPECT_TRUE(IsSettled(rules, {{.zone = kRejects}, {.zone = kBansLong}}, all));
}

// A zone with weights; its filters match as the bits of a listing say.
Zone Weighing(std::vector<int> weights) {
  Zone zone{.name = "list.test", .filters = {}};
  for (const int weight : weights) zone.filters.push_back({.weight = weight});
  return zone;
}

TEST(ScoreTest, WeightsAddUpToARejectionAndToABan) {
  Rules rules{.reject_score = 3, .ban_score = 5};
  Zone dynamic = Weighing({3});
  dynamic.filters[0].ban = false;
  Zone tells = Weighing({3});
  tells.ban = false;
  rules.zones = {Weighing({2, 3}), Weighing({1}), Weighing({-2}), dynamic,
                 tells};
  enum : size_t { kMain, kSmall, kGood, kDynamic, kTells };
  const struct {
    std::vector<Listing> listings;
    int score;
    Action action;
    bool ban;
  } kTable[] = {
      {{{kMain, 0b01}}, 2, Action::kPass, false},
      {{{kMain, 0b10}}, 3, Action::kReject, false},
      {{{kMain, 0b11}}, 5, Action::kReject, true},
      {{{kMain, 0b01}, {kSmall}}, 3, Action::kReject, false},
      {{{kMain, 0b11}, {kGood}}, 3, Action::kReject, false},
      {{{kMain, 0b10}, {kGood}}, 1, Action::kPass, false},
      {{{kMain, 0b11}, {kSmall}, {kGood}}, 4, Action::kReject, false},
      // Who may not ban is no help to those who may.
      {{{kDynamic}, {kMain, 0b10}}, 6, Action::kReject, false},
      {{{kTells}, {kMain, 0b10}}, 6, Action::kReject, false},
      {{{kTells}, {kMain, 0b11}}, 8, Action::kReject, true},
      {{{kMain, 0b11, false}}, 5, Action::kReject, false},
      {{{kGood}}, -2, Action::kPass, false},
  };
  for (const auto& [listings, score, action, ban] : kTable) {
    const Judgement judgement = Judge(rules, listings);
    EXPECT_EQ(judgement.score, score);
    EXPECT_EQ(judgement.action, action) << score;
    EXPECT_EQ(judgement.ban.has_value(), ban) << score;
    EXPECT_EQ(judgement.zone.has_value(), action != Action::kPass) << score;
  }
}

TEST(ScoreTest, WhoAddsMostDecides) {
  Rules rules;
  rules.zones = {Weighing({1}), Weighing({2, 2}), Weighing({3})};
  EXPECT_EQ(Judge(rules, {{0}, {1}, {2}}).zone, 2u);
  EXPECT_EQ(Judge(rules, {{0}, {1, 0b11}, {2}}).zone, 1u);
  EXPECT_EQ(Judge(rules, {{0}, {1}}).zone, 1u);
}

TEST(ScoreTest, AnAllowingZoneIsAVeto) {
  Rules rules;
  rules.zones = {Weighing({100}), Weighing({1})};
  rules.zones[1].kind = ZoneKind::kAllow;
  EXPECT_EQ(Judge(rules, {{0}, {1}}), Judgement{});
  EXPECT_EQ(Judge(rules, {{1}}), Judgement{});
  EXPECT_TRUE(IsSettled(rules, {{1}}, {0}));
  EXPECT_FALSE(IsSettled(rules, {{0}}, {1}));
}

// ---- Offences --------------------------------------------------------------

OffenceRule& RuleOf(Rules& rules, OffenceKind kind) {
  return rules.offences[kind];
}

TEST(OffenceTest, OneWithoutAWeightIsEnoughAlone) {
  Rules rules = MakeRules();
  rules.reject_score = rules.ban_score = 10;
  RuleOf(rules, OffenceKind::kTrap) = {.ban_duration = hours(12)};
  RuleOf(rules, OffenceKind::kSpam) = {.ban = false};
  const Judgement trap = Judge(rules, {}, {OffenceKind::kTrap});
  EXPECT_EQ(trap.action, Action::kReject);
  EXPECT_EQ(trap.offence, OffenceKind::kTrap);
  EXPECT_EQ(trap.ban, hours(12));
  const Judgement spam = Judge(rules, {}, {OffenceKind::kSpam});
  EXPECT_EQ(spam.action, Action::kReject);
  EXPECT_FALSE(spam.ban);
  EXPECT_EQ(Judge(rules, {}, {OffenceKind::kSpam, OffenceKind::kTrap}).offence,
            OffenceKind::kTrap);
}

TEST(OffenceTest, WeightsAddUpWithThoseOfLists) {
  Rules rules = MakeRules();
  rules.reject_score = 2;
  rules.ban_score = 3;
  RuleOf(rules, OffenceKind::kHelo) = {.weight = 1};
  RuleOf(rules, OffenceKind::kSender) = {.weight = 1};
  const Listing listed{.zone = kBans};
  EXPECT_EQ(Judge(rules, {listed}).action, Action::kPass);
  EXPECT_EQ(Judge(rules, {}, {OffenceKind::kHelo}).action, Action::kPass);
  const Judgement both = Judge(rules, {listed}, {OffenceKind::kHelo});
  EXPECT_EQ(both.action, Action::kReject);
  EXPECT_EQ(both.score, 2);
  EXPECT_FALSE(both.ban);
  const Judgement three =
      Judge(rules, {listed}, {OffenceKind::kHelo, OffenceKind::kSender});
  EXPECT_EQ(three.ban, minutes(10));
}

TEST(OffenceTest, AWeightThatMayNotBanDoesNotCountForOne) {
  Rules rules = MakeRules();
  rules.reject_score = rules.ban_score = 2;
  RuleOf(rules, OffenceKind::kHelo) = {.weight = 1, .ban = false};
  const Judgement both = Judge(rules, {{.zone = kBans}}, {OffenceKind::kHelo});
  EXPECT_EQ(both.action, Action::kReject);
  EXPECT_FALSE(both.ban);
}

TEST(OffenceTest, WhoAListAllowsIsNotBanned) {
  Rules rules = MakeRules();
  rules.zones.push_back({.name = "good.test", .kind = ZoneKind::kAllow});
  RuleOf(rules, OffenceKind::kTrap) = {};
  RuleOf(rules, OffenceKind::kHelo) = {.weight = 5};
  const Listing allowed{.zone = rules.zones.size() - 1};
  const Judgement trap = Judge(rules, {allowed}, {OffenceKind::kTrap});
  EXPECT_EQ(trap.action, Action::kReject);
  EXPECT_FALSE(trap.ban);
  EXPECT_EQ(Judge(rules, {allowed}, {OffenceKind::kHelo}).action,
            Action::kPass);
}

TEST(OffenceTest, AnAnswerMayMatterTogetherWithOneThatIsYetToCome) {
  Rules rules = MakeRules();
  rules.reject_score = rules.ban_score = 2;
  EXPECT_TRUE(IsSettled(rules, {}, {kBans}));
  RuleOf(rules, OffenceKind::kHelo) = {.mode = OffenceMode::kOn, .weight = 1};
  EXPECT_FALSE(IsSettled(rules, {}, {kBans}));
}

TEST(OffenceTest, AListThatAllowsIsHeardBeforeAnybodyCanOffend) {
  Rules rules = MakeRules();
  rules.zones.push_back({.name = "good.test", .kind = ZoneKind::kAllow});
  const size_t good = rules.zones.size() - 1;
  EXPECT_TRUE(IsSettled(rules, {}, {good}));
  RuleOf(rules, OffenceKind::kTrap) = {.mode = OffenceMode::kOn};
  EXPECT_FALSE(IsSettled(rules, {}, {good}));
  EXPECT_TRUE(IsSettled(rules, {{.zone = good}}, {kBans}));
}

TEST(OffenceTest, EachHasANameThatCanBeRead) {
  for (size_t i = 0; i < kOffenceKinds; ++i) {
    const auto kind = static_cast<OffenceKind>(i);
    EXPECT_EQ(ParseOffence(OffenceName(kind)), kind);
  }
  EXPECT_EQ(ParseOffence("Trap"), std::nullopt);
  EXPECT_EQ(ParseOffence(""), std::nullopt);
}

TEST(EvidenceTest, WithoutTheZoneThatItNeedsThereIsNoBan) {
  auto rules = std::make_shared<Rules>(Rules{.ban_score = 3});
  rules->zones = {Weighing({3}), Weighing({2}), Weighing({1})};
  const auto needs = [&](std::vector<Listing> listings,
                         const std::vector<size_t>& liars) {
    Evidence evidence{.rules = rules, .listings = std::move(listings)};
    return DropListings(evidence, [&](const Zone& zone) {
      const auto index = static_cast<size_t>(&zone - rules->zones.data());
      return std::ranges::find(liars, index) != liars.end();
    });
  };
  EXPECT_TRUE(needs({{0}}, {0}));
  EXPECT_FALSE(needs({{0}}, {1})) << "it has not said anything";
  EXPECT_TRUE(needs({{0}, {1}}, {0}));
  EXPECT_FALSE(needs({{0}, {1}}, {1}));
  EXPECT_TRUE(needs({{1}, {2}}, {2})) << "though another decides";
  EXPECT_FALSE(needs({{0}, {1}, {2}}, {0}));
  EXPECT_TRUE(needs({{0}, {1}, {2}}, {0, 1}));
}

TEST(EvidenceTest, WhatIsNoListsStandsForItself) {
  Evidence none;
  EXPECT_FALSE(DropListings(none, [](const Zone&) { return true; }));
}

TEST(ScoreTest, TheWeightiestFiltersLabelIsShown) {
  Rules rules;
  rules.zones = {Weighing({1, 3})};
  rules.zones[0].label = "zone";
  rules.zones[0].filters[1].label = "filter";
  EXPECT_EQ(LabelOf(rules, {{0, 0b01}}, 0), "zone");
  EXPECT_EQ(LabelOf(rules, {{0, 0b10}}, 0), "filter");
  EXPECT_EQ(LabelOf(rules, {{0, 0b11}}, 0), "filter");
}

TEST(SettledTest, BoundsDecideWhetherAnAnswerStillMatters) {
  Rules rules{.reject_score = 3, .ban_score = 3};
  rules.zones = {Weighing({3}), Weighing({2}), Weighing({-1}), Weighing({-2})};
  EXPECT_TRUE(IsSettled(rules, {}, {1})) << "cannot reach 3";
  EXPECT_TRUE(IsSettled(rules, {}, {1, 2, 3}));
  EXPECT_FALSE(IsSettled(rules, {}, {0}));
  EXPECT_FALSE(IsSettled(rules, {{0}}, {2})) << "may fall below 3";
  EXPECT_TRUE(IsSettled(rules, {{0}, {1}}, {3}));
  EXPECT_FALSE(IsSettled(rules, {{0}, {1}}, {2, 3}));
}

// ---- Against a slow and obvious judge ---------------------------------------

Judgement SlowJudge(const Rules& rules, const std::vector<Listing>& listings) {
  Judgement result;
  int for_ban = 0;
  // Action, bans, what it adds, the earlier the more.
  using Rank = std::tuple<Action, bool, int, int>;
  std::vector<std::pair<Rank, size_t>> ranks;
  for (const Listing& listing : listings) {
    const Zone& zone = rules.zones[listing.zone];
    if (zone.kind == ZoneKind::kAllow) return {};
    for (size_t i = 0; i < zone.filters.size(); ++i) {
      const ZoneFilter& filter = zone.filters[i];
      if ((listing.filters & 1u << i) == 0) continue;
      result.score += filter.weight;
      const bool may = zone.ban && filter.ban && listing.may_ban;
      if (filter.weight < 0 || may) for_ban += filter.weight;
    }
  }
  if (result.score < rules.reject_score) return result;
  for (const Listing& listing : listings) {
    const Zone& zone = rules.zones[listing.zone];
    int adds = 0;
    int adds_for_ban = 0;
    bool bans = false;
    for (size_t i = 0; i < zone.filters.size(); ++i) {
      const ZoneFilter& filter = zone.filters[i];
      if ((listing.filters & 1u << i) == 0) continue;
      adds += filter.weight;
      const bool may = zone.ban && filter.ban && listing.may_ban;
      if (filter.weight < 0 || may) adds_for_ban += filter.weight;
      if (filter.weight > 0 && may && for_ban >= rules.ban_score) bans = true;
    }
    if (adds <= 0) continue;
    const int code = zone.reply ? zone.reply->code : rules.reply.code;
    ranks.push_back(
        {{code < 500 ? Action::kDefer : Action::kReject, bans,
          bans ? adds_for_ban : adds, -static_cast<int>(listing.zone)},
         listing.zone});
  }
  if (ranks.empty()) return result;
  const auto& [rank, zone] = *std::ranges::max_element(ranks);
  result.action = std::get<0>(rank);
  result.zone = zone;
  if (!std::get<1>(rank)) return result;
  result.ban = rules.zones[zone].ban_duration.value_or(rules.ban_duration);
  return result;
}

class AgainstSlowTest : public testing::Test {
 protected:
  int Any(int least, int most) {
    return std::uniform_int_distribution<int>(least, most)(random_);
  }
  bool Often() { return Any(0, 3) != 0; }

  Rules AnyRules() {
    Rules rules{.reject_score = Any(1, 4), .ban_score = Any(1, 5)};
    const int zones = Any(1, 4);
    for (int i = 0; i < zones; ++i) {
      Zone zone{.name = "list.test", .filters = {}};
      if (Any(0, 7) == 0) zone.kind = ZoneKind::kAllow;
      const int filters = Any(1, 2);
      if (!Often()) zone.type = ZoneType::kDomain;
      for (int j = 0; j < filters; ++j) {
        zone.filters.push_back({.weight = Any(-2, 4), .ban = Often()});
      }
      zone.ban = Often();
      if (!Often()) zone.ban_duration = hours(1);
      if (!Often()) zone.reply = ReplyForm{.code = 451, .text_template = ""};
      rules.zones.push_back(zone);
    }
    return rules;
  }

  Listing AnyListing(const Rules& rules, size_t zone) {
    const int all = (1 << rules.zones[zone].filters.size()) - 1;
    return {.zone = zone,
            .filters = static_cast<uint32_t>(Any(1, all)),
            .may_ban = Often()};
  }

  // Calls `each` with every way in which the zones may yet answer.
  template <typename Each>
  void Complete(const Rules& rules, std::vector<Listing>& listings,
                absl::Span<const size_t> outstanding, const Each& each) {
    if (outstanding.empty()) {
      each(listings);
      return;
    }
    const size_t zone = outstanding.front();
    outstanding.remove_prefix(1);
    Complete(rules, listings, outstanding, each);
    const uint32_t end = 1u << rules.zones[zone].filters.size();
    const auto known = std::ranges::find(listings, zone, &Listing::zone);
    if (known != listings.end()) {
      // It lists one of the names, and may list more.
      const size_t place = known - listings.begin();
      const uint32_t before = known->filters;
      for (uint32_t filters = 1; filters < end; ++filters) {
        listings[place].filters = before | filters;
        Complete(rules, listings, outstanding, each);
      }
      listings[place].filters = before;
      return;
    }
    for (uint32_t filters = 1; filters < end; ++filters) {
      for (const bool may_ban : {false, true}) {
        listings.push_back(
            {.zone = zone, .filters = filters, .may_ban = may_ban});
        Complete(rules, listings, outstanding, each);
        listings.pop_back();
      }
    }
  }

  std::mt19937 random_{20261121};
};

TEST_F(AgainstSlowTest, BothJudgeTheSame) {
  int bans = 0;
  for (int round = 0; round < 20'000; ++round) {
    const Rules rules = AnyRules();
    std::vector<Listing> listings;
    for (size_t zone = 0; zone < rules.zones.size(); ++zone) {
      if (Any(0, 1) == 0) listings.push_back(AnyListing(rules, zone));
    }
    std::ranges::shuffle(listings, random_);
    const Judgement judgement = Judge(rules, listings);
    ASSERT_EQ(judgement, SlowJudge(rules, listings)) << round;
    bans += judgement.ban.has_value();
  }
  EXPECT_GT(bans, 1000);
}

TEST_F(AgainstSlowTest, SettledMeansThatEveryCompletionComesToTheSame) {
  int early = 0;
  int in_part = 0;
  int early_in_part = 0;
  for (int round = 0; round < 5000; ++round) {
    bool is_exact = true;
    const Rules rules = AnyRules();
    std::vector<Listing> listings;
    std::vector<size_t> outstanding;
    for (size_t zone = 0; zone < rules.zones.size(); ++zone) {
      const int choice = Any(0, 2);
      if (choice == 0) listings.push_back(AnyListing(rules, zone));
      if (choice == 1) outstanding.push_back(zone);
      // One of the client's names is answered, another is not.
      if (choice == 0 && rules.zones[zone].type == ZoneType::kDomain &&
          Any(0, 1) == 0) {
        outstanding.push_back(zone);
        ++in_part;
        is_exact = false;
      }
    }
    std::set<std::pair<Action, bool>> ends;
    Complete(rules, listings, outstanding,
             [&](const std::vector<Listing>& completed) {
               const Judgement end = SlowJudge(rules, completed);
               ends.insert({end.action, end.ban.has_value()});
             });
    const bool settled = IsSettled(rules, listings, outstanding);
    if (is_exact || settled) {
      ASSERT_EQ(settled, ends.size() == 1) << round;
    }
    early_in_part += settled && !is_exact;
    early += settled && !outstanding.empty();
  }
  EXPECT_GT(early, 300);
  EXPECT_GT(in_part, 300);
  EXPECT_GT(early_in_part, 100);
}

// A zone of domains lists one name, and what it says of another may take that
// back: then the other zone decides, which defers only.
TEST(IsSettledTest, AZoneThatMayTakeItBackHasNotSettledIt) {
  Rules rules;
  rules.zones = {{.name = "names.test",
                  .type = ZoneType::kDomain,
                  .filters = {{.weight = 2}, {.weight = -2}},
                  .ban = false},
                 {.name = "b.test",
                  .ban = false,
                  .reply = ReplyForm{.code = 451, .text_template = ""}}};
  const Listing one_name{.zone = 0, .filters = 1};
  EXPECT_EQ(Judge(rules, {one_name, {.zone = 1}}).action, Action::kReject);
  EXPECT_FALSE(IsSettled(rules, {one_name, {.zone = 1}}, {0}));
  const Listing both{.zone = 0, .filters = 3};
  EXPECT_EQ(Judge(rules, {both, {.zone = 1}}).action, Action::kDefer);
}

Client ClientFrom(const char* address, uint16_t server_port = 25) {
  return {.connection = {.client = *IpAddress::Parse(address),
                         .client_port = 4711,
                         .server = *IpAddress::Parse("198.51.100.25"),
                         .server_port = server_port}};
}

TEST(ExemptionTest, WhoIsNotJudged) {
  Rules rules;
  rules.protected_networks.Add(*Network::Parse("192.0.2.0/24"));
  rules.protected_networks.Add(*Network::Parse("2001:db8:1::/48"));
  const struct {
    const char* address;
    uint16_t port;
    std::optional<Reason> reason;
  } kTable[] = {
      {"203.0.113.5", 25, std::nullopt},
      {"203.0.113.5", 465, Reason::kSubmission},
      {"203.0.113.5", 587, Reason::kSubmission},
      {"203.0.113.5", 0, std::nullopt},  // the front could not tell
      {"192.0.2.5", 25, Reason::kProtected},
      {"192.0.3.5", 25, std::nullopt},
      {"2001:db8:1::5", 25, Reason::kProtected},
      {"2001:db8:2::5", 25, std::nullopt},
      {"127.0.0.1", 25, Reason::kProtected},
      {"::1", 25, Reason::kProtected},
      {"fe80::5", 25, Reason::kProtected},
      {"0.0.0.0", 25, Reason::kNotAsked},
      {"::", 25, Reason::kNotAsked},
  };
  for (const auto& [address, port, reason] : kTable) {
    EXPECT_EQ(Exemption(rules, ClientFrom(address, port)), reason)
        << address << " " << port;
  }
}

TEST(ExemptionTest, WhoIsAllowedIsNotJudged) {
  Rules rules;
  rules.allowed_networks.Add(*Network::Parse("203.0.113.0/28"));
  EXPECT_EQ(Exemption(rules, ClientFrom("203.0.113.5", 25)), Reason::kAllowed);
  EXPECT_EQ(Exemption(rules, ClientFrom("203.0.113.16", 25)), std::nullopt);
}

TEST(ExemptionTest, NobodyIsJudgedUntilItIsKnownWhoIsProtected) {
  Rules rules;
  rules.protection_known = false;
  EXPECT_EQ(Exemption(rules, ClientFrom("203.0.113.5", 25)),
            Reason::kMayBeProtected);
  // What is known already is said.
  EXPECT_EQ(Exemption(rules, ClientFrom("127.0.0.1", 25)), Reason::kProtected);
  EXPECT_EQ(Exemption(rules, ClientFrom("203.0.113.5", 587)),
            Reason::kSubmission);
}

TEST(ExemptionTest, AProxyIsLookedForWhoeverMayBeProtected) {
  Rules rules;
  rules.spare.networks.Add(*Network::Parse("198.51.100.0/24"));
  for (const bool known : {true, false}) {
    rules.protection_known = known;
    EXPECT_TRUE(MayBeProxy(rules, ClientFrom("203.0.113.5", 25)));
    EXPECT_FALSE(MayBeProxy(rules, ClientFrom("198.51.100.5", 25)));
  }
}

TEST(ShieldTest, SaysWhatABanWouldHitAndMustNot) {
  Rules rules;
  rules.protected_networks.Add(*Network::Parse("203.0.113.9"));
  rules.allowed_networks.Add(*Network::Parse("2001:db8::5"));
  const auto why = [&rules](std::string_view network) -> std::string {
    const auto shield = ShieldOf(rules, *Network::Parse(network));
    return shield ? absl::StrCat(shield->network.ToString(), " ", shield->why)
                  : "nothing";
  };
  EXPECT_EQ(why("203.0.113.9"), "203.0.113.9 protected");
  EXPECT_EQ(why("203.0.113.0/24"), "203.0.113.9 protected");
  EXPECT_EQ(why("203.0.113.8"), "nothing");
  EXPECT_EQ(why("127.0.0.1"), "127.0.0.0/8 protected");
  EXPECT_EQ(why("2001:db8::/64"), "2001:db8::5 allowed");
  EXPECT_EQ(why("2001:db8:1::/64"), "nothing");
  // One host's ban would be everybody's.
  EXPECT_EQ(why("64:ff9b::/64"), "64:ff9b::/96 shared");
}

TEST(MayBeProxyTest, WhoIsProtectedOnlyForItsAddressMayBeOne) {
  Rules rules;
  for (const char* network : {"10.0.0.0/8", "203.0.113.1", "203.0.113.7"}) {
    rules.protected_networks.Add(*Network::Parse(network));
  }
  rules.named_networks.Add(*Network::Parse("203.0.113.7"));
  rules.allowed_networks.Add(*Network::Parse("203.0.113.8"));
  rules.spare.networks.Add(*Network::Parse("203.0.113.9"));
  for (const char* address : {"203.0.113.5", "203.0.113.1", "10.0.0.1"}) {
    EXPECT_TRUE(MayBeProxy(rules, ClientFrom(address, 25))) << address;
  }
  for (const char* address :
       {"127.0.0.1", "::1", "203.0.113.7", "203.0.113.8", "203.0.113.9"}) {
    EXPECT_FALSE(MayBeProxy(rules, ClientFrom(address, 25))) << address;
  }
  EXPECT_FALSE(MayBeProxy(rules, ClientFrom("203.0.113.5", 587)));
}

TEST(ExemptionTest, AnAuthenticatedClientIsNeverJudged) {
  Client client = ClientFrom("203.0.113.5");
  client.authenticated = true;
  EXPECT_EQ(Exemption({}, client), Reason::kAuthenticated);
}

TEST(ExemptionTest, SubmissionPortsAreTheOperators) {
  Rules rules;
  rules.submission_ports = {2525};
  EXPECT_EQ(Exemption(rules, ClientFrom("203.0.113.5", 2525)),
            Reason::kSubmission);
  EXPECT_EQ(Exemption(rules, ClientFrom("203.0.113.5", 587)), std::nullopt);
}

TEST(NamesTest, EveryValueHasOne) {
  for (int i = 0; i <= static_cast<int>(Reason::kMayBeProtected); ++i) {
    EXPECT_STRNE(ReasonName(static_cast<Reason>(i)), "?");
  }
  for (int i = 0; i <= static_cast<int>(Action::kReject); ++i) {
    EXPECT_STRNE(ActionName(static_cast<Action>(i)), "?");
  }
  for (int i = 0; i <= static_cast<int>(Front::kOperator); ++i) {
    EXPECT_STRNE(FrontName(static_cast<Front>(i)), "?");
  }
}

TEST(ShieldTest, AProtectedHostsOwn6to4NetworkIsShielded) {
  Rules rules;
  rules.protected_networks.Add(*Network::Parse("192.0.2.0/28"));
  for (const char* network : {"2002:c000:205::/64", "2002:c000:205::/48"}) {
    EXPECT_TRUE(ShieldOf(rules, *Network::Parse(network))) << network;
  }
  EXPECT_FALSE(ShieldOf(rules, *Network::Parse("2002:c000:2ff::/64")));
}

}  // namespace
}  // namespace breakwater
