#include "firewall/set_endings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace breakwater {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

Network Net(const char* text) { return *Network::Parse(text); }

// As an add goes: asked, put in, noted.
uint32_t Prolong(SetEndings& endings, const Network& network, uint32_t seconds,
                 Instant now) {
  const uint32_t longest = endings.Longest(network, seconds, now);
  endings.Note(network, longest, now);
  return longest;
}

TEST(SetEndings, ALongerBanIsTakenAsItIs) {
  SetEndings endings;
  const Instant now{hours(1)};
  EXPECT_EQ(Prolong(endings, Net("192.0.2.1"), 600, now), 600U);
  EXPECT_EQ(Prolong(endings, Net("192.0.2.1"), 86'400, now + seconds(5)),
            86'400U);
}

TEST(SetEndings, AShorterBanGetsWhatIsLeftOfTheLongerOne) {
  SetEndings endings;
  const Instant now{hours(1)};
  Prolong(endings, Net("192.0.2.1"), 86'400, now);
  EXPECT_EQ(Prolong(endings, Net("192.0.2.1"), 600, now + seconds(400)),
            86'000U);
}

TEST(SetEndings, WhatIsLeftIsNeverSaidToBeMore) {
  SetEndings endings;
  const Instant now = Instant{hours(1)} + std::chrono::milliseconds(900);
  endings.Note(Net("192.0.2.1"), 600, now);
  for (const int later : {0, 50, 150, 5'099, 5'101}) {
    const auto list = endings.List(now + std::chrono::milliseconds(later));
    ASSERT_THAT(list, testing::SizeIs(1));
    EXPECT_LE(list[0].seconds * 1000, 600'000U - later);
    EXPECT_GT(list[0].seconds * 1000 + 2'000, 600'000U - later);
  }
}

TEST(SetEndings, WhatWasNotPutInIsNotRemembered) {
  SetEndings endings;
  const Instant now{hours(1)};
  EXPECT_EQ(endings.Longest(Net("192.0.2.1"), 86'400, now), 86'400U);
  EXPECT_EQ(endings.Longest(Net("192.0.2.1"), 600, now), 600U);
  EXPECT_EQ(endings.size(), 0U);
}

TEST(SetEndings, KeepsNeighboursApart) {
  SetEndings endings;
  const Instant now{hours(1)};
  Prolong(endings, Net("192.0.2.1"), 86'400, now);
  Prolong(endings, Net("2001:db8::/64"), 86'400, now);
  EXPECT_EQ(Prolong(endings, Net("192.0.2.2"), 600, now), 600U);
  EXPECT_EQ(Prolong(endings, Net("2001:db8:0:1::/64"), 600, now), 600U);
}

TEST(SetEndings, WhatHasEndedMakesRoom) {
  SetEndings endings;
  Instant now{hours(1)};
  for (uint32_t i = 0; i < 100'000; ++i) {
    now += std::chrono::milliseconds(10);  // 100 each second, for 10 s each
    Prolong(endings, Network::OfClient(IpAddress::FromV4(0x0a000000 + i)), 10,
            now);
  }
  EXPECT_LT(endings.size(), 5'000U);
}

TEST(SetEndings, FindsWhatEndsFirst) {
  SetEndings endings;
  const Instant now{hours(1)};
  endings.Note(Net("192.0.2.1"), 600, now);
  endings.Note(Net("192.0.2.2"), 60, now);
  endings.Note(Net("192.0.2.3"), 86'400, now);
  endings.Note(Net("192.0.2.4"), 5, now);
  EXPECT_THAT(endings.Soonest(2, now + seconds(10)),
              UnorderedElementsAre(Net("192.0.2.1"), Net("192.0.2.2")));
  EXPECT_EQ(endings.Soonest(99, now).size(), 4U);
}

TEST(SetEndings, OfManyWhatIsFoundIsAmongTheFirst) {
  SetEndings endings;
  const Instant now{hours(1)};
  for (uint32_t i = 0; i < 100'000; ++i) {
    endings.Note(Network::OfClient(IpAddress::FromV4(0x0a000000 + i)), 100 + i,
                 now);
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
  endings.Note(Net("2001:db8:5:6::/64"), 600, now);
  endings.Note(Net("2001:db8:5:7::/64"), 10, now);
  EXPECT_THAT(
      endings.Witnesses(3, seconds(2), now),
      UnorderedElementsAre(Net("2001:db8:5:6::/64"), Net("2001:db8:5:7::/64")));
  EXPECT_THAT(endings.Witnesses(3, seconds(2), now + seconds(9)),
              ElementsAre(Net("2001:db8:5:6::/64")));
  EXPECT_THAT(endings.Witnesses(3, seconds(2), now + seconds(600)), IsEmpty());
}

}  // namespace
}  // namespace breakwater
