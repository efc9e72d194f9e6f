#include "core/zones/hit_rate.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace breakwater {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

// Two zones that are asked about the same clients.
class HitRateTest : public testing::Test {
 protected:
  // Every `of`-th client in a hundred is listed, spread evenly.
  static bool IsListed(int client, int percent) {
    return client * percent / 100 != (client + 1) * percent / 100;
  }
  void Clients(int count, int percent_a, int percent_b) {
    for (int i = 0; i < count; ++i) {
      now_ += seconds(1);
      a_.Note(IsListed(i, percent_a), now_);
      b_.Note(IsListed(i, percent_b), now_);
    }
  }
  bool IsADoubtful() const {
    const std::vector<const HitRate*> others = {&b_};
    return IsDoubtful(a_, others);
  }
  bool IsADoubtfulAlone() const { return IsDoubtful(a_, {}); }
  // How many clients until A is doubtful.
  int ClientsUntilDoubt(int percent_a, int percent_b) {
    for (int i = 1; i <= 500; ++i) {
      now_ += seconds(1);
      a_.Note(IsListed(i, percent_a), now_);
      b_.Note(IsListed(i, percent_b), now_);
      if (IsADoubtful()) return i;
    }
    return -1;
  }

  Instant now_ = Clock::now();
  HitRate a_;
  HitRate b_;
};

TEST_F(HitRateTest, IsTheShareOfTheListed) {
  Clients(1000, 40, 10);
  EXPECT_NEAR(a_.recent(), 0.4, 0.1);
  EXPECT_NEAR(a_.past(), 0.4, 0.02);
  EXPECT_NEAR(b_.past(), 0.1, 0.02);
}

TEST_F(HitRateTest, AZoneThatBeginsToListTheWorldIsSoonDoubtful) {
  const struct {
    int before;
    int within;
  } kTable[] = {{2, 12}, {10, 12}, {50, 20}, {80, 30}, {95, 60}};
  for (const auto& [before, within] : kTable) {
    a_ = b_ = HitRate();
    Clients(1000, before, before);
    ASSERT_FALSE(IsADoubtful()) << before;
    const int clients = ClientsUntilDoubt(100, before);
    EXPECT_GT(clients, 2) << before;
    EXPECT_LE(clients, within) << before;
  }
}

TEST_F(HitRateTest, AWaveThatAllZonesSeeIsNoReasonForDoubt) {
  Clients(1000, 10, 15);
  EXPECT_EQ(ClientsUntilDoubt(85, 80), -1);
}

TEST_F(HitRateTest, AZoneAloneIsComparedWithItsOwnPast) {
  Clients(1000, 10, 15);
  Clients(30, 90, 85);
  EXPECT_FALSE(IsADoubtful());
  EXPECT_TRUE(IsADoubtfulAlone());
}

TEST_F(HitRateTest, AZoneThatIsNotAskedAnyMoreIsNoComparison) {
  Clients(1000, 10, 15);
  Clients(30, 10, 90);
  now_ += minutes(5);
  for (int i = 0; i < 30; ++i) a_.Note(true, now_);
  EXPECT_TRUE(IsADoubtful());
}

TEST_F(HitRateTest, ANewcomerHasNoPast) {
  for (int i = 0; i < HitRate::kNewcomer - 20; ++i) a_.Note(false, now_);
  for (int i = 0; i < 19; ++i) a_.Note(true, now_);
  EXPECT_FALSE(IsADoubtfulAlone());
}

TEST_F(HitRateTest, WhatAProbeHasConfirmedIsThePastFromThenOn) {
  Clients(1000, 10, 10);
  Clients(50, 80, 10);
  ASSERT_TRUE(IsADoubtful());
  a_.Accept();
  EXPECT_FALSE(IsADoubtful());
  Clients(50, 80, 10);
  EXPECT_FALSE(IsADoubtful());
}

// A doubt costs a probe and, for its time, the bans: it should be rare.
TEST_F(HitRateTest, ChanceAloneSeldomMakesItDoubtful) {
  for (const double share : {0.05, 0.3, 0.6, 0.8}) {
    a_ = b_ = HitRate();
    std::mt19937 random(1);  // the same at each run
    std::bernoulli_distribution listed(share);
    int doubts = 0;
    for (int i = 0; i < 20'000; ++i) {
      a_.Note(listed(random), now_);
      b_.Note(listed(random), now_);
      if (!IsADoubtful()) continue;
      ++doubts;
      a_.Accept();
    }
    EXPECT_LT(doubts, 100) << share;
  }
}

}  // namespace
}  // namespace breakwater
