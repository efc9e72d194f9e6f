#include "core/dnsbl/question_shares.h"

#include <gtest/gtest.h>

#include "absl/strings/str_format.h"

namespace breakwater {
namespace {

constexpr uint64_t kBudget = 100'000;

IpAddress At(const std::string& address) { return *IpAddress::Parse(address); }
IpAddress V6(uint32_t wide, uint32_t network, uint32_t client, uint32_t host) {
  return At(
      absl::StrFormat("2%03x:%x:%x:%x::%x", wide, wide, network, client, host));
}

// How many of the questions that somebody has asked are let through.
template <typename Nth>
uint64_t Asked(QuestionShares& shares, uint32_t attempts, Nth nth) {
  uint64_t asked = 0;
  for (uint32_t i = 0; i < attempts; ++i) {
    const IpAddress client = nth(i);
    if (shares.FindSpent(client)) continue;
    shares.Note(client);
    ++asked;
  }
  return asked;
}

TEST(QuestionSharesTest, WhoeverOwnsANetworkGetsItsShareAndNoMore) {
  struct Case {
    const char* owner;
    IpAddress (*nth)(uint32_t);
    uint64_t share;
    const char* spent;
  } const kCases[] = {
      {"one IPv4 address", [](uint32_t) { return At("192.0.2.5"); },
       kBudget / 50, "192.0.2.5"},
      {"an IPv4 /24",
       [](uint32_t i) { return IpAddress::FromV4(0xc0000200 + i % 256); },
       kBudget / 20, "192.0.2.0/24"},
      {"an IPv4 /16",
       [](uint32_t i) { return IpAddress::FromV4(0xc6120000 + i % 65536); },
       kBudget / 5, "198.18.0.0/16"},
      {"an IPv6 /64", [](uint32_t i) { return V6(1, 1, 1, i % 65536); },
       kBudget / 50, "2001:1:1:1::/64"},
      {"an IPv6 /48", [](uint32_t i) { return V6(1, 1, i % 65536, 1); },
       kBudget / 20, "2001:1:1::/48"},
      {"an IPv6 /32", [](uint32_t i) { return V6(1, i % 65536, i / 7, 1); },
       kBudget / 5, "2001:1::/32"},
  };
  for (const Case& c : kCases) {
    QuestionShares shares(kBudget, 1);
    EXPECT_EQ(Asked(shares, kBudget, c.nth), c.share) << c.owner;
    const auto spent = shares.FindSpent(c.nth(0));
    ASSERT_TRUE(spent) << c.owner;
    EXPECT_EQ(spent->network.ToString(), c.spent);
    EXPECT_EQ(spent->share, c.share);
    EXPECT_FALSE(shares.FindSpent(At("203.0.113.1"))) << c.owner;
    EXPECT_FALSE(shares.FindSpent(At("2a00::1"))) << c.owner;
  }
}

TEST(QuestionSharesTest, ASmallBudgetLeavesEverybodyAFew) {
  QuestionShares shares(10, 1);
  EXPECT_EQ(Asked(shares, 100, [](uint32_t) { return At("192.0.2.5"); }),
            QuestionShares::kLeastClient);
}

TEST(QuestionSharesTest, TheReserveIsForWhomItWasNotAskedAboutThatDay) {
  QuestionShares shares(kBudget, 1);
  EXPECT_TRUE(shares.IsForReserve(At("192.0.2.5")));
  shares.Note(At("192.0.2.5"));
  EXPECT_FALSE(shares.IsForReserve(At("192.0.2.6"))) << "of the same network";
  EXPECT_TRUE(shares.IsForReserve(At("192.0.3.5")));
  shares.Note(V6(1, 1, 1, 1));
  EXPECT_FALSE(shares.IsForReserve(V6(1, 1, 2, 1)));
  EXPECT_TRUE(shares.IsForReserve(V6(1, 2, 1, 1)));
  shares.Clear();
  EXPECT_TRUE(shares.IsForReserve(At("192.0.2.6"))) << "another day";
}

TEST(QuestionSharesTest, WhoOwnsAnIpv6By32GetsATenthOfTheReserve) {
  QuestionShares shares(kBudget, 1);
  uint64_t asked = 0;
  for (uint32_t i = 0; i < 65536; ++i) {
    const IpAddress client = V6(1, i, 1, 1);
    if (!shares.IsForReserve(client)) continue;
    shares.Note(client);
    ++asked;
  }
  EXPECT_EQ(asked, kBudget / 5 / 10);
  EXPECT_TRUE(shares.IsForReserve(V6(2, 1, 1, 1)));
}

// As many as there can be, none of which comes twice.
TEST(QuestionSharesTest, AFullDayOfStrangersTakesHardlyAnybodyForAnother) {
  QuestionShares shares(kBudget, 1);
  size_t refused = 0;
  size_t not_new = 0;
  for (uint32_t i = 0; i < kBudget; ++i) {
    // Each is a /24 of its own, fewer than a hundred of each /16.
    const IpAddress client =
        IpAddress::FromV4((i % 1200 + 256) << 16 | (i / 1200) << 8 | 1);
    refused += shares.FindSpent(client).has_value();
    not_new += !shares.IsForReserve(client);
    shares.Note(client);
  }
  EXPECT_EQ(refused, 0u);
  EXPECT_LT(not_new, kBudget / 100);
}

TEST(QuestionSharesTest, TakesAFixedSize) {
  EXPECT_EQ(QuestionShares(1, 1).bytes(), 256u * 1024 + 1024);
  EXPECT_LE(QuestionShares(300'000, 1).bytes(), 800u * 1024);
  EXPECT_EQ(QuestionShares(uint64_t{1} << 62, 1).bytes(),
            256u * 1024 + (4u << 20));
}

}  // namespace
}  // namespace breakwater
