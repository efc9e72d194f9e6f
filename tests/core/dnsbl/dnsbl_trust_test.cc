// What the lists say counts only while they are proven to tell the truth.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "core/dnsbl/dnsbl.h"
#include "tests/core/loop.h"
#include "tests/fakes/dns_server.h"

namespace breakwater {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const IpAddress kClient = *IpAddress::Parse("192.0.2.5");
const IpAddress kClient6 = *IpAddress::Parse("2001:db8::5");
constexpr char kTestEntryOfA[] = "2.0.0.127.a.test";

// One zone, a.test, that holds kClient, kClient6 and its IPv4 test entry.
class DnsblTrustTest : public testing::Test {
 protected:
  void SetUp() override {
    testing::internal::CaptureStderr();
    server_.On(kTestEntryOfA, Says({"127.0.0.2"}));
    server_.On(DnsblName(kClient, "a.test"), Says({"127.0.0.2"}));
    server_.On(DnsblName(kClient6, "a.test"), Says({"127.0.0.2"}));
    dnsbl_->SetLieListener(
        [this](const ZoneLie& lie) { lies_.push_back(lie); });
  }
  void TearDown() override { testing::internal::GetCapturedStderr(); }

  void UseZones(std::vector<Zone> zones) {
    auto rules = std::make_shared<Rules>();
    rules->zones = std::move(zones);
    dnsbl_->SetRules(std::move(rules));
  }
  void UseA(Zone zone = {}) {
    zone.name = "a.test";
    zone.label = "A";
    UseZones({std::move(zone)});
  }

  Answers Lookup(const IpAddress& client = kClient) {
    return Await(loop_, dnsbl_->Lookup(client));
  }
  ZoneStanding Standing(size_t zone = 0) {
    return dnsbl_->Health()[zone].ipv4.standing;
  }
  double State(const char* state) {
    return metrics_.ZoneState("A", "ipv4", state).Value();
  }
  // A client about whom the zone gives an answer that no list can give.
  void LookupOdd() {
    const IpAddress client = IpAddress::FromV4(0xc0000300 + odd_++);
    server_.On(DnsblName(client, "a.test"), Says({"203.0.113.80"}));
    Lookup(client);
  }
  // From now on it lists everybody; waits until that is known.
  void BeginToLie() {
    server_.Otherwise(Says({"127.0.0.2"}));
    EXPECT_TRUE(RunUntil(loop_, [&] {
      LookupOdd();
      return !lies_.empty();
    }));
  }

  asio::io_context loop_;
  FakeDnsServer server_;
  Metrics metrics_;
  std::unique_ptr<Resolver> resolver_ = *Resolver::Make(
      loop_, {.servers = {server_.address()}, .timeout = milliseconds(200)});
  std::unique_ptr<Dnsbl> dnsbl_ = std::make_unique<Dnsbl>(
      loop_, *resolver_, metrics_, DnsblOptions{.deadline = seconds(5)});
  std::vector<ZoneLie> lies_;
  uint32_t odd_ = 0;
};

TEST_F(DnsblTrustTest, TheFirstClientWaitsForTheProof) {
  UseA();
  EXPECT_EQ(Standing(), ZoneStanding::kUnknown);
  EXPECT_EQ(dnsbl_->Cached(kClient), std::nullopt) << "nothing is known yet";
  EXPECT_THAT(Lookup().listings, ElementsAre(Listing{.zone = 0}));
  EXPECT_EQ(Standing(), ZoneStanding::kOk);
  EXPECT_EQ(State("ok"), 1);
  EXPECT_EQ(State("unknown"), 0);
  EXPECT_EQ(metrics_.DnsQueries("A", "probe", "not-listed").Value(), 4);
}

TEST_F(DnsblTrustTest, WhoNeverAnswersCostsTheFirstClientsOnly) {
  server_.Otherwise(Silence());
  server_.On(kTestEntryOfA, Silence());
  UseA();
  Lookup();
  EXPECT_EQ(Standing(), ZoneStanding::kUnreachable);
  const Answers answers = Lookup();
  EXPECT_THAT(answers.listings, IsEmpty());
  EXPECT_EQ(server_.queries(DnsblName(kClient, "a.test")), 0u);
}

TEST_F(DnsblTrustTest, AListWithoutTestEntryIsNotAskedUnlessItNeedNot) {
  server_.On(kTestEntryOfA, NoSuchName());
  UseA();
  EXPECT_THAT(Lookup().listings, IsEmpty());
  EXPECT_EQ(server_.queries(DnsblName(kClient, "a.test")), 0u);
  UseA({.strict = false});
  EXPECT_THAT(Lookup().listings, ElementsAre(Listing{.zone = 0}));
}

TEST_F(DnsblTrustTest, AListThatAllowsNeedsNoTestEntry) {
  server_.On(kTestEntryOfA, NoSuchName());
  UseA({.kind = ZoneKind::kAllow});
  Lookup();
  EXPECT_TRUE(dnsbl_->Health()[0].ipv4.believed);
}

TEST_F(DnsblTrustTest, AListWithoutIpv6IsNotAskedAboutIt) {
  UseA();
  EXPECT_THAT(Lookup(kClient6).listings, IsEmpty());
  EXPECT_EQ(server_.queries(DnsblName(kClient6, "a.test")), 0u);
  EXPECT_THAT(Lookup(kClient).listings, SizeIs(1));
}

TEST_F(DnsblTrustTest, AListThatListsTheWorldIsNotBelieved) {
  server_.Otherwise(Says({"127.0.0.2"}));
  UseA();
  EXPECT_THAT(Lookup().listings, IsEmpty());
  EXPECT_EQ(State("lists-everything"), 1);
  ASSERT_FALSE(lies_.empty()) << "before a restart it may have been believed";
  EXPECT_FALSE(lies_[0].was_believed);
}

TEST_F(DnsblTrustTest, SinceWhenAListIsProvenOutlivesARestart) {
  UseA();
  Lookup();
  const std::vector<ZoneProven> proofs = dnsbl_->Proofs();
  ASSERT_THAT(proofs, SizeIs(2));
  EXPECT_EQ(proofs[0].label, "A");
  ASSERT_TRUE(proofs[0].at);
  EXPECT_EQ(proofs[1].at, std::nullopt) << "it has no IPv6";

  dnsbl_ = std::make_unique<Dnsbl>(loop_, *resolver_, metrics_,
                                   DnsblOptions{.deadline = seconds(5)});
  dnsbl_->SetLieListener([this](const ZoneLie& lie) { lies_.push_back(lie); });
  server_.Otherwise(Says({"127.0.0.2"}));
  UseA();
  dnsbl_->Restore(proofs);
  Lookup();
  ASSERT_FALSE(lies_.empty());
  EXPECT_EQ(lies_[0].family, Family::kIpv4);
  EXPECT_EQ(lies_[0].proven_at, proofs[0].at);
}

TEST_F(DnsblTrustTest, WhoIsALiarWhenTheBansOfBeforeComeHasLiedBefore) {
  server_.Otherwise(Says({"127.0.0.2"}));
  UseA();
  Lookup();
  lies_.clear();
  const Instant proven = Clock::now() - seconds(100);
  dnsbl_->Restore({{.label = "A", .since = proven, .at = proven}});
  ASSERT_THAT(lies_, SizeIs(1));
  EXPECT_EQ(lies_[0].proven_at, proven);
}

TEST_F(DnsblTrustTest, AProofInTheFutureWasNow) {
  UseA();
  const Instant future = Clock::now() + seconds(1000);
  dnsbl_->Restore({{.label = "A", .since = future, .at = future}});
  EXPECT_LE(*dnsbl_->Proofs().at(0).at, Clock::now());
}

TEST_F(DnsblTrustTest, ALiarsListingsAreForgottenAndItsLieIsTold) {
  UseA();
  ASSERT_THAT(Lookup().listings, SizeIs(1));
  BeginToLie();
  ASSERT_THAT(lies_, SizeIs(2));
  EXPECT_EQ(lies_[0].label, "A");
  EXPECT_TRUE(lies_[0].was_believed);
  EXPECT_FALSE(lies_[1].was_believed) << "of IPv6 it had no test entry";
  EXPECT_EQ(lies_[0].listings, 1u);
  EXPECT_THAT(Lookup().listings, IsEmpty());
  EXPECT_FALSE(dnsbl_->MayBan("A", kClient));
}

TEST_F(DnsblTrustTest, WhoeverWaitsWhenAListIsFoundToLieIsNotCondemnedByIt) {
  UseZones({{.name = "a.test", .label = "A", .ban = false},
            {.name = "b.test", .label = "B"}});
  server_.On("2.0.0.127.b.test", Says({"127.0.0.2"}));
  FakeReply late = NoSuchName();
  late.delay = milliseconds(60);
  server_.On(DnsblName(kClient, "b.test"), late);
  Lookup(IpAddress::FromV4(0xc0000264));
  std::optional<Answers> answers;
  asio::co_spawn(
      loop_,
      [](Dnsbl& dnsbl, auto& out) -> asio::awaitable<void> {
        out = co_await dnsbl.Lookup(kClient);
      }(*dnsbl_, answers),
      asio::detached);
  const auto listed = [&] {
    return metrics_.DnsQueries("A", "a", "listed").Value() > 0;
  };
  ASSERT_TRUE(RunUntil(loop_, listed));
  // One answer of the list's makes all that it said doubtful.
  const IpAddress other = *IpAddress::Parse("192.0.2.6");
  server_.On(DnsblName(other, "a.test"), Says({"127.255.255.254"}));
  Lookup(other);
  ASSERT_TRUE(RunUntil(loop_, [&] { return answers.has_value(); }));
  EXPECT_THAT(answers->listings, IsEmpty());
}

TEST_F(DnsblTrustTest, OneErrorCodeEndsBeliefUntilTheNextGoodProbe) {
  UseA();
  Lookup();
  const IpAddress other = *IpAddress::Parse("192.0.2.6");
  server_.On(DnsblName(other, "a.test"), Says({"127.255.255.254"}));
  Lookup(other);
  EXPECT_EQ(Standing(), ZoneStanding::kRefused);
  EXPECT_THAT(dnsbl_->Health()[0].ipv4.hint, HasSubstr("public resolver"));
  EXPECT_THAT(Lookup().listings, IsEmpty());
  // By itself, after its pause.
  EXPECT_TRUE(RunUntil(loop_, [&] { return Standing() == ZoneStanding::kOk; }));
  EXPECT_THAT(Lookup().listings, SizeIs(1));
}

// hostkarma's, for one, has a code for whom it knows to be good.
TEST_F(DnsblTrustTest, AClientWithACodeOfItsOwnLetsNobodyElseIn) {
  UseA();
  for (uint32_t i = 0; i < 64; ++i) {
    const IpAddress client = IpAddress::FromV4(0xc6336400 + i);
    const bool is_good = i % 16 == 0;
    server_.On(DnsblName(client, "a.test"),
               Says({is_good ? "127.0.0.1" : "127.0.0.2"}));
    const Answers answers = Lookup(client);
    EXPECT_THAT(answers.listings, SizeIs(is_good ? 0 : 1)) << i;
    EXPECT_EQ(answers.errors, is_good ? 1u : 0u) << i;
  }
  EXPECT_EQ(Standing(), ZoneStanding::kOk);
}

TEST_F(DnsblTrustTest, AListThatRefusesOneClientIsProbedAndAskedOn) {
  UseA();
  Lookup();
  const IpAddress other = *IpAddress::Parse("192.0.2.6");
  server_.On(DnsblName(other, "a.test"), Rcode(kRefusedRcode));
  Lookup(other);
  EXPECT_TRUE(dnsbl_->Health()[0].ipv4.believed);
  server_.Otherwise(Rcode(kRefusedRcode));
  EXPECT_TRUE(RunUntil(loop_, [&] {
    Lookup(IpAddress::FromV4(0xc6336400 + odd_++));
    return Standing() == ZoneStanding::kRefused;
  })) << "now it refuses us";
}

TEST_F(DnsblTrustTest, AZoneThatFallsSilentIsNotAskedWhileOthersAre) {
  UseZones(
      {{.name = "a.test", .label = "A"}, {.name = "b.test", .label = "B"}});
  server_.On("2.0.0.127.b.test", Says({"127.0.0.2"}));
  Lookup();
  for (uint32_t i = 0; i < 10; ++i) {
    const IpAddress client = IpAddress::FromV4(0xc0000280 + i);
    server_.On(DnsblName(client, "b.test"), Silence());
    Lookup(client);
  }
  ASSERT_EQ(Standing(1), ZoneStanding::kUnreachable);
  const IpAddress next = IpAddress::FromV4(0xc00002a0);
  const Answers answers = Lookup(next);
  EXPECT_FALSE(answers.overdue);
  EXPECT_EQ(server_.queries(DnsblName(next, "a.test")), 1u);
  EXPECT_EQ(server_.queries(DnsblName(next, "b.test")), 0u);
}

TEST_F(DnsblTrustTest, InDoubtAListingDoesNotBan) {
  UseA();
  Lookup();
  // The probe does not come through, so the doubt stays.
  server_.Otherwise(Silence());
  server_.On(kTestEntryOfA, Silence());
  ASSERT_TRUE(RunUntil(loop_, [&] {
    LookupOdd();
    return dnsbl_->Health()[0].in_doubt;
  }));
  EXPECT_THAT(Lookup().listings,
              ElementsAre(Listing{.zone = 0, .may_ban = false}));
  EXPECT_FALSE(dnsbl_->MayBan("A", kClient));
}

TEST_F(DnsblTrustTest, ExplainSaysWhetherAZoneIsBelieved) {
  server_.On(kTestEntryOfA, NoSuchName());
  UseA();
  Lookup();
  const auto report = Await(loop_, dnsbl_->Ask(kClient));
  EXPECT_EQ(report[0].answer.outcome, ZoneOutcome::kListed);
  EXPECT_FALSE(report[0].believed);
}

// ---- Who was heard ----------------------------------------------------------

const IpAddress kClean = *IpAddress::Parse("192.0.2.77");

TEST_F(DnsblTrustTest, WhoHasAnsweredIsHeardAndFromTheCacheToo) {
  UseA();
  EXPECT_TRUE(Lookup(kClean).AllHeard());
  EXPECT_TRUE(dnsbl_->Cached(kClean)->AllHeard());
  EXPECT_TRUE(Lookup(kClient6).AllHeard()) << "it has nothing to say of IPv6";
}

TEST_F(DnsblTrustTest, WhoRefusesOrFailsIsNot) {
  UseA();
  Lookup(kClean);
  for (const FakeReply& reply :
       {Rcode(kRefusedRcode), Rcode(kServFail), Silence()}) {
    server_.Otherwise(reply);
    const IpAddress other = IpAddress::FromV4(0xc0000280u + odd_++);
    EXPECT_FALSE(Lookup(other).AllHeard());
    EXPECT_FALSE(Lookup(other).AllHeard()) << "not asked any more";
  }
  EXPECT_FALSE(Lookup(IpAddress::FromV4(0xc00002fe)).AllHeard());
}

TEST_F(DnsblTrustTest, WhoRefusesFromTheBeginningIsAwaited) {
  server_.On(kTestEntryOfA, Rcode(kRefusedRcode));
  server_.Otherwise(Rcode(kRefusedRcode));
  UseA();
  EXPECT_FALSE(Lookup(kClean).AllHeard());
}

TEST_F(DnsblTrustTest, WhoHasNoTestEntryIsNotAwaited) {
  server_.On(kTestEntryOfA, NoSuchName());
  UseA();
  EXPECT_TRUE(Lookup(kClean).AllHeard());
}

TEST_F(DnsblTrustTest, AnAnswerThatIsTooOldServesButIsNotHeard) {
  dnsbl_->SetOptions({.deadline = milliseconds(200),
                      .ttl_floor = seconds(0),
                      .negative_ttl = seconds(0),
                      .stale_for = std::chrono::minutes(5)});
  UseA();
  ASSERT_TRUE(Lookup(kClean).AllHeard());
  const Instant until = Clock::now() + milliseconds(1300);
  RunUntil(loop_, [&] { return Clock::now() > until; });
  server_.Otherwise(Silence());
  EXPECT_FALSE(Lookup(kClean).AllHeard());
}

TEST_F(DnsblTrustTest, WhoCannotCondemnNeedNotBeHeard) {
  server_.On("2.0.0.127.b.test", Rcode(kRefusedRcode));
  for (const int score : {1, 2}) {
    auto rules = std::make_shared<Rules>();
    rules->reject_score = rules->ban_score = score;
    rules->zones = {{.name = "a.test", .label = "A"},
                    {.name = "b.test", .label = "B"}};
    dnsbl_->SetRules(rules);
    EXPECT_EQ(Lookup(kClean).AllHeard(), score == 2) << "one is not enough";
  }
}

// ---- Addresses in addresses -------------------------------------------------

TEST_F(DnsblTrustTest, A6to4ClientIsBannedByWhatTheListKnowsOfIpv4) {
  UseA();
  Lookup();
  EXPECT_TRUE(dnsbl_->MayBan("A", *IpAddress::Parse("2002:c000:205::1")));
  EXPECT_FALSE(dnsbl_->MayBan("A", kClient6));
}

}  // namespace
}  // namespace breakwater
