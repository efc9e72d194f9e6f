#include "core/bans/ban_growth.h"

#include <gtest/gtest.h>

namespace breakwater {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

const Network kClient = Network::OfClient(*IpAddress::Parse("192.0.2.1"));

TEST(BanGrowthTest, EachBanIsLongerThanTheOneBefore) {
  BanGrowth growth({.factor = 3, .ceiling = hours(2)});
  const Instant now = Clock::now();
  std::vector<Duration> lengths;
  for (int i = 0; i < 4; ++i) {
    lengths.push_back(growth.Next(kClient, minutes(10), 0, now));
    growth.Note(kClient, now + lengths.back(), now);
  }
  EXPECT_EQ(lengths, (std::vector<Duration>{minutes(10), minutes(30),
                                            minutes(90), hours(2)}));
  EXPECT_EQ(growth.Times(kClient, now), 4u);
}

TEST(BanGrowthTest, WhatWasRememberedGoesOnWhereItEnded) {
  BanGrowth before({.factor = 2});
  const Instant now = Clock::now();
  before.Note(kClient, now, now);
  before.Note(kClient, now + minutes(20), now);
  BanGrowth after({.factor = 2});
  EXPECT_EQ(before.Networks(), std::vector{kClient});
  after.Restore(*before.Find(kClient));
  EXPECT_EQ(after.Times(kClient, now), 2u);
  EXPECT_EQ(after.Next(kClient, minutes(10), 0, now), minutes(40));
}

TEST(BanGrowthTest, WithoutAFactorNothingIsRemembered) {
  BanGrowth growth;
  const Instant now = Clock::now();
  growth.Note(kClient, now + minutes(10), now);
  EXPECT_EQ(growth.Next(kClient, minutes(10), 1, now), minutes(10));
  EXPECT_EQ(growth.size(), 0u);
}

TEST(BanGrowthTest, ABanThatIsLongerThanTheCeilingStaysAsItIs) {
  BanGrowth growth({.factor = 2, .ceiling = hours(1)});
  const Instant now = Clock::now();
  growth.Note(kClient, now, now);
  EXPECT_EQ(growth.Next(kClient, hours(12), 0, now), hours(12));
}

TEST(BanGrowthTest, IsForgottenSomeTimeAfterTheLastOneEnded) {
  BanGrowth growth({.factor = 2, .forget = hours(24)});
  const Instant now = Clock::now();
  const Instant ends = now + hours(1);
  growth.Note(kClient, ends, now);
  const auto next = [&](Instant when) {
    return growth.Next(kClient, minutes(10), 0, when);
  };
  EXPECT_EQ(next(ends + hours(23)), minutes(20));
  EXPECT_EQ(next(ends + hours(25)), minutes(10));
  growth.Note(kClient, ends + hours(26), ends + hours(25));
  EXPECT_EQ(growth.Times(kClient, ends + hours(26)), 1u);
}

TEST(BanGrowthTest, ChanceMakesItLongerAndNeverShorter) {
  const BanGrowth growth({.factor = 2, .jitter_percent = 10});
  const Instant now = Clock::now();
  EXPECT_EQ(growth.Next(kClient, minutes(10), 0, now), minutes(10));
  EXPECT_EQ(growth.Next(kClient, minutes(10), 1, now), minutes(11));
}

TEST(BanGrowthTest, WhereHitsExtendABanTheFirstIsExact) {
  BanGrowth growth({.factor = 2, .jitter_percent = 10, .exact_first = true});
  const Instant now = Clock::now();
  EXPECT_EQ(growth.Next(kClient, minutes(10), 1, now), minutes(10));
  growth.Note(kClient, now, now);
  EXPECT_EQ(growth.Next(kClient, minutes(10), 1, now), minutes(22));
}

TEST(BanGrowthTest, AMistakeIsForgiven) {
  BanGrowth growth({.factor = 2});
  const Instant now = Clock::now();
  growth.Note(kClient, now, now);
  growth.Forget(kClient);
  EXPECT_EQ(growth.Next(kClient, minutes(10), 0, now), minutes(10));
}

TEST(BanGrowthTest, OneMistakeLeavesThoseBeforeIt) {
  BanGrowth growth({.factor = 2});
  const Instant now = Clock::now();
  growth.Restore({.who = kClient, .times = 3, .ends = now + hours(2)});
  growth.TakeBack(kClient, now + hours(3), now);
  EXPECT_EQ(growth.Times(kClient, now), 3u) << "it was none of those";
  growth.TakeBack(kClient, now, now + hours(1));
  EXPECT_EQ(growth.Find(kClient)->times, 2u);
  EXPECT_EQ(growth.Find(kClient)->ends, now + hours(1));
}

TEST(BanGrowthTest, WhoseLastBanCameFirstMakesRoom) {
  BanGrowth growth({.factor = 2, .clients = 100});
  const Instant now = Clock::now();
  growth.Note(kClient, now, now);
  for (uint32_t n = 0; n < 100; ++n) {
    growth.Note(Network::OfClient(IpAddress::FromV4(0x0a000000 + n)), now, now);
  }
  EXPECT_EQ(growth.size(), 100u);
  EXPECT_EQ(growth.Times(kClient, now), 0u);
}

// A memory that could not be read before is read while bans are imposed.
TEST(BanGrowthTest, WhatIsKnownAgainLateCountsAsWell) {
  const Instant now = Clock::now();
  const Network other = Network::OfClient(IpAddress::FromV4(7));
  BanGrowth growth({.factor = 2, .clients = 2});
  growth.Note(kClient, now, now);
  growth.Restore(
      {.who = kClient, .times = 3, .ends = now - std::chrono::hours(1)});
  EXPECT_EQ(growth.Times(kClient, now), 4u);
  growth.Restore({.who = other, .times = 5, .ends = now});
  // It was there before, and so makes room first.
  growth.Note(Network::OfClient(IpAddress::FromV4(8)), now, now);
  EXPECT_EQ(growth.Times(other, now), 0u);
  EXPECT_EQ(growth.Times(kClient, now), 4u);
}

}  // namespace
}  // namespace breakwater
