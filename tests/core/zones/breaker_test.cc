#include "core/zones/breaker.h"

#include <gtest/gtest.h>

namespace breakwater {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

class BreakerTest : public testing::Test {
 protected:
  void Note(bool failed, int times) {
    for (int i = 0; i < times; ++i) breaker_.Note(failed, now_);
  }
  // How long the breaker then waits.
  seconds PauseAfterFailedProbe() {
    now_ = breaker_.probe_due();
    breaker_.NoteProbe(false, now_);
    return std::chrono::round<seconds>(breaker_.probe_due() - now_);
  }

  Instant now_ = Clock::now();
  Breaker breaker_;
};

TEST_F(BreakerTest, OpensAfterFailuresInARow) {
  Note(true, Breaker::kInARow - 1);
  EXPECT_FALSE(breaker_.is_open());
  Note(true, 1);
  EXPECT_TRUE(breaker_.is_open());
}

TEST_F(BreakerTest, AnAnswerInBetweenBeginsTheRowAnew) {
  Note(false, 40);
  Note(true, Breaker::kInARow - 1);
  Note(false, 1);
  Note(true, Breaker::kInARow - 1);
  EXPECT_FALSE(breaker_.is_open());
}

TEST_F(BreakerTest, OpensWhenMostAnswersAreFailures) {
  for (int i = 0; i < 60 && !breaker_.is_open(); ++i) {
    Note(true, 2);
    Note(false, 1);
  }
  EXPECT_TRUE(breaker_.is_open());
}

TEST_F(BreakerTest, StaysClosedWhileAFewFail) {
  for (int i = 0; i < 200; ++i) {
    Note(true, 1);
    Note(false, 2);
  }
  EXPECT_FALSE(breaker_.is_open());
}

TEST_F(BreakerTest, OneGoodProbeClosesIt) {
  breaker_.Open(now_);
  breaker_.NoteProbe(true, now_ + seconds(1));
  EXPECT_FALSE(breaker_.is_open());
  Note(true, 1);
  EXPECT_FALSE(breaker_.is_open()) << "the old failures are forgotten";
}

TEST_F(BreakerTest, ThePausesBetweenProbesGrowToABound) {
  breaker_.Open(now_);
  EXPECT_EQ(breaker_.probe_due(), now_ + seconds(1));
  EXPECT_EQ(PauseAfterFailedProbe(), seconds(2));
  EXPECT_EQ(PauseAfterFailedProbe(), seconds(4));
  for (int i = 0; i < 10; ++i) PauseAfterFailedProbe();
  EXPECT_EQ(PauseAfterFailedProbe(), Breaker::kLongestPause);
}

TEST_F(BreakerTest, WhoFailsAgainSoonGoesOnWithItsPause) {
  breaker_.Open(now_);
  EXPECT_EQ(PauseAfterFailedProbe(), seconds(2));
  breaker_.NoteProbe(true, now_);
  now_ += seconds(10);
  breaker_.Open(now_);
  EXPECT_EQ(breaker_.probe_due(), now_ + seconds(4));
  breaker_.NoteProbe(true, now_);
  now_ += minutes(2);
  breaker_.Open(now_);
  EXPECT_EQ(breaker_.probe_due(), now_ + seconds(1));
}

TEST_F(BreakerTest, WhatIsStillOnItsWaySaysNothingToAnOpenOne) {
  breaker_.Open(now_);
  Note(false, 100);
  EXPECT_TRUE(breaker_.is_open());
  Note(true, 100);
  EXPECT_EQ(breaker_.probe_due(), now_ + seconds(1));
}

}  // namespace
}  // namespace breakwater
