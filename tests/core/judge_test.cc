#include "core/judge.h"

#include <gtest/gtest.h>

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
  const Judgement bans{.action = Action::kReject,
                       .zone = kBans,
                       .score = 1,
                       .ban = minutes(10),
                       .rests_on_one = true};
  const Judgement rejects{
      .action = Action::kReject, .zone = kRejects, .score = 1};
  const Judgement defers{.action = Action::kDefer, .zone = kDefers, .score = 1};
  const Judgement bans_long{.action = Action::kReject,
                            .zone = kBansLong,
                            .score = 1,
                            .ban = hours(24),
                            .rests_on_one = true};
  const auto with = [](Judgement judgement, int score, bool rests_on_one) {
    judgement.score = score;
    judgement.rests_on_one = rests_on_one;
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
      {{kRejects, kBans}, with(bans, 2, true)},
      {{kBans, kRejects}, with(bans, 2, true)},
      {{kDefers, kRejects}, with(rejects, 2, false)},
      {{kDefers, kBans}, with(bans, 2, true)},
      {{kDefersAndBans, kRejects}, with(rejects, 2, false)},
      // Among equals the one configured first.
      {{kBansLong, kBans}, with(bans, 2, false)},
      {{kBans, kBansLong}, with(bans, 2, false)},
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
  for (int i = 0; i <= static_cast<int>(Reason::kBanned); ++i) {
    EXPECT_STRNE(ReasonName(static_cast<Reason>(i)), "?");
  }
  for (int i = 0; i <= static_cast<int>(Action::kReject); ++i) {
    EXPECT_STRNE(ActionName(static_cast<Action>(i)), "?");
  }
  for (int i = 0; i <= static_cast<int>(Front::kOperator); ++i) {
    EXPECT_STRNE(FrontName(static_cast<Front>(i)), "?");
  }
}

}  // namespace
}  // namespace breakwater
