#include "core/zones/zone_answer.h"

#include <gtest/gtest.h>

#include "core/net/address.h"

namespace breakwater {
namespace {

DnsAnswer Addresses(const std::vector<const char*>& addresses) {
  DnsAnswer answer{.outcome = DnsOutcome::kRecords};
  for (const char* text : addresses) {
    answer.addresses.push_back(IpAddress::Parse(text)->V4());
  }
  return answer;
}

ZoneOutcome Read(const Zone& zone, const std::vector<const char*>& addresses) {
  return ReadZoneAnswer(zone, Addresses(addresses)).outcome;
}

Zone ZoneWith(const char* range) {
  return {.name = "list.test",
          .filters = {{.answers = {*ParseAnswerRange(range)}}}};
}

TEST(ZoneAnswerTest, ByDefault127_0_0_2To254AreListings) {
  const struct {
    const char* answer;
    ZoneOutcome outcome;
  } kTable[] = {
      {"127.0.0.2", ZoneOutcome::kListed},
      {"127.0.0.11", ZoneOutcome::kListed},
      {"127.0.0.254", ZoneOutcome::kListed},
      {"127.0.0.0", ZoneOutcome::kNotListed},
      {"127.0.1.2", ZoneOutcome::kNotListed},
      {"127.1.0.2", ZoneOutcome::kNotListed},
      // What RFC 5782 section 5 forbids.
      {"127.0.0.1", ZoneOutcome::kOddAnswer},
      // Spamhaus: mistyped zone, public resolver, too many queries.
      {"127.255.255.252", ZoneOutcome::kOddAnswer},
      {"127.255.255.254", ZoneOutcome::kOddAnswer},
      {"127.255.255.255", ZoneOutcome::kOddAnswer},
      // dnswl.org: blocked.
      {"127.0.0.255", ZoneOutcome::kOddAnswer},
      // A parked domain, or a resolver that invents answers.
      {"192.0.2.80", ZoneOutcome::kOddAnswer},
      {"10.0.0.1", ZoneOutcome::kOddAnswer},
      {"0.0.0.0", ZoneOutcome::kOddAnswer},
      {"126.255.255.255", ZoneOutcome::kOddAnswer},
      {"128.0.0.2", ZoneOutcome::kOddAnswer},
      {"255.255.255.255", ZoneOutcome::kOddAnswer},
  };
  for (const auto& [answer, outcome] : kTable) {
    EXPECT_EQ(Read({}, {answer}), outcome) << answer;
  }
}

TEST(ZoneAnswerTest, OnlyConfiguredAnswersAreListings) {
  const Zone zone = ZoneWith("127.0.0.2-127.0.0.9");
  EXPECT_EQ(Read(zone, {"127.0.0.9"}), ZoneOutcome::kListed);
  // A dynamic range, which this operator left out: an answer like any other.
  EXPECT_EQ(Read(zone, {"127.0.0.10"}), ZoneOutcome::kNotListed);
}

TEST(ZoneAnswerTest, TheFirstRecordThatCountsIsTheListing) {
  const ZoneAnswer read =
      ReadZoneAnswer(ZoneWith("127.0.0.2-127.0.0.9"),
                     Addresses({"127.0.0.10", "127.0.0.4", "127.0.0.2"}));
  EXPECT_EQ(read.outcome, ZoneOutcome::kListed);
  EXPECT_EQ(read.address, 0x7f000004u);
}

TEST(ZoneAnswerTest, ASignOfAnErrorSpoilsTheWholeAnswer) {
  const ZoneAnswer read = ReadZoneAnswer(
      {}, Addresses({"127.0.0.2", "127.0.0.4", "127.255.255.254"}));
  EXPECT_EQ(read.outcome, ZoneOutcome::kOddAnswer);
  EXPECT_EQ(read.address, 0x7ffffffeu);
}

TEST(ZoneAnswerTest, AnAnswerOf127_0_0_255CountsWhereItIsConfigured) {
  EXPECT_EQ(Read(ZoneWith("127.0.0.255"), {"127.0.0.255"}),
            ZoneOutcome::kListed);
}

TEST(ZoneAnswerTest, NoErrorIsAListing) {
  for (int i = 0; i <= static_cast<int>(DnsOutcome::kCancelled); ++i) {
    // Even if something left records in it.
    DnsAnswer answer = Addresses({"127.0.0.2"});
    answer.outcome = static_cast<DnsOutcome>(i);
    if (answer.outcome == DnsOutcome::kRecords) continue;
    const ZoneOutcome outcome = ReadZoneAnswer({}, answer).outcome;
    EXPECT_NE(outcome, ZoneOutcome::kListed);
    EXPECT_EQ(outcome == ZoneOutcome::kNotListed,
              answer.outcome == DnsOutcome::kNone);
    if (IsDnsError(answer.outcome)) {
      EXPECT_STREQ(ZoneOutcomeName(outcome), DnsOutcomeName(answer.outcome));
    }
  }
}

TEST(ZoneAnswerTest, OurOwnLimitsAreNotTheZonesFault) {
  EXPECT_FALSE(IsZoneFault(ZoneOutcome::kListed));
  EXPECT_FALSE(IsZoneFault(ZoneOutcome::kNotListed));
  EXPECT_FALSE(IsZoneFault(ZoneOutcome::kOverloaded));
  EXPECT_FALSE(IsZoneFault(ZoneOutcome::kCancelled));
  EXPECT_TRUE(IsZoneFault(ZoneOutcome::kOddAnswer));
  EXPECT_TRUE(IsZoneFault(ZoneOutcome::kTimeout));
  EXPECT_TRUE(IsZoneFault(ZoneOutcome::kGarbled));
}

TEST(ZoneAnswerTest, AListOfDomainsSaysThatItKnowsNoAddresses) {
  Zone zone{
      .name = "names.test",
      .type = ZoneType::kDomain,
      .filters = {{.answers = {*ParseAnswerRange("127.0.1.0-127.0.1.255")}}}};
  EXPECT_EQ(Read(zone, {"127.0.1.2"}), ZoneOutcome::kListed);
  EXPECT_EQ(Read(zone, {"127.0.1.255"}), ZoneOutcome::kOddAnswer);
  zone.type = ZoneType::kAddress;
  EXPECT_EQ(Read(zone, {"127.0.1.255"}), ZoneOutcome::kListed);
}

}  // namespace
}  // namespace breakwater
