#include "core/bans/recheck.h"

#include <gtest/gtest.h>

#include "core/judge/judge.h"

namespace breakwater {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

class RecheckTest : public testing::Test {
 protected:
  RecheckTest() { recheck_.SetLeast(hours(1)); }

  Ban BanFor(Duration length, const char* id = "7f3a") {
    const IpAddress client = *IpAddress::Parse("192.0.2.1");
    return {.network = Network::OfClient(client),
            .client = client,
            .expires = now_ + length,
            .id = id,
            .evidence = {.rules = std::make_shared<const Rules>()}};
  }

  const Instant now_ = Clock::now();
  Recheck recheck_;
};

TEST_F(RecheckTest, ALongBanIsDueWhenHalfOfItIsOver) {
  recheck_.Add(BanFor(hours(12)), now_);
  EXPECT_FALSE(recheck_.Take(now_ + hours(6) - minutes(1)));
  const auto due = recheck_.Take(now_ + hours(6));
  ASSERT_TRUE(due);
  EXPECT_EQ(due->id, "7f3a");
  EXPECT_EQ(due->network.ToString(), "192.0.2.1");
  EXPECT_FALSE(recheck_.Take(now_ + hours(12)));
}

TEST_F(RecheckTest, TheFirstToBeDueComesFirst) {
  recheck_.Add(BanFor(hours(12), "late"), now_);
  recheck_.Add(BanFor(hours(2), "soon"), now_);
  EXPECT_EQ(recheck_.Take(now_ + hours(12))->id, "soon");
  EXPECT_EQ(recheck_.Take(now_ + hours(12))->id, "late");
}

TEST_F(RecheckTest, OnlyLongBansOfListsAreLookedAtAgain) {
  recheck_.Add(BanFor(minutes(59)), now_);
  Ban other = BanFor(hours(12));
  other.origin = Origin::kOffence;
  recheck_.Add(other, now_);
  other = BanFor(hours(12));
  other.evidence = {};  // adopted from the kernel's set
  recheck_.Add(other, now_);
  other = BanFor(hours(12));
  other.evidence.offences = {OffenceKind::kTrap};
  recheck_.Add(other, now_);
  EXPECT_EQ(recheck_.size(), 0u);
  recheck_.SetLeast(Duration());
  recheck_.Add(BanFor(hours(12)), now_);
  EXPECT_EQ(recheck_.size(), 0u);
}

TEST_F(RecheckTest, OneThatRestsOnANameOfTheClientsIsNot) {
  const Rules rules{.zones = {{.name = "a.test"},
                              {.name = "d.test", .type = ZoneType::kDomain}}};
  Ban ban = BanFor(hours(12));
  ban.evidence.rules = std::make_shared<const Rules>(rules);
  ban.evidence.listings = {{.zone = 0}, {.zone = 1}};
  recheck_.Add(ban, now_);
  EXPECT_EQ(recheck_.size(), 0u);
  ban.evidence.listings.pop_back();
  recheck_.Add(ban, now_);
  EXPECT_EQ(recheck_.size(), 1u);
}

}  // namespace
}  // namespace breakwater
