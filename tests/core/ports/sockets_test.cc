// What becomes of clients that are only claimed to be at the other end of a
// connection.

#include "core/ports/sockets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/screener/screener.h"
#include "tests/core/loop.h"
#include "tests/fakes/fake_enforcer.h"
#include "tests/fakes/fake_lists.h"
#include "tests/fakes/fake_sockets.h"

namespace breakwater {
namespace {

using std::chrono::milliseconds;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

Client ClientAt(std::string_view address, uint16_t port = 4711) {
  return {.connection = {.client = *IpAddress::Parse(address),
                         .client_port = port,
                         .server = *IpAddress::Parse("192.0.2.25"),
                         .server_port = 25}};
}

class SocketsTest : public testing::Test {
 protected:
  SocketsTest() : lists_(loop_) {
    lists_.List("198.51.100.7");
    Use({});
  }
  void Use(Rules rules) {
    rules.zones = {{.name = "list.test", .label = "list.test"}};
    rules.patience = milliseconds(30);
    auto shared = std::make_shared<const Rules>(std::move(rules));
    if (screener_) return screener_->SetRules(shared);
    screener_.emplace(loop_, lists_, bans_, enforcer_, metrics_, shared,
                      &sockets_);
  }
  Verdict AskAndAnswer(const Client& client) {
    const Verdict verdict = Await(loop_, screener_->Screen(client));
    screener_->Answered(client, verdict);
    return verdict;
  }

  asio::io_context loop_;
  FakeLists lists_;
  FakeEnforcer enforcer_;
  FakeSockets sockets_;
  Metrics metrics_;
  BanTable bans_{1000};
  std::optional<Screener> screener_;
};

TEST_F(SocketsTest, AClientWithASocketIsBanned) {
  AskAndAnswer(ClientAt("198.51.100.7"));
  EXPECT_THAT(enforcer_.orders(), Contains(StartsWith("ban 198.51.100.7 ")));
}

TEST_F(SocketsTest, AClaimedClientIsRefusedAndNeitherBannedNorEnded) {
  sockets_.answer = 0;
  const Verdict verdict = AskAndAnswer(ClientAt("198.51.100.7"));
  EXPECT_EQ(verdict.action, Action::kReject);
  EXPECT_FALSE(verdict.ban);
  EXPECT_THAT(enforcer_.orders(), IsEmpty());
  EXPECT_EQ(bans_.size(), 0u);
  EXPECT_EQ(metrics_.BansWithheld("no-socket").Value(), 1);
}

TEST_F(SocketsTest, TheLookComesBeforeStartReturns) {
  lists_.Hold();
  const auto session = screener_->Start(ClientAt("198.51.100.7"));
  EXPECT_EQ(sockets_.looks, 1);
  // The client hangs up while the MTA goes on.
  sockets_.answer = 0;
  lists_.Release();
  ASSERT_TRUE(RunUntil(loop_, [&] { return session->verdict().has_value(); }));
  EXPECT_TRUE(session->verdict()->ban);
}

TEST_F(SocketsTest, OfTwoWhoWaitTogetherEachHasItsOwnProof) {
  lists_.Hold();
  const auto real = screener_->Start(ClientAt("198.51.100.7", 1));
  sockets_.answer = 0;
  const auto claimed = screener_->Start(ClientAt("198.51.100.7", 2));
  ASSERT_TRUE(RunUntil(loop_, [&] { return screener_->sessions() == 2; }));
  lists_.Release();
  ASSERT_TRUE(RunUntil(loop_, [&] { return claimed->verdict().has_value(); }));
  EXPECT_TRUE(real->verdict()->ban);
  EXPECT_FALSE(claimed->verdict()->ban);
}

TEST_F(SocketsTest, AClaimedClientThatIsSilentIsNotBanned) {
  sockets_.answer = 0;
  const auto session = screener_->Start(ClientAt("198.51.100.7"));
  ASSERT_TRUE(RunUntil(loop_, [&] { return !enforcer_.orders().empty(); }));
  EXPECT_THAT(enforcer_.orders(),
              ElementsAre("destroy 198.51.100.7:4711>192.0.2.25:25"));
}

TEST_F(SocketsTest, WhereTheKernelDoesNotSayNobodyIsBanned) {
  sockets_.answer = std::nullopt;
  const Verdict verdict = AskAndAnswer(ClientAt("198.51.100.7"));
  EXPECT_EQ(verdict.action, Action::kReject);
  EXPECT_EQ(verdict.withheld, Withheld::kSocketUnseen);
  EXPECT_TRUE(screener_->cannot_look());
  sockets_.answer = 77;
  AskAndAnswer(ClientAt("198.51.100.7"));
  EXPECT_FALSE(screener_->cannot_look());
}

TEST_F(SocketsTest, AClientWithoutPortsIsBelievedOnlyWhereNoSocketIsNeeded) {
  EXPECT_EQ(AskAndAnswer(ClientAt("198.51.100.7", 0)).withheld,
            Withheld::kNoPorts);
  EXPECT_EQ(sockets_.looks, 0);
  Use({.ban_needs_socket = false});
  EXPECT_TRUE(AskAndAnswer(ClientAt("198.51.100.7", 0)).ban);
}

TEST_F(SocketsTest, WhatAFrontCallsAClaimIsNeverBanned) {
  Client client = ClientAt("198.51.100.7", 0);
  client.presence = Presence::kClaimed;
  for (const bool needed : {true, false}) {
    Use({.ban_needs_socket = needed});
    EXPECT_EQ(AskAndAnswer(client).withheld, Withheld::kNoSocket);
  }
  EXPECT_EQ(bans_.size(), 0u);
}

// Whoever claims addresses could have their owners banned at once, stop all
// bans, and make a spammer's address a good one.
TEST_F(SocketsTest, AClaimIsNoPartOfAnybodysHistory) {
  Use({.history = {.probation = {}}, .brake = {.good_clients = 1}});
  Rules rules = *screener_->rules();
  rules.offences[OffenceKind::kTrap] = {.mode = OffenceMode::kOn};
  Use(rules);
  const Client client = ClientAt("203.0.113.9");
  const Client other = ClientAt("203.0.113.10");
  screener_->Accepted(client, AskAndAnswer(client));
  const GoodHistory& history = screener_->restraint().history();
  ASSERT_TRUE(history.IsGood(client.address(), Clock::now()));
  sockets_.answer = 0;
  Client claimed = other;
  screener_->LookAt(claimed);
  screener_->Accepted(claimed, AskAndAnswer(claimed));
  EXPECT_FALSE(history.IsGood(other.address(), Clock::now()));
  const Verdict clean = Await(loop_, screener_->Screen(client));
  screener_->Answered(
      client,
      Await(loop_,
            screener_->ScreenFurther(
                client, {.offences = {{.kind = OffenceKind::kTrap}}}, clean)));
  lists_.List("203.0.113.9");
  lists_.ForgetCached();
  EXPECT_EQ(AskAndAnswer(client).withheld, Withheld::kNoSocket);
  EXPECT_FALSE(history.IsWarned(client.address(), Clock::now()));
  for (const Ground ground : {Ground::kLists, Ground::kOffences}) {
    EXPECT_EQ(screener_->restraint().brake(ground).state().condemned, 0u);
  }
  sockets_.answer = 77;
  EXPECT_EQ(AskAndAnswer(client).withheld, Withheld::kGoodHistory);
}

// Whoever may speak to the MTA like a proxy offends in the name of others.
class ClaimedOffencesTest : public SocketsTest {
 protected:
  ClaimedOffencesTest() {
    Rules rules;
    rules.offences[OffenceKind::kTrap] = {.mode = OffenceMode::kOn, .after = 2};
    rules.offences[OffenceKind::kConnections] = {.mode = OffenceMode::kOn,
                                                 .after = 3};
    rules.offences[OffenceKind::kSessions] = {.mode = OffenceMode::kOn,
                                              .after = 3};
    Use(std::move(rules));
  }
  Verdict HitTrap(const Client& client) {
    return Await(loop_, screener_->ScreenFurther(
                            client, {.offences = {{OffenceKind::kTrap}}}, {}));
  }
  const Client victim_ = ClientAt("198.51.100.9");
};

TEST_F(ClaimedOffencesTest, TrapsAreNotHeldAgainstWhomTheyWereClaimedOf) {
  sockets_.answer = 0;
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(HitTrap(victim_).ban);
  EXPECT_EQ(HitTrap(victim_).withheld, Withheld::kNoSocket);
  sockets_.answer = 77;
  EXPECT_FALSE(HitTrap(victim_).ban);
  EXPECT_TRUE(HitTrap(victim_).ban) << "its own second";
}

TEST_F(ClaimedOffencesTest, NorAreConnectionsAndSessions) {
  sockets_.answer = 0;
  std::vector<std::shared_ptr<Screening>> sessions;
  for (uint16_t port = 1; port < 9; ++port) {
    sessions.push_back(screener_->Start(ClientAt("198.51.100.9", port)));
  }
  ASSERT_TRUE(
      RunUntil(loop_, [&] { return sessions.back()->verdict().has_value(); }));
  EXPECT_TRUE(sessions.back()->verdict()->IsRefusal());
  sockets_.answer = 77;
  const auto own = screener_->Start(victim_);
  ASSERT_TRUE(RunUntil(loop_, [&] { return own->verdict().has_value(); }));
  EXPECT_FALSE(own->verdict()->IsRefusal());
}

TEST_F(SocketsTest, TheRuleCanBeTurnedOff) {
  Use({.ban_needs_socket = false});
  sockets_.answer = 0;
  EXPECT_TRUE(AskAndAnswer(ClientAt("198.51.100.7")).ban);
}

}  // namespace
}  // namespace breakwater
