#include "core/clients/good_history.h"

#include <gtest/gtest.h>

namespace breakwater {
namespace {

using namespace std::chrono_literals;

IpAddress At(std::string_view text) { return IpAddress::Parse(text).value(); }
// One of sixteen million.
IpAddress Stranger(uint32_t i) { return IpAddress::FromV4(0x0b000000u + i); }

// Room for 15 who are good and 5 on probation.
class GoodHistoryTest : public testing::Test {
 protected:
  void Accept(const IpAddress& client) { history_.Accept(client, now_); }
  // Its mail is accepted at both ends of the probation.
  void MakeGood(const IpAddress& client, Duration probation = 6h) {
    Accept(client);
    now_ += probation;
    Accept(client);
  }
  bool IsGood(const IpAddress& client) const {
    return history_.IsGood(client, now_);
  }

  Instant now_ = Instant() + 1000h;
  GoodHistory history_{{.clients = 20}};
  const IpAddress friend_ = At("198.51.100.7");
};

TEST_F(GoodHistoryTest, WhoIsUnknownIsNotGood) {
  EXPECT_FALSE(IsGood(friend_));
  EXPECT_FALSE(history_.Find(friend_, now_));
}

TEST_F(GoodHistoryTest, WhatWasKnownGoesOnWhereItEnded) {
  MakeGood(friend_);
  history_.Warn(friend_, now_);
  Accept(Stranger(1));
  GoodHistory after({.clients = 20});
  for (const Network& network : history_.Networks()) {
    after.Restore(*history_.Find(network));
  }
  EXPECT_TRUE(after.IsGood(friend_, now_));
  EXPECT_TRUE(after.IsWarned(friend_, now_));
  EXPECT_EQ(after.Find(friend_, now_)->weight,
            history_.Find(friend_, now_)->weight);
  EXPECT_FALSE(after.IsGood(Stranger(1), now_));
  EXPECT_EQ(after.on_probation(), 1u);
}

TEST_F(GoodHistoryTest, WhatIsKnownAgainLateCountsAsWell) {
  Accept(friend_);
  history_.Restore({.client = Network::OfClient(friend_),
                    .good = true,
                    .weight = 4,
                    .weighed = now_ - 72h,
                    .first = now_ - 200h,
                    .last = now_ - 72h,
                    .warned = now_ - 1h});
  EXPECT_TRUE(IsGood(friend_));
  EXPECT_TRUE(history_.IsWarned(friend_, now_));
  const auto standing = history_.Find(friend_, now_);
  EXPECT_FLOAT_EQ(static_cast<float>(standing->weight), 1 + 2);
  EXPECT_EQ(standing->first, now_ - 200h);
  EXPECT_EQ(standing->last, now_);
  EXPECT_EQ(history_.good(), 1u);
  EXPECT_EQ(history_.on_probation(), 0u);
}

TEST_F(GoodHistoryTest, WhatIsKnownAgainKeepsToTheBounds) {
  for (uint32_t i = 0; i < 100; ++i) {
    history_.Restore({.client = Network::OfClient(Stranger(i)),
                      .good = i % 2 == 0,
                      .weighed = now_,
                      .first = now_,
                      .last = now_});
  }
  EXPECT_EQ(history_.good(), 15u);
  EXPECT_EQ(history_.on_probation(), 5u);
  EXPECT_TRUE(history_.Find(Stranger(0), now_)) << "the first ones stay";
}

TEST_F(GoodHistoryTest, AThousandMessagesInAQuarterOfAnHourAreNoHistory) {
  for (int i = 0; i < 1000; ++i) {
    Accept(friend_);
    now_ += 1s;
  }
  EXPECT_FALSE(IsGood(friend_));
  EXPECT_NEAR(history_.Find(friend_, now_)->weight, 2, 0.1);
}

TEST_F(GoodHistoryTest, WhoComesAgainAfterItsProbationIsGood) {
  MakeGood(friend_, 6h - 1ms);
  now_ += 1ms;
  EXPECT_FALSE(IsGood(friend_));
  Accept(friend_);
  EXPECT_TRUE(IsGood(friend_));
}

TEST_F(GoodHistoryTest, WithoutAProbationTheFirstMessageIsEnough) {
  history_.SetRules({.clients = 20, .probation = 0h});
  Accept(friend_);
  EXPECT_TRUE(IsGood(friend_));
}

TEST_F(GoodHistoryTest, AnIpv6ClientIsItsSlash64) {
  MakeGood(At("2001:db8:1:2::5"));
  EXPECT_TRUE(IsGood(At("2001:db8:1:2:ffff::9")));
  EXPECT_FALSE(IsGood(At("2001:db8:1:3::5")));
}

TEST_F(GoodHistoryTest, KnowsWhichNetworksAGoodClientIsIn) {
  const auto has_good = [this](const char* network) {
    return history_.HasGoodIn(*Network::Parse(network));
  };
  Accept(At("2001:db8:1:2::5"));
  EXPECT_FALSE(has_good("2001:db8:1::/48")) << "on probation";
  MakeGood(At("2001:db8:1:2::5"));
  MakeGood(At("2001:db8:1:3::5"));
  MakeGood(friend_);
  EXPECT_TRUE(has_good("2001:db8:1::/48"));
  EXPECT_TRUE(has_good("2001:db8:1::/56"));
  EXPECT_FALSE(has_good("2001:db8:1:100::/56"));
  EXPECT_TRUE(has_good("198.51.100.0/24"));
  EXPECT_FALSE(has_good("198.51.101.0/24"));
  history_.Restore(
      {.client = *Network::Parse("203.0.113.9"), .good = true, .last = now_});
  EXPECT_TRUE(has_good("203.0.113.0/24"));
  now_ += 14 * 24h;
  history_.Expire(now_);
  EXPECT_FALSE(has_good("2001:db8:1::/48"));
  EXPECT_FALSE(has_good("198.51.100.0/24"));
}

TEST_F(GoodHistoryTest, WhoMakesRoomLeavesItsNetworkWithoutAGoodClient) {
  MakeGood(friend_);
  for (uint32_t i = 0; i < 15; ++i) MakeGood(Stranger(i << 8));
  EXPECT_FALSE(IsGood(friend_));
  EXPECT_FALSE(history_.HasGoodIn(*Network::Parse("198.51.100.0/24")));
  EXPECT_TRUE(history_.HasGoodIn(Network::Of(Stranger(0xe00), 120)));
}

TEST_F(GoodHistoryTest, AClientIsForgottenSomeTimeAfterItsLastMessage) {
  MakeGood(friend_);
  now_ += 14 * 24h - 1ms;
  EXPECT_TRUE(IsGood(friend_));
  now_ += 1ms;
  EXPECT_FALSE(IsGood(friend_));
  history_.Expire(now_);
  EXPECT_EQ(history_.good(), 0u);
  Accept(friend_);
  EXPECT_FALSE(IsGood(friend_)) << "it begins anew";
}

TEST_F(GoodHistoryTest, TheWeightHalvesInAHalfLife) {
  MakeGood(friend_);
  const double weight = history_.Find(friend_, now_)->weight;
  EXPECT_NEAR(weight, 1.94, 0.01);
  now_ += 72h;
  EXPECT_NEAR(history_.Find(friend_, now_)->weight, weight / 2, 0.001);
}

TEST_F(GoodHistoryTest, AFloodOfStrangersPushesOutNoGoodClient) {
  MakeGood(friend_);
  for (uint32_t i = 0; i < 10'000; ++i) {
    Accept(Stranger(i));
    now_ += 1ms;
  }
  EXPECT_TRUE(IsGood(friend_));
  EXPECT_EQ(history_.on_probation(), 5u);
  EXPECT_EQ(history_.good(), 1u);
}

TEST_F(GoodHistoryTest, WhoHasASlash48KeepsNoNewcomerFromItsHistory) {
  history_.SetRules({.clients = 4000});
  const IpAddress newcomer = At("2001:db8:2::1");
  Accept(newcomer);
  for (uint32_t i = 0; i < 30'000; ++i) {
    IpAddress address = At("2001:db8:1::1");
    address.bytes[6] = static_cast<uint8_t>(i >> 8);
    address.bytes[7] = static_cast<uint8_t>(i);
    Accept(address);
  }
  EXPECT_EQ(history_.on_probation(), 257u);
  now_ += 6h;
  Accept(newcomer);
  EXPECT_TRUE(IsGood(newcomer));
}

TEST_F(GoodHistoryTest, NorDoesWhoHasASlash32) {
  history_.SetRules({.clients = 4000});
  for (uint32_t i = 0; i < 30'000; ++i) {
    IpAddress address = At("2001:db8::1");
    address.bytes[4] = static_cast<uint8_t>(i >> 8);
    address.bytes[5] = static_cast<uint8_t>(i);
    Accept(address);
  }
  EXPECT_EQ(history_.on_probation(), 500u);
  now_ += 14 * 24h;
  history_.Expire(now_);
  Accept(At("2001:db8::1"));
  EXPECT_EQ(history_.on_probation(), 1u) << "places are given back";
}

TEST_F(GoodHistoryTest, WhileListsAreNotHeardNobodyBecomesGood) {
  for (int i = 0; i < 9; ++i) {
    history_.AcceptUncleared(friend_, now_);
    now_ += 6h;
  }
  EXPECT_FALSE(history_.Find(friend_, now_));
  Accept(friend_);
  now_ += 6h;
  history_.AcceptUncleared(friend_, now_);
  EXPECT_FALSE(IsGood(friend_));
  Accept(friend_);
  EXPECT_TRUE(IsGood(friend_));
}

TEST_F(GoodHistoryTest, StrangersWhoComeAgainPushOutNoHeavierClient) {
  for (int day = 0; day < 10; ++day) MakeGood(friend_, 24h);
  history_.SetRules({.clients = 20, .probation = 1min});
  for (uint32_t i = 0; i < 1000; ++i) MakeGood(Stranger(i), 1min);
  EXPECT_EQ(history_.good(), 15u);
  EXPECT_TRUE(IsGood(Stranger(999)));
  EXPECT_TRUE(IsGood(friend_));
}

TEST_F(GoodHistoryTest, WhoHasFadedMakesRoomForWhoComesNow) {
  for (uint32_t i = 0; i < 15; ++i) MakeGood(Stranger(i));
  ASSERT_EQ(history_.good(), 15u);
  MakeGood(friend_);
  EXPECT_TRUE(IsGood(friend_));
  EXPECT_FALSE(IsGood(Stranger(0)));
  EXPECT_EQ(history_.good(), 15u);
}

TEST_F(GoodHistoryTest, AWarningHoldsForItsWindow) {
  MakeGood(friend_);
  EXPECT_FALSE(history_.IsWarned(friend_, now_));
  history_.Warn(friend_, now_);
  now_ += 24h - 1ms;
  // Saying it again does not make it last longer.
  history_.Warn(friend_, now_);
  EXPECT_TRUE(history_.IsWarned(friend_, now_));
  now_ += 1ms;
  EXPECT_FALSE(history_.IsWarned(friend_, now_));
  history_.Warn(friend_, now_);
  EXPECT_TRUE(history_.IsWarned(friend_, now_));
}

TEST_F(GoodHistoryTest, ItShrinksToANewBound) {
  for (uint32_t i = 0; i < 15; ++i) MakeGood(Stranger(i));
  history_.SetRules({.clients = 8});
  EXPECT_EQ(history_.good(), 6u);
  EXPECT_TRUE(IsGood(Stranger(14)));
  history_.SetRules({.clients = 0});
  Accept(friend_);
  EXPECT_EQ(history_.good() + history_.on_probation(), 0u);
}

TEST_F(GoodHistoryTest, AClientTakesLittleMemory) {
  history_.SetRules({});
  for (uint32_t i = 0; i < 100'000; ++i) Accept(Stranger(i));
  EXPECT_EQ(history_.on_probation(), 25'000u);
  EXPECT_LT(history_.bytes(), 25'000u * 200);
}

}  // namespace
}  // namespace breakwater
