#include "core/bans/ban_widening.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_format.h"

namespace breakwater {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using testing::IsEmpty;
using testing::SizeIs;

Network Net(const std::string& text) { return *Network::Parse(text); }

class BanWideningTest : public testing::Test {
 protected:
  BanWideningTest() {
    // IPv4 /24, IPv6 /56, IPv6 /48.
    widening_.SetRules({.members = {3, 4, 6}});
  }
  // Of 2001:db8::/48: the /56 and the /64 in it.
  static Network Client(int part, int place) {
    return Net(absl::StrFormat("2001:db8:0:%x::/64", part << 8 | place));
  }
  std::vector<BanWidening::Reached> Ban(const Network& client,
                                        Duration length = hours(1)) {
    return widening_.Note(client, now_ + length, now_);
  }

  Instant now_{hours(1000)};
  BanWidening widening_;
};

TEST_F(BanWideningTest, SoManyOfANetworkWidenTheBan) {
  EXPECT_THAT(Ban(Client(1, 1)), IsEmpty());
  EXPECT_THAT(Ban(Client(1, 2)), IsEmpty());
  EXPECT_THAT(Ban(Client(1, 3)), IsEmpty());
  const auto reached = Ban(Client(1, 4));
  ASSERT_THAT(reached, SizeIs(1));
  EXPECT_EQ(reached[0].network, Net("2001:db8:0:100::/56"));
  EXPECT_EQ(reached[0].members, 4u);
}

TEST_F(BanWideningTest, ItLastsWhileSoManyAreBanned) {
  Ban(Client(1, 1), hours(2));
  Ban(Client(1, 2), hours(24));
  Ban(Client(1, 3), hours(3));
  auto reached = Ban(Client(1, 4), hours(1));
  ASSERT_THAT(reached, SizeIs(1));
  EXPECT_EQ(reached[0].ends, now_ + hours(1)) << "then there are three";
  reached = Ban(Client(1, 5), hours(12));
  ASSERT_THAT(reached, SizeIs(1));
  EXPECT_EQ(reached[0].ends, now_ + hours(2));
}

TEST_F(BanWideningTest, OneClientBannedAgainAndAgainIsOneMember) {
  for (int i = 0; i < 20; ++i) EXPECT_THAT(Ban(Client(1, 1)), IsEmpty());
  EXPECT_EQ(widening_.Count(Net("2001:db8:0:100::/56"), now_), 1u);
  EXPECT_EQ(widening_.members(), 2u) << "of the /56 and of the /48";
}

TEST_F(BanWideningTest, ManyNetworksOfAFewMakeTheWiderOne) {
  for (int part = 1; part <= 5; ++part) {
    EXPECT_THAT(Ban(Client(part, 1)), IsEmpty());
  }
  const auto reached = Ban(Client(6, 1));
  ASSERT_THAT(reached, SizeIs(1));
  EXPECT_EQ(reached[0].network, Net("2001:db8::/48"));
}

TEST_F(BanWideningTest, OfTwoThatAreReachedTheWiderComesFirst) {
  for (int place = 1; place <= 5; ++place) Ban(Client(1, place));
  const auto reached = Ban(Client(1, 6));
  ASSERT_THAT(reached, SizeIs(2));
  EXPECT_EQ(reached[0].network, Net("2001:db8::/48"));
  EXPECT_EQ(reached[1].network, Net("2001:db8:0:100::/56"));
}

TEST_F(BanWideningTest, AddressesOfIPv4MakeTheirNetworkOnly) {
  Ban(Net("192.0.2.1"));
  Ban(Net("192.0.2.2"));
  EXPECT_THAT(Ban(Net("192.0.3.3")), IsEmpty());
  const auto reached = Ban(Net("192.0.2.255"));
  ASSERT_THAT(reached, SizeIs(1));
  EXPECT_EQ(reached[0].network, Net("192.0.2.0/24"));
}

TEST_F(BanWideningTest, WhoseBanHasEndedIsNoMemberAnyMore) {
  for (int place = 1; place <= 3; ++place) Ban(Client(1, place), minutes(10));
  now_ += minutes(10);
  EXPECT_EQ(widening_.Count(Net("2001:db8:0:100::/56"), now_), 0u);
  EXPECT_THAT(Ban(Client(1, 4)), IsEmpty());
  EXPECT_EQ(widening_.Count(Net("2001:db8:0:100::/56"), now_), 1u);
}

TEST_F(BanWideningTest, WhoseBanWasLiftedIsNoMemberAnyMore) {
  for (int place = 1; place <= 3; ++place) Ban(Client(1, place));
  widening_.Forget(Client(1, 2));
  EXPECT_THAT(Ban(Client(1, 4)), IsEmpty());
  EXPECT_THAT(Ban(Client(1, 2)), SizeIs(1));
}

TEST_F(BanWideningTest, ANetworkThatIsForgottenBeginsAnew) {
  for (int place = 1; place <= 4; ++place) Ban(Client(1, place));
  widening_.Forget(Net("2001:db8:0:100::/56"));
  EXPECT_THAT(Ban(Client(1, 5)), IsEmpty());
  EXPECT_EQ(widening_.Count(Net("2001:db8::/48"), now_), 5u)
      << "the other networks remember";
}

TEST_F(BanWideningTest, AWidthThatIsSwitchedOffIsNotReached) {
  for (int place = 1; place <= 3; ++place) Ban(Client(1, place));
  widening_.SetRules({.members = {0, 0, 6}});
  EXPECT_THAT(Ban(Client(1, 4)), IsEmpty());
  EXPECT_EQ(widening_.networks(), 1u);
  widening_.SetRules({});
  EXPECT_EQ(widening_.networks(), 0u);
  EXPECT_EQ(widening_.members(), 0u);
}

TEST_F(BanWideningTest, OfALargeNetworkOnlyTheLongestBansAreRemembered) {
  for (int place = 0; place < 200; ++place) {
    Ban(Client(1, place), minutes(200 - place));
  }
  EXPECT_EQ(widening_.Count(Net("2001:db8:0:100::/56"), now_), 8u);
  now_ += minutes(190);
  EXPECT_EQ(widening_.Count(Net("2001:db8:0:100::/56"), now_), 8u)
      << "and not the last ones";
}

TEST_F(BanWideningTest, AFloodOfNetworksPushesOutTheOldest) {
  for (int place = 1; place <= 3; ++place) Ban(Client(1, place));
  for (uint32_t i = 0; i < 200'000; ++i) {
    IpAddress address = *IpAddress::Parse("2001:db8:1::");
    address.bytes[4] = static_cast<uint8_t>(1 + (i >> 16));
    address.bytes[5] = static_cast<uint8_t>(i >> 8);
    address.bytes[6] = static_cast<uint8_t>(i);
    Ban(Network::OfClient(address));
  }
  EXPECT_LE(widening_.networks(), BanWidening::kMostNetworks);
  EXPECT_LE(widening_.members(), BanWidening::kMostMembers);
  EXPECT_EQ(widening_.Count(Net("2001:db8:0:100::/56"), now_), 0u);
}

TEST_F(BanWideningTest, NetworksThatAreOverMakeRoomByThemselves) {
  for (uint32_t i = 0; i < 10'000; ++i) {
    Ban(Network::OfClient(IpAddress::FromV4(0x0a000000 + (i << 8))),
        minutes(1));
    now_ += std::chrono::seconds(1);
  }
  EXPECT_LT(widening_.networks(), 100u);
}

}  // namespace
}  // namespace breakwater
