#include "core/net/width.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace breakwater {
namespace {

using testing::ElementsAre;

Network Net(const char* text) { return *Network::Parse(text); }
IpAddress Address(const char* text) { return *IpAddress::Parse(text); }

TEST(Width, ANetworkHasOneOrIsWhatNoBanCovers) {
  EXPECT_EQ(WidthOf(Net("192.0.2.0/24")), Width::kV4By24);
  EXPECT_EQ(WidthOf(Net("2001:db8:0:100::/56")), Width::kV6By56);
  EXPECT_EQ(WidthOf(Net("2001:db8::/48")), Width::kV6By48);
  for (const char* other :
       {"192.0.2.0/25", "192.0.0.0/16", "192.0.2.1", "2001:db8::/64",
        "2001:db8::/47", "2001:db8::/57", "::/0", "2001:db8::1"}) {
    EXPECT_EQ(WidthOf(Net(other)), std::nullopt) << other;
  }
}

TEST(Width, BitsBehindThePrefixMakeItNone) {
  EXPECT_EQ(WidthOf({.address = Address("2001:db8:0:1::"), .length = 56}),
            std::nullopt);
}

TEST(Width, AnAddressIsWidenedWithinItsFamilyNarrowestFirst) {
  EXPECT_THAT(WidthsOf(Address("192.0.2.5")), ElementsAre(Width::kV4By24));
  EXPECT_THAT(WidthsOf(Address("2001:db8::1")),
              ElementsAre(Width::kV6By56, Width::kV6By48));
  EXPECT_EQ(Widened(Address("192.0.2.5"), Width::kV4By24), Net("192.0.2.0/24"));
  EXPECT_EQ(Widened(Address("2001:db8:1:2ff::1"), Width::kV6By56),
            Net("2001:db8:1:200::/56"));
  EXPECT_EQ(Widened(Address("2001:db8:1:2ff::1"), Width::kV6By48),
            Net("2001:db8:1::/48"));
}

TEST(Width, AClientIsWhatABanOfItCovers) {
  EXPECT_TRUE(IsClient(Net("192.0.2.5")));
  EXPECT_TRUE(IsClient(Net("2001:db8::/64")));
  EXPECT_FALSE(IsClient(Net("2001:db8::1")));
  EXPECT_FALSE(IsClient(Net("2001:db8::/56")));
  EXPECT_FALSE(IsClient(Net("192.0.2.0/24")));
}

}  // namespace
}  // namespace breakwater
