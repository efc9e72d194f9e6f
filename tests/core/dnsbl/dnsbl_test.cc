#include "core/dnsbl/dnsbl.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/loop.h"
#include "tests/fakes/dns_server.h"

namespace breakwater {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::UnorderedElementsAre;

const IpAddress kClient = *IpAddress::Parse("192.0.2.5");
constexpr char kInA[] = "5.2.0.192.a.test";
constexpr char kInB[] = "5.2.0.192.b.test";

TEST(DnsblNameTest, ReversesOctetsAndNibbles) {
  EXPECT_EQ(DnsblName(*IpAddress::Parse("192.0.2.99"), "list.test"),
            "99.2.0.192.list.test");
  EXPECT_EQ(DnsblName(*IpAddress::Parse("::ffff:192.0.2.99"), "list.test"),
            "99.2.0.192.list.test");
  // RFC 5782 section 2.4.
  EXPECT_EQ(
      DnsblName(*IpAddress::Parse("2001:db8:1:2:3:4:567:89ab"), "ugly.test"),
      "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2."
      "ugly.test");
}

// Two zones, a.test and b.test, that reject each and ban together, so that the
// second still matters when the first has answered.
class DnsblTest : public testing::Test {
 protected:
  void SetUp() override {
    UseZones(
        {{.name = "a.test", .label = "A"}, {.name = "b.test", .label = "B"}},
        2);
  }

  void UseZones(std::vector<Zone> zones, int ban_score = 1) {
    auto rules = std::make_shared<Rules>();
    rules->zones = std::move(zones);
    rules->ban_score = ban_score;
    dnsbl_->SetRules(std::move(rules));
  }

  Answers Lookup(const IpAddress& client = kClient) {
    return Await(loop_, dnsbl_->Lookup(client));
  }

  // Lets the loop run until nothing is asked any more.
  void Settle() {
    RunUntil(loop_, [&] { return resolver_->in_flight() == 0; });
  }

  double Counted(const char* label, ZoneOutcome outcome) {
    return metrics_.DnsQueries(label, "a", ZoneOutcomeName(outcome)).Value();
  }

  asio::io_context loop_;
  FakeDnsServer server_;
  Metrics metrics_;
  // What a zone must prove first is told in dnsbl_trust_test.cc.
  DnsblOptions options_{.deadline = seconds(5), .prove_zones = false};
  std::unique_ptr<Resolver> resolver_ = *Resolver::Make(
      loop_, {.servers = {server_.address()}, .timeout = milliseconds(100)});
  std::unique_ptr<Dnsbl> dnsbl_ =
      std::make_unique<Dnsbl>(loop_, *resolver_, metrics_, options_);
};

TEST_F(DnsblTest, AListedClientIsListed) {
  server_.On(kInB, Says({"127.0.0.4"}));
  const Answers answers = Lookup();
  EXPECT_THAT(answers.listings, ElementsAre(Listing{.zone = 1, .filters = 1}));
  EXPECT_EQ(answers.errors, 0u);
  EXPECT_FALSE(answers.overdue);
}

TEST_F(DnsblTest, AnIpv6ClientIsAskedByNibbles) {
  const IpAddress client = *IpAddress::Parse("2001:db8::5");
  server_.On(DnsblName(client, "a.test"), Says({"127.0.0.2"}));
  EXPECT_THAT(Lookup(client).listings,
              ElementsAre(Listing{.zone = 0, .filters = 1}));
}

// What a list may say, and what it must not be taken for.
TEST_F(DnsblTest, WhatIsNoListingIsNotListed) {
  const struct {
    const char* what;
    FakeReply reply;
    ZoneOutcome outcome;
  } kTable[] = {
      {"no such name", NoSuchName(), ZoneOutcome::kNotListed},
      {"no data", {}, ZoneOutcome::kNotListed},
      {"a code of none", Says({"127.0.2.2"}), ZoneOutcome::kNotListed},
      {"typo in zone", Says({"127.255.255.252"}), ZoneOutcome::kOddAnswer},
      {"public resolver", Says({"127.255.255.254"}), ZoneOutcome::kOddAnswer},
      {"too many queries", Says({"127.255.255.255"}), ZoneOutcome::kOddAnswer},
      {"127.0.0.1", Says({"127.0.0.1"}), ZoneOutcome::kOddAnswer},
      {"blocked", Says({"127.0.0.255"}), ZoneOutcome::kOddAnswer},
      {"parked domain", Says({"203.0.113.80"}), ZoneOutcome::kOddAnswer},
      {"both", Says({"127.0.0.2", "203.0.113.80"}), ZoneOutcome::kOddAnswer},
      {"SERVFAIL", Rcode(kServFail), ZoneOutcome::kServerFailure},
      {"REFUSED", Rcode(kRefusedRcode), ZoneOutcome::kRefused},
      {"FORMERR", Rcode(kFormErr), ZoneOutcome::kFormatError},
      {"NOTIMP", Rcode(kNotImp), ZoneOutcome::kServerFailure},
      {"silence", Silence(), ZoneOutcome::kTimeout},
      {"empty datagram", {.raw = Bytes{}}, ZoneOutcome::kTimeout},
      {"garbage", {.raw = Bytes(50, 'x')}, ZoneOutcome::kTimeout},
      {"wrong id",
       {.addresses = {"127.0.0.2"}, .wrong_id = true},
       ZoneOutcome::kTimeout},
      {"wrong question",
       {.addresses = {"127.0.0.2"}, .wrong_question = true},
       ZoneOutcome::kTimeout},
      {"bad length",
       {.addresses = {"127.0.0.2"},
        .change = [](DnsMessage& m) { m.answers[0].length = 999; }},
       ZoneOutcome::kGarbled},
      {"name loop",
       {.change =
            [](DnsMessage& m) {
              // An alias whose target is itself.
              const size_t at = EncodeName(m.question.name).size() + 28;
              m.answers = {{.name = m.question.name,
                            .type = kTypeCname,
                            .data = {0xc0, static_cast<uint8_t>(at)}}};
            }},
       ZoneOutcome::kGarbled},
  };
  UseZones({{.name = "a.test", .label = "A"}});
  uint32_t number = 0xc0000201;
  for (const auto& [what, reply, outcome] : kTable) {
    const IpAddress client = IpAddress::FromV4(number++);
    server_.On(DnsblName(client, "a.test"), reply);
    const double before = Counted("A", outcome);
    const Answers answers = Lookup(client);
    EXPECT_THAT(answers.listings, IsEmpty()) << what;
    EXPECT_EQ(answers.errors, outcome == ZoneOutcome::kNotListed ? 0u : 1u)
        << what;
    EXPECT_EQ(Counted("A", outcome), before + 1) << what;
  }
}

TEST_F(DnsblTest, WhatIsAListingInAnyDressIsListed) {
  const struct {
    const char* what;
    FakeReply reply;
  } kTable[] = {
      {"one record", Says({"127.0.0.2"})},
      {"several records", Says({"127.0.0.10", "127.0.0.2", "127.0.2.3"})},
      {"truncated", {.addresses = {"127.0.0.2"}, .truncated = true}},
      {"an alias", {.addresses = {"127.0.0.2"}, .alias = "b.test"}},
      {"a TTL of 2^31", Says({"127.0.0.2"}, 0x80000000)},
      {"4,000 records",
       {.addresses = std::vector<std::string>(4000, "127.0.0.2"),
        .truncated = true}},
      {"no EDNS", {.addresses = {"127.0.0.2"}, .refuse_edns = true}},
  };
  UseZones({{.name = "a.test", .label = "A"}});
  uint32_t number = 0xc0000201;
  for (const auto& [what, reply] : kTable) {
    const IpAddress client = IpAddress::FromV4(number++);
    server_.On(DnsblName(client, "a.test"), reply);
    EXPECT_THAT(Lookup(client).listings, SizeIs(1)) << what;
  }
}

TEST_F(DnsblTest, AClientAndZoneIsAskedOnce) {
  server_.On(kInA, Says({"127.0.0.2"}));
  EXPECT_EQ(dnsbl_->Cached(kClient), std::nullopt);
  Lookup();
  const std::optional<Answers> cached = dnsbl_->Cached(kClient);
  ASSERT_TRUE(cached.has_value());
  EXPECT_THAT(cached->listings, SizeIs(1));
  Lookup();
  EXPECT_EQ(server_.queries(kInA), 1u);
  EXPECT_EQ(server_.queries(kInB), 1u);
  EXPECT_EQ(metrics_.CacheHits("A").Value(), 1) << "the look counts nothing";
}

TEST_F(DnsblTest, AnErrorIsNotKept) {
  server_.On(kInA, Rcode(kServFail));
  Lookup();
  EXPECT_EQ(dnsbl_->Cached(kClient), std::nullopt);
  server_.On(kInA, Says({"127.0.0.2"}));
  EXPECT_THAT(Lookup().listings, SizeIs(1));
  EXPECT_EQ(server_.queries(kInB), 1u);
}

TEST_F(DnsblTest, AZoneThatAnswersOddlyIsNotAskedAgainAtOnce) {
  server_.On(kInA, Says({"127.255.255.255"}));
  EXPECT_EQ(Lookup().errors, 1u);
  ASSERT_TRUE(dnsbl_->Cached(kClient).has_value());
  EXPECT_THAT(dnsbl_->Cached(kClient)->listings, IsEmpty());
  EXPECT_EQ(dnsbl_->Cached(kClient)->errors, 1u) << "it said nothing of it";
  EXPECT_EQ(server_.queries(kInA), 1u);
}

TEST_F(DnsblTest, AnAnswerLastsBetweenFloorAndCeiling) {
  options_.ttl_floor = seconds(0);
  options_.ttl_ceiling = seconds(3600);
  dnsbl_->SetOptions(options_);
  server_.On(kInA, Says({"127.0.0.2"}, 0));
  Lookup();
  EXPECT_EQ(dnsbl_->Cached(kClient), std::nullopt) << "a TTL of zero";

  options_.ttl_floor = seconds(60);
  dnsbl_->SetOptions(options_);
  Lookup();
  EXPECT_NE(dnsbl_->Cached(kClient), std::nullopt) << "the floor";

  options_.ttl_floor = options_.ttl_ceiling = seconds(0);
  dnsbl_->SetOptions(options_);
  const IpAddress other = *IpAddress::Parse("192.0.2.6");
  server_.On(DnsblName(other, "a.test"), Says({"127.0.0.2"}, 86400));
  Lookup(other);
  EXPECT_EQ(dnsbl_->Cached(other), std::nullopt) << "the ceiling";
}

TEST_F(DnsblTest, ANegativeAnswerLastsAsItsSoaSaysOrAsConfigured) {
  options_.ttl_floor = seconds(0);
  options_.negative_ttl = seconds(60);
  dnsbl_->SetOptions(options_);
  server_.On(kInA, NoSuchName());
  server_.On(kInB, NoSuchName(0));
  Lookup();
  Lookup();
  EXPECT_EQ(server_.queries(kInA), 1u);
  EXPECT_EQ(server_.queries(kInB), 2u);
}

TEST_F(DnsblTest, EndsAsSoonAsNoAnswerCanChangeTheVerdict) {
  UseZones({{.name = "a.test", .label = "A", .ban = true},
            {.name = "b.test", .label = "B", .ban = true}});
  server_.On(kInA, Says({"127.0.0.2"}));
  server_.On(kInB, {.addresses = {"127.0.0.3"}, .delay = milliseconds(150)});
  const Answers answers = Lookup();
  EXPECT_THAT(answers.listings, SizeIs(1));
  EXPECT_FALSE(answers.overdue);
  EXPECT_EQ(Counted("B", ZoneOutcome::kListed), 0);
  EXPECT_NE(dnsbl_->Cached(kClient), std::nullopt);
  // The late one is kept all the same.
  Settle();
  EXPECT_THAT(dnsbl_->Cached(kClient)->listings, SizeIs(2));
}

TEST_F(DnsblTest, AtTheDeadlineWhatIsKnownIsTheAnswer) {
  options_.deadline = milliseconds(50);
  dnsbl_->SetOptions(options_);
  server_.On(kInA, Says({"127.0.0.2"}));
  server_.On(kInB, {.addresses = {"127.0.0.3"}, .delay = milliseconds(150)});
  const Answers answers = Lookup();
  EXPECT_TRUE(answers.overdue);
  EXPECT_THAT(answers.listings, SizeIs(1));
  EXPECT_EQ(answers.errors, 0u);
  // The late one is there for the next connection.
  Settle();
  EXPECT_THAT(dnsbl_->Cached(kClient)->listings, SizeIs(2));
}

TEST_F(DnsblTest, ALaterStageIsAskedWhenTheEarlierSettlesNothing) {
  UseZones({{.name = "a.test", .label = "A", .after = 2},
            {.name = "b.test", .label = "B"}});
  server_.On(kInA, Says({"127.0.0.2"}));
  EXPECT_THAT(Lookup().listings, ElementsAre(Listing{.zone = 0}));
  EXPECT_EQ(server_.queries(kInA), 1u);
  EXPECT_EQ(server_.queries(kInB), 1u);
}

TEST_F(DnsblTest, ALaterStageIsNotAskedWhenTheEarlierSettlesIt) {
  UseZones({{.name = "a.test", .label = "A", .after = 1},
            {.name = "b.test", .label = "B"}});
  server_.On(kInB, Says({"127.0.0.2"}));
  EXPECT_THAT(Lookup().listings, ElementsAre(Listing{.zone = 1}));
  Settle();
  EXPECT_EQ(server_.queries(kInA), 0u);
  EXPECT_NE(dnsbl_->Cached(kClient), std::nullopt);
}

TEST_F(DnsblTest, ASilentStageLeavesTimeForTheNext) {
  options_.deadline = milliseconds(400);
  dnsbl_->SetOptions(options_);
  UseZones({{.name = "a.test", .label = "A", .after = 1},
            {.name = "b.test", .label = "B"}});
  server_.On(kInA, Says({"127.0.0.2"}));
  server_.On(kInB, {.addresses = {"127.0.0.3"}, .delay = seconds(2)});
  const Answers answers = Lookup();
  EXPECT_THAT(answers.listings, ElementsAre(Listing{.zone = 0}));
  EXPECT_FALSE(answers.overdue);
}

// The zone's answer about kClient is one that is too old already.
class StaleTest : public DnsblTest {
 protected:
  void SetUp() override {
    options_.ttl_floor = seconds(0);
    UseStale(seconds(3600));
    UseZones({{.name = "a.test", .label = "A"}});
    server_.On(kInA, Says({"127.0.0.2"}, 0));
    ASSERT_THAT(Lookup().listings, SizeIs(1));
    ASSERT_EQ(dnsbl_->Cached(kClient), std::nullopt);
  }

  void UseStale(seconds stale_for) {
    options_.stale_for = stale_for;
    dnsbl_->SetOptions(options_);
  }
};

TEST_F(StaleTest, ServesWhenTheZoneAnswersWithAnError) {
  for (const FakeReply& reply : {Rcode(kServFail), Rcode(kRefusedRcode),
                                 Says({"127.255.255.254"}), Silence()}) {
    server_.On(kInA, reply);
    const Answers answers = Lookup();
    EXPECT_THAT(answers.listings, SizeIs(1));
    EXPECT_EQ(answers.stale, 1u);
    EXPECT_EQ(answers.errors, 0u);
  }
}

TEST_F(StaleTest, ServesAtTheDeadline) {
  options_.deadline = milliseconds(50);
  dnsbl_->SetOptions(options_);
  server_.On(kInA, {.addresses = {"127.0.0.2"}, .delay = milliseconds(500)});
  const Answers answers = Lookup();
  EXPECT_THAT(answers.listings, SizeIs(1));
  EXPECT_FALSE(answers.overdue);
}

TEST_F(StaleTest, ANewAnswerComesFirst) {
  server_.On(kInA, NoSuchName());
  const Answers answers = Lookup();
  EXPECT_THAT(answers.listings, IsEmpty());
  EXPECT_EQ(answers.stale, 0u);
}

TEST_F(StaleTest, CanBeSwitchedOff) {
  UseStale(seconds(0));
  server_.On(kInA, Rcode(kServFail));
  const Answers answers = Lookup();
  EXPECT_THAT(answers.listings, IsEmpty());
  EXPECT_EQ(answers.errors, 1u);
}

TEST_F(StaleTest, EndsAfterItsTime) {
  UseStale(seconds(1));
  server_.On(kInA, Rcode(kServFail));
  ASSERT_TRUE(RunUntil(loop_, [&] { return Lookup().stale == 0; }));
  EXPECT_THAT(Lookup().listings, IsEmpty());
}

TEST_F(DnsblTest, ACarriedIpv4AddressIsAskedAndKeptAsIpv4) {
  server_.On(kInA, Says({"127.0.0.2"}));
  EXPECT_THAT(Lookup(*IpAddress::Parse("2002:c000:205::1")).listings,
              SizeIs(1));
  EXPECT_THAT(dnsbl_->Cached(kClient)->listings, SizeIs(1));
  EXPECT_EQ(dnsbl_->cached_clients(), 1u);
}

TEST_F(DnsblTest, NobodysAddressIsNotAskedAbout) {
  server_.Otherwise(Says({"127.0.0.2"}));
  const IpAddress client = *IpAddress::Parse("10.0.0.1");
  EXPECT_THAT(Lookup(client).listings, IsEmpty());
  EXPECT_THAT(dnsbl_->Cached(client)->listings, IsEmpty());
  EXPECT_EQ(server_.queries(), 0u);
}

TEST_F(DnsblTest, WithoutZonesThereIsNothingToAsk) {
  UseZones({});
  EXPECT_THAT(dnsbl_->Cached(kClient)->listings, IsEmpty());
  EXPECT_THAT(Lookup().listings, IsEmpty());
  EXPECT_EQ(server_.queries(), 0u);
}

TEST_F(DnsblTest, OtherZonesMakeItForget) {
  server_.On(kInA, Says({"127.0.0.2"}));
  Lookup();
  EXPECT_EQ(dnsbl_->cached_clients(), 1u);
  UseZones({{.name = "a.test",
             .label = "A",
             .filters = {{.answers = {*ParseAnswerRange("127.0.0.9")}}}}});
  EXPECT_EQ(dnsbl_->cached_clients(), 0u);
  EXPECT_THAT(Lookup().listings, IsEmpty());
}

TEST_F(DnsblTest, OtherRulesForTheSameZonesKeepTheAnswers) {
  Lookup();
  UseZones({{.name = "a.test", .label = "A", .ban = true},
            {.name = "b.test", .label = "B", .ban = true}});
  EXPECT_NE(dnsbl_->Cached(kClient), std::nullopt);
}

TEST_F(DnsblTest, ALookupUnderWayEndsUnderItsOwnRules) {
  server_.On(kInA, {.addresses = {"127.0.0.2"}, .delay = milliseconds(50)});
  std::optional<Answers> answers;
  asio::co_spawn(
      loop_,
      [](Dnsbl& dnsbl, auto& out) -> asio::awaitable<void> {
        out = co_await dnsbl.Lookup(kClient);
      }(*dnsbl_, answers),
      asio::detached);
  RunUntil(loop_, [&] { return resolver_->in_flight() > 0; });
  UseZones({{.name = "c.test", .label = "C"}});
  RunUntil(loop_, [&] { return answers.has_value(); });
  ASSERT_THAT(answers->listings, SizeIs(1));
  EXPECT_EQ(answers->rules->zones[answers->listings[0].zone].label, "A");
  EXPECT_EQ(dnsbl_->cached_clients(), 0u) << "its zones are not the cache's";
}

TEST_F(DnsblTest, TheCacheIsBounded) {
  options_.cache_capacity = 2;
  dnsbl_->SetOptions(options_);
  for (uint32_t i = 0; i < 5; ++i) Lookup(IpAddress::FromV4(0xc0000201 + i));
  EXPECT_EQ(dnsbl_->cached_clients(), 2u);
}

TEST_F(DnsblTest, TooManyQuestionsMeanOverloadAndNoListing) {
  resolver_ = *Resolver::Make(
      loop_, {.servers = {server_.address()}, .most_in_flight = 1});
  dnsbl_ = std::make_unique<Dnsbl>(loop_, *resolver_, metrics_, options_);
  SetUp();
  server_.Otherwise(Says({"127.0.0.2"}));
  const Answers answers = Lookup();
  EXPECT_TRUE(answers.overloaded);
  EXPECT_THAT(answers.listings, SizeIs(1));
  EXPECT_EQ(dnsbl_->Health()[1].errors(), 0u) << "not the zone's fault";
}

TEST_F(DnsblTest, AZonesHealthTellsWhatIsWrong) {
  server_.On(kInA, Silence());
  Lookup();
  const std::vector<ZoneHealth> health = dnsbl_->Health();
  ASSERT_THAT(health, SizeIs(2));
  EXPECT_EQ(health[0].label, "A");
  EXPECT_EQ(health[0].count(ZoneOutcome::kTimeout), 1u);
  EXPECT_NE(health[0].failing_since, std::nullopt);
  EXPECT_EQ(health[1].failing_since, std::nullopt);
}

TEST_F(DnsblTest, AZonesHealthOutlivesAReload) {
  Lookup();
  UseZones(
      {{.name = "c.test", .label = "C"}, {.name = "b.test", .label = "B"}});
  EXPECT_EQ(dnsbl_->Health()[0].queries(), 0u);
  EXPECT_EQ(dnsbl_->Health()[1].queries(), 1u);
}

TEST_F(DnsblTest, TheNameOfAZoneIsNeverShown) {
  UseZones({{.name = "secretkey.paid.test", .label = "paid"}});
  server_.Otherwise(Rcode(kRefusedRcode));
  testing::internal::CaptureStderr();
  Lookup();
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("event=zone-error zone=paid outcome=refused"));
  EXPECT_THAT(log, Not(HasSubstr("secretkey")));
  EXPECT_THAT(metrics_.Render(), HasSubstr("zone=\"paid\""));
  EXPECT_THAT(metrics_.Render(), Not(HasSubstr("secretkey")));
}

TEST_F(DnsblTest, BringsTheZonesOwnWords) {
  server_.OnText(kInA, SaysText({"https://a.test/?192.0.2.5"}));
  EXPECT_EQ(Await(loop_, dnsbl_->ReasonText(kClient, "a.test")),
            "https://a.test/?192.0.2.5");
}

TEST_F(DnsblTest, DoesNotWaitLongForAZonesWords) {
  FakeReply reply = SaysText({"late"});
  reply.delay = seconds(3);
  server_.OnText(kInA, reply);
  const Instant before = Clock::now();
  EXPECT_EQ(Await(loop_, dnsbl_->ReasonText(kClient, "a.test")), "");
  EXPECT_LT(Clock::now() - before, seconds(2));
  EXPECT_EQ(Await(loop_, dnsbl_->ReasonText(kClient, "unknown.test")), "");
}

TEST_F(DnsblTest, ExplainsEachZonePastTheCache) {
  server_.On(kInA, Says({"127.0.0.2", "127.0.0.4"}));
  server_.OnText(kInA, SaysText({"why"}));
  server_.On(kInB, Rcode(kRefusedRcode));
  Lookup();
  const auto report = Await(loop_, dnsbl_->Ask(kClient));
  ASSERT_THAT(report, SizeIs(2));
  EXPECT_EQ(report[0].answer.outcome, ZoneOutcome::kListed);
  EXPECT_THAT(report[0].addresses,
              UnorderedElementsAre(0x7f000002, 0x7f000004));
  EXPECT_EQ(report[0].text, "why");
  EXPECT_EQ(report[1].answer.outcome, ZoneOutcome::kRefused);
  EXPECT_EQ(server_.queries(kInA), 3u);  // twice A, once TXT
}

TEST_F(DnsblTest, ExplainsAfterTheDeadlineWhatItKnows) {
  options_.deadline = milliseconds(20);
  options_.reason_deadline = milliseconds(20);
  dnsbl_->SetOptions(options_);
  server_.On(kInA, Says({"127.0.0.2"}));
  server_.On(kInB, Silence());
  const auto report = Await(loop_, dnsbl_->Ask(kClient));
  EXPECT_EQ(report[0].answer.outcome, ZoneOutcome::kListed);
  EXPECT_EQ(report[1].answer.outcome, ZoneOutcome::kTimeout);
}

TEST_F(DnsblTest, MayGoWhileLookupsWait) {
  server_.Otherwise({.addresses = {"127.0.0.2"}, .delay = milliseconds(50)});
  std::optional<Answers> answers;
  std::optional<std::string> text;
  asio::co_spawn(
      loop_,
      [](Dnsbl& dnsbl, auto& out, auto& words) -> asio::awaitable<void> {
        out = co_await dnsbl.Lookup(kClient);
        words = "returned";
      }(*dnsbl_, answers, text),
      asio::detached);
  RunUntil(loop_, [&] { return resolver_->in_flight() > 0; });
  dnsbl_.reset();
  RunUntil(loop_, [&] { return answers.has_value(); });
  EXPECT_THAT(answers->listings, SizeIs(2));
}

TEST_F(DnsblTest, TheResolversEndEndsLookups) {
  server_.Otherwise(Silence());
  std::optional<Answers> answers;
  asio::co_spawn(
      loop_,
      [](Dnsbl& dnsbl, auto& out) -> asio::awaitable<void> {
        out = co_await dnsbl.Lookup(kClient);
      }(*dnsbl_, answers),
      asio::detached);
  RunUntil(loop_, [&] { return resolver_->in_flight() > 0; });
  dnsbl_.reset();
  resolver_.reset();
  RunUntil(loop_, [&] { return answers.has_value(); });
  EXPECT_EQ(answers->errors, 2u);
}

TEST_F(DnsblTest, TheLoopMayGoWithLookupsInIt) {
  server_.Otherwise(Silence());
  asio::co_spawn(
      loop_,
      [](Dnsbl& dnsbl) -> asio::awaitable<void> {
        co_await dnsbl.Lookup(kClient);
      }(*dnsbl_),
      asio::detached);
  RunUntil(loop_, [&] { return resolver_->in_flight() > 0; });
}

}  // namespace
}  // namespace breakwater
