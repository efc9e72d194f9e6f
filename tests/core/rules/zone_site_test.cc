#include "core/rules/zone_site.h"

#include <gtest/gtest.h>

#include "core/net/address.h"

namespace breakwater {
namespace {

// Whether the answers of a site or of a list count this one.
bool Counts(std::string_view answers, const char* answer) {
  const auto ranges = ParseAnswers(answers);
  EXPECT_TRUE(ranges.ok()) << ranges.status();
  if (!ranges.ok()) return false;
  const ZoneFilter filter{.answers = *ranges};
  return filter.Counts(IpAddress::Parse(answer)->V4());
}

TEST(AnswersTest, APatternIsAboutEachOctet) {
  const char kPattern[] = "127.0.[0..255].[1..3]";  // DNSWL's
  EXPECT_TRUE(Counts(kPattern, "127.0.0.2"));
  EXPECT_TRUE(Counts(kPattern, "127.0.5.1"));
  EXPECT_TRUE(Counts(kPattern, "127.0.255.3"));
  EXPECT_FALSE(Counts(kPattern, "127.0.5.0"));
  EXPECT_FALSE(Counts(kPattern, "127.0.5.4"));
  EXPECT_FALSE(Counts(kPattern, "127.1.5.2"));
  EXPECT_FALSE(Counts(kPattern, "127.0.0.255"));
}

TEST(AnswersTest, APatternMayListNumbersAndRanges) {
  const char kPattern[] = "127.0.[0;2].[2;4..6;9]";
  for (const char* answer :
       {"127.0.0.2", "127.0.2.4", "127.0.2.5", "127.0.0.6", "127.0.2.9"}) {
    EXPECT_TRUE(Counts(kPattern, answer)) << answer;
  }
  for (const char* answer :
       {"127.0.1.2", "127.0.0.3", "127.0.2.7", "127.0.0.8", "127.0.2.10"}) {
    EXPECT_FALSE(Counts(kPattern, answer)) << answer;
  }
}

TEST(AnswersTest, ARangeOfAddressesRunsAcrossOctets) {
  EXPECT_TRUE(Counts("127.0.0.9-127.0.1.2", "127.0.0.200"));
  EXPECT_TRUE(Counts("127.0.0.9-127.0.1.2", "127.0.1.1"));
  EXPECT_FALSE(Counts("127.0.0.9-127.0.1.2", "127.0.1.3"));
}

TEST(AnswersTest, WhatIsFormattedReadsBackTheSame) {
  for (const char* text : {"127.0.0.2", "127.0.0.2-127.0.0.11",
                           "127.0.[0..255].[1..3]", "127.[1..2].0.4"}) {
    const auto ranges = ParseAnswers(text);
    ASSERT_TRUE(ranges.ok()) << ranges.status();
    ASSERT_EQ(ranges->size(), 1u);
    EXPECT_EQ(FormatAnswers((*ranges)[0]), text);
  }
  // The same in fewer words.
  EXPECT_EQ(FormatAnswers((*ParseAnswers("127.0.0.[2..11]"))[0]),
            "127.0.0.2-127.0.0.11");
}

TEST(AnswersTest, SaysWhatIsWrongWithAPattern) {
  const struct {
    const char* text;
    const char* error;
  } kTable[] = {
      {"127.0.0.[2..11", "neither a number"},
      {"127.0.0.[]", "neither a number"},
      {"127.0.0.[2;]", "neither a number"},
      {"127.0.0.[11..2]", "neither a number"},
      {"127.0.0.[2...4]", "neither a number"},
      {"127.0.0.[2-4]", "neither a number"},
      {"127.0.0.[256]", "neither a number"},
      {"127.0.[1]", "has not four octets"},
      {"127.0.0.[1].1", "goes on behind the fourth"},
      {"127.0.0.[1]x", "goes on behind the fourth"},
      {"[126..128].0.0.2", "outside 127.0.0.0/8"},
      {"10.0.0.[1..2]", "outside 127.0.0.0/8"},
      {"127.255.255.[0..255]", "report errors"},
      {"127.0.0.[1]", "holds 127.0.0.1"},
      {"127.0.0.[1;3]", "holds 127.0.0.1"},
  };
  for (const auto& [text, error] : kTable) {
    const absl::Status status = ParseAnswers(text).status();
    EXPECT_NE(status.message().find(error), absl::string_view::npos)
        << text << ": " << status;
  }
}

TEST(ZoneSiteTest, ReadsWhatPostscreenReads) {
  const struct {
    const char* text;
    const char* domain;
    const char* answers;
    int weight;
  } kTable[] = {
      {"zen.spamhaus.org", "zen.spamhaus.org", "127.0.0.2-127.0.0.254", 1},
      {"bl.test*2", "bl.test", "127.0.0.2-127.0.0.254", 2},
      {"bl.test=127.0.0.4", "bl.test", "127.0.0.4", 1},
      {"zen.spamhaus.org=127.0.0.[2..11]*3", "zen.spamhaus.org",
       "127.0.0.2-127.0.0.11", 3},
      {"list.dnswl.org=127.0.[0..255].[1..3]*-2", "list.dnswl.org",
       "127.0.[0..255].[1..3]", -2},
  };
  for (const auto& [text, domain, answers, weight] : kTable) {
    const absl::StatusOr<ZoneSite> site = ParseZoneSite(text);
    ASSERT_TRUE(site.ok()) << site.status();
    EXPECT_EQ(site->domain, domain);
    EXPECT_EQ(site->filter.weight, weight);
    ASSERT_EQ(site->filter.answers.size(), 1u);
    EXPECT_EQ(FormatAnswers(site->filter.answers[0]), answers);
  }
  EXPECT_FALSE(ParseZoneSite("bl.test*2")->names_answers);
  EXPECT_TRUE(ParseZoneSite("bl.test=127.0.0.4")->names_answers);
}

TEST(ZoneSiteTest, AnErrorDoesNotShowTheDomain) {
  for (const char* text :
       {"", "=127.0.0.2", "*2", "key.test*", "key.test*x", "key.test*1.5",
        "key.test*10001", "key.test*-10001", "key.test*99999999999",
        "key.test=", "key.test=127.0.0.1", "key.test=10.0.0.1",
        "key.test=127.0.0.[2..11*3"}) {
    const absl::StatusOr<ZoneSite> site = ParseZoneSite(text);
    EXPECT_FALSE(site.ok()) << text;
    EXPECT_EQ(site.status().message().find("key"), absl::string_view::npos)
        << site.status();
  }
}

}  // namespace
}  // namespace breakwater
