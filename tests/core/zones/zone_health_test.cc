#include "core/zones/zone_health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/log.h"

namespace breakwater {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class ZoneHealthTest : public testing::Test {
 protected:
  // What the log says when the zone has answered so.
  std::string Note(ZoneOutcome outcome, uint32_t address = 0) {
    testing::internal::CaptureStderr();
    watch_.Note({.outcome = outcome, .address = address}, now_);
    return testing::internal::GetCapturedStderr();
  }

  Instant now_ = Clock::now();
  ZoneWatch watch_{"list"};
};

TEST_F(ZoneHealthTest, CountsWhatCame) {
  Note(ZoneOutcome::kListed);
  Note(ZoneOutcome::kNotListed);
  Note(ZoneOutcome::kNotListed);
  Note(ZoneOutcome::kTimeout);
  Note(ZoneOutcome::kOverloaded);
  const ZoneHealth& health = watch_.health();
  EXPECT_EQ(health.label, "list");
  EXPECT_EQ(health.queries(), 5u);
  EXPECT_EQ(health.count(ZoneOutcome::kListed), 1u);
  EXPECT_EQ(health.count(ZoneOutcome::kNotListed), 2u);
  EXPECT_EQ(health.errors(), 1u);
  EXPECT_EQ(health.last, ZoneOutcome::kOverloaded);
}

TEST_F(ZoneHealthTest, FailsSinceTheFirstErrorUntilTheNextAnswer) {
  Note(ZoneOutcome::kTimeout);
  const Instant first = now_;
  now_ += seconds(5);
  Note(ZoneOutcome::kServerFailure);
  EXPECT_EQ(watch_.health().failing_since, first);
  EXPECT_EQ(watch_.health().errors_in_a_row, 2u);
  Note(ZoneOutcome::kNotListed);
  EXPECT_EQ(watch_.health().failing_since, std::nullopt);
  EXPECT_EQ(watch_.health().errors_in_a_row, 0u);
}

TEST_F(ZoneHealthTest, SaysOnceThatAZoneFailsAndOnceThatItAnswersAgain) {
  EXPECT_THAT(Note(ZoneOutcome::kTimeout),
              HasSubstr("event=zone-error zone=list outcome=timeout "
                        "in_a_row=1\n"));
  EXPECT_THAT(Note(ZoneOutcome::kTimeout), IsEmpty());
  EXPECT_THAT(Note(ZoneOutcome::kListed),
              HasSubstr("event=zone-ok zone=list errors=2\n"));
  EXPECT_THAT(Note(ZoneOutcome::kListed), IsEmpty());
}

TEST_F(ZoneHealthTest, SaysItAgainAfterAWhile) {
  Note(ZoneOutcome::kTimeout);
  Note(ZoneOutcome::kTimeout);
  now_ += seconds(61);
  EXPECT_THAT(Note(ZoneOutcome::kRefused),
              HasSubstr("outcome=refused in_a_row=3\n"));
}

TEST_F(ZoneHealthTest, AZoneThatFluttersSaysSoOnceInAWhile) {
  EXPECT_THAT(Note(ZoneOutcome::kTimeout), Not(IsEmpty()));
  EXPECT_THAT(Note(ZoneOutcome::kListed), Not(IsEmpty()));
  for (int i = 0; i < 10; ++i) {
    EXPECT_THAT(Note(ZoneOutcome::kTimeout), IsEmpty());
    EXPECT_THAT(Note(ZoneOutcome::kListed), IsEmpty());
  }
}

TEST_F(ZoneHealthTest, AnOddAnswerIsShown) {
  EXPECT_THAT(Note(ZoneOutcome::kOddAnswer, 0x7ffffffe),
              HasSubstr("event=zone-odd-answer zone=list "
                        "answer=127.255.255.254\n"));
  EXPECT_NE(watch_.health().failing_since, std::nullopt);
}

TEST_F(ZoneHealthTest, AnOddAnswerAboutOneClientIsNoFailureOfTheZones) {
  EXPECT_THAT(Note(ZoneOutcome::kOddAnswer, 0x7f000001),
              HasSubstr("event=zone-odd-answer zone=list answer=127.0.0.1\n"));
  EXPECT_THAT(Note(ZoneOutcome::kOddAnswer, 0x7f000001), IsEmpty());
  EXPECT_EQ(watch_.health().failing_since, std::nullopt);
  EXPECT_THAT(Note(ZoneOutcome::kListed), IsEmpty()) << "it always answered";
}

TEST_F(ZoneHealthTest, OurOwnOverloadIsNotTheZonesFault) {
  EXPECT_THAT(Note(ZoneOutcome::kOverloaded), IsEmpty());
  EXPECT_EQ(watch_.health().failing_since, std::nullopt);
}

}  // namespace
}  // namespace breakwater
