#include "policy/policy_sessions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "core/rules/trap_list.h"
#include "tests/core/loop.h"
#include "tests/fakes/fake_enforcer.h"
#include "tests/fakes/fake_lists.h"
#include "tests/fakes/fake_sockets.h"

namespace breakwater {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

constexpr char kAddress[] = "198.51.100.7";

PolicyRequest RequestAt(const std::string& state,
                        const std::string& instance = "fbe.6b01.c29e.0") {
  PolicyRequest request{.protocol_state = state};
  const bool has_message = state != "CONNECT" && state != "EHLO";
  if (has_message) request.instance = instance;
  request.client.connection = {.client = *IpAddress::Parse(kAddress),
                               .client_port = 4711,
                               .server = *IpAddress::Parse("192.0.2.25"),
                               .server_port = 25};
  return request;
}

// All requests are of one session, unless the test says otherwise.
class PolicySessionsTest : public testing::Test {
 protected:
  PolicySessionsTest() : lists_(loop_) { Use({}); }
  void Use(Rules rules) {
    rules.zones = {{.name = "list.test", .label = "list.test"}};
    auto shared = std::make_shared<const Rules>(std::move(rules));
    if (screener_) return screener_->SetRules(shared);
    screener_.emplace(loop_, lists_, bans_, enforcer_, metrics_, shared,
                      &sockets_);
    sessions_.emplace(*screener_);
  }

  // As the server does it.
  Verdict Ask(PolicyRequest request) {
    PolicySessions::Answer answer = Await(loop_, sessions_->Judge(request));
    const Verdict verdict = answer.verdict;
    sessions_->Answered(request, std::move(answer));
    return verdict;
  }
  Verdict Ask(const std::string& state) { return Ask(RequestAt(state)); }
  // As where the mail server's connections are in another namespace.
  void SeeNoSockets() {
    Use({.ban_needs_socket = false});
    sockets_.answer = 0;
  }
  // Verdicts that have been counted.
  double Counted(const Verdict& like) {
    return metrics_.Verdicts(Front::kPolicy, like).Value();
  }
  void BanByOperator() {
    ASSERT_TRUE(screener_
                    ->BanByOperator(*IpAddress::Parse(kAddress), minutes(10),
                                    "by the test")
                    .ok());
  }

  asio::io_context loop_;
  FakeLists lists_;
  FakeEnforcer enforcer_;
  FakeSockets sockets_;
  Metrics metrics_;
  BanTable bans_{1000};
  std::optional<Screener> screener_;
  std::optional<PolicySessions> sessions_;
};

TEST_F(PolicySessionsTest, ACleanSessionIsLookedUpAndCountedOnce) {
  for (const char* state :
       {"CONNECT", "CONNECT", "EHLO", "MAIL", "RCPT", "RCPT", "DATA"}) {
    EXPECT_EQ(Ask(state).action, Action::kPass);
    lists_.ForgetCached();
  }
  EXPECT_EQ(lists_.lookups(), 1u);
  EXPECT_EQ(Counted({.reason = Reason::kClean}), 1);
}

TEST_F(PolicySessionsTest, ASessionSavesItsQuestionsOnce) {
  lists_.Warm(kAddress);
  for (const char* state : {"CONNECT", "EHLO", "MAIL", "RCPT", "DATA"}) {
    Ask(state);
  }
  EXPECT_EQ(lists_.saved(kAddress, Saving::kCache), 1u);
  BanByOperator();
  for (int i = 0; i < 5; ++i) Ask("RCPT");
  EXPECT_EQ(lists_.saved(kAddress, Saving::kBan), 1u);
}

TEST_F(PolicySessionsTest, ARefusalIsSaidAgainAndDoneOnce) {
  lists_.List(kAddress);
  const Verdict first = Ask("RCPT");
  for (int i = 0; i < 5; ++i) {
    const Verdict again = Ask("RCPT");
    EXPECT_EQ(again.id, first.id);
    EXPECT_EQ(again.text, first.text);
  }
  EXPECT_EQ(lists_.lookups(), 1u);
  EXPECT_EQ(Counted(first), 1);
  EXPECT_THAT(enforcer_.orders(),
              ElementsAre("end 198.51.100.7:4711>192.0.2.25:25",
                          StartsWith("ban 198.51.100.7 ")));
}

// After it a list may condemn the client without having it banned at once.
TEST_F(PolicySessionsTest, OnlyAMessageThatWasLetPassMakesAGoodClient) {
  Use({.history = {.probation = std::chrono::hours(0)}});
  const auto good = [this] { return screener_->restraint().history().good(); };
  for (const char* state : {"CONNECT", "EHLO", "MAIL", "RCPT"}) Ask(state);
  EXPECT_EQ(good(), 0u);
  Ask("DATA");
  EXPECT_EQ(good(), 1u);
}

TEST_F(PolicySessionsTest, AUserWhoHasLoggedInMakesNoGoodClient) {
  Use({.history = {.probation = std::chrono::hours(0)}});
  PolicyRequest request = RequestAt("END-OF-MESSAGE");
  request.client.authenticated = true;
  Ask(request);
  EXPECT_EQ(screener_->restraint().history().good(), 0u);
}

TEST_F(PolicySessionsTest, AGoodClientIsToldTheSameToTheEndOfItsSession) {
  Use({.history = {.probation = std::chrono::hours(0)}});
  Ask("DATA");
  lists_.List(kAddress);
  lists_.ForgetCached();
  ++*sockets_.answer;
  const Verdict first = Ask("CONNECT");
  EXPECT_EQ(first.withheld, Withheld::kGoodHistory);
  EXPECT_EQ(Ask("EHLO").id, first.id);
  EXPECT_EQ(bans_.size(), 0u);
}

TEST_F(PolicySessionsTest, WhoWasLetPassLateIsNotJudgedAnew) {
  Answers late;
  late.overdue = true;
  lists_.SetAnswers(kAddress, late);
  EXPECT_EQ(Ask("CONNECT").reason, Reason::kOverdue);
  lists_.ForgetCached();
  lists_.List(kAddress);
  EXPECT_EQ(Ask("MAIL").action, Action::kPass);
  EXPECT_EQ(lists_.lookups(), 1u);
}

TEST_F(PolicySessionsTest, ABanThatCameMeanwhileRefusesFromThenOn) {
  EXPECT_EQ(Ask("CONNECT").action, Action::kPass);
  BanByOperator();
  const Verdict first = Ask("RCPT");
  EXPECT_EQ(first.reason, Reason::kBanned);
  EXPECT_EQ(Ask("DATA").id, first.id);
  EXPECT_EQ(Ask("END-OF-MESSAGE").id, first.id);
  EXPECT_EQ(Counted(first), 1);
}

TEST_F(PolicySessionsTest, ALiftedBanEndsTheRefusal) {
  BanByOperator();
  EXPECT_EQ(Ask("MAIL").action, Action::kReject);
  screener_->Unban(Network::OfClient(*IpAddress::Parse(kAddress)));
  EXPECT_EQ(Ask("RCPT").reason, Reason::kClean);
}

TEST_F(PolicySessionsTest, WhatBecomesProtectedPasses) {
  Use({.reply = {.code = 451, .text_template = "later"}});
  lists_.List(kAddress);
  EXPECT_EQ(Ask("RCPT").action, Action::kDefer);
  Rules rules;
  rules.protected_networks.Add(*Network::Parse("198.51.100.0/24"));
  Use(rules);
  EXPECT_EQ(Ask("RCPT").reason, Reason::kProtected);
}

TEST_F(PolicySessionsTest, AUserWhoHasLoggedInPassesUnderABanAndIsSparedOnce) {
  Ask("CONNECT");
  BanByOperator();
  enforcer_.Take();
  PolicyRequest request = RequestAt("RCPT");
  request.client.authenticated = true;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Ask(request).action, Action::kPass);
  EXPECT_THAT(enforcer_.orders(),
              ElementsAre("spare 198.51.100.7:4711>192.0.2.25:25"));
}

TEST_F(PolicySessionsTest, AUserThatNothingIsHeardOfIsForgotten) {
  sessions_.emplace(*screener_, SessionMemory::Limits{.most = 1});
  for (const uint16_t port : {uint16_t{1}, uint16_t{2}}) {
    PolicyRequest request = RequestAt("MAIL");
    request.client.connection.client_port = port;
    request.client.authenticated = true;
    Ask(request);
  }
  EXPECT_THAT(enforcer_.orders(),
              Contains("forget 198.51.100.7:1>192.0.2.25:25"));
}

TEST_F(PolicySessionsTest, AConnectAfterALaterStateIsANewSession) {
  SeeNoSockets();
  Ask("CONNECT");
  Ask("MAIL");
  lists_.ForgetCached();
  lists_.List(kAddress);
  EXPECT_EQ(Ask("CONNECT").action, Action::kReject);
}

TEST_F(PolicySessionsTest, TheSecondMessageOfASessionIsNotJudgedAnew) {
  Ask(RequestAt("RCPT", "fbe.6b01.c29e.0"));
  lists_.ForgetCached();
  lists_.List(kAddress);
  EXPECT_EQ(Ask(RequestAt("RCPT", "fbe.6b05.11.1")).action, Action::kPass);
  EXPECT_EQ(Ask(RequestAt("RCPT", "fbe.6b06.12.a")).action, Action::kPass);
}

TEST_F(PolicySessionsTest, AFirstMessageFromAPortUsedAgainIsOfANewSession) {
  SeeNoSockets();
  for (const char* later : {"fbe.6b05.11.0", "abc.6b05.11.1"}) {
    SCOPED_TRACE(later);
    sessions_.emplace(*screener_);
    Ask(RequestAt("RCPT", "fbe.6b01.c29e.0"));
    lists_.ForgetCached();
    const size_t before = lists_.lookups();
    Ask(RequestAt("RCPT", later));
    EXPECT_EQ(lists_.lookups(), before + 1);
  }
}

TEST_F(PolicySessionsTest, AnotherSocketOfTheSamePortIsAnotherSession) {
  for (const char* state : {"CONNECT", "EHLO", "RCPT"}) {
    SCOPED_TRACE(state);
    sessions_.emplace(*screener_);
    Ask(state);
    Ask(state);
    const double before = Counted({.reason = Reason::kClean});
    ++*sockets_.answer;
    Ask(state);
    EXPECT_EQ(Counted({.reason = Reason::kClean}), before + 1);
  }
}

TEST_F(PolicySessionsTest, ListedMeanwhileItIsRefusedAtItsNextConnection) {
  Ask("CONNECT");
  lists_.ForgetCached();
  lists_.List(kAddress);
  EXPECT_EQ(Ask("CONNECT").action, Action::kPass) << "another line of the list";
  ++*sockets_.answer;
  EXPECT_EQ(Ask("CONNECT").action, Action::kReject);
}

TEST_F(PolicySessionsTest, SixtyConnectionsFromOnePortAreSixty) {
  Rules rules;
  rules.offences[OffenceKind::kConnections] = {.mode = OffenceMode::kOn,
                                               .after = 60};
  Use(std::move(rules));
  for (int i = 0; i < 59; ++i, ++*sockets_.answer) {
    EXPECT_EQ(Ask("CONNECT").action, Action::kPass);
  }
  EXPECT_EQ(Ask("CONNECT").reason, Reason::kOffence);
}

TEST_F(PolicySessionsTest, UnseenConnectionsOfOnePortAreToldApartByTime) {
  SeeNoSockets();
  sessions_.emplace(*screener_,
                    SessionMemory::Limits{.connect = milliseconds(60)});
  // The time does not begin anew with each.
  const Instant begin = Clock::now();
  while (Clock::now() < begin + milliseconds(100)) {
    Ask("CONNECT");
    std::this_thread::sleep_for(milliseconds(10));
  }
  EXPECT_GE(Counted({.reason = Reason::kClean}), 2);
  EXPECT_LE(Counted({.reason = Reason::kClean}), 4);
}

TEST_F(PolicySessionsTest, WhoHasGoneIsStillTheOneWhoWasThere) {
  Ask("CONNECT");
  sockets_.answer = 0;
  lists_.ForgetCached();
  BanByOperator();
  EXPECT_EQ(Ask("EHLO").reason, Reason::kBanned);
  EXPECT_EQ(Counted({.reason = Reason::kClean}), 1);
}

TEST_F(PolicySessionsTest, AnotherPortIsAnotherSession) {
  lists_.List(kAddress);
  const Verdict first = Ask("CONNECT");
  PolicyRequest other = RequestAt("CONNECT");
  other.client.connection.client_port = 4712;
  EXPECT_EQ(Ask(other).reason, Reason::kBanned);
  EXPECT_EQ(Counted(first), 1);
}

TEST_F(PolicySessionsTest, WithoutPortsTheMessageHoldsTheRequestsTogether) {
  PolicyRequest request = RequestAt("RCPT");
  request.client.connection.client_port = 0;
  for (int i = 0; i < 3; ++i) Ask(request);
  EXPECT_EQ(Counted({.reason = Reason::kClean}), 1);
  request.instance = "fbe.6b05.11.1";
  Ask(request);
  EXPECT_EQ(Counted({.reason = Reason::kClean}), 2);
}

TEST_F(PolicySessionsTest, WithNothingToKnowItByEachRequestIsJudged) {
  PolicyRequest request = RequestAt("CONNECT");
  request.client.connection.client_port = 0;
  for (int i = 0; i < 3; ++i) Ask(request);
  EXPECT_EQ(Counted({.reason = Reason::kClean}), 3);
  EXPECT_THAT(enforcer_.orders(), IsEmpty());
}

// ---- What the client tells later --------------------------------------------

// With a trap, and a list of domains that holds "spam.test".
class PolicyConductTest : public PolicySessionsTest {
 protected:
  PolicyConductTest() {
    Rules rules;
    rules.offences[OffenceKind::kTrap] = {.mode = OffenceMode::kOn,
                                          .ban = false};
    rules.conduct.traps =
        std::make_shared<const TrapList>(*TrapList::Parse({"trap@mail.test"}));
    rules.zones = {{.name = "list.test", .label = "list.test"},
                   {.name = "dbl.test",
                    .label = "dbl.test",
                    .type = ZoneType::kDomain,
                    .ban = false}};
    screener_->SetRules(std::make_shared<const Rules>(std::move(rules)));
    lists_.ListName("spam.test", 1);
  }

  static PolicyRequest Rcpt(const std::string& sender,
                            const std::string& recipient,
                            const std::string& helo = "client.test") {
    PolicyRequest request = RequestAt("RCPT");
    request.client.helo = helo;
    request.client.sender = sender;
    request.client.recipient = recipient;
    return request;
  }
};

TEST_F(PolicyConductTest, ANameOnAListIsRefusedToTheEndOfTheSession) {
  EXPECT_EQ(Ask(Rcpt("a@b.test", "c@mail.test", "spam.test")).label,
            "dbl.test");
  EXPECT_EQ(Ask(Rcpt("other@b.test", "c@mail.test", "spam.test")).label,
            "dbl.test");
  EXPECT_EQ(Counted({.action = Action::kReject, .reason = Reason::kListed}), 1);
}

TEST_F(PolicyConductTest, AnotherSenderIsLookedAtAnew) {
  const Verdict first = Ask(Rcpt("a@spam.test", "c@mail.test"));
  EXPECT_EQ(first.action, Action::kReject);
  EXPECT_EQ(Ask(Rcpt("a@spam.test", "d@mail.test")).id, first.id);
  EXPECT_EQ(Ask(Rcpt("a@b.test", "c@mail.test")).action, Action::kPass);
  EXPECT_EQ(Ask(Rcpt("b@spam.test", "c@mail.test")).action, Action::kReject);
}

TEST_F(PolicyConductTest, EachNameIsAskedAboutOnce) {
  for (const char* recipient : {"c@mail.test", "d@mail.test", "e@mail.test"}) {
    Ask(Rcpt("a@b.test", recipient));
  }
  EXPECT_EQ(lists_.asked_names().size(), 2u);
}

TEST_F(PolicyConductTest, ATrapIsRefusedAndTheOtherRecipientsAreNot) {
  EXPECT_EQ(Ask(Rcpt("a@b.test", "c@mail.test")).action, Action::kPass);
  const Verdict trap = Ask(Rcpt("a@b.test", "trap@mail.test"));
  EXPECT_EQ(trap.code, 550);
  // Another check_policy_service asks again.
  EXPECT_EQ(Ask(Rcpt("a@b.test", "trap@mail.test")).id, trap.id);
  EXPECT_EQ(metrics_.Offences("trap", "strikes").Value(), 1);
  EXPECT_EQ(Ask(Rcpt("a@b.test", "d@mail.test")).action, Action::kPass);
}

TEST_F(PolicyConductTest, ABounceToATrapIsRefusedAndNobodysOffence) {
  EXPECT_EQ(Ask(Rcpt("", "trap@mail.test")).code, 550);
  EXPECT_EQ(metrics_.Offences("trap", "strikes").Value(), 0);
}

TEST_F(PolicyConductTest, AnAdaptersRecipientsAreLookedAt) {
  PolicyRequest request = RequestAt("END-OF-MESSAGE");
  request.client.sender = "a@b.test";
  request.recipients = {"c@mail.test", "trap@mail.test"};
  EXPECT_EQ(Ask(request).label, "trap");
}

}  // namespace
}  // namespace breakwater
