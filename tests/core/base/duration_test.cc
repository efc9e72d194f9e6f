#include "core/base/duration.h"

#include <gtest/gtest.h>

namespace breakwater {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(DurationTest, ReadsAWholeNumberAndAUnit) {
  const struct {
    const char* text;
    Duration duration;
  } kTable[] = {
      {"1500ms", milliseconds(1500)},
      {"5s", seconds(5)},
      {"10m", minutes(10)},
      {"12h", hours(12)},
      {"7d", hours(7 * 24)},
      {"0s", seconds(0)},
      {"0ms", seconds(0)},
      {"36525d", hours(36525 * 24)},
  };
  for (const auto& [text, duration] : kTable) {
    const absl::StatusOr<Duration> parsed = ParseDuration(text);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(*parsed, duration) << text;
  }
}

TEST(DurationTest, RefusesAllElse) {
  for (const char* text :
       {"", "5", "s", "-5s", "+5s", "5 s", " 5s", "5s ", "1.5s", "5S", "5min",
        "1h30m", "36526d", "99999999999999999999s", "9223372036854775807d"}) {
    const absl::Status status = ParseDuration(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(DurationTest, AnErrorShowsHowToWriteIt) {
  const absl::Status status = ParseDuration("ten").status();
  EXPECT_NE(status.message().find("\"ten\" is not a length of time"),
            absl::string_view::npos);
  EXPECT_NE(status.message().find("1500ms"), absl::string_view::npos);
}

TEST(DurationTest, IsShownWithTheLargestExactUnit) {
  EXPECT_EQ(FormatDuration(seconds(0)), "0s");
  EXPECT_EQ(FormatDuration(milliseconds(1500)), "1500ms");
  EXPECT_EQ(FormatDuration(seconds(90)), "90s");
  EXPECT_EQ(FormatDuration(minutes(60)), "1h");
  EXPECT_EQ(FormatDuration(hours(24)), "1d");
}

TEST(DurationTest, WhatIsShownCanBeRead) {
  for (const int64_t count : {1, 999, 1000, 60'000, 3'600'000, 86'400'000}) {
    EXPECT_EQ(*ParseDuration(FormatDuration(Duration(count))), Duration(count));
  }
}

}  // namespace
}  // namespace breakwater
