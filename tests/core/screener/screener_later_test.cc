// What condemns a client after it has connected.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/screener/screener.h"
#include "tests/core/loop.h"
#include "tests/fakes/fake_enforcer.h"
#include "tests/fakes/fake_lists.h"

namespace breakwater {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

constexpr char kAddress[] = "198.51.100.7";
constexpr char kEnd[] = "end 198.51.100.7:4711>192.0.2.25:25";

Client ClientAt(std::string_view address) {
  return {.connection = {.client = *IpAddress::Parse(address),
                         .client_port = 4711,
                         .server = *IpAddress::Parse("192.0.2.25"),
                         .server_port = 25}};
}

Told Did(OffenceKind kind) {
  Told told;
  told.offences.push_back({.kind = kind, .detail = "as seen"});
  return told;
}

class LaterTest : public testing::Test {
 protected:
  LaterTest() : lists_(loop_) {
    rules_.zones = {
        {.name = "list.test", .label = "list.test"},
        {.name = "dbl.test",
         .label = "dbl.test",
         .type = ZoneType::kDomain,
         .ban = false},
        {.name = "good.test", .label = "good.test", .kind = ZoneKind::kAllow}};
    rules_.history.probation = Duration();
    Use();
  }
  OffenceRule& Rule(OffenceKind kind) { return rules_.offences[kind]; }
  void Use() {
    const auto shared = std::make_shared<const Rules>(rules_);
    if (screener_) return screener_->SetRules(shared);
    screener_.emplace(loop_, lists_, bans_, enforcer_, metrics_, shared);
  }

  // As the policy server does it.
  Verdict Further(const Client& client, Told told) {
    const Verdict so_far = Await(loop_, screener_->Screen(client));
    const Verdict verdict =
        Await(loop_, screener_->ScreenFurther(client, std::move(told), so_far));
    screener_->Answered(client, verdict);
    return verdict;
  }
  std::optional<Ban> BanOf(std::string_view address) {
    return bans_.Find(*IpAddress::Parse(address), Clock::now());
  }
  void MakeGood(std::string_view address) {
    const Client client = ClientAt(address);
    const Verdict verdict = Await(loop_, screener_->Screen(client));
    screener_->Accepted(client, verdict);
    screener_->Accepted(client, verdict);
  }
  void Settle() {
    loop_.restart();
    loop_.poll();
  }
  // Until a ban that is half over is looked at again, and what came of it.
  void TickUntilAskedAgain(const char* address) {
    const size_t before = lists_.lookups(address);
    RunUntil(loop_, [&] {
      screener_->Tick();
      return lists_.lookups(address) > before;
    });
    Settle();
  }

  asio::io_context loop_;
  FakeLists lists_;
  FakeEnforcer enforcer_;
  Metrics metrics_;
  BanTable bans_{1000};
  Rules rules_;
  std::optional<Screener> screener_;
};

TEST_F(LaterTest, AListedNameIsRefusedByItsNameAndNotBanned) {
  lists_.ListName("spam.test", 1);
  Client client = ClientAt(kAddress);
  client.sender = "<a@spam.test>";
  const Verdict verdict = Further(client, {.sender = true});
  EXPECT_EQ(verdict.action, Action::kReject);
  EXPECT_EQ(verdict.text,
            "The name spam.test is listed by dbl.test [id " + verdict.id + "]");
  EXPECT_THAT(enforcer_.orders(), IsEmpty());
}

TEST_F(LaterTest, ANameAndAnAddressAddUp) {
  rules_.reject_score = 2;
  rules_.ban_score = 2;
  rules_.zones[1].ban = true;
  Use();
  lists_.List(kAddress, 0);
  lists_.ListName("spam.test", 1);
  Client client = ClientAt(kAddress);
  client.helo = "spam.test";
  const Verdict verdict = Further(client, {.names = true});
  EXPECT_EQ(verdict.action, Action::kReject);
  EXPECT_TRUE(BanOf(kAddress));
}

TEST_F(LaterTest, ATrapIsRefusedAsAnUnknownUserAndItsSenderBanned) {
  Rule(OffenceKind::kTrap) = {.mode = OffenceMode::kOn,
                              .ban_duration = hours(12)};
  Use();
  const Verdict verdict = Further(ClientAt(kAddress), Did(OffenceKind::kTrap));
  EXPECT_EQ(verdict.code, 550);
  EXPECT_EQ(verdict.enhanced_code(), "5.1.1");
  EXPECT_EQ(verdict.text, "User unknown in local recipient table");
  EXPECT_THAT(enforcer_.orders(), ElementsAre(kEnd, "ban 198.51.100.7 43200s"));
  EXPECT_EQ(BanOf(kAddress)->origin, Origin::kOffence);
  EXPECT_EQ(BanOf(kAddress)->label, "trap");
  EXPECT_EQ(BanOf(kAddress)->text,
            "Client 198.51.100.7 is refused [id " + verdict.id + "]");
}

TEST_F(LaterTest, ATrapIsRefusedBeforeItBans) {
  Rule(OffenceKind::kTrap) = {.mode = OffenceMode::kOn, .after = 2};
  Use();
  const Client client = ClientAt(kAddress);
  EXPECT_EQ(Further(client, Did(OffenceKind::kTrap)).code, 550);
  EXPECT_FALSE(BanOf(kAddress));
  EXPECT_EQ(Further(client, Did(OffenceKind::kTrap)).code, 550);
  EXPECT_TRUE(BanOf(kAddress));
}

// As with warn_if_reject, or when the policy server's answer came too late.
TEST_F(LaterTest, ATrapThatOneDoorCouldNotShutIsShutByTheOtherAndCountsOnce) {
  Rule(OffenceKind::kTrap) = {.mode = OffenceMode::kOn, .after = 2};
  Use();
  Client client = ClientAt(kAddress);
  EXPECT_EQ(Further(client, Did(OffenceKind::kTrap)).code, 550);
  client.front = Front::kMilter;
  EXPECT_EQ(Further(client, Did(OffenceKind::kTrap)).code, 550);
  EXPECT_FALSE(BanOf(kAddress));
}

// The milter is told of what the MTA has refused by the policy server's word.
TEST_F(LaterTest, ATrapThatWasShutIsNotToldOfAgain) {
  Rule(OffenceKind::kTrap) = {.mode = OffenceMode::kOn, .after = 2};
  Use();
  Client client = ClientAt(kAddress);
  Further(client, Did(OffenceKind::kTrap));
  client.front = Front::kMilter;
  const auto session = screener_->Start(client);
  testing::internal::CaptureStderr();
  screener_->NoteFurther(session, client, Did(OffenceKind::kTrap));
  Settle();
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              Not(HasSubstr("event=reject")));
}

TEST_F(LaterTest, AnObservedTrapTakesItsMail) {
  Rule(OffenceKind::kTrap) = {.mode = OffenceMode::kObserve};
  Use();
  EXPECT_EQ(Further(ClientAt(kAddress), Did(OffenceKind::kTrap)).action,
            Action::kPass);
}

TEST_F(LaterTest, InObserveModeNothingIsRefused) {
  Rule(OffenceKind::kTrap) = {.mode = OffenceMode::kOn};
  rules_.observe = true;
  Use();
  EXPECT_EQ(Further(ClientAt(kAddress), Did(OffenceKind::kTrap)).action,
            Action::kPass);
  EXPECT_THAT(enforcer_.orders(), IsEmpty());
}

// ---- Mercy -----------------------------------------------------------------

TEST_F(LaterTest, AGoodClientIsRefusedBeforeItIsBanned) {
  Rule(OffenceKind::kVirus) = {.mode = OffenceMode::kOn};
  Use();
  MakeGood(kAddress);
  const Client client = ClientAt(kAddress);
  const Verdict first = Further(client, Did(OffenceKind::kVirus));
  EXPECT_EQ(first.action, Action::kReject);
  EXPECT_EQ(first.withheld, Withheld::kGoodHistory);
  EXPECT_FALSE(BanOf(kAddress));
  Further(client, Did(OffenceKind::kVirus));
  EXPECT_TRUE(BanOf(kAddress));
}

TEST_F(LaterTest, WhoIsOnAListThatAllowsIsNotBanned) {
  Rule(OffenceKind::kTrap) = {.mode = OffenceMode::kOn};
  Use();
  lists_.List(kAddress, 2);
  EXPECT_EQ(Further(ClientAt(kAddress), Did(OffenceKind::kTrap)).action,
            Action::kReject);
  EXPECT_FALSE(BanOf(kAddress));
}

TEST_F(LaterTest, WhoIsSparedIsRefusedAndNeverBanned) {
  Rule(OffenceKind::kTrap) = {.mode = OffenceMode::kOn};
  rules_.spare.names = {".forwarder.test"};
  Use();
  Client client = ClientAt(kAddress);
  client.reverse_name = "mx.forwarder.test";
  client.reverse_verified = true;
  const Verdict verdict = Further(client, Did(OffenceKind::kTrap));
  EXPECT_EQ(verdict.action, Action::kReject);
  EXPECT_EQ(verdict.withheld, Withheld::kSpared);
  lists_.List(kAddress, 0);
  lists_.ForgetCached();
  EXPECT_EQ(Await(loop_, screener_->Screen(client)).withheld,
            Withheld::kSpared);
  EXPECT_FALSE(BanOf(kAddress));
}

TEST_F(LaterTest, WhoIsSparedFromJudgementPasses) {
  Rule(OffenceKind::kTrap) = {.mode = OffenceMode::kOn};
  rules_.spare.networks.Add(*Network::Parse("198.51.100.0/24"));
  rules_.spare.judged = false;
  Use();
  const Verdict verdict = Further(ClientAt(kAddress), Did(OffenceKind::kTrap));
  EXPECT_EQ(verdict.action, Action::kPass);
  EXPECT_EQ(verdict.reason, Reason::kSpared);
}

TEST_F(LaterTest, AUserWhoHasLoggedInCommitsNoOffence) {
  Rule(OffenceKind::kTrap) = {.mode = OffenceMode::kOn};
  Use();
  Client client = ClientAt(kAddress);
  client.authenticated = true;
  EXPECT_EQ(Further(client, Did(OffenceKind::kTrap)).action, Action::kPass);
  EXPECT_EQ(screener_->conduct().book().size(), 0u);
}

// ---- Growth ----------------------------------------------------------------

TEST_F(LaterTest, TheNextBanIsLonger) {
  Rule(OffenceKind::kTrap) = {.mode = OffenceMode::kOn};
  rules_.growth.factor = 3;
  Use();
  const Client client = ClientAt(kAddress);
  Further(client, Did(OffenceKind::kTrap));
  bans_.Remove(Network::OfClient(client.address()));  // it has ended
  enforcer_.Take();
  Further(client, Did(OffenceKind::kTrap));
  EXPECT_THAT(enforcer_.orders(), Contains("ban 198.51.100.7 1800s"));
}

TEST_F(LaterTest, ASecondSessionsAnswerDoesNotMakeTheBanGrow) {
  Rule(OffenceKind::kTrap) = {.mode = OffenceMode::kOn};
  rules_.growth.factor = 3;
  Use();
  const Client client = ClientAt(kAddress);
  const Verdict so_far = Await(loop_, screener_->Screen(client));
  const Verdict verdict = Await(
      loop_, screener_->ScreenFurther(client, Did(OffenceKind::kTrap), so_far));
  screener_->Answered(client, verdict);
  screener_->Answered(client, verdict);
  EXPECT_THAT(enforcer_.orders(), Not(Contains(HasSubstr("1800s"))));
  EXPECT_EQ(screener_->growth().Times(Network::OfClient(client.address()),
                                      Clock::now()),
            1u);
}

// ---- Half-way --------------------------------------------------------------

TEST_F(LaterTest, ALongBanEndsHalfWayIfNoListHoldsTheClientAnyMore) {
  using std::chrono::milliseconds;
  rules_.recheck_from = milliseconds(1);
  rules_.ban_duration = milliseconds(2000);
  Use();
  lists_.List(kAddress, 0);
  lists_.List("198.51.100.8", 0);
  for (const char* address : {kAddress, "198.51.100.8"}) {
    const Client client = ClientAt(address);
    screener_->Answered(client, Await(loop_, screener_->Screen(client)));
  }
  lists_.SetAnswers(kAddress, {});
  const Instant limit = Clock::now() + kPatience;
  RunUntil(loop_, [&] {
    screener_->Tick();
    return bans_.size() < 2 || Clock::now() > limit;
  });
  EXPECT_FALSE(BanOf(kAddress));
  EXPECT_TRUE(BanOf("198.51.100.8"));
  EXPECT_THAT(enforcer_.orders(), Contains("unban 198.51.100.7"));
}

TEST_F(LaterTest, ABanStandsWhileAListHoldsTheClientThoughWithLessWeight) {
  using std::chrono::milliseconds;
  rules_.zones.push_back({.name = "b.test", .label = "b.test"});
  rules_.reject_score = 2;
  rules_.ban_score = 2;
  rules_.recheck_from = milliseconds(1);
  rules_.ban_duration = milliseconds(200);
  Use();
  lists_.SetAnswers(kAddress, {.listings = {{.zone = 0}, {.zone = 3}}});
  const Client client = ClientAt(kAddress);
  screener_->Answered(client, Await(loop_, screener_->Screen(client)));
  ASSERT_TRUE(BanOf(kAddress));
  lists_.SetAnswers(kAddress, {.listings = {{.zone = 3}}});
  TickUntilAskedAgain(kAddress);
  EXPECT_THAT(enforcer_.orders(), Not(Contains("unban 198.51.100.7")));
}

TEST_F(LaterTest, AListThatWasNotAskedIsNoReasonToEndABan) {
  using std::chrono::milliseconds;
  rules_.recheck_from = milliseconds(1);
  rules_.ban_duration = milliseconds(200);
  Use();
  lists_.List(kAddress, 0);
  const Client client = ClientAt(kAddress);
  screener_->Answered(client, Await(loop_, screener_->Screen(client)));
  lists_.SetAnswers(kAddress, {.unheard = {0}});
  TickUntilAskedAgain(kAddress);
  EXPECT_THAT(enforcer_.orders(), Not(Contains("unban 198.51.100.7")));
}

TEST_F(LaterTest, AnErrorOfAListsIsNoReasonToEndABan) {
  using std::chrono::milliseconds;
  rules_.recheck_from = milliseconds(1);
  rules_.ban_duration = milliseconds(200);
  Use();
  lists_.List(kAddress, 0);
  const Client client = ClientAt(kAddress);
  screener_->Answered(client, Await(loop_, screener_->Screen(client)));
  lists_.SetAnswers(kAddress, {.errors = 1});
  TickUntilAskedAgain(kAddress);
  EXPECT_THAT(enforcer_.orders(), Not(Contains("unban 198.51.100.7")));
}

// ---- Limits ----------------------------------------------------------------

TEST_F(LaterTest, WhoConnectsTooOftenIsBannedThoughNoListHoldsIt) {
  Rule(OffenceKind::kConnections) = {
      .mode = OffenceMode::kOn, .after = 3, .window = minutes(1)};
  Use();
  const Client client = ClientAt(kAddress);
  Verdict verdict;
  for (int i = 0; i < 3; ++i) {
    verdict =
        Await(loop_, screener_->Screen(client, screener_->Connected(client)));
    screener_->Answered(client, verdict);
  }
  EXPECT_EQ(verdict.label, "connections");
  EXPECT_TRUE(BanOf(kAddress));
}

// ---- The milter's side -----------------------------------------------------

TEST_F(LaterTest, WhatNobodyAnswersTakesEffectAtOnce) {
  Rule(OffenceKind::kUnknownRecipient) = {.mode = OffenceMode::kOn, .after = 2};
  Use();
  const Client client = ClientAt(kAddress);
  const auto session = screener_->Start(client);
  for (int i = 0; i < 2; ++i) {
    screener_->NoteFurther(session, client,
                           Did(OffenceKind::kUnknownRecipient));
  }
  RunUntil(loop_, [&] { return bans_.size() > 0; });
  // Its session is ended after the MTA's own reply, not in the middle of it.
  EXPECT_THAT(enforcer_.orders(),
              ElementsAre(kEnd, StartsWith("ban 198.51.100.7 ")));
  screener_->Closed(session);
  Settle();
}

TEST_F(LaterTest, TheMilterWaitsForWhatComesOfATrap) {
  Rule(OffenceKind::kTrap) = {.mode = OffenceMode::kOn};
  Use();
  const Client client = ClientAt(kAddress);
  const auto session = screener_->Start(client);
  const auto further =
      screener_->StartFurther(session, client, Did(OffenceKind::kTrap));
  RunUntil(loop_, [&] { return further->verdict().has_value(); });
  EXPECT_EQ(further->verdict()->code, 550);
  EXPECT_FALSE(BanOf(kAddress));  // not before it has been told
  screener_->AnsweredLater(session, client, *further->verdict(), false);
  Settle();
  EXPECT_TRUE(BanOf(kAddress));
  screener_->Closed(session);
  Settle();
}

TEST_F(LaterTest, WhoGoesOnAfterItWasRefusedIsBannedForThat) {
  Rule(OffenceKind::kAfterRefusal) = {.mode = OffenceMode::kOn, .after = 2};
  rules_.zones[0].ban = false;
  Use();
  lists_.List(kAddress, 0);
  const Client client = ClientAt(kAddress);
  const auto session = screener_->Start(client);
  RunUntil(loop_, [&] { return session->verdict().has_value(); });
  screener_->AnsweredFrom(session);
  Settle();
  EXPECT_FALSE(BanOf(kAddress));
  for (int i = 0; i < 2; ++i) {
    screener_->AnsweredLater(session, client, *session->verdict(), true);
    Settle();
  }
  RunUntil(loop_, [&] { return bans_.size() > 0; });
  EXPECT_EQ(BanOf(kAddress)->label, "after-refusal");
  screener_->Closed(session);
  Settle();
}

// ---- Reports ---------------------------------------------------------------

TEST_F(LaterTest, AReportBansForAsLongAsItAsks) {
  Rule(OffenceKind::kVirus) = {.mode = OffenceMode::kOn};
  Use();
  const auto verdict =
      Await(loop_, screener_->ReportOffence(*IpAddress::Parse(kAddress),
                                            {.kind = OffenceKind::kVirus,
                                             .detail = "Eicar",
                                             .ban_duration = hours(12)}));
  ASSERT_TRUE(verdict.ok());
  EXPECT_THAT(enforcer_.orders(), ElementsAre("ban 198.51.100.7 43200s"));
}

TEST_F(LaterTest, AReportThatNobodyWantsOrAboutTheProtectedIsAnError) {
  const auto report = [&](const char* address) {
    return Await(loop_, screener_->ReportOffence(*IpAddress::Parse(address),
                                                 {.kind = OffenceKind::kVirus}))
        .status()
        .ToString();
  };
  EXPECT_EQ(report(kAddress),
            "FAILED_PRECONDITION: offence virus is off: no [[offence]] of that "
            "kind turns it on");
  Rule(OffenceKind::kVirus) = {.mode = OffenceMode::kOn};
  rules_.protected_networks.Add(*Network::Parse("198.51.100.0/24"));
  Use();
  EXPECT_EQ(report(kAddress),
            "FAILED_PRECONDITION: 198.51.100.7 is not judged: protected");
  EXPECT_EQ(report("127.0.0.1"),
            "FAILED_PRECONDITION: 127.0.0.1 is not judged: protected");
}

}  // namespace
}  // namespace breakwater
