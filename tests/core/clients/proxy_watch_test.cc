#include "core/clients/proxy_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace breakwater {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr char kOne[] = "192.0.2.1";
constexpr char kTwo[] = "192.0.2.2";

IpAddress At(std::string_view address) { return *IpAddress::Parse(address); }
// One of as many addresses as it takes.
IpAddress Other(uint32_t number) {
  return IpAddress::FromV4(0xc6120000 + number);
}

// The default rules: 50 connections from at most two, over ten minutes.
class ProxyWatchTest : public testing::Test {
 protected:
  // `count` connections, evenly over `span`. How often it went on or off.
  int Connect(std::string_view from, int count, Duration span) {
    int changes = 0;
    for (int i = 0; i < count; ++i) {
      changes += watch_.Connected(At(from), now_) ? 1 : 0;
      now_ += span / count;
    }
    return changes;
  }
  void SuspectOne() {
    Connect(kOne, 51, minutes(11));
    ASSERT_TRUE(watch_.is_on());
  }

  ProxyWatch watch_;
  Instant now_ = Instant() + minutes(1000);
};

TEST_F(ProxyWatchTest, GoesOnWhenAllComeFromOneForSoLong) {
  EXPECT_EQ(Connect(kOne, 100, minutes(20)), 1);
  EXPECT_TRUE(watch_.Suspects(At(kOne)));
  EXPECT_FALSE(watch_.Suspects(At(kTwo)));
  EXPECT_THAT(watch_.state().suspects,
              ElementsAre(*Network::Parse("192.0.2.1")));
  EXPECT_EQ(watch_.state().connections, 51u);
  EXPECT_EQ(watch_.state().since, Instant() + minutes(1000));
}

TEST_F(ProxyWatchTest, OnAQuietServerItTakesTenTimesAsLongAsOthersAreAway) {
  for (uint32_t i = 0; i < 8; ++i) {
    watch_.Connected(Other(i << 8), now_);
    now_ += minutes(30);
  }
  Connect(kOne, 62, minutes(11));
  Connect(kTwo, 62, minutes(11));
  EXPECT_FALSE(watch_.is_on());
  Connect(kOne, 62, minutes(400));
  EXPECT_TRUE(watch_.is_on());
}

TEST_F(ProxyWatchTest, SoItDoesWhereOthersCameBeforeTheRestart) {
  for (uint32_t i = 0; i < 20; ++i) {
    watch_.Knows(Network::OfClient(Other(i << 8)),
                 now_ - minutes(600) - i * minutes(30));
  }
  Connect(kOne, 62, minutes(20));
  EXPECT_FALSE(watch_.is_on());
  Connect(kOne, 62, minutes(300));
  EXPECT_TRUE(watch_.is_on());
}

TEST_F(ProxyWatchTest, WhoCameOnceIsNotSuspectedWithTheOther) {
  Connect(kTwo, 1, seconds(1));
  Connect(kOne, 62, minutes(12));
  EXPECT_TRUE(watch_.Suspects(At(kOne)));
  EXPECT_FALSE(watch_.Suspects(At(kTwo)));
  Connect(kTwo, 4, seconds(1));
  EXPECT_FALSE(watch_.Suspects(At(kTwo)));
  Connect(kTwo, 1, seconds(1));
  EXPECT_TRUE(watch_.Suspects(At(kTwo))) << "there may be two";
}

TEST_F(ProxyWatchTest, GoesOnWhenAllComeFromTwo) {
  for (int i = 0; i < 60; ++i)
    Connect(i % 3 == 0 ? kOne : kTwo, 1, seconds(15));
  EXPECT_TRUE(watch_.Suspects(At(kOne)));
  EXPECT_TRUE(watch_.Suspects(At(kTwo)));
}

TEST_F(ProxyWatchTest, AFewConnectionsOverALongTimeSayNothing) {
  Connect(kOne, 49, minutes(600));
  EXPECT_FALSE(watch_.is_on());
}

TEST_F(ProxyWatchTest, ManyConnectionsInAShortTimeAreAWave) {
  Connect(kOne, 100'000, minutes(9));
  EXPECT_FALSE(watch_.is_on());
}

TEST_F(ProxyWatchTest, ABusySiteBehindAProxyIsNoticedToo) {
  Connect(kOne, 100'000, minutes(12));
  EXPECT_TRUE(watch_.is_on());
}

TEST_F(ProxyWatchTest, OneOtherInBetweenBeginsItAnew) {
  Connect(kOne, 40, minutes(40));
  Connect(kTwo, 1, seconds(1));
  watch_.Connected(Other(1), now_);
  Connect(kOne, 40, minutes(40));
  EXPECT_FALSE(watch_.is_on());
  Connect(kOne, 10, minutes(10));
  EXPECT_TRUE(watch_.is_on());
}

TEST_F(ProxyWatchTest, WhoCameFirstAndNeverAgainIsForgotten) {
  watch_.Connected(Other(1), now_);
  watch_.Connected(Other(2), now_);
  Connect(kOne, 100, minutes(20));
  EXPECT_TRUE(watch_.Suspects(At(kOne)));
}

TEST_F(ProxyWatchTest, AStrayNowAndThenDoesNotEndIt) {
  SuspectOne();
  watch_.Connected(At(kTwo), now_);  // there may be two
  for (uint32_t i = 0; i < 20; ++i) {
    EXPECT_FALSE(watch_.Connected(Other(i), now_));
    EXPECT_FALSE(watch_.Suspects(Other(i)));
    Connect(kOne, 20, minutes(1));
  }
  EXPECT_TRUE(watch_.Suspects(At(kOne)));
}

TEST_F(ProxyWatchTest, OthersInEarnestEndIt) {
  SuspectOne();
  watch_.Connected(At(kTwo), now_);
  int strays = 0;
  while (strays < 100 && !watch_.Connected(Other(strays), now_)) ++strays;
  EXPECT_EQ(strays, 4);  // and the one that ended it
  EXPECT_FALSE(watch_.is_on());
  EXPECT_FALSE(watch_.Suspects(At(kOne)));
  EXPECT_THAT(watch_.state().suspects, IsEmpty());
}

TEST_F(ProxyWatchTest, AnIpv6ClientIsOneWhateverAddressItPicks) {
  for (int i = 0; i < 60; ++i) {
    IpAddress address = At("2001:db8::");
    address.bytes[15] = static_cast<uint8_t>(i);
    watch_.Connected(address, now_ += seconds(15));
  }
  EXPECT_TRUE(watch_.Suspects(At("2001:db8::77")));
}

TEST_F(ProxyWatchTest, IsOffWhereNoAddressIsToBeSuspected) {
  watch_.SetRules({.addresses = 0});
  EXPECT_EQ(Connect(kOne, 1000, minutes(1000)), 0);
  EXPECT_FALSE(watch_.is_on());
}

TEST_F(ProxyWatchTest, OtherRulesBeginItAnewAndTheSameDoNot) {
  SuspectOne();
  watch_.SetRules({});
  EXPECT_TRUE(watch_.is_on());
  watch_.SetRules({.addresses = 1});
  EXPECT_FALSE(watch_.is_on());
  EXPECT_EQ(Connect(kOne, 51, minutes(11)), 1);
}

}  // namespace
}  // namespace breakwater
