// Lists of domains, which are asked about a client's names.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "core/dnsbl/dnsbl.h"
#include "core/rules/zone_site.h"
#include "tests/core/loop.h"
#include "tests/fakes/dns_server.h"

namespace breakwater {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

const IpAddress kClient = *IpAddress::Parse("192.0.2.5");
const AskedName kHelo = {NameKind::kHelo, "helo.example"};
const AskedName kReverse = {NameKind::kReverse, "reverse.example"};
const AskedName kSender = {NameKind::kSender, "sender.example"};

Zone Names(const char* name, const char* label) {
  return {
      .name = name, .label = label, .type = ZoneType::kDomain, .ban = false};
}

// Two zones of domains, d.test and e.test, and between them one of addresses,
// a.test. What they must prove first is below.
class DnsblNamesTest : public testing::Test {
 protected:
  void SetUp() override {
    UseZones({Names("d.test", "D"),
              {.name = "a.test", .label = "A"},
              Names("e.test", "E")});
  }

  void UseZones(std::vector<Zone> zones, int reject_score = 1) {
    rules_ = std::make_shared<Rules>();
    rules_->zones = std::move(zones);
    rules_->reject_score = reject_score;
    dnsbl_->SetRules(rules_);
  }

  Answers LookupNames(std::vector<AskedName> names, Answers known = {},
                      Duration patience = seconds(5)) {
    return Await(
        loop_, dnsbl_->LookupNames(kClient, std::move(names), std::move(known),
                                   Clock::now() + patience));
  }
  void Start(const AskedName& name, std::optional<Answers>& result) {
    asio::co_spawn(loop_,
                   dnsbl_->LookupNames(kClient, std::vector<AskedName>(1, name),
                                       Answers(), Clock::now() + seconds(5)),
                   [&result](std::exception_ptr, Answers answers) {
                     result = std::move(answers);
                   });
  }
  void Settle() {
    RunUntil(loop_, [&] { return resolver_->in_flight() == 0; });
  }
  double Saved(const char* label, Saving saving) {
    return saving == Saving::kCache
               ? metrics_.CacheHits(label).Value()
               : metrics_.DnsSaved(label, SavingName(saving)).Value();
  }

  asio::io_context loop_;
  FakeDnsServer server_;
  Metrics metrics_;
  DnsblOptions options_{.deadline = seconds(5), .prove_zones = false};
  std::unique_ptr<Resolver> resolver_ = *Resolver::Make(
      loop_, {.servers = {server_.address()}, .timeout = milliseconds(100)});
  std::unique_ptr<Dnsbl> dnsbl_ =
      std::make_unique<Dnsbl>(loop_, *resolver_, metrics_, options_);
  std::shared_ptr<Rules> rules_;
};

TEST_F(DnsblNamesTest, AListedNameIsListedByItsKind) {
  server_.On("sender.example.e.test", Says({"127.0.0.4"}));
  const Answers answers = LookupNames({kHelo, kReverse, kSender});
  EXPECT_THAT(answers.listings,
              ElementsAre(Listing{.zone = 2, .name = NameKind::kSender}));
  EXPECT_EQ(answers.rules, rules_);
  EXPECT_FALSE(answers.overdue);
}

TEST_F(DnsblNamesTest, AddressesAndNamesGoToTheirOwnZonesOnly) {
  LookupNames({kHelo, kSender});
  EXPECT_THAT(
      server_.names(),
      UnorderedElementsAre("helo.example.d.test", "helo.example.e.test",
                           "sender.example.d.test", "sender.example.e.test"));
  Await(loop_, dnsbl_->Lookup(kClient));
  EXPECT_THAT(server_.names(), SizeIs(5));
  EXPECT_EQ(server_.queries("5.2.0.192.a.test"), 1u);
}

TEST_F(DnsblNamesTest, AZoneIsAskedAboutItsKindsOfNamesOnly) {
  Zone senders = Names("d.test", "D");
  senders.names = {NameKind::kSender};
  UseZones({senders});
  server_.Otherwise(Says({"127.0.0.2"}));
  EXPECT_THAT(LookupNames({kHelo, kReverse}).listings, IsEmpty());
  EXPECT_THAT(LookupNames({kHelo, kReverse, kSender}).listings, SizeIs(1));
  EXPECT_THAT(server_.names(), ElementsAre("sender.example.d.test"));
}

TEST_F(DnsblNamesTest, WithoutZonesOfDomainsNothingIsAsked) {
  UseZones({{.name = "a.test", .label = "A"}});
  EXPECT_THAT(LookupNames({kHelo, kReverse, kSender}).listings, IsEmpty());
  EXPECT_EQ(server_.queries(), 0u);
}

TEST_F(DnsblNamesTest, ANameInTwoPlacesIsAskedOnce) {
  server_.On("same.example.d.test", Says({"127.0.0.2"}));
  const Answers answers = LookupNames({{NameKind::kHelo, "same.example"},
                                       {NameKind::kReverse, "same.example"},
                                       {NameKind::kSender, "same.example"}});
  EXPECT_THAT(answers.listings,
              ElementsAre(Listing{.zone = 0, .name = NameKind::kHelo}));
  EXPECT_EQ(server_.queries("same.example.d.test"), 1u);
  EXPECT_EQ(Saved("D", Saving::kJoined), 0) << "nobody else asked";
}

TEST_F(DnsblNamesTest, AZoneCountsOnceHoweverManyNamesItLists) {
  Zone zone = Names("d.test", "D");
  zone.filters = {{.answers = {*ParseAnswerRange("127.0.0.2")}},
                  {.answers = {*ParseAnswerRange("127.0.0.3")}, .weight = 2}};
  UseZones({zone}, 3);
  server_.On("sender.example.d.test", Says({"127.0.0.3"}));
  server_.On("helo.example.d.test",
             {.addresses = {"127.0.0.2"}, .delay = milliseconds(50)});
  const Answers answers = LookupNames({kHelo, kSender});
  EXPECT_THAT(
      answers.listings,
      ElementsAre(Listing{.zone = 0, .filters = 3, .name = NameKind::kHelo}));
  EXPECT_EQ(Judge(*rules_, answers.listings).score, 3);
}

TEST_F(DnsblNamesTest, ListingsOfTheAddressAndOfNamesAreAddedUp) {
  UseZones({Names("d.test", "D"), {.name = "a.test", .label = "A"}}, 2);
  server_.On("5.2.0.192.a.test", Says({"127.0.0.2"}));
  server_.On("helo.example.d.test", Says({"127.0.0.2"}));
  const Answers known = Await(loop_, dnsbl_->Lookup(kClient));
  EXPECT_THAT(known.listings, ElementsAre(Listing{.zone = 1}));
  EXPECT_FALSE(known.overdue);
  const Answers answers = LookupNames({kHelo, kSender}, known);
  EXPECT_THAT(answers.listings,
              ElementsAre(Listing{.zone = 1},
                          Listing{.zone = 0, .name = NameKind::kHelo}));
  EXPECT_EQ(Judge(*answers.rules, answers.listings).action, Action::kReject);
}

// What is not asked yet must not make the round about the address end early,
// nor make it wait.
TEST_F(DnsblNamesTest, AnAddressIsLookedUpWithNamesInMind) {
  UseZones({{.name = "a.test", .label = "A"},
            {.name = "b.test", .label = "B"},
            Names("d.test", "D")},
           2);
  server_.On("5.2.0.192.b.test",
             {.addresses = {"127.0.0.2"}, .delay = milliseconds(50)});
  const Answers answers = Await(loop_, dnsbl_->Lookup(kClient));
  // Without d.test a.test's "no" would have settled it.
  EXPECT_THAT(answers.listings, ElementsAre(Listing{.zone = 1}));
  EXPECT_FALSE(answers.overdue);
  EXPECT_NE(dnsbl_->Cached(kClient), std::nullopt);
}

TEST_F(DnsblNamesTest, EndsAsSoonAsNoNameCanChangeTheVerdict) {
  server_.On("helo.example.d.test", Says({"127.0.0.2"}));
  for (const char* late : {"helo.example.e.test", "sender.example.d.test",
                           "sender.example.e.test"}) {
    server_.On(late, Silence());
  }
  const Answers answers = LookupNames({kHelo, kSender});
  EXPECT_THAT(answers.listings,
              ElementsAre(Listing{.zone = 0, .name = NameKind::kHelo}));
  EXPECT_FALSE(answers.overdue);
  EXPECT_GT(resolver_->in_flight(), 0u);
}

TEST_F(DnsblNamesTest, WhatTheAddressHasSettledIsNotAskedAgain) {
  Answers known{.rules = rules_};
  known.listings.push_back({.zone = 1});
  EXPECT_THAT(LookupNames({kHelo, kSender}, known).listings,
              ElementsAre(Listing{.zone = 1}));
  EXPECT_EQ(server_.queries(), 0u);
}

TEST_F(DnsblNamesTest, EndsAtTheDeadlineWithWhatItHas) {
  UseZones({Names("d.test", "D"), Names("e.test", "E")}, 2);
  server_.On("helo.example.d.test", Says({"127.0.0.2"}));
  server_.On("helo.example.e.test", Silence());
  const Answers answers = LookupNames({kHelo}, {}, milliseconds(50));
  EXPECT_THAT(answers.listings, SizeIs(1));
  EXPECT_TRUE(answers.overdue);
}

TEST_F(DnsblNamesTest, NothingIsAskedBehindTheDeadline) {
  const Answers answers = LookupNames({kHelo}, {}, milliseconds(-1));
  EXPECT_THAT(answers.listings, IsEmpty());
  EXPECT_TRUE(answers.overdue);
  EXPECT_EQ(server_.queries(), 0u);
}

TEST_F(DnsblNamesTest, AnAnswerIsKept) {
  server_.On("helo.example.d.test", Says({"127.0.0.2"}));
  server_.On("helo.example.e.test", Says({"127.0.0.2"}));
  UseZones({Names("d.test", "D"), Names("e.test", "E")}, 2);
  LookupNames({kHelo});
  // Whoever says it, and wherever.
  const Answers answers = LookupNames({{NameKind::kSender, "helo.example"}});
  EXPECT_THAT(answers.listings,
              ElementsAre(Listing{.zone = 0, .name = NameKind::kSender},
                          Listing{.zone = 1, .name = NameKind::kSender}));
  EXPECT_EQ(server_.queries(), 2u);
  EXPECT_EQ(Saved("D", Saving::kCache), 1);
  EXPECT_EQ(dnsbl_->cached_names(), 1u);
  EXPECT_EQ(dnsbl_->cached_clients(), 0u);
  EXPECT_EQ(metrics_.cached_names.Value(), 1);
}

TEST_F(DnsblNamesTest, EqualQuestionsAreJoined) {
  UseZones({Names("d.test", "D")});
  server_.On("same.example.d.test",
             {.addresses = {"127.0.0.2"}, .delay = milliseconds(50)});
  std::optional<Answers> first, second;
  Start({NameKind::kHelo, "same.example"}, first);
  Start({NameKind::kSender, "same.example"}, second);
  ASSERT_TRUE(RunUntil(loop_, [&] { return first && second; }));
  EXPECT_THAT(first->listings,
              ElementsAre(Listing{.zone = 0, .name = NameKind::kHelo}));
  EXPECT_THAT(second->listings,
              ElementsAre(Listing{.zone = 0, .name = NameKind::kSender}));
  EXPECT_EQ(server_.queries(), 1u);
  EXPECT_EQ(Saved("D", Saving::kJoined), 1);
}

TEST_F(DnsblNamesTest, WhoJoinedIsAnsweredAcrossAReload) {
  UseZones({Names("d.test", "D")});
  server_.On("same.example.d.test",
             {.addresses = {"127.0.0.2"}, .delay = milliseconds(30)});
  std::optional<Answers> first, second;
  Start({NameKind::kHelo, "same.example"}, first);
  Start({NameKind::kHelo, "same.example"}, second);
  loop_.poll();  // both have begun, whenever the server hears of it
  RunUntil(loop_, [&] { return server_.queries() >= 1; });
  UseZones({Names("e.test", "E")});
  ASSERT_TRUE(RunUntil(loop_, [&] { return first && second; }));
  EXPECT_THAT(first->listings, SizeIs(1));
  EXPECT_THAT(second->listings, SizeIs(1));
  EXPECT_EQ(dnsbl_->cached_names(), 0u) << "its zones are not the cache's";
}

TEST_F(DnsblNamesTest, TwoThatAskTheNextStageAfterAReloadAreAnswered) {
  Zone late = Names("e.test", "E");
  late.after = 1;
  UseZones({Names("d.test", "D"), late});
  server_.On("same.example.d.test", {.delay = milliseconds(30)});
  server_.On("same.example.e.test", Says({"127.0.0.2"}));
  std::optional<Answers> first, second;
  Start({NameKind::kHelo, "same.example"}, first);
  Start({NameKind::kHelo, "same.example"}, second);
  loop_.poll();
  RunUntil(loop_, [&] { return server_.queries() >= 1; });
  UseZones({Names("d.test", "D")});  // the late one's place is no more
  ASSERT_TRUE(RunUntil(loop_, [&] { return first && second; }));
  EXPECT_THAT(first->listings, SizeIs(1));
  EXPECT_THAT(second->listings, SizeIs(1));
  EXPECT_EQ(server_.queries("same.example.e.test"), 1u);
  EXPECT_EQ(Saved("E", Saving::kJoined), 1);
}

TEST_F(DnsblNamesTest, OneThatAsksByOtherRulesIsNotJoined) {
  Zone late = Names("e.test", "E");
  late.after = 1;
  UseZones({Names("d.test", "D"), late});
  const milliseconds delay(30);
  server_.On("same.example.d.test", {.delay = delay});
  server_.On("same.example.e.test",
             {.addresses = {"127.0.0.2"}, .delay = delay});
  std::optional<Answers> before, after;
  Start({NameKind::kHelo, "same.example"}, before);
  loop_.poll();
  RunUntil(loop_, [&] { return server_.queries() >= 1; });
  Zone other = Names("e.test", "E");
  other.filters = {{.answers = {*ParseAnswers("127.0.0.9")}}};
  UseZones({other});
  RunUntil(loop_, [&] { return server_.queries("same.example.e.test") >= 1; });
  Start({NameKind::kHelo, "same.example"}, after);
  ASSERT_TRUE(RunUntil(loop_, [&] { return before && after; }));
  EXPECT_THAT(before->listings, SizeIs(1));
  EXPECT_THAT(after->listings, IsEmpty()) << "127.0.0.2 is no listing there";
}

TEST_F(DnsblNamesTest, RulesWithOtherZonesComeBackAsTheyAre) {
  rules_->reject_score = 3;
  Answers known{.rules = rules_};
  known.listings.push_back({.zone = 1});
  // That listing alone settles nothing.
  UseZones({Names("e.test", "E"), Names("d.test", "D"), Names("f.test", "F")});
  server_.Otherwise(Says({"127.0.0.2"}));
  const Answers answers = LookupNames({kHelo}, known);
  EXPECT_EQ(answers.rules, known.rules);
  EXPECT_THAT(answers.listings, ElementsAre(Listing{.zone = 1}));
  EXPECT_EQ(server_.queries(), 0u);
}

TEST_F(DnsblNamesTest, ALongNameIsAskedWhereItFits) {
  const std::string label(63, 'l');
  const std::string zone = label + "." + label + ".test";
  UseZones({Names(zone.c_str(), "D"), Names("e.test", "E")});
  const std::string name =
      label + "." + label + "." + label + "." + std::string(40, 'n');
  EXPECT_EQ(LookupNames({{NameKind::kHelo, name}}).errors, 0u);
  EXPECT_THAT(server_.names(), ElementsAre(name + ".e.test"));
}

TEST_F(DnsblNamesTest, AStageIsAskedWhenTheEarlierHaveNotSettledIt) {
  Zone late = Names("e.test", "E");
  late.after = 1;
  UseZones({late, Names("d.test", "D")});
  server_.On("helo.example.d.test", Says({"127.0.0.2"}));
  LookupNames({kHelo, kSender});
  EXPECT_EQ(server_.queries("helo.example.e.test"), 0u);
  LookupNames({kReverse});
  EXPECT_EQ(server_.queries("reverse.example.e.test"), 1u);
}

TEST_F(DnsblNamesTest, AListThatAllowsLetsTheClientPass) {
  Zone allow = Names("e.test", "E");
  allow.kind = ZoneKind::kAllow;
  UseZones({Names("d.test", "D"), allow});
  server_.On("helo.example.d.test", Says({"127.0.0.2"}));
  server_.On("reverse.example.e.test",
             {.addresses = {"127.0.0.2"}, .delay = milliseconds(50)});
  const Answers answers = LookupNames({kHelo, kReverse});
  EXPECT_THAT(answers.listings, SizeIs(2));
  EXPECT_EQ(Judge(*rules_, answers.listings).action, Action::kPass);
}

TEST_F(DnsblNamesTest, TheWordsOfAListingAreAskedByTheName) {
  server_.OnText("helo.example.d.test", SaysText({"see d.test/why"}));
  EXPECT_THAT(Await(loop_, dnsbl_->ReasonText(kClient, kHelo.name, "d.test")),
              HasSubstr("why"));
  EXPECT_THAT(server_.names(), ElementsAre("helo.example.d.test"));
}

TEST_F(DnsblNamesTest, AnErrorIsNoListing) {
  server_.On("helo.example.d.test", Rcode(kServFail));
  server_.On("helo.example.e.test", Silence());
  const Answers answers = LookupNames({kHelo});
  EXPECT_THAT(answers.listings, IsEmpty());
  EXPECT_EQ(answers.errors, 2u);
}

TEST_F(DnsblNamesTest, AnAskedNameIsReportedByZonesOfDomainsOnly) {
  server_.On("helo.example.e.test", Says({"127.0.0.2"}));
  server_.OnText("helo.example.e.test", SaysText({"because"}));
  Zone senders = Names("e.test", "E");
  senders.names = {NameKind::kSender};
  UseZones({{.name = "a.test", .label = "A"}, Names("d.test", "D"), senders});
  const auto reports = Await(loop_, dnsbl_->Ask(kHelo.name));
  ASSERT_THAT(reports, SizeIs(2));
  EXPECT_EQ(reports[0].zone, 1u);
  EXPECT_EQ(reports[0].answer.outcome, ZoneOutcome::kNotListed);
  EXPECT_EQ(reports[1].zone, 2u);
  EXPECT_EQ(reports[1].answer.outcome, ZoneOutcome::kListed);
  EXPECT_EQ(reports[1].text, "because");
  const auto of_address = Await(loop_, dnsbl_->Ask(kClient));
  ASSERT_THAT(of_address, SizeIs(1));
  EXPECT_EQ(of_address[0].zone, 0u);
}

// ---- How far it is believed ------------------------------------------------

class DnsblNamesTrustTest : public DnsblNamesTest {
 protected:
  void SetUp() override {
    testing::internal::CaptureStderr();
    options_.prove_zones = true;
    dnsbl_ = std::make_unique<Dnsbl>(loop_, *resolver_, metrics_, options_);
    dnsbl_->SetLieListener(
        [this](const ZoneLie& lie) { lies_.push_back(lie); });
    server_.On("test.d.test", Says({"127.0.0.2"}));
    UseZones({Names("d.test", "D")});
  }
  void TearDown() override { testing::internal::GetCapturedStderr(); }

  ZoneProof Proof() { return dnsbl_->Health()[0].proof(); }

  std::vector<ZoneLie> lies_;
};

TEST_F(DnsblNamesTrustTest, IsProvenByItsTestEntriesBeforeItCounts) {
  server_.On("helo.example.d.test", Says({"127.0.0.2"}));
  EXPECT_THAT(LookupNames({kHelo}).listings, SizeIs(1));
  EXPECT_EQ(Proof().standing, ZoneStanding::kOk);
  EXPECT_EQ(metrics_.ZoneState("D", "domain", "ok").Value(), 1);
  EXPECT_EQ(server_.queries("test.d.test"), 1u);
  EXPECT_EQ(server_.queries("invalid.d.test"), 1u);
  EXPECT_EQ(server_.queries(), 4u) << "and a name that nobody has";
  EXPECT_EQ(server_.queries("2.0.0.127.d.test"), 0u);
}

TEST_F(DnsblNamesTrustTest, WithoutTestEntryItIsNotAsked) {
  server_.On("test.d.test", NoSuchName());
  server_.On("helo.example.d.test", Says({"127.0.0.2"}));
  EXPECT_THAT(LookupNames({kHelo}).listings, IsEmpty());
  EXPECT_EQ(server_.queries("helo.example.d.test"), 0u);
  EXPECT_THAT(Proof().hint, HasSubstr("TEST"));
}

TEST_F(DnsblNamesTrustTest, AListFoundLyingLosesItsListings) {
  server_.On("helo.example.d.test", Says({"127.0.0.2"}));
  EXPECT_THAT(LookupNames({kHelo}).listings, SizeIs(1));
  EXPECT_TRUE(dnsbl_->MayBan("D", kClient));
  server_.Otherwise(Says({"127.0.0.2"}));
  int number = 0;
  EXPECT_TRUE(RunUntil(loop_, [&] {
    const std::string name = std::to_string(++number) + ".odd.example";
    server_.On(name + ".d.test", Says({"203.0.113.80"}));
    LookupNames({{NameKind::kHelo, name}});
    return !lies_.empty();
  }));
  ASSERT_THAT(lies_, SizeIs(1));
  EXPECT_EQ(lies_[0].family, Family::kDomain);
  EXPECT_EQ(lies_[0].listings, 1u);
  EXPECT_THAT(LookupNames({kHelo}).listings, IsEmpty());
  EXPECT_FALSE(dnsbl_->MayBan("D", kClient));
}

TEST_F(DnsblNamesTrustTest, ItSaysThatItWasAskedAboutAnAddress) {
  LookupNames({kHelo});
  server_.Otherwise(Says({"127.0.1.255"}));
  EXPECT_THAT(LookupNames({kSender}).listings, IsEmpty());
  EXPECT_TRUE(Proof().believed) << "about one name that says nothing";
  server_.On("test.d.test", Says({"127.0.1.255"}));
  int i = 0;
  EXPECT_TRUE(RunUntil(loop_, [&] {
    LookupNames({{NameKind::kHelo, absl::StrCat("n", ++i, ".example")}});
    return Proof().standing == ZoneStanding::kRefused;
  }));
  EXPECT_THAT(Proof().hint,
              AllOf(HasSubstr("127.0.1.255"), HasSubstr("holds domains")));
  EXPECT_FALSE(Proof().believed);
}

TEST_F(DnsblNamesTrustTest, BeforeTheFirstProofItWaitsNoLongerThanToldTo) {
  server_.On("test.d.test", Silence());
  const Instant before = Clock::now();
  const Answers answers = LookupNames({kHelo}, {}, milliseconds(30));
  EXPECT_TRUE(answers.overdue);
  EXPECT_LT(Clock::now() - before, seconds(3));
  EXPECT_EQ(server_.queries("helo.example.d.test"), 0u);
}

TEST_F(DnsblNamesTrustTest, TestsAskNames) {
  LookupNames({kHelo});
  const auto tests = Await(loop_, dnsbl_->Test({0}));
  EXPECT_EQ(tests[0].probe.domain.standing, ZoneStanding::kOk);
  EXPECT_EQ(server_.queries("test.d.test"), 2u);
}

}  // namespace
}  // namespace breakwater
