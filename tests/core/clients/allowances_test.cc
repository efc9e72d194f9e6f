#include "core/clients/allowances.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace breakwater {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

Network Net(std::string_view text) { return *Network::Parse(text); }

TEST(IsWideTest, IsSaidOfWhatIsWiderThanOneOwnersNetwork) {
  for (const char* network : {"0.0.0.0/0", "10.0.0.0/8", "192.168.0.0/15",
                              "::/0", "2000::/3", "2001:db8::/31"}) {
    EXPECT_TRUE(IsWide(Net(network))) << network;
  }
  for (const char* network :
       {"192.168.0.0/16", "192.0.2.5", "2001:db8::/32", "2001:db8::5"}) {
    EXPECT_FALSE(IsWide(Net(network))) << network;
  }
  // All of IPv4.
  EXPECT_TRUE(IsWide(Network::Of(IpAddress::FromV4(0), 80)));
  EXPECT_TRUE(IsWide(Network::Of(IpAddress::FromV4(0), 96)));
}

class AllowancesTest : public testing::Test {
 protected:
  absl::Status Allow(std::string_view network, Duration length,
                     std::string reason = "") {
    return allowances_.Allow({.network = Net(network),
                              .until = now_ + length,
                              .reason = std::move(reason)});
  }

  Allowances allowances_;
  const Instant now_ = Clock::now();
};

TEST_F(AllowancesTest, AreListedInTheOrderInWhichTheyEnd) {
  ASSERT_TRUE(Allow("192.0.2.5", hours(3)).ok());
  ASSERT_TRUE(Allow("2001:db8::/64", hours(1)).ok());
  ASSERT_TRUE(Allow("192.0.2.0/24", hours(2)).ok());
  EXPECT_THAT(allowances_.list(),
              ElementsAre(Field(&Allowance::network, Net("2001:db8::/64")),
                          Field(&Allowance::network, Net("192.0.2.0/24")),
                          Field(&Allowance::network, Net("192.0.2.5"))));
}

TEST_F(AllowancesTest, ANewWordAboutANetworkTakesTheOldOnesPlace) {
  ASSERT_TRUE(Allow("192.0.2.5", hours(3), "a test").ok());
  ASSERT_TRUE(Allow("192.0.2.5", hours(1), "shorter").ok());
  EXPECT_THAT(
      allowances_.list(),
      ElementsAre(Allowance{Net("192.0.2.5"), now_ + hours(1), "shorter"}));
}

TEST_F(AllowancesTest, EndWhenTheirTimeHasCome) {
  ASSERT_TRUE(Allow("192.0.2.5", hours(1)).ok());
  ASSERT_TRUE(Allow("192.0.2.6", hours(2)).ok());
  EXPECT_THAT(allowances_.Expire(now_ + hours(1) - seconds(1)), IsEmpty());
  EXPECT_THAT(allowances_.Expire(now_ + hours(1)),
              ElementsAre(Field(&Allowance::network, Net("192.0.2.5"))));
  EXPECT_THAT(allowances_.list(),
              ElementsAre(Field(&Allowance::network, Net("192.0.2.6"))));
}

TEST_F(AllowancesTest, OneIsEndedByExactlyItsNetwork) {
  ASSERT_TRUE(Allow("192.0.2.0/24", hours(1), "why").ok());
  EXPECT_FALSE(allowances_.End(Net("192.0.2.5")));
  EXPECT_FALSE(allowances_.End(Net("192.0.0.0/16")));
  EXPECT_EQ(allowances_.End(Net("192.0.2.0/24"))->reason, "why");
  EXPECT_THAT(allowances_.list(), IsEmpty());
}

TEST_F(AllowancesTest, TheNarrowestThatHoldsAnAddressIsFound) {
  ASSERT_TRUE(Allow("192.0.2.0/24", hours(1)).ok());
  ASSERT_TRUE(Allow("192.0.2.5", hours(2)).ok());
  ASSERT_TRUE(Allow("192.0.0.0/16", hours(3)).ok());
  const auto find = [this](const char* address) {
    return allowances_.Find(*IpAddress::Parse(address));
  };
  EXPECT_EQ(find("192.0.2.5")->network, Net("192.0.2.5"));
  EXPECT_EQ(find("192.0.2.6")->network, Net("192.0.2.0/24"));
  EXPECT_EQ(find("192.0.3.6")->network, Net("192.0.0.0/16"));
  EXPECT_FALSE(find("192.1.0.1"));
}

TEST_F(AllowancesTest, ThereAreNoMoreThanSoMany) {
  for (uint32_t i = 0; i < Allowances::kMost; ++i) {
    ASSERT_TRUE(
        allowances_
            .Allow({.network = {.address = IpAddress::FromV4(0xc6120000 + i)},
                    .until = now_ + hours(1)})
            .ok());
  }
  EXPECT_THAT(std::string(Allow("192.0.2.5", hours(1)).message()),
              HasSubstr("1000 allowances"));
  EXPECT_TRUE(Allow("198.18.0.0", hours(2)).ok());  // there is one
  EXPECT_EQ(allowances_.list().size(), Allowances::kMost);
}

}  // namespace
}  // namespace breakwater
