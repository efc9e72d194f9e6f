#include "core/base/token_bucket.h"

#include <gtest/gtest.h>

namespace breakwater {
namespace {

using std::chrono::seconds;

class TokenBucketTest : public testing::Test {
 protected:
  // How many of so many it lets through.
  int Taken(int attempts) {
    int taken = 0;
    for (int i = 0; i < attempts; ++i) taken += bucket_.Take(now_) ? 1 : 0;
    return taken;
  }

  Instant now_ = Clock::now();
  TokenBucket bucket_{2, 10, now_};
};

TEST_F(TokenBucketTest, LetsABurstPassAndThenSoManyASecond) {
  EXPECT_EQ(Taken(100), 10);
  now_ += seconds(3);
  EXPECT_EQ(Taken(100), 6);
  now_ += seconds(60);
  EXPECT_EQ(Taken(100), 10);
}

TEST_F(TokenBucketTest, AGrantIsOutsideOfTheCountAndEnds) {
  bucket_.Grant(5, now_ + seconds(60));
  bucket_.Grant(5, now_ + seconds(60));
  EXPECT_EQ(Taken(100), 15);
  bucket_.Grant(5, now_ + seconds(1));
  now_ += seconds(1);
  EXPECT_EQ(Taken(100), 2);
}

TEST_F(TokenBucketTest, TheSameRateAgainDoesNotFillIt) {
  EXPECT_EQ(Taken(9), 9);
  bucket_.SetRate(2, 10, now_);
  EXPECT_EQ(Taken(100), 1);
}

TEST_F(TokenBucketTest, AnotherRateHoldsFromThenOn) {
  EXPECT_EQ(Taken(10), 10);
  now_ += seconds(2);
  bucket_.SetRate(1, 20, now_);
  now_ += seconds(5);
  EXPECT_EQ(Taken(100), 4 + 5) << "two seconds at the old rate";
  now_ += seconds(60);
  EXPECT_EQ(Taken(100), 20);
  now_ += seconds(60);
  bucket_.SetRate(1, 3, now_);
  EXPECT_EQ(Taken(100), 3);
}

TEST_F(TokenBucketTest, AnotherRateLeavesTheGrant) {
  bucket_.Grant(5, now_ + seconds(60));
  bucket_.SetRate(2, 10, now_);
  EXPECT_EQ(Taken(100), 15);
}

}  // namespace
}  // namespace breakwater
