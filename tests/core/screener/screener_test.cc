#include "core/screener/screener.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "tests/fakes/fake_enforcer.h"
#include "tests/fakes/fake_lists.h"

namespace breakwater {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

Client ClientAt(std::string_view address, uint16_t port = 4711,
                uint16_t server_port = 25) {
  return {.connection = {.client = *IpAddress::Parse(address),
                         .client_port = port,
                         .server = *IpAddress::Parse("192.0.2.25"),
                         .server_port = server_port}};
}

class ScreenerTest : public testing::Test {
 protected:
  ScreenerTest() : lists_(loop_) { Use(OneZone()); }

  static Rules OneZone() {
    Rules rules;
    rules.zones = {{.name = "key.list.test", .label = "list.test"}};
    rules.patience = milliseconds(30);
    return rules;
  }
  void Use(Rules rules) {
    auto shared = std::make_shared<const Rules>(std::move(rules));
    if (screener_) {
      screener_->SetRules(shared);
    } else {
      screener_.emplace(loop_, lists_, bans_, enforcer_, metrics_, shared);
    }
  }

  // As the policy server does it: ask, answer, say so.
  Verdict AskAndAnswer(const Client& client) {
    const Verdict verdict = Ask(client);
    screener_->Answered(client, verdict);
    return verdict;
  }
  Verdict Ask(const Client& client) {
    std::optional<Verdict> result;
    asio::co_spawn(
        loop_,
        [&]() -> asio::awaitable<void> {
          result = co_await screener_->Screen(client);
        },
        asio::detached);
    RunUntil([&] { return result.has_value(); });
    return result.value_or(Verdict{});
  }
  template <typename Done>
  void RunUntil(Done done) {
    const Instant limit = Clock::now() + seconds(5);
    while (!done() && Clock::now() < limit) {
      loop_.restart();
      loop_.run_one_for(milliseconds(20));
    }
    EXPECT_TRUE(done());
  }
  void Settle() {
    loop_.restart();
    loop_.poll();
  }

  asio::io_context loop_;
  FakeLists lists_;
  FakeEnforcer enforcer_;
  Metrics metrics_;
  BanTable bans_{1000};
  std::optional<Screener> screener_;
};

TEST_F(ScreenerTest, PassesAClientThatNoListHolds) {
  const Verdict verdict = AskAndAnswer(ClientAt("198.51.100.7"));
  EXPECT_EQ(verdict.action, Action::kPass);
  EXPECT_EQ(verdict.reason, Reason::kClean);
  EXPECT_THAT(enforcer_.orders(), IsEmpty());
}

TEST_F(ScreenerTest, RejectsAListedClientWithReasonLabelAndId) {
  lists_.List("198.51.100.7");
  lists_.SetReasonText("https://list.test/q");
  const Verdict verdict = Ask(ClientAt("198.51.100.7"));
  EXPECT_EQ(verdict.action, Action::kReject);
  EXPECT_EQ(verdict.code, 521);
  EXPECT_EQ(verdict.text,
            "Client 198.51.100.7 is listed by list.test (https://list.test/q) "
            "[id " +
                verdict.id + "]");
}

TEST_F(ScreenerTest, BansOnlyOnceTheAnswerHasBeenGiven) {
  lists_.List("198.51.100.7");
  const Client client = ClientAt("198.51.100.7");
  const Verdict verdict = Ask(client);
  EXPECT_THAT(enforcer_.orders(), IsEmpty());
  EXPECT_EQ(bans_.size(), 0u);
  screener_->Answered(client, verdict);
  EXPECT_THAT(enforcer_.orders(),
              ElementsAre("end 198.51.100.7:4711>192.0.2.25:25",
                          StartsWith("ban 198.51.100.7 ")));
  EXPECT_EQ(bans_.Find(client.address(), Clock::now())->id, verdict.id);
}

TEST_F(ScreenerTest, AnswersABannedClientFromTheTableWithTheSameId) {
  lists_.List("198.51.100.7");
  const Verdict first = AskAndAnswer(ClientAt("198.51.100.7"));
  const std::optional<Verdict> again =
      screener_->Known(ClientAt("198.51.100.7", 4712));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->reason, Reason::kBanned);
  EXPECT_EQ(again->text, first.text);
  EXPECT_EQ(lists_.lookups(), 1u);
}

TEST_F(ScreenerTest, ABannedClientsConnectionSavesAsking) {
  lists_.List("198.51.100.7");
  AskAndAnswer(ClientAt("198.51.100.7"));
  EXPECT_EQ(lists_.saved("198.51.100.7", Saving::kBan), 0u);
  AskAndAnswer(ClientAt("198.51.100.7", 4712));
  EXPECT_EQ(lists_.saved("198.51.100.7", Saving::kBan), 1u);
}

TEST_F(ScreenerTest, AVerdictFromTheCacheIsCountedOnceAndALookIsNot) {
  lists_.Warm("198.51.100.7");
  ASSERT_TRUE(screener_->Known(ClientAt("198.51.100.7")));
  EXPECT_EQ(lists_.saved("198.51.100.7", Saving::kCache), 0u);
  AskAndAnswer(ClientAt("198.51.100.7"));
  EXPECT_EQ(lists_.saved("198.51.100.7", Saving::kCache), 1u);
  const auto session = screener_->Start(ClientAt("198.51.100.7", 4712));
  RunUntil([&] { return session->verdict().has_value(); });
  EXPECT_EQ(lists_.saved("198.51.100.7", Saving::kCache), 2u);
}

TEST_F(ScreenerTest, ASessionThatWaitsForAnothersLookupSavesAsking) {
  lists_.Hold();
  const auto first = screener_->Start(ClientAt("198.51.100.7"));
  const auto second = screener_->Start(ClientAt("198.51.100.7", 4712));
  RunUntil([&] { return lists_.lookups() == 1; });
  Settle();
  EXPECT_EQ(lists_.saved("198.51.100.7", Saving::kJoined), 1u);
  lists_.Release();
  RunUntil([&] { return second->verdict().has_value(); });
}

// Its name says nothing of unknown users.
TEST_F(ScreenerTest, AListThatIsCalledTrapIsAListAllTheSame) {
  Rules rules = OneZone();
  rules.zones[0].label = "trap";
  Use(rules);
  lists_.List("198.51.100.7");
  const Client client = ClientAt("198.51.100.7");
  const Verdict verdict = AskAndAnswer(client);
  EXPECT_EQ(bans_.Find(client.address(), Clock::now())->text, verdict.text);
}

TEST_F(ScreenerTest, DoesNotBanAgainForALaterAnswer) {
  lists_.List("198.51.100.7");
  AskAndAnswer(ClientAt("198.51.100.7"));
  enforcer_.Take();
  AskAndAnswer(ClientAt("198.51.100.7", 4712));
  EXPECT_THAT(enforcer_.orders(),
              ElementsAre("end 198.51.100.7:4712>192.0.2.25:25"));
}

TEST_F(ScreenerTest, AsksOnceHoweverManySessionsWait) {
  lists_.List("198.51.100.7");
  lists_.Hold();
  std::vector<std::shared_ptr<Screening>> sessions;
  for (uint16_t port = 1; port <= 20; ++port) {
    sessions.push_back(screener_->Start(ClientAt("198.51.100.7", port)));
  }
  Settle();
  EXPECT_EQ(lists_.lookups(), 1u);
  lists_.Release();
  RunUntil([&] { return sessions.back()->verdict().has_value(); });
  for (const auto& session : sessions) {
    EXPECT_EQ(session->verdict()->id, sessions[0]->verdict()->id);
  }
  EXPECT_EQ(lists_.reason_texts(), 1u);
}

TEST_F(ScreenerTest, NeverJudgesASubmissionPort) {
  lists_.List("198.51.100.7");
  for (const uint16_t port : {uint16_t{465}, uint16_t{587}}) {
    const Verdict verdict = Ask(ClientAt("198.51.100.7", 4711, port));
    EXPECT_EQ(verdict.reason, Reason::kSubmission);
  }
  EXPECT_EQ(lists_.lookups(), 0u);
}

TEST_F(ScreenerTest, NeverJudgesAnAuthenticatedClient) {
  lists_.List("198.51.100.7");
  Client client = ClientAt("198.51.100.7");
  client.authenticated = true;
  EXPECT_EQ(Ask(client).reason, Reason::kAuthenticated);
}

TEST_F(ScreenerTest, NeverJudgesProtectedAddresses) {
  Rules rules = OneZone();
  rules.protected_networks.Add(*Network::Parse("198.51.100.0/24"));
  Use(rules);
  for (const char* address : {"127.0.0.1", "::1", "198.51.100.7"}) {
    lists_.List(address);
    EXPECT_EQ(Ask(ClientAt(address)).reason, Reason::kProtected) << address;
  }
}

TEST_F(ScreenerTest, AClientWithoutAnAddressIsNotAsked) {
  EXPECT_EQ(Ask(ClientAt("::")).reason, Reason::kNotAsked);
}

TEST_F(ScreenerTest, ObserveModePassesAndTouchesNothing) {
  Rules rules = OneZone();
  rules.observe = true;
  Use(rules);
  lists_.List("198.51.100.7");
  EXPECT_EQ(AskAndAnswer(ClientAt("198.51.100.7")).action, Action::kPass);
  EXPECT_FALSE(
      screener_
          ->BanByOperator(*IpAddress::Parse("198.51.100.7"), minutes(1), "")
          .ok());
  EXPECT_THAT(enforcer_.orders(), IsEmpty());
  EXPECT_EQ(bans_.size(), 0u);
}

TEST_F(ScreenerTest, ObserveModeTellsASessionOnceWhicheverDoorsSeeIt) {
  Rules rules = OneZone();
  rules.observe = true;
  Use(rules);
  lists_.List("198.51.100.7");
  const Verdict verdict = AskAndAnswer(ClientAt("198.51.100.7"));
  EXPECT_EQ(verdict.would, Action::kReject);
  EXPECT_TRUE(verdict.ban);
  Client at_milter = ClientAt("198.51.100.7");
  at_milter.front = Front::kMilter;
  const auto session = screener_->Start(at_milter);
  RunUntil([&] { return session->verdict().has_value(); });
  screener_->AnsweredFrom(session);
  loop_.restart();
  loop_.poll();
  EXPECT_EQ(metrics_.Verdicts(Front::kPolicy, verdict).Value(), 1);
  EXPECT_EQ(metrics_.Verdicts(Front::kMilter, verdict).Value(), 0);
}

TEST_F(ScreenerTest, ADeadlineThatPassesIsNotAListing) {
  lists_.SetAnswers("198.51.100.7", {.errors = 1, .overdue = true});
  const Verdict verdict = AskAndAnswer(ClientAt("198.51.100.7"));
  EXPECT_EQ(verdict.action, Action::kPass);
  EXPECT_EQ(verdict.reason, Reason::kOverdue);
}

TEST_F(ScreenerTest, AZoneThatMayNotBanIsOnlyAnswered) {
  Rules rules = OneZone();
  rules.zones[0].ban = false;
  Use(rules);
  lists_.List("198.51.100.7");
  EXPECT_EQ(AskAndAnswer(ClientAt("198.51.100.7")).action, Action::kReject);
  EXPECT_THAT(enforcer_.orders(), IsEmpty());
}

TEST_F(ScreenerTest, TheListsWordsAreAskedForOnlyWhenTheReplyHasThem) {
  Rules rules = OneZone();
  rules.reply.text_template = "Go away [id {id}]";
  Use(rules);
  lists_.List("198.51.100.7");
  EXPECT_EQ(Ask(ClientAt("198.51.100.7")).action, Action::kReject);
  EXPECT_EQ(lists_.reason_texts(), 0u);
}

TEST_F(ScreenerTest, ASilentClientIsBannedAndItsSocketDestroyed) {
  lists_.List("198.51.100.7");
  const auto session = screener_->Start(ClientAt("198.51.100.7"));
  RunUntil([&] { return enforcer_.orders().size() >= 2; });
  EXPECT_THAT(enforcer_.orders(),
              ElementsAre(StartsWith("ban 198.51.100.7 "),
                          "destroy 198.51.100.7:4711>192.0.2.25:25"));
}

TEST_F(ScreenerTest, AClientThatLeftIsNotPunishedForItsSilence) {
  lists_.List("198.51.100.7");
  auto session = screener_->Start(ClientAt("198.51.100.7"));
  RunUntil([&] { return session->verdict().has_value(); });
  screener_->Closed(session);
  loop_.restart();
  loop_.run_for(milliseconds(80));
  EXPECT_THAT(enforcer_.orders(), IsEmpty());
  EXPECT_EQ(screener_->sessions(), 0u);
}

TEST_F(ScreenerTest, AUserWhoLogsInIsSparedAndNeverEnded) {
  lists_.List("198.51.100.7");
  const auto user = screener_->Start(ClientAt("198.51.100.7", 1));
  const auto other = screener_->Start(ClientAt("198.51.100.7", 2));
  screener_->Authenticated(user);
  RunUntil([&] { return other->verdict().has_value(); });
  screener_->AnsweredFrom(other);
  Settle();
  EXPECT_THAT(enforcer_.orders(),
              ElementsAre("spare 198.51.100.7:1>192.0.2.25:25",
                          "end 198.51.100.7:2>192.0.2.25:25",
                          StartsWith("ban 198.51.100.7 ")));
  screener_->Closed(user);
  Settle();
  EXPECT_EQ(enforcer_.orders().back(), "forget 198.51.100.7:1>192.0.2.25:25");
}

TEST_F(ScreenerTest, ABanTurnsOutTheClientsOtherSessions) {
  lists_.List("198.51.100.7");
  const auto first = screener_->Start(ClientAt("198.51.100.7", 1));
  const auto second = screener_->Start(ClientAt("198.51.100.7", 2));
  RunUntil([&] { return first->verdict().has_value(); });
  screener_->AnsweredFrom(first);
  Settle();
  EXPECT_THAT(enforcer_.orders(),
              ElementsAre("end 198.51.100.7:1>192.0.2.25:25",
                          StartsWith("ban 198.51.100.7 "),
                          "destroy 198.51.100.7:2>192.0.2.25:25"));
}

TEST_F(ScreenerTest, AnOperatorsBanAnswersASessionThatWaits) {
  lists_.Hold();
  const auto session = screener_->Start(ClientAt("198.51.100.7"));
  Settle();
  ASSERT_TRUE(screener_
                  ->BanByOperator(*IpAddress::Parse("198.51.100.7"),
                                  minutes(60), "enough")
                  .ok());
  ASSERT_TRUE(session->verdict());
  EXPECT_EQ(session->verdict()->action, Action::kReject);
  EXPECT_THAT(session->verdict()->text, HasSubstr("enough"));
  lists_.Release();
  Settle();
}

TEST_F(ScreenerTest, AnOperatorsBanAnswersARequestThatWaits) {
  for (const char* address : {"198.51.100.7", "2001:db8:7::1"}) {
    lists_.Hold();
    std::optional<Verdict> result;
    asio::co_spawn(
        loop_,
        [&]() -> asio::awaitable<void> {
          result = co_await screener_->Screen(ClientAt(address));
        },
        asio::detached);
    Settle();
    ASSERT_FALSE(result);
    ASSERT_TRUE(
        screener_->BanByOperator(*IpAddress::Parse(address), minutes(60), "")
            .ok());
    RunUntil([&] { return result.has_value(); });
    EXPECT_EQ(result->reason, Reason::kBanned);
    lists_.Release();
    Settle();
  }
}

TEST_F(ScreenerTest, AnOperatorCannotBanAProtectedAddress) {
  Rules rules = OneZone();
  rules.protected_networks.Add(*Network::Parse("2001:db8::25"));
  Use(rules);
  // The neighbour's /64 holds the protected address.
  const auto status = screener_->BanByOperator(
      *IpAddress::Parse("2001:db8::bad"), minutes(1), "");
  EXPECT_THAT(status.status().message(), HasSubstr("2001:db8::25"));
  EXPECT_THAT(enforcer_.orders(), IsEmpty());
}

TEST_F(ScreenerTest, ABanIsNeverShortened) {
  const IpAddress address = *IpAddress::Parse("198.51.100.7");
  ASSERT_TRUE(screener_->BanByOperator(address, minutes(1440), "").ok());
  enforcer_.Take();
  const auto kept = screener_->BanByOperator(address, minutes(1), "");
  EXPECT_GT(kept->expires, Clock::now() + minutes(1400));
  EXPECT_THAT(enforcer_.orders(), IsEmpty());
}

TEST_F(ScreenerTest, WhoIsAllowedIsLetInAtOnceAndNotJudged) {
  lists_.List("198.51.100.7");
  AskAndAnswer(ClientAt("198.51.100.7"));
  ASSERT_EQ(bans_.size(), 1u);
  enforcer_.Take();
  Rules rules = OneZone();
  rules.allowed_networks.Add(*Network::Parse("198.51.100.7"));
  Use(rules);
  EXPECT_THAT(enforcer_.orders(), ElementsAre("unban 198.51.100.7"));
  EXPECT_EQ(Ask(ClientAt("198.51.100.7")).reason, Reason::kAllowed);
  EXPECT_FALSE(screener_->Banned(ClientAt("198.51.100.7")));
  const auto ban = screener_->BanByOperator(ClientAt("198.51.100.7").address(),
                                            minutes(1), "");
  EXPECT_THAT(std::string(ban.status().message()),
              HasSubstr("198.51.100.7 is allowed"));
}

TEST_F(ScreenerTest, UntilItIsKnownWhoIsProtectedAllPassAndNobodyIsBanned) {
  lists_.List("198.51.100.7");
  Rules rules = OneZone();
  rules.protection_known = false;
  Use(rules);
  // Not even who was banned before a restart.
  bans_.Add({.network = *Network::Parse("198.51.100.8"),
             .expires = Clock::now() + minutes(5)},
            Clock::now());
  EXPECT_FALSE(AskAndAnswer(ClientAt("198.51.100.7")).IsRefusal());
  EXPECT_FALSE(AskAndAnswer(ClientAt("198.51.100.8")).IsRefusal());
  EXPECT_FALSE(screener_->Banned(ClientAt("198.51.100.8")));
  EXPECT_THAT(enforcer_.orders(), IsEmpty());
  Use(OneZone());
  EXPECT_EQ(Ask(ClientAt("198.51.100.7")).reason, Reason::kListed);
  EXPECT_EQ(Ask(ClientAt("198.51.100.8")).reason, Reason::kBanned);
}

TEST_F(ScreenerTest, ABanOfTheKernelsThatMustNotBeIsTakenOutAgain) {
  Rules rules = OneZone();
  rules.allowed_networks.Add(*Network::Parse("198.51.100.7"));
  Use(rules);
  screener_->Adopt(*Network::Parse("198.51.100.7"), minutes(5));
  screener_->Adopt(*Network::Parse("198.51.100.8"), minutes(5));
  EXPECT_THAT(enforcer_.orders(), ElementsAre("unban 198.51.100.7"));
  EXPECT_EQ(bans_.size(), 1u);
}

TEST_F(ScreenerTest, WhatIsProtectedByAReloadIsNoLongerBanned) {
  lists_.List("198.51.100.7");
  AskAndAnswer(ClientAt("198.51.100.7"));
  enforcer_.Take();
  Rules rules = OneZone();
  rules.protected_networks.Add(*Network::Parse("198.51.100.0/24"));
  Use(rules);
  EXPECT_THAT(enforcer_.orders(), ElementsAre("unban 198.51.100.7"));
  EXPECT_EQ(bans_.size(), 0u);
}

TEST_F(ScreenerTest, AnIpv6ClientIsBannedWithItsWholeSlash64) {
  lists_.List("2001:db8:1:2::5");
  AskAndAnswer(ClientAt("2001:db8:1:2::5"));
  EXPECT_TRUE(screener_->Banned(ClientAt("2001:db8:1:2:ffff::1")));
  EXPECT_FALSE(screener_->Banned(ClientAt("2001:db8:1:3::5")));
}

TEST_F(ScreenerTest, ABannedNetworkTurnsOutAllOfItsSessions) {
  Rules rules = OneZone();
  rules.widening.members = {2, 2, 0};
  Use(rules);
  for (const auto& [net, inside, outside, first, second] :
       {std::tuple("2001:db8:0:100::/56", "2001:db8:0:1aa::5",
                   "2001:db8:0:2aa::5", "2001:db8:0:101::1",
                   "2001:db8:0:102::1"),
        std::tuple("192.0.2.0/24", "192.0.2.5", "192.0.3.5", "192.0.2.101",
                   "192.0.2.102")}) {
    lists_.Hold();
    const auto waiting = screener_->Start(ClientAt(inside, 1));
    const auto other = screener_->Start(ClientAt(outside, 2));
    Settle();
    for (const char* address : {first, second}) {
      screener_->Answered(ClientAt(address), {.action = Action::kReject,
                                              .reason = Reason::kOffence,
                                              .ban = minutes(10)});
    }
    ASSERT_TRUE(waiting->verdict().has_value()) << net;
    EXPECT_EQ(waiting->verdict()->reason, Reason::kBanned);
    EXPECT_THAT(waiting->verdict()->text,
                StartsWith(std::string("Client network ") + net +
                           " is refused: 2 of its addresses are banned [id "));
    EXPECT_FALSE(other->verdict().has_value());
    const std::vector<std::string> orders = enforcer_.Take();
    EXPECT_THAT(orders, testing::Contains(std::string("ban ") + net + " 600s"));
    EXPECT_THAT(orders.back(), StartsWith("destroy "));
    // And whoever comes later.
    EXPECT_EQ(Ask(ClientAt(inside, 3)).reason, Reason::kBanned);
    lists_.Release();
    Settle();
  }
}

TEST_F(ScreenerTest, AdoptsWhatTheKernelKeptOverARestart) {
  screener_->Adopt(*Network::Parse("198.51.100.7"), minutes(5));
  const auto verdict = screener_->Known(ClientAt("198.51.100.7"));
  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->reason, Reason::kBanned);
  EXPECT_THAT(enforcer_.orders(), IsEmpty());
}

// ---- Lists that have lied --------------------------------------------------

TEST_F(ScreenerTest, BansThatRestOnAListThatLiedAreLifted) {
  lists_.List("192.0.2.5");
  lists_.List("2001:db8::5");
  const Instant proven = Clock::now();
  AskAndAnswer(ClientAt("192.0.2.5"));
  AskAndAnswer(ClientAt("2001:db8::5"));
  ASSERT_EQ(bans_.size(), 2u);
  enforcer_.Take();
  testing::internal::CaptureStderr();
  lists_.Lie({.label = "list.test", .proven_at = proven, .listings = 7});
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_THAT(enforcer_.Take(), ElementsAre("unban 192.0.2.5"));
  EXPECT_EQ(bans_.size(), 1u) << "the other family has not lied";
  EXPECT_THAT(log, HasSubstr("event=zone-lied zone=list.test family=ipv4 "
                             "listings=7 bans=1\n"));
  EXPECT_THAT(log, HasSubstr("event=unban client=192.0.2.5 why=zone-lied id="));
}

TEST_F(ScreenerTest, BansFromBeforeTheLastProofAndOfOthersStay) {
  lists_.List("192.0.2.5");
  AskAndAnswer(ClientAt("192.0.2.5"));
  lists_.Lie({.label = "list.test", .proven_at = Clock::now()});
  EXPECT_EQ(bans_.size(), 1u);
  lists_.Lie({.label = "other.test", .proven_at = Instant::min()});
  EXPECT_EQ(bans_.size(), 1u);
  // The operator has banned it too, so it does not rest on the list alone.
  ASSERT_TRUE(screener_
                  ->BanByOperator(*IpAddress::Parse("192.0.2.5"), minutes(1),
                                  "by the test")
                  .ok());
  lists_.Lie({.label = "list.test", .proven_at = Instant::min()});
  EXPECT_EQ(bans_.size(), 1u);
}

TEST_F(ScreenerTest, AListThatLostTrustBetweenVerdictAndBanDoesNotBan) {
  lists_.List("192.0.2.5");
  const Client client = ClientAt("192.0.2.5");
  const Verdict verdict = Ask(client);
  ASSERT_TRUE(verdict.ban.has_value());
  lists_.Distrust("list.test");
  testing::internal::CaptureStderr();
  screener_->Answered(client, verdict);
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("event=ban-refused client=192.0.2.5 "
                        "why=zone-in-doubt"));
  EXPECT_EQ(bans_.size(), 0u);
}

}  // namespace
}  // namespace breakwater
