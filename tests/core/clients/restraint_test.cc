// Who is condemned by lists, refused and all the same not banned.

#include "core/clients/restraint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "core/screener/screener.h"
#include "tests/core/loop.h"
#include "tests/fakes/fake_enforcer.h"
#include "tests/fakes/fake_lists.h"

namespace breakwater {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::IsEmpty;
using testing::StartsWith;

constexpr char kFriend[] = "198.51.100.7";
constexpr char kStranger[] = "198.51.100.8";

Client ClientAt(std::string_view address, uint16_t port = 4711) {
  return {.connection = {.client = *IpAddress::Parse(address),
                         .client_port = port,
                         .server = *IpAddress::Parse("192.0.2.25"),
                         .server_port = 25}};
}

// The first message is enough to be known as good.
class RestraintTest : public testing::Test {
 protected:
  RestraintTest() : lists_(loop_) { Use({}); }
  void Use(Rules rules) {
    rules.zones = {{.name = "list.test", .label = "list.test"}};
    rules.history.probation = 0h;
    auto shared = std::make_shared<const Rules>(std::move(rules));
    if (screener_) return screener_->SetRules(shared);
    screener_.emplace(loop_, lists_, bans_, enforcer_, metrics_, shared);
  }
  Verdict Ask(std::string_view address, uint16_t port = 4711) {
    return Await(loop_, screener_->Screen(ClientAt(address, port)));
  }
  Verdict AskAndAnswer(std::string_view address) {
    const Verdict verdict = Ask(address);
    screener_->Answered(ClientAt(address), verdict);
    return verdict;
  }
  // A session whose message is let pass.
  void Deliver(std::string_view address) {
    screener_->Accepted(ClientAt(address), AskAndAnswer(address));
  }
  bool IsGood(std::string_view address) {
    return screener_->restraint().history().IsGood(*IpAddress::Parse(address),
                                                   Clock::now());
  }
  double Withheld(const char* why) {
    return metrics_.BansWithheld(why).Value();
  }
  // A list of names that bans, and who says a name that is on it.
  void AddNames() {
    Rules rules = *screener_->rules();
    rules.zones.push_back(
        {.name = "dbl.test", .label = "dbl.test", .type = ZoneType::kDomain});
    screener_->SetRules(std::make_shared<const Rules>(std::move(rules)));
    lists_.ListName("spam.test", 1);
  }
  Verdict SayListedName(std::string_view address) {
    Client client = ClientAt(address);
    client.helo = "spam.test";
    const Verdict so_far = Ask(address);
    const Verdict verdict =
        Await(loop_, screener_->ScreenFurther(client, {.names = true}, so_far));
    screener_->Answered(client, verdict);
    return verdict;
  }
  // Ten who delivered mail are condemned, more than any list should.
  void PutTheBrakeOn() {
    for (int i = 1; i <= 10; ++i) {
      const std::string address = absl::StrCat("203.0.", i, ".9");
      Deliver(address);
      lists_.List(address);
      AskAndAnswer(address);
    }
    ASSERT_TRUE(screener_->restraint().brake().is_on());
  }

  asio::io_context loop_;
  FakeLists lists_;
  FakeEnforcer enforcer_;
  Metrics metrics_;
  BanTable bans_{1000};
  std::optional<Screener> screener_;
};

TEST_F(RestraintTest, AGoodClientIsRefusedFirstAndBannedWhenItComesAgain) {
  Deliver(kFriend);
  lists_.List(kFriend);
  const Verdict first = AskAndAnswer(kFriend);
  EXPECT_EQ(first.action, Action::kReject);
  EXPECT_EQ(first.withheld, Withheld::kGoodHistory);
  EXPECT_THAT(enforcer_.orders(), IsEmpty());
  EXPECT_EQ(Withheld("good-history"), 1);
  EXPECT_TRUE(AskAndAnswer(kFriend).ban);
  EXPECT_THAT(enforcer_.orders(), Contains(StartsWith("ban 198.51.100.7 ")));
  EXPECT_EQ(Withheld("good-history"), 1);
}

TEST_F(RestraintTest, AStrangerIsBannedAtOnce) {
  lists_.List(kStranger);
  EXPECT_TRUE(AskAndAnswer(kStranger).ban);
}

TEST_F(RestraintTest, AGoodClientsSessionsOfOneMomentAreOneCondemnation) {
  Deliver(kFriend);
  lists_.List(kFriend);
  const Verdict one = Ask(kFriend, 1);
  const Verdict other = Ask(kFriend, 2);
  screener_->Answered(ClientAt(kFriend, 1), one);
  screener_->Answered(ClientAt(kFriend, 2), other);
  EXPECT_THAT(enforcer_.orders(), IsEmpty());
  EXPECT_TRUE(AskAndAnswer(kFriend).ban);
}

TEST_F(RestraintTest, WhoWasCondemnedAndNotToldIsStillToldFirst) {
  Deliver(kFriend);
  lists_.List(kFriend);
  Ask(kFriend);
  EXPECT_FALSE(AskAndAnswer(kFriend).ban);
}

TEST_F(RestraintTest, AfterTheWindowAGoodClientIsRefusedFirstAgain) {
  Use({.history = {.window = 0h}});
  Deliver(kFriend);
  lists_.List(kFriend);
  EXPECT_FALSE(AskAndAnswer(kFriend).ban);
  EXPECT_FALSE(AskAndAnswer(kFriend).ban);
}

TEST_F(RestraintTest, MailThatPassedBecauseTheListsWereLateProvesNothing) {
  lists_.SetAnswers(kFriend, {.overdue = true});
  Deliver(kFriend);
  EXPECT_FALSE(IsGood(kFriend));
}

TEST_F(RestraintTest, ObserveModeRemembersWhoIsGoodAndNotWhoIsListed) {
  Use({.observe = true});
  Deliver(kFriend);
  lists_.List(kStranger);
  Deliver(kStranger);
  EXPECT_TRUE(IsGood(kFriend));
  EXPECT_FALSE(IsGood(kStranger));
}

TEST_F(RestraintTest, UnderTheBrakeListsBanNobodyAndRefuseAllTheSame) {
  PutTheBrakeOn();
  EXPECT_EQ(metrics_.brake_on.Value(), 1);
  lists_.List(kStranger);
  const Verdict verdict = AskAndAnswer(kStranger);
  EXPECT_EQ(verdict.action, Action::kReject);
  EXPECT_EQ(verdict.withheld, Withheld::kBrake);
  EXPECT_THAT(enforcer_.orders(), IsEmpty());
  EXPECT_EQ(Withheld("brake"), 1);
}

TEST_F(RestraintTest, TheOperatorBansUnderTheBrakeToo) {
  PutTheBrakeOn();
  ASSERT_TRUE(
      screener_->BanByOperator(*IpAddress::Parse(kStranger), 1min, "").ok());
  EXPECT_THAT(enforcer_.orders(), Contains(StartsWith("ban 198.51.100.8 ")));
}

TEST_F(RestraintTest, WhenTheBrakeIsOffListsBanAgain) {
  PutTheBrakeOn();
  Use({.brake = {.good_percent = 100, .release = 0ms}});
  screener_->Tick();
  EXPECT_EQ(metrics_.brake_on.Value(), 0);
  lists_.List(kStranger);
  EXPECT_TRUE(AskAndAnswer(kStranger).ban);
}

TEST_F(RestraintTest, TooManyBansInAMinutePutTheBrakeOn) {
  Use({.brake = {.bans_per_minute = 20}});
  for (int i = 1; i <= 30; ++i) {
    const std::string address = absl::StrCat("203.0.113.", i);
    lists_.List(address);
    AskAndAnswer(address);
  }
  EXPECT_EQ(bans_.size(), 21u) << "the one too many shows that it is";
  EXPECT_EQ(Withheld("brake"), 9);
}

TEST_F(RestraintTest, MailThatPassedWhileAListWasNotHeardMakesNobodyGood) {
  lists_.SetAnswers(kFriend, {.unheard = {0}});
  Deliver(kFriend);
  EXPECT_FALSE(IsGood(kFriend));
}

TEST_F(RestraintTest, ButWhoIsGoodIsNotForgottenForIt) {
  Deliver(kFriend);
  lists_.SetAnswers(kFriend, {.unheard = {0}});
  const auto before = screener_->restraint().history().Find(
      *IpAddress::Parse(kFriend), Clock::now());
  Deliver(kFriend);
  const auto after = screener_->restraint().history().Find(
      *IpAddress::Parse(kFriend), Clock::now());
  EXPECT_TRUE(after->good);
  EXPECT_GT(after->last, before->last);
}

TEST_F(RestraintTest, ZombiesOfAListThatWasAwayDoNotTripTheBrake) {
  for (int i = 1; i <= 80; ++i) {
    const std::string address = absl::StrCat("203.0.", i, ".9");
    lists_.SetAnswers(address, {.unheard = {0}});
    Deliver(address);
    lists_.SetAnswers(address, {.listings = {{.zone = 0}}});
    AskAndAnswer(address);
  }
  EXPECT_FALSE(screener_->restraint().brake().is_on());
  EXPECT_EQ(bans_.size(), 80u);
}

// Eleven with a good history do what nobody else can have done.
TEST_F(RestraintTest, WhatClientsDoThemselvesDoesNotKeepListsFromBanning) {
  Rules rules;
  rules.offences[OffenceKind::kHelo] = {.mode = OffenceMode::kOn};
  rules.offences[OffenceKind::kUnknownRecipient] = {.mode = OffenceMode::kOn};
  rules.conduct.own_names = {"mx.example.org"};
  Use(rules);
  for (int i = 1; i <= 22; ++i) {
    const std::string address = absl::StrCat("203.0.", i, ".9");
    Deliver(address);
    Client client = ClientAt(address);
    Told told{.names = true};
    client.helo = "mx.example.org";
    client.sender = "<a@example.org>";
    if (i > 11) told = {.offences = {{OffenceKind::kUnknownRecipient}}};
    const Verdict so_far = Ask(address);
    Await(loop_, screener_->ScreenFurther(client, told, so_far));
  }
  EXPECT_FALSE(screener_->restraint().brake(Ground::kLists).is_on());
  EXPECT_TRUE(screener_->restraint().brake(Ground::kOffences).is_on())
      << "a map of recipients may be wrong";
  lists_.List(kStranger);
  EXPECT_TRUE(AskAndAnswer(kStranger).ban);
}

TEST_F(RestraintTest, UnderTheBrakeNobodyKeepsItOnByComingAgain) {
  PutTheBrakeOn();
  const size_t good = screener_->restraint().brake().state().good;
  for (int i = 1; i <= 10; ++i) AskAndAnswer(absl::StrCat("203.0.", i, ".9"));
  EXPECT_EQ(screener_->restraint().brake().state().good, good);
  EXPECT_FALSE(screener_->restraint().history().IsGood(
                   *IpAddress::Parse("203.0.1.9"), Clock::now()) &&
               !screener_->restraint().history().IsWarned(
                   *IpAddress::Parse("203.0.1.9"), Clock::now()));
}

// Clients choose what they say: their words are no mistake of a list's.
TEST_F(RestraintTest, ListedNamesDoNotKeepListedAddressesFromBeingBanned) {
  AddNames();
  for (int i = 1; i <= 11; ++i) {
    const std::string address = absl::StrCat("203.0.", i, ".9");
    Deliver(address);
    SayListedName(address);
  }
  EXPECT_FALSE(screener_->restraint().brake(Ground::kLists).is_on());
  EXPECT_TRUE(screener_->restraint().brake(Ground::kOffences).is_on());
  lists_.List(kStranger);
  EXPECT_TRUE(AskAndAnswer(kStranger).ban);
}

// ---- What seems to be a proxy ----------------------------------------------

class ProxyTest : public RestraintTest {
 protected:
  ProxyTest() { Use(ThreeAreEnough()); }
  static Rules ThreeAreEnough() {
    Rules rules{.proxy = {.addresses = 1, .connections = 3, .after = 0ms}};
    rules.offences[OffenceKind::kVirus] = {.mode = OffenceMode::kOn};
    return rules;
  }
  void Connect(std::string_view address, int times) {
    for (int i = 0; i < times; ++i) screener_->Connected(ClientAt(address));
  }
  // What anybody behind it may do.
  Verdict Offend(std::string_view address) {
    const Client client = ClientAt(address);
    Told told;
    told.offences.push_back({.kind = OffenceKind::kVirus});
    const Verdict verdict =
        Await(loop_, screener_->ScreenFurther(client, told, Ask(address)));
    screener_->Answered(client, verdict);
    return verdict;
  }
};

TEST_F(ProxyTest, WhoSeemsToBeOneIsRefusedForOffencesAndNotBanned) {
  Connect(kStranger, 3);
  EXPECT_EQ(metrics_.proxy_suspected.Value(), 1);
  const Verdict verdict = Offend(kStranger);
  EXPECT_EQ(verdict.action, Action::kReject);
  EXPECT_EQ(verdict.withheld, breakwater::Withheld::kProxy);
  EXPECT_THAT(enforcer_.orders(), IsEmpty());
  EXPECT_EQ(Withheld("proxy"), 1);
}

TEST_F(ProxyTest, AListsBanIsNoSignOfOne) {
  lists_.List(kStranger);
  Connect(kStranger, 1);
  AskAndAnswer(kStranger);
  Connect(kStranger, 2);
  EXPECT_EQ(metrics_.proxy_suspected.Value(), 1);
  EXPECT_EQ(bans_.size(), 1u) << "it stays";
  screener_->Unban(Network::OfClient(*IpAddress::Parse(kStranger)));
  EXPECT_TRUE(AskAndAnswer(kStranger).ban);
  EXPECT_EQ(bans_.size(), 1u) << "and comes again";
}

TEST_F(ProxyTest, AListedNameIsWhatAnybodyBehindItMaySay) {
  AddNames();
  Connect(kStranger, 1);
  EXPECT_TRUE(SayListedName(kStranger).ban);
  ASSERT_EQ(bans_.size(), 1u);
  Connect(kStranger, 2);
  EXPECT_EQ(bans_.size(), 0u);
  const Verdict verdict = SayListedName(kStranger);
  EXPECT_EQ(verdict.action, Action::kReject);
  EXPECT_EQ(verdict.withheld, breakwater::Withheld::kProxy);
  EXPECT_EQ(bans_.size(), 0u);
}

TEST_F(ProxyTest, ItsBansForOffencesAreLiftedAndOthersStay) {
  Connect(kStranger, 1);
  Offend(kStranger);
  ASSERT_EQ(bans_.size(), 1u);
  Connect(kStranger, 2);
  EXPECT_EQ(bans_.size(), 0u);
  EXPECT_THAT(enforcer_.orders(), Contains("unban 198.51.100.8"));
  ASSERT_TRUE(
      screener_->BanByOperator(*IpAddress::Parse(kStranger), 1min, "").ok());
  Connect(kStranger, 5);
  EXPECT_EQ(bans_.size(), 1u);
}

TEST_F(ProxyTest, ASessionThatBothDoorsSeeCountsOnce) {
  const auto session = screener_->Start(ClientAt(kStranger));
  ASSERT_TRUE(RunUntil(loop_, [&] { return screener_->sessions() == 1; }));
  Connect(kStranger, 5);  // the policy server, about the same port
  EXPECT_EQ(metrics_.proxy_suspected.Value(), 0);
  screener_->Closed(session);
  ASSERT_TRUE(RunUntil(loop_, [&] { return screener_->sessions() == 0; }));
  Connect(kStranger, 2);
  EXPECT_EQ(metrics_.proxy_suspected.Value(), 1);
}

TEST_F(ProxyTest, WhoIsNotOneIsBannedAtItsFirstContact) {
  Connect(kStranger, 3);
  Connect(kFriend, 1);
  EXPECT_TRUE(Offend(kFriend).ban);
}

TEST_F(ProxyTest, WhenOthersComeItIsBannedAgain) {
  Connect(kStranger, 3);
  for (int i = 0; i < 5; ++i) Connect(absl::StrCat("203.0.113.", i), 1);
  EXPECT_EQ(metrics_.proxy_suspected.Value(), 0);
  EXPECT_TRUE(Offend(kStranger).ban);
}

TEST_F(ProxyTest, TheGatewayMayBeOneButNotLoopbackOrWhomTheOperatorNames) {
  Rules rules = ThreeAreEnough();
  for (const char* address : {"10.0.0.1", kFriend}) {
    rules.protected_networks.Add(*Network::Parse(address));
  }
  rules.named_networks.Add(*Network::Parse(kFriend));
  Use(rules);
  Connect("127.0.0.1", 9);
  Connect(kFriend, 9);
  EXPECT_FALSE(screener_->restraint().proxy().is_on());
  Connect("10.0.0.1", 9);
  EXPECT_TRUE(screener_->restraint().proxy().is_on());
}

}  // namespace
}  // namespace breakwater
