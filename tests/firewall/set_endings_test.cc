#include "firewall/set_endings.h"

#include <gtest/gtest.h>

namespace breakwater {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

Network Net(const char* text) { return *Network::Parse(text); }

TEST(SetEndings, ALongerBanIsTakenAsItIs) {
  SetEndings endings;
  const Instant now{hours(1)};
  EXPECT_EQ(endings.Prolong(Net("192.0.2.1"), 600, now), 600U);
  EXPECT_EQ(endings.Prolong(Net("192.0.2.1"), 86'400, now + seconds(5)),
            86'400U);
}

TEST(SetEndings, AShorterBanGetsWhatIsLeftOfTheLongerOne) {
  SetEndings endings;
  const Instant now{hours(1)};
  endings.Prolong(Net("192.0.2.1"), 86'400, now);
  EXPECT_EQ(endings.Prolong(Net("192.0.2.1"), 600, now + seconds(400)),
            86'000U);
}

TEST(SetEndings, KeepsNeighboursApart) {
  SetEndings endings;
  const Instant now{hours(1)};
  endings.Prolong(Net("192.0.2.1"), 86'400, now);
  endings.Prolong(Net("2001:db8::/64"), 86'400, now);
  EXPECT_EQ(endings.Prolong(Net("192.0.2.2"), 600, now), 600U);
  EXPECT_EQ(endings.Prolong(Net("2001:db8:0:1::/64"), 600, now), 600U);
}

TEST(SetEndings, WhatHasEndedMakesRoom) {
  SetEndings endings;
  Instant now{hours(1)};
  for (uint32_t i = 0; i < 100'000; ++i) {
    now += std::chrono::milliseconds(10);  // 100 each second, for 10 s each
    endings.Prolong(Network::OfClient(IpAddress::FromV4(0x0a000000 + i)), 10,
                    now);
  }
  EXPECT_LT(endings.size(), 5'000U);
}

}  // namespace
}  // namespace breakwater
