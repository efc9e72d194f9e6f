#include "core/clients/brake.h"

#include <gtest/gtest.h>

namespace breakwater {
namespace {

using namespace std::chrono_literals;

// Each in a network of its own.
IpAddress Client(uint32_t i) {
  return IpAddress::FromV4(0xc6120000u + (i << 8));
}

class BrakeTest : public testing::Test {
 protected:
  void Ban(uint32_t count) {
    while (count-- > 0) brake_.Banned(now_);
  }
  // As bans come: some each second of a minute.
  void BanForAMinute(uint32_t each_second) {
    for (int i = 0; i < 60; ++i) {
      Ban(each_second);
      now_ += 1s;
      brake_.Update(now_ - 1ms);
    }
  }
  void Condemn(uint32_t from, uint32_t to, bool good,
               std::string_view label = "list.test") {
    for (uint32_t i = from; i < to; ++i) {
      brake_.Condemned(Client(i), label, good, now_);
    }
  }
  void GoOn(Duration time) {
    now_ += time;
    brake_.Update(now_);
  }

  // At the beginning of an hour.
  Instant now_ = Instant() + 1000h;
  Brake brake_{{.bans_per_minute = 100}};
};

// ---- The share of clients with a good history ------------------------------

TEST_F(BrakeTest, GoodClientsAmongTheCondemnedPutItOn) {
  struct Case {
    uint32_t good;
    uint32_t others;
    bool on;
  };
  for (const Case& c : {
           Case{0, 0, false},
           Case{9, 0, false},     // every one, but too few to tell
           Case{10, 0, true},     //
           Case{10, 189, true},   // of 199: 5.03 %
           Case{10, 190, false},  // of 200: 5 % is not more than 5 %
           Case{11, 189, true},   // of 200
           Case{0, 5000, false},  // a wave
           Case{11, 5000, false}  // the wave came last
       }) {
    brake_ = Brake({.bans_per_minute = 100'000});
    Condemn(0, c.good, true);
    Condemn(1000, 1000 + c.others, false);
    brake_.Update(now_);
    EXPECT_EQ(brake_.is_on(), c.on) << c.good << " and " << c.others;
  }
}

TEST_F(BrakeTest, AClientThatComesAgainAndAgainIsOne) {
  for (int i = 0; i < 1000; ++i) Condemn(0, 9, true);
  EXPECT_FALSE(brake_.Update(now_));
  EXPECT_EQ(brake_.state().condemned, 9u);
  EXPECT_EQ(brake_.state().good, 9u);
}

TEST_F(BrakeTest, WhoHasManyAddressesIsOneSender) {
  for (uint8_t i = 0; i < 100; ++i) {
    IpAddress v6 = *IpAddress::Parse("2001:db8:1::5");
    v6.bytes[7] = i;
    brake_.Condemned(v6, "list.test", true, now_);
    brake_.Condemned(IpAddress::FromV4(0xcb007100u + i), "list.test", true,
                     now_);
  }
  EXPECT_FALSE(brake_.Update(now_));
  EXPECT_EQ(brake_.state().condemned, 2u);
  EXPECT_EQ(brake_.state().good, 2u);
}

TEST_F(BrakeTest, OneGoodClientMakesItsNetworkAGoodSender) {
  brake_.Condemned(*IpAddress::Parse("203.0.113.1"), "list.test", true, now_);
  brake_.Condemned(*IpAddress::Parse("203.0.113.2"), "list.test", false, now_);
  EXPECT_EQ(brake_.state().good, 1u);
}

TEST_F(BrakeTest, WhoWasCondemnedAnHourAgoSaysNothingOfNow) {
  Condemn(0, 9, true);
  GoOn(1h - 1ms);
  EXPECT_EQ(brake_.state().good, 9u);
  GoOn(1ms);
  EXPECT_EQ(brake_.state().condemned, 0u);
  Condemn(20, 21, true);
  EXPECT_FALSE(brake_.Update(now_));
}

TEST_F(BrakeTest, ItNamesTheListThatCondemnedMostOfThem) {
  Condemn(0, 7, true, "wrong.test");
  Condemn(10, 14, true, "right.test");
  Condemn(20, 60, false, "right.test");
  EXPECT_TRUE(brake_.Update(now_));
  const Brake::State state = brake_.state();
  EXPECT_EQ(state.cause, BrakeCause::kGoodHistory);
  EXPECT_EQ(state.label, "wrong.test");
  EXPECT_EQ(state.good, 11u);
  EXPECT_EQ(state.condemned, 51u);
}

// ---- The bans of a minute --------------------------------------------------

TEST_F(BrakeTest, MoreBansInAMinuteThanTheFloorPutItOn) {
  Ban(100);
  EXPECT_FALSE(brake_.Update(now_));
  Ban(1);
  EXPECT_TRUE(brake_.Update(now_));
  EXPECT_EQ(brake_.state().cause, BrakeCause::kBans);
  EXPECT_EQ(brake_.state().bans, 101u);
}

TEST_F(BrakeTest, BansOfTwoMinutesAreNotAddedUp) {
  Ban(80);
  GoOn(59s);
  EXPECT_EQ(brake_.state().bans, 80u);
  GoOn(1s);
  EXPECT_EQ(brake_.state().bans, 0u);
  Ban(80);
  EXPECT_FALSE(brake_.Update(now_));
}

TEST_F(BrakeTest, AWaveOfAThousandAddressesASecondDoesNotPutItOn) {
  brake_ = Brake();
  BanForAMinute(1000);
  BanForAMinute(1000);
  EXPECT_EQ(brake_.state().bans, 60'000u);
  EXPECT_FALSE(brake_.is_on());
}

TEST_F(BrakeTest, TheCeilingIsMeasuredAgainstTheBusiestMinuteOfEarlierHours) {
  BanForAMinute(1);
  EXPECT_EQ(brake_.state().ceiling, 100u);
  brake_.SetRules({.bans_per_minute = 10, .times_busiest = 4});
  EXPECT_EQ(brake_.state().ceiling, 10u) << "this hour does not count yet";
  GoOn(1h);
  EXPECT_EQ(brake_.state().ceiling, 240u);
  // A quiet hour is not the measure, and neither is one of last week.
  GoOn(1h);
  EXPECT_EQ(brake_.state().ceiling, 240u);
  GoOn(166h);
  EXPECT_EQ(brake_.state().ceiling, 240u);
  GoOn(1h);
  EXPECT_EQ(brake_.state().ceiling, 10u);
}

TEST_F(BrakeTest, MinutesUnderTheBrakeRaiseNoCeiling) {
  Ban(5000);
  ASSERT_TRUE(brake_.Update(now_));
  for (int i = 0; i < 90; ++i) BanForAMinute(100);
  EXPECT_TRUE(brake_.is_on());
  EXPECT_EQ(brake_.state().ceiling, 100u);
}

// ---- How it comes off ------------------------------------------------------

TEST_F(BrakeTest, ItGoesOffWhenTheNumbersHaveBeenBelowForAWhile) {
  Ban(101);
  ASSERT_TRUE(brake_.Update(now_));
  GoOn(59s);  // still more than a hundred
  GoOn(5min - 1ms);
  EXPECT_TRUE(brake_.is_on());
  now_ += 1ms;
  EXPECT_TRUE(brake_.Update(now_));
  EXPECT_FALSE(brake_.is_on());
}

TEST_F(BrakeTest, AnExcessMeanwhileKeepsItOn) {
  Ban(101);
  ASSERT_TRUE(brake_.Update(now_));
  GoOn(4min);
  Condemn(0, 20, true);
  GoOn(4min);
  EXPECT_TRUE(brake_.is_on());
  EXPECT_EQ(brake_.state().cause, BrakeCause::kBans) << "why it went on";
  GoOn(55min);
  EXPECT_TRUE(brake_.is_on());
  GoOn(5min);
  EXPECT_FALSE(brake_.is_on());
}

TEST_F(BrakeTest, NewRulesHoldAtOnce) {
  Condemn(0, 20, true);
  ASSERT_TRUE(brake_.Update(now_));
  brake_.SetRules({.good_percent = 100, .release = 1s});
  GoOn(1s);
  EXPECT_FALSE(brake_.is_on());
}

}  // namespace
}  // namespace breakwater
