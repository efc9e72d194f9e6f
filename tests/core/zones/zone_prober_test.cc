#include "core/zones/zone_prober.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/core/loop.h"
#include "tests/fakes/dns_server.h"

namespace breakwater {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class ZoneProberTest : public testing::Test {
 protected:
  ZoneProber::Subject Subject(const std::string& name) {
    return {.name = name,
            .trust = std::make_shared<ZoneTrust>(
                ZoneTrust::Options{.label = name}, Clock::now()),
            .count = [this](ZoneOutcome) { ++asked_; },
            .probed =
                [this](const auto& lies) {
                  lies_.insert(lies_.end(), lies.begin(), lies.end());
                }};
  }
  ZoneStanding Standing(const ZoneProber::Subject& subject) {
    return subject.trust->Proof(Family::kIpv4).standing;
  }

  asio::io_context loop_;
  FakeDnsServer server_;
  std::unique_ptr<Resolver> resolver_ = *Resolver::Make(
      loop_, {.servers = {server_.address()}, .timeout = milliseconds(50)});
  std::unique_ptr<ZoneProber> prober_ =
      std::make_unique<ZoneProber>(loop_, *resolver_);
  std::vector<ZoneTrust::Lie> lies_;
  int asked_ = 0;
};

TEST_F(ZoneProberTest, ProbesAllZonesAtOnce) {
  server_.Otherwise({.rcode = kNxDomain, .delay = milliseconds(20)});
  server_.On("2.0.0.127.a.test", Says({"127.0.0.2"}));
  const auto a = Subject("a.test");
  const auto b = Subject("b.test");
  prober_->SetSubjects({a, b});
  EXPECT_FALSE(prober_->AllProbed());
  RunUntil(loop_, [&] { return resolver_->in_flight() == 10; });
  EXPECT_TRUE(Await(loop_, prober_->UntilAllProbed(seconds(10))));
  EXPECT_EQ(Standing(a), ZoneStanding::kOk);
  EXPECT_EQ(Standing(b), ZoneStanding::kNoTestEntry);
  EXPECT_EQ(asked_, 10);
}

TEST_F(ZoneProberTest, WaitsForTheFirstProbeNoLongerThanItIsTold) {
  server_.Otherwise(Silence());
  prober_->SetSubjects({Subject("a.test")});
  const Instant before = Clock::now();
  EXPECT_TRUE(Await(loop_, prober_->UntilAllProbed(milliseconds(20))));
  EXPECT_FALSE(prober_->AllProbed());
  EXPECT_LT(Clock::now() - before, seconds(5));
}

TEST_F(ZoneProberTest, WhenWokenItProbesWhoIsDueAndTellsOfLies) {
  server_.On("2.0.0.127.a.test", Says({"127.0.0.2"}));
  const auto a = Subject("a.test");
  prober_->SetSubjects({a});
  Await(loop_, prober_->UntilAllProbed(seconds(10)));
  server_.Otherwise(Says({"127.0.0.2"}));
  a.trust->SetStrict(false, Clock::now());  // which makes a probe due
  prober_->Wake();
  ASSERT_TRUE(RunUntil(loop_, [&] { return !lies_.empty(); }));
  EXPECT_EQ(Standing(a), ZoneStanding::kListsEverything);
}

TEST_F(ZoneProberTest, AZoneThatIsAwayIsProbedAgainByItself) {
  server_.Otherwise(Silence());
  const auto a = Subject("a.test");
  prober_->SetSubjects({a});
  Await(loop_, prober_->UntilAllProbed(seconds(10)));
  EXPECT_EQ(Standing(a), ZoneStanding::kUnreachable);
  server_.Otherwise(NoSuchName());
  server_.On("2.0.0.127.a.test", Says({"127.0.0.2"}));
  EXPECT_TRUE(
      RunUntil(loop_, [&] { return Standing(a) == ZoneStanding::kOk; }));
}

TEST_F(ZoneProberTest, MayGoWhileItProbes) {
  server_.Otherwise(Silence());
  const auto a = Subject("a.test");
  prober_->SetSubjects({a});
  bool waits = false;
  std::optional<bool> waited;
  asio::co_spawn(
      loop_,
      [](ZoneProber& prober, bool& begun, auto& out) -> asio::awaitable<void> {
        begun = true;
        out = co_await prober.UntilAllProbed(seconds(20));
      }(*prober_, waits, waited),
      asio::detached);
  RunUntil(loop_, [&] { return waits && resolver_->in_flight() == 5; });
  prober_.reset();
  ASSERT_TRUE(RunUntil(loop_, [&] { return waited.has_value(); }));
  EXPECT_EQ(waited, false);
  ASSERT_TRUE(RunUntil(loop_, [&] { return a.trust->is_probed(); }));
}

}  // namespace
}  // namespace breakwater
