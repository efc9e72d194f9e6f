#include "core/rules/zone.h"

#include <gtest/gtest.h>

#include "core/rules/zone_site.h"

namespace breakwater {
namespace {

TEST(AnswerRangeTest, ReadsOneAddressOrARange) {
  EXPECT_EQ(*ParseAnswerRange("127.0.0.2"),
            (AnswerRange{.first = 0x7f000002, .last = 0x7f000002}));
  EXPECT_EQ(*ParseAnswerRange("127.0.0.2-127.0.0.11"),
            (AnswerRange{.first = 0x7f000002, .last = 0x7f00000b}));
  EXPECT_EQ(*ParseAnswerRange("127.0.0.2-127.0.0.254"), kDefaultAnswers);
}

TEST(AnswerRangeTest, BothEndsBelongToIt) {
  const AnswerRange range = *ParseAnswerRange("127.0.0.2-127.0.0.11");
  EXPECT_FALSE(range.Contains(0x7f000001));
  EXPECT_TRUE(range.Contains(0x7f000002));
  EXPECT_TRUE(range.Contains(0x7f00000b));
  EXPECT_FALSE(range.Contains(0x7f00000c));
}

TEST(AnswerRangeTest, RefusesWhatCannotBeAListing) {
  const struct {
    const char* text;
    const char* error;
  } kTable[] = {
      {"", "is not an IPv4 address"},
      {"127.0.0", "is not an IPv4 address"},
      {"::1", "is not an IPv4 address"},
      {"127.0.0.2-", "is not an IPv4 address"},
      {"127.0.0.2-127.0.0.3-127.0.0.4", "is not an IPv4 address"},
      {"127.0.0.2/31", "is not an IPv4 address"},
      {"127.0.0.11-127.0.0.2", "ends before it begins"},
      {"192.0.2.1", "outside 127.0.0.0/8"},
      {"126.0.0.2-127.0.0.2", "outside 127.0.0.0/8"},
      {"127.0.0.2-128.0.0.1", "outside 127.0.0.0/8"},
      {"0.0.0.0-255.255.255.255", "outside 127.0.0.0/8"},
      {"127.0.0.1", "holds 127.0.0.1"},
      {"127.0.0.0-127.0.0.9", "holds 127.0.0.1"},
      {"127.255.255.254", "report errors"},
      {"127.255.255.0", "report errors"},
      {"127.0.0.2-127.255.255.255", "report errors"},
  };
  for (const auto& [text, error] : kTable) {
    const absl::Status status = ParseAnswerRange(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_NE(status.message().find(error), absl::string_view::npos) << status;
  }
}

TEST(ZoneTest, CountsTheDefaultAnswers) {
  const Zone zone;
  EXPECT_EQ(zone.Matches(0x7f000001), 0u);
  EXPECT_EQ(zone.Matches(0x7f000002), 1u);
  EXPECT_EQ(zone.Matches(0x7f0000fe), 1u);
  EXPECT_EQ(zone.Matches(0x7f0000ff), 0u);
  EXPECT_EQ(zone.Matches(0x7ffffffe), 0u);
}

TEST(ZoneTest, AFilterCountsEachOfItsRanges) {
  const ZoneFilter filter{.answers = {*ParseAnswerRange("127.0.0.2-127.0.0.4"),
                                      *ParseAnswerRange("127.0.0.9")}};
  EXPECT_TRUE(filter.Counts(0x7f000004));
  EXPECT_FALSE(filter.Counts(0x7f000005));
  EXPECT_TRUE(filter.Counts(0x7f000009));
}

TEST(ZoneTest, AnAnswerMatchesEveryFilterThatCountsIt) {
  const Zone zone{
      .filters = {{.answers = {*ParseAnswerRange("127.0.0.2-127.0.0.9")}},
                  {.answers = {*ParseAnswerRange("127.0.0.10")}},
                  {.answers = {*ParseAnswerRange("127.0.0.9")}}}};
  EXPECT_EQ(zone.Matches(0x7f000002), 0b001u);
  EXPECT_EQ(zone.Matches(0x7f000009), 0b101u);
  EXPECT_EQ(zone.Matches(0x7f00000a), 0b010u);
  EXPECT_EQ(zone.Matches(0x7f00000b), 0u);
}

// What ReadZoneAnswer never takes for a listing, an entry need not name.
TEST(ZoneTest, KnowsWhichEntriesCanNeverCount) {
  const auto may_count = [](Zone zone, std::string_view text, int weight = 1) {
    const AnswerRange range = ParseAnswers(text)->front();
    zone.filters = {{.answers = {range}, .weight = weight}};
    return zone.MayCount(range);
  };
  const Zone block;
  const Zone allow{.kind = ZoneKind::kAllow};
  const Zone names{.type = ZoneType::kDomain};
  EXPECT_TRUE(may_count(block, "127.0.0.2"));
  EXPECT_TRUE(may_count(block, "127.0.0.255")) << "it speaks against";
  EXPECT_FALSE(may_count(block, "127.0.0.255", -2));
  EXPECT_FALSE(may_count(block, "127.0.0.[255]", -2));
  EXPECT_FALSE(may_count(allow, "127.0.0.255"));
  EXPECT_TRUE(may_count(allow, "127.0.0.[0..255]"));
  EXPECT_TRUE(may_count(allow, "127.0.[0..1].255"));
  EXPECT_TRUE(may_count(block, "127.0.1.255"));
  EXPECT_FALSE(may_count(names, "127.0.1.255"));
  EXPECT_FALSE(may_count(names, "127.0.[0..1].255", -1));
  EXPECT_TRUE(may_count(names, "127.0.[0..255].[0..255]"));
}

}  // namespace
}  // namespace breakwater
