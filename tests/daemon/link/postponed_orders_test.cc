#include "daemon/link/postponed_orders.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace breakwater {
namespace {

using namespace std::chrono_literals;
using testing::IsEmpty;
using testing::SizeIs;

class PostponedOrdersTest : public testing::Test {
 protected:
  static Network Nth(uint32_t n) {
    return Network::OfClient(IpAddress::FromV4(0x0b000000u + n));
  }
  PostponedOrders::Order Ban(uint32_t n, Duration left = 1h) {
    return {.kind = RecordKind::kBan, .network = Nth(n), .ends = now_ + left};
  }

  const Instant now_ = Clock::now();
  PostponedOrders orders_{5s};
};

TEST_F(PostponedOrdersTest, OneIsSaidAgainAfterAPauseThatDoubles) {
  orders_.Add(Ban(1), now_);
  EXPECT_EQ(orders_.next(), now_ + 5s);
  EXPECT_THAT(orders_.Take(now_ + 4s), IsEmpty());
  auto due = orders_.Take(now_ + 5s);
  ASSERT_THAT(due, SizeIs(1));
  EXPECT_EQ(due[0].network, Nth(1));
  EXPECT_THAT(orders_.Take(now_ + 1h), IsEmpty()) << "said once";
  orders_.Add(due[0], now_ + 5s);
  EXPECT_THAT(orders_.Take(now_ + 14s), IsEmpty());
  due = orders_.Take(now_ + 15s);
  ASSERT_THAT(due, SizeIs(1));
  due[0].pause = PostponedOrders::kLongestPause;
  orders_.Add(due[0], now_);
  EXPECT_THAT(orders_.Take(now_ + PostponedOrders::kLongestPause), SizeIs(1));
}

TEST_F(PostponedOrdersTest, ABanThatHasEndedIsNotSaidAgain) {
  orders_.Add(Ban(1, 3s), now_);
  PostponedOrders::Order lifting = Ban(2, 3s);
  lifting.kind = RecordKind::kUnban;
  orders_.Add(lifting, now_);
  const auto due = orders_.Take(now_ + 5s);
  ASSERT_THAT(due, SizeIs(1));
  EXPECT_EQ(due[0].network, Nth(2)) << "a lifting never ends";
}

TEST_F(PostponedOrdersTest, WhatANewerOrderIsAboutIsForgotten) {
  orders_.Add(Ban(1), now_);
  orders_.Add(Ban(2), now_);
  orders_.Forget(Nth(1));
  EXPECT_THAT(orders_.Take(now_ + 5s), SizeIs(1));
}

TEST_F(PostponedOrdersTest, NothingIsSaidAgainOfWhatWasCleared) {
  orders_.Add(Ban(1), now_);
  orders_.Clear();
  EXPECT_EQ(orders_.next(), Instant::max());
  EXPECT_THAT(orders_.Take(now_ + 5s), IsEmpty());
}

TEST_F(PostponedOrdersTest, ManyAreSaidAFewAtATimeAndTooManyNotAtAll) {
  for (uint32_t i = 0; i < PostponedOrders::kMost + 10; ++i) {
    orders_.Add(Ban(i), now_);
  }
  size_t said = 0;
  for (Duration after = 5s; orders_.next() != Instant::max(); after += 5s) {
    const size_t due = orders_.Take(now_ + after).size();
    EXPECT_LE(due, PostponedOrders::kMostAtOnce);
    said += due;
    ASSERT_LT(after, 10min);
  }
  EXPECT_EQ(said, PostponedOrders::kMost);
}

}  // namespace
}  // namespace breakwater
