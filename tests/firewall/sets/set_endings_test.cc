#include "firewall/sets/set_endings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace breakwater {
namespace {

using namespace std::chrono_literals;
using std::chrono::hours;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

Network Net(const char* text) { return *Network::Parse(text); }

// As an add goes: asked, put in, noted.
Duration Prolong(SetEndings& endings, const Network& network, Duration left,
                 Instant now) {
  const Duration longest = std::max(left, endings.Left(network, now));
  endings.Note(network, longest, now);
  return longest;
}

TEST(SetEndings, ALongerBanIsTakenAsItIs) {
  SetEndings endings;
  const Instant now{hours(1)};
  EXPECT_EQ(Prolong(endings, Net("192.0.2.1"), 600s, now), 600s);
  EXPECT_EQ(Prolong(endings, Net("192.0.2.1"), 86'400s, now + seconds(5)),
            86'400s);
}

TEST(SetEndings, AShorterBanGetsWhatIsLeftOfTheLongerOne) {
  SetEndings endings;
  const Instant now{hours(1)};
  Prolong(endings, Net("192.0.2.1"), 86'400s, now);
  EXPECT_EQ(Prolong(endings, Net("192.0.2.1"), 600s, now + seconds(400)),
            86'000s);
}

TEST(SetEndings, TellsWhatIsLeftToTheMillisecond) {
  SetEndings endings;
  const Instant now = Instant{hours(1)} + 900ms;
  endings.Note(Net("192.0.2.1"), 600s, now);
  for (const int later : {0, 50, 150, 5'099, 5'101}) {
    const Duration passed(later);
    EXPECT_THAT(endings.List(now + passed),
                ElementsAre(TimedNetwork{Net("192.0.2.1"), 600s - passed}));
  }
}

TEST(SetEndings, WhatWasNotPutInIsNotRemembered) {
  SetEndings endings;
  const Instant now{hours(1)};
  EXPECT_EQ(endings.Left(Net("192.0.2.1"), now), 0s);
  EXPECT_EQ(endings.size(), 0U);
}

TEST(SetEndings, KeepsNeighboursApart) {
  SetEndings endings;
  const Instant now{hours(1)};
  Prolong(endings, Net("192.0.2.1"), 86'400s, now);
  Prolong(endings, Net("2001:db8::/64"), 86'400s, now);
  EXPECT_EQ(Prolong(endings, Net("192.0.2.2"), 600s, now), 600s);
  EXPECT_EQ(Prolong(endings, Net("2001:db8:0:1::/64"), 600s, now), 600s);
}

TEST(SetEndings, WhatHasEndedMakesRoom) {
  SetEndings endings;
  Instant now{hours(1)};
  for (uint32_t i = 0; i < 100'000; ++i) {
    now += std::chrono::milliseconds(10);  // 100 each second, for 10 s each
    Prolong(endings, Network::OfClient(IpAddress::FromV4(0x0a000000 + i)), 10s,
            now);
  }
  EXPECT_LT(endings.size(), 5'000U);
}

TEST(SetEndings, FindsWhatEndsFirst) {
  SetEndings endings;
  const Instant now{hours(1)};
  endings.Note(Net("192.0.2.1"), 600s, now);
  endings.Note(Net("192.0.2.2"), 60s, now);
  endings.Note(Net("192.0.2.3"), 86'400s, now);
  endings.Note(Net("192.0.2.4"), 5s, now);
  EXPECT_THAT(endings.Soonest(2, now + seconds(10)),
              UnorderedElementsAre(Net("192.0.2.1"), Net("192.0.2.2")));
  EXPECT_EQ(endings.Soonest(99, now).size(), 4U);
}

TEST(SetEndings, OfManyWhatIsFoundIsAmongTheFirst) {
  SetEndings endings;
  const Instant now{hours(1)};
  for (uint32_t i = 0; i < 100'000; ++i) {
    endings.Note(Network::OfClient(IpAddress::FromV4(0x0a000000 + i)),
                 seconds(100 + i), now);
  }
  for (const size_t count : {1U, 50U, 2'000U}) {
    const std::vector<Network> soonest = endings.Soonest(count, now);
    EXPECT_GE(soonest.size(), count);
    EXPECT_LE(soonest.size(), 2 * count + 100);
    for (const Network& network : soonest) {
      EXPECT_LT(network.address.V4() - 0x0a000000, 5'000U) << count;
    }
  }
}

TEST(SetEndings, OnlyWhatMustStillBeThereIsAWitness) {
  SetEndings endings;
  const Instant now{hours(1)};
  endings.Note(Net("2001:db8:5:6::/64"), 600s, now);
  endings.Note(Net("2001:db8:5:7::/64"), 10s, now);
  EXPECT_THAT(
      endings.Witnesses(3, seconds(2), now),
      UnorderedElementsAre(Net("2001:db8:5:6::/64"), Net("2001:db8:5:7::/64")));
  EXPECT_THAT(endings.Witnesses(3, seconds(2), now + seconds(9)),
              ElementsAre(Net("2001:db8:5:6::/64")));
  EXPECT_THAT(endings.Witnesses(3, seconds(2), now + seconds(600)), IsEmpty());
}

}  // namespace
}  // namespace breakwater
