// What the lists' questions cost, and that a budget for them is kept.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "core/dnsbl/dnsbl.h"
#include "core/screener/screener.h"
#include "tests/core/loop.h"
#include "tests/fakes/dns_server.h"
#include "tests/fakes/fake_enforcer.h"

namespace breakwater {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const IpAddress kClient = *IpAddress::Parse("192.0.2.5");

IpAddress Nth(int number) {
  return IpAddress::FromV4(0xc6336400 + static_cast<uint32_t>(number));
}

// Two zones, either of which is enough to have a client rejected and banned.
class DnsblBudgetTest : public testing::Test {
 protected:
  void SetUp() override { GiveBudget(0); }

  // To a.test, for a day.
  void GiveBudget(uint64_t daily) {
    auto rules = std::make_shared<Rules>();
    rules->zones = {{.name = "a.test", .label = "A", .daily_budget = daily},
                    {.name = "b.test", .label = "B"}};
    dnsbl_.SetRules(std::move(rules));
  }

  Answers Lookup(const IpAddress& client) {
    const Answers answers = Await(loop_, dnsbl_.Lookup(client));
    RunUntil(loop_, [&] { return resolver_->in_flight() == 0; });
    return answers;
  }
  // Clients of whom nobody has heard, and who are on no list.
  void LookUpUnlisted(int clients) {
    for (int i = 0; i < clients; ++i) Lookup(Nth(next_++));
  }
  void List(const IpAddress& client, std::string_view zone) {
    server_.On(DnsblName(client, zone), Says({"127.0.0.2"}));
  }
  bool WasAsked(const IpAddress& client, std::string_view zone) {
    return server_.queries(DnsblName(client, zone)) > 0;
  }

  Tally A() { return dnsbl_.Ledgers()[0]->total(); }
  Tally B() { return dnsbl_.Ledgers()[1]->total(); }

  asio::io_context loop_;
  FakeDnsServer server_;
  Metrics metrics_;
  std::unique_ptr<Resolver> resolver_ = *Resolver::Make(
      loop_, {.servers = {server_.address()}, .timeout = milliseconds(100)});
  Dnsbl dnsbl_{loop_, *resolver_, metrics_,
               DnsblOptions{.deadline = seconds(5), .prove_zones = false}};
  int next_ = 1;
};

TEST_F(DnsblBudgetTest, EachQuestionIsInItsZonesLedger) {
  List(kClient, "a.test");
  Lookup(kClient);
  EXPECT_EQ(A().of(Question::kListing), 1u);
  EXPECT_EQ(A().of(ZoneOutcome::kListed), 1u);
  EXPECT_EQ(B().of(ZoneOutcome::kNotListed), 1u);
  EXPECT_NE(dnsbl_.Ledgers()[0]->latency().Quantile(0.5), std::nullopt);
}

TEST_F(DnsblBudgetTest, AnErrorIsInTheLedgerByItsKind) {
  server_.On(DnsblName(kClient, "a.test"), Rcode(kServFail));
  Lookup(kClient);
  EXPECT_EQ(A().of(ZoneOutcome::kServerFailure), 1u);
  EXPECT_EQ(A().errors(), 1u);
}

TEST_F(DnsblBudgetTest, TheZonesWordsAreAQuestionToo) {
  Await(loop_, dnsbl_.ReasonText(kClient, "a.test"));
  EXPECT_EQ(A().of(Question::kReason), 1u);
  EXPECT_EQ(A().of(Question::kListing), 0u);
}

TEST_F(DnsblBudgetTest, WhatTheCacheAnswersIsSavedWhereItDecides) {
  Lookup(kClient);
  ASSERT_TRUE(dnsbl_.Cached(kClient));
  EXPECT_EQ(A().of(Saving::kCache), 0u) << "that was a look";
  dnsbl_.NoteSaving(kClient, Saving::kCache);
  EXPECT_EQ(A().of(Question::kListing), 1u);
  EXPECT_EQ(A().of(Saving::kCache), 1u);
}

TEST_F(DnsblBudgetTest, AListedClientInTheCacheIsSavedOnceAtEitherDoor) {
  Rules rules;
  rules.zones = {{.name = "a.test", .label = "A", .ban = false}};
  BanTable bans(10);
  FakeEnforcer enforcer;
  Screener screener(loop_, dnsbl_, bans, enforcer, metrics_,
                    std::make_shared<const Rules>(rules));
  List(kClient, "a.test");
  Lookup(kClient);
  ASSERT_EQ(A().of(Saving::kCache), 0u);
  const Client client{.connection = {.client = kClient}};
  ASSERT_FALSE(screener.Known(client));  // as the policy server does
  EXPECT_TRUE(Await(loop_, screener.Screen(client)).IsRefusal());
  EXPECT_EQ(A().of(Saving::kCache), 1u);
  const auto session = screener.Start(client);  // as the milter does
  RunUntil(loop_, [&] { return session->verdict().has_value(); });
  EXPECT_EQ(A().of(Saving::kCache), 2u);
  EXPECT_EQ(A().of(Question::kListing), 1u);
}

TEST_F(DnsblBudgetTest, WhoJoinsALookupSavesItsQuestions) {
  server_.Otherwise(Silence());
  asio::co_spawn(loop_, dnsbl_.Lookup(kClient), asio::detached);
  loop_.poll();
  dnsbl_.NoteSaving(kClient, Saving::kJoined);
  EXPECT_EQ(A().of(Saving::kJoined), 1u);
  EXPECT_EQ(B().of(Saving::kJoined), 1u);
}

TEST_F(DnsblBudgetTest, ABanSavesWhatTheCacheWouldNotHaveAnswered) {
  dnsbl_.NoteSaving(kClient, Saving::kBan);
  EXPECT_EQ(A().of(Saving::kBan), 1u);
  Lookup(kClient);
  dnsbl_.NoteSaving(kClient, Saving::kBan);
  EXPECT_EQ(A().of(Saving::kBan), 1u);
  EXPECT_EQ(metrics_.DnsSaved("A", "ban").Value(), 1);
}

TEST_F(DnsblBudgetTest, AZoneWhoseBudgetIsSpentIsNotAsked) {
  GiveBudget(3);
  LookUpUnlisted(3);
  List(kClient, "b.test");
  EXPECT_THAT(Lookup(kClient).listings, SizeIs(1));
  EXPECT_FALSE(WasAsked(kClient, "a.test"));
  EXPECT_EQ(A().of(Question::kListing), 3u);
  EXPECT_EQ(A().of(Saving::kBudget), 1u);
}

TEST_F(DnsblBudgetTest, MailPassesAtOnceWhenAllBudgetsAreSpent) {
  auto rules = std::make_shared<Rules>();
  rules->zones = {{.name = "a.test", .label = "A", .daily_budget = 1}};
  dnsbl_.SetRules(rules);
  LookUpUnlisted(1);
  const auto known = dnsbl_.Cached(kClient);
  ASSERT_TRUE(known);
  EXPECT_THAT(known->listings, IsEmpty());
  EXPECT_FALSE(known->overdue);
}

TEST_F(DnsblBudgetTest, WhatASpentZoneHasSaidStillCounts) {
  GiveBudget(1);
  List(kClient, "a.test");
  Lookup(kClient);
  ASSERT_TRUE(dnsbl_.Cached(kClient));
  EXPECT_THAT(dnsbl_.Cached(kClient)->listings, SizeIs(1));
}

TEST_F(DnsblBudgetTest, AZoneThatIsSparedIsNotAskedWhereAnotherHasSettledIt) {
  GiveBudget(10);
  LookUpUnlisted(8);
  List(kClient, "b.test");
  EXPECT_THAT(Lookup(kClient).listings, SizeIs(1));
  EXPECT_FALSE(WasAsked(kClient, "a.test"));
  EXPECT_EQ(A().of(Saving::kBudget), 1u);
}

TEST_F(DnsblBudgetTest, AZoneThatIsSparedIsAskedWhereItDecides) {
  GiveBudget(10);
  LookUpUnlisted(8);
  List(kClient, "a.test");
  EXPECT_THAT(Lookup(kClient).listings, SizeIs(1));
  EXPECT_EQ(A().of(Saving::kBudget), 0u);
}

TEST_F(DnsblBudgetTest, AZoneThatIsSparedIsNotAskedForItsWords) {
  GiveBudget(10);
  LookUpUnlisted(8);
  server_.OnText(DnsblName(kClient, "a.test"), SaysText({"because"}));
  EXPECT_EQ(Await(loop_, dnsbl_.ReasonText(kClient, "a.test")), "");
  EXPECT_EQ(A().of(Question::kReason), 0u);
  EXPECT_EQ(A().of(Saving::kBudget), 1u);
}

TEST_F(DnsblBudgetTest, ABudgetThatAReloadRaisesCountsAtOnce) {
  GiveBudget(2);
  LookUpUnlisted(2);
  GiveBudget(100);
  Lookup(kClient);
  EXPECT_TRUE(WasAsked(kClient, "a.test"));
  // And what was asked before is not forgotten.
  EXPECT_EQ(A().of(Question::kListing), 3u);
  dnsbl_.UpdateGauges();
  EXPECT_EQ(metrics_.QueriesToday("A").Value(), 3);
  EXPECT_EQ(metrics_.DailyBudget("A").Value(), 100);
}

// What an outsider with one IPv6 network or one address can spend.
TEST_F(DnsblBudgetTest, OneNetworkSpendsItsShareOfTheBudgetAndNoMore) {
  GiveBudget(1000);
  server_.Otherwise(Silence());  // all are under way at the same time
  for (int i = 0; i < 2100; ++i) {
    asio::co_spawn(loop_,
                   dnsbl_.Lookup(*IpAddress::Parse(
                       absl::StrFormat("2001:db8:0:1::%x", i + 1))),
                   asio::detached);
  }
  loop_.poll();
  EXPECT_EQ(resolver_->in_flight(), 20u + 2100u) << "B has no budget";
  RunUntil(loop_, [&] { return resolver_->in_flight() == 0; });
  EXPECT_EQ(A().of(Question::kListing), 20u);
  EXPECT_EQ(A().of(Saving::kBudget), 2080u);
  const auto held = dnsbl_.Health()[0].held;
  ASSERT_TRUE(held);
  EXPECT_EQ(held->network.ToString(), "2001:db8:0:1::/64");
  EXPECT_EQ(held->share, 20u);
  EXPECT_EQ(dnsbl_.Health()[1].held, std::nullopt);

  List(kClient, "a.test");
  EXPECT_THAT(Lookup(kClient).listings, SizeIs(1)) << "others are judged";
}

TEST_F(DnsblBudgetTest, NamesAreAskedAboutUpToTheShareOfWhoeverSaysThem) {
  auto rules = std::make_shared<Rules>();
  rules->zones = {{.name = "d.test",
                   .label = "D",
                   .type = ZoneType::kDomain,
                   .daily_budget = 1000}};
  dnsbl_.SetRules(rules);
  const auto say = [&](const IpAddress& client, const std::string& name) {
    std::vector<AskedName> names = {{NameKind::kHelo, name}};
    Await(loop_, dnsbl_.LookupNames(client, std::move(names), {},
                                    Clock::now() + seconds(5)));
  };
  for (int i = 0; i < 100; ++i) say(kClient, absl::StrCat("n", i, ".example"));
  EXPECT_EQ(A().of(Question::kListing), 20u);
  say(Nth(1), "another.example");
  EXPECT_EQ(A().of(Question::kListing), 21u);
}

TEST_F(DnsblBudgetTest, WordsAreOfTheClientsShareToo) {
  GiveBudget(1000);
  for (int i = 0; i < 100; ++i) {
    Await(loop_, dnsbl_.ReasonText(kClient, "a.test"));
  }
  EXPECT_EQ(A().of(Question::kReason), 20u);
}

TEST_F(DnsblBudgetTest, ALateStageAsksNoMoreThanTheShare) {
  auto rules = std::make_shared<Rules>();
  rules->zones = {
      {.name = "b.test", .label = "B"},
      {.name = "a.test", .label = "A", .after = 1, .daily_budget = 1000}};
  dnsbl_.SetRules(rules);
  FakeReply late = NoSuchName();
  late.delay = milliseconds(50);
  server_.Otherwise(late);
  int answered = 0;
  for (int i = 0; i < 60; ++i) {
    asio::co_spawn(loop_,
                   dnsbl_.Lookup(*IpAddress::Parse(
                       absl::StrFormat("2001:db8:0:1::%x", i + 1))),
                   [&](std::exception_ptr, const Answers& answers) {
                     answered += !answers.overdue;
                   });
  }
  RunUntil(loop_, [&] { return answered == 60; });
  EXPECT_EQ(answered, 60) << "nobody waits for what is not asked";
  EXPECT_EQ(dnsbl_.Ledgers()[1]->total().of(Question::kListing), 20u);
}

TEST_F(DnsblBudgetTest, TheLastFifthIsForNetworksNotSeenThatDay) {
  GiveBudget(10);
  LookUpUnlisted(8);
  Lookup(Nth(200));
  EXPECT_FALSE(WasAsked(Nth(200), "a.test")) << "one of the same network";
  Lookup(kClient);
  EXPECT_TRUE(WasAsked(kClient, "a.test"));
}

TEST_F(DnsblBudgetTest, QuestionsUnderWayDoNotExceedTheBudget) {
  GiveBudget(10);
  FakeReply late = NoSuchName();
  late.delay = milliseconds(50);
  server_.Otherwise(late);
  int answered = 0;
  for (uint32_t i = 0; i < 100; ++i) {
    asio::co_spawn(loop_,
                   dnsbl_.Lookup(IpAddress::FromV4(0xcb000001 + i * 65536)),
                   [&](std::exception_ptr, const Answers&) { ++answered; });
  }
  RunUntil(loop_, [&] { return answered == 100; });
  EXPECT_EQ(A().of(Question::kListing), 10u);
  EXPECT_TRUE(dnsbl_.Health()[0].is_spent);
}

TEST_F(DnsblBudgetTest, TestsOfAZoneSayWhatItIs) {
  server_.On("2.0.0.127.a.test", Says({"127.0.0.2"}));
  const auto tests = Await(loop_, dnsbl_.Test({0, 1}));
  ASSERT_THAT(tests, SizeIs(2));
  EXPECT_EQ(tests[0].probe.ipv4.standing, ZoneStanding::kOk);
  EXPECT_EQ(tests[0].probe.ipv6.standing, ZoneStanding::kNoTestEntry);
  EXPECT_EQ(tests[1].probe.ipv4.standing, ZoneStanding::kNoTestEntry);
  EXPECT_EQ(A().of(Question::kProbe), 5u);
  EXPECT_EQ(A().of(Question::kListing), 0u);
}

TEST_F(DnsblBudgetTest, ATestOfNoZoneEndsAtOnce) {
  EXPECT_THAT(Await(loop_, dnsbl_.Test({})), IsEmpty());
}

}  // namespace
}  // namespace breakwater
