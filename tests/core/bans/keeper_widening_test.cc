#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "absl/strings/str_format.h"
#include "core/bans/ban_keeper.h"
#include "tests/fakes/fake_enforcer.h"

namespace breakwater {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

Network Net(const std::string& text) { return *Network::Parse(text); }
IpAddress At(const std::string& text) { return *IpAddress::Parse(text); }

constexpr char k56[] = "2001:db8:0:100::/56";
constexpr char k48[] = "2001:db8::/48";

class KeeperWideningTest : public testing::Test {
 protected:
  KeeperWideningTest() {
    rules_.zones = {{.name = "list.test", .label = "list.test"}};
    rules_.widening.members = {3, 4, 6};  // IPv4 /24, IPv6 /56, IPv6 /48
    Use();
  }
  void Use() { keeper_.SetRules(std::make_shared<const Rules>(rules_)); }

  // As a list has it.
  void Restore(breakwater::Ban ban) { keeper_.Restore(std::move(ban)); }
  std::optional<BanKeeper::InForce> Ban(const std::string& address,
                                        Duration length = minutes(10)) {
    const Client client{.connection = {.client = At(address)}};
    Verdict verdict{.action = Action::kReject,
                    .reason = Reason::kListed,
                    .label = "list.test",
                    .id = "0",
                    .ban = length};
    Evidence evidence{.rules = std::make_shared<const Rules>(rules_),
                      .listings = {{.zone = 0}}};
    return keeper_.Impose(client, verdict, std::move(evidence));
  }
  // In a /64 of its own, of that part of 2001:db8::/48.
  static std::string Client6(int part, int place) {
    return absl::StrFormat("2001:db8:0:%x::1", part << 8 | place);
  }
  std::optional<breakwater::Ban> BanSome(int part, int first, int last) {
    std::optional<breakwater::Ban> wide;
    for (int place = first; place <= last; ++place) {
      const auto in_force = Ban(Client6(part, place));
      if (in_force && in_force->wide) wide = in_force->wide;
    }
    return wide;
  }
  std::optional<breakwater::Ban> Found(const std::string& address) {
    return bans_.Find(At(address), Clock::now());
  }

  Rules rules_;
  BanTable bans_{1000};
  FakeEnforcer enforcer_;
  Metrics metrics_;
  GoodHistory history_{{.probation = Duration::zero()}};
  BanKeeper keeper_{bans_, enforcer_, metrics_, history_};
};

TEST_F(KeeperWideningTest, SoManyNeighboursHaveTheirNetworkBanned) {
  EXPECT_FALSE(BanSome(1, 1, 3));
  EXPECT_FALSE(Found(Client6(1, 9)));
  const auto wide = BanSome(1, 4, 4);
  ASSERT_TRUE(wide);
  EXPECT_EQ(wide->network, Net(k56));
  EXPECT_EQ(wide->members, 4u);
  EXPECT_EQ(wide->text,
            "Client network 2001:db8:0:100::/56 is refused: 4 of "
            "its addresses are banned [id " +
                wide->id + "]");
  EXPECT_THAT(enforcer_.orders(), Contains("ban 2001:db8:0:100::/56 600s"));
  EXPECT_EQ(Found(Client6(1, 9))->origin, Origin::kNeighbours);
  EXPECT_FALSE(Found(Client6(2, 9))) << "another /56";
  EXPECT_EQ(Found(Client6(1, 1))->origin, Origin::kList)
      << "its own comes first";
  EXPECT_EQ(metrics_.Bans("neighbours").Value(), 1);
}

TEST_F(KeeperWideningTest, AWideBanLastsWhileSoManyAreBanned) {
  Ban(Client6(1, 1), hours(5));
  BanSome(1, 2, 4);
  EXPECT_THAT(enforcer_.orders(), Contains("ban 2001:db8:0:100::/56 600s"));
}

TEST_F(KeeperWideningTest, NobodyWhoIsObjectedToIsCaughtByAWideBan) {
  keeper_.SetObjection([](const Network& network) {
    return network.Contains(At(Client6(1, 9))) ? "proxy" : nullptr;
  });
  BanSome(1, 1, 4);
  EXPECT_THAT(enforcer_.orders(),
              Not(Contains(HasSubstr("2001:db8:0:100::/56"))));
  BanSome(2, 1, 4);
  EXPECT_THAT(enforcer_.orders(), Contains("ban 2001:db8:0:200::/56 600s"));
}

TEST_F(KeeperWideningTest, OneWithAProtectedNeighbourIsNotBanned) {
  rules_.protected_networks.Add(Net("2001:db8:0:1ff::7"));
  Use();
  testing::internal::CaptureStderr();
  EXPECT_FALSE(BanSome(1, 1, 5));
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("event=ban-refused client=2001:db8:0:100::/56 "
                        "why=protected"));
  EXPECT_FALSE(Found(Client6(1, 9)));
  EXPECT_EQ(bans_.size(), 5u) << "they are banned themselves";
}

TEST_F(KeeperWideningTest,
       ABanOfTheNarrowerNetworkIsLeftWhereTheWiderMustNotBe) {
  rules_.protected_networks.Add(Net("2001:db8:0:900::/64"));
  Use();
  EXPECT_FALSE(BanSome(2, 1, 3));
  const auto wide = BanSome(1, 1, 6);
  ASSERT_TRUE(wide) << "the seventh of the /48 is also one of six of the /56";
  EXPECT_EQ(wide->network, Net(k56));
  EXPECT_FALSE(Found(Client6(2, 9)));
}

TEST_F(KeeperWideningTest, TheWiderOfTwoIsBanned) {
  BanSome(2, 1, 3);
  BanSome(3, 1, 2);
  const auto wide = BanSome(1, 1, 1);
  ASSERT_TRUE(wide);
  EXPECT_EQ(wide->network, Net(k48));
  EXPECT_EQ(wide->members, 6u);
  EXPECT_TRUE(Found(Client6(9, 9)));
}

TEST_F(KeeperWideningTest, OneInWhichSomebodyHasAGoodHistoryIsNotBanned) {
  history_.Accept(At(Client6(1, 0x77)), Clock::now());
  history_.Accept(At("192.0.2.200"), Clock::now());
  testing::internal::CaptureStderr();
  EXPECT_FALSE(BanSome(1, 1, 5));
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("client=2001:db8:0:100::/56 why=good-history"));
  for (const char* address : {"192.0.2.1", "192.0.2.2", "192.0.2.3"}) {
    EXPECT_FALSE(Ban(address)->wide);
  }
  EXPECT_TRUE(BanSome(1, 6, 8) == std::nullopt);
  EXPECT_FALSE(Found(Client6(1, 0x77)));
}

TEST_F(KeeperWideningTest, OneInWhichForwardersAreSparedIsNotBanned) {
  rules_.spare.networks.Add(Net("192.0.2.64/28"));
  Use();
  Ban("192.0.2.1");
  Ban("192.0.2.2");
  EXPECT_FALSE(Ban("192.0.2.3")->wide);
  Ban("203.0.113.1");
  Ban("203.0.113.2");
  EXPECT_TRUE(Ban("203.0.113.3")->wide);
}

TEST_F(KeeperWideningTest, TheOperatorsBansAreNotWidened) {
  for (int place = 1; place <= 9; ++place) {
    const auto in_force =
        keeper_.Put({.network = Network::OfClient(At(Client6(1, place))),
                     .expires = Clock::now() + minutes(10),
                     .origin = Origin::kOperator});
    EXPECT_FALSE(in_force->wide);
  }
  EXPECT_EQ(keeper_.widening().networks(), 0u);
}

TEST_F(KeeperWideningTest, LiftingAllOfAnAddressLiftsItsNetworkAndCountsAnew) {
  BanSome(1, 1, 4);
  enforcer_.Take();
  const auto lifted =
      keeper_.LiftAllOf(Network::OfClient(At(Client6(1, 2))), "operator");
  ASSERT_THAT(lifted, SizeIs(2));
  EXPECT_EQ(lifted[0].network, Net("2001:db8:0:102::/64"));
  EXPECT_EQ(lifted[1].network, Net(k56));
  EXPECT_THAT(enforcer_.Take(),
              ElementsAre("unban 2001:db8:0:102::/64", "unban 2001:db8::/48",
                          "unban 2001:db8:0:100::/56"));
  EXPECT_FALSE(Found(Client6(1, 2)));
  EXPECT_FALSE(Found(Client6(1, 9)));
  EXPECT_TRUE(Found(Client6(1, 1))) << "its own ban stays";
  EXPECT_FALSE(BanSome(1, 5, 7));
  EXPECT_TRUE(BanSome(1, 8, 8));
}

// That has no ban of its own.
TEST_F(KeeperWideningTest, AnyNeighbourLiftsTheNetwork) {
  BanSome(1, 1, 4);
  const auto lifted =
      keeper_.LiftAllOf(Network::OfClient(At(Client6(1, 0x42))), "operator");
  ASSERT_THAT(lifted, SizeIs(1));
  EXPECT_EQ(lifted[0].network, Net(k56));
  EXPECT_FALSE(Found(Client6(1, 0x42)));
}

TEST_F(KeeperWideningTest, AWideBanGoesWithTheMembersWhoseListLied) {
  BanSome(1, 1, 4);
  enforcer_.Take();
  keeper_.LiftThoseOf({.label = "list.test",
                       .family = Family::kIpv6,
                       .proven_at = Instant::min()});
  EXPECT_EQ(bans_.size(), 0u);
  EXPECT_THAT(enforcer_.Take(), Contains("unban 2001:db8:0:100::/56"));
  EXPECT_EQ(keeper_.widening().members(), 0u);
}

TEST_F(KeeperWideningTest, AWideBanStaysWhileEnoughAreLeft) {
  BanSome(1, 1, 4);
  Ban(Client6(1, 4));
  // As it may be counted while the network is banned: one more.
  Ban(Client6(1, 5));
  keeper_.Lift(Net("2001:db8:0:101::/64"), "not-listed-any-more");
  EXPECT_TRUE(Found(Client6(1, 9)));
  keeper_.Lift(Net("2001:db8:0:102::/64"), "not-listed-any-more");
  EXPECT_FALSE(Found(Client6(1, 9)));
}

TEST_F(KeeperWideningTest, AReloadLiftsWhatItDoesNotWiden) {
  BanSome(1, 1, 4);
  enforcer_.Take();
  rules_.widening.members = {3, 0, 6};
  testing::internal::CaptureStderr();
  Use();
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("event=unban client=2001:db8:0:100::/56 "
                        "why=not-widened"));
  EXPECT_THAT(enforcer_.Take(), ElementsAre("unban 2001:db8:0:100::/56"));
  EXPECT_FALSE(Found(Client6(1, 9)));
  EXPECT_TRUE(Found(Client6(1, 1)));
}

TEST_F(KeeperWideningTest, WhatBecomesProtectedIsInNoBannedNetwork) {
  BanSome(1, 1, 4);
  rules_.protected_networks.Add(Net("2001:db8:0:1ff::7"));
  Use();
  EXPECT_FALSE(Found(Client6(1, 9)));
  EXPECT_TRUE(Found(Client6(1, 1)));
}

TEST_F(KeeperWideningTest, NetworksAreAdoptedOnlyWhereBansAreWidened) {
  const auto adopt = [this](const char* network) {
    keeper_.Adopt({.network = Net(network),
                   .expires = Clock::now() + minutes(5),
                   .origin = Origin::kBeforeRestart});
  };
  rules_.widening.members = {0, 4, 6};
  Use();
  adopt(k56);
  adopt("192.0.2.0/24");
  EXPECT_TRUE(Found(Client6(1, 9)));
  EXPECT_FALSE(Found("192.0.2.5"));
  EXPECT_THAT(enforcer_.orders(), ElementsAre("unban 192.0.2.0/24"));
}

TEST_F(KeeperWideningTest, AdoptedMembersCountAndWidenNothingByThemselves) {
  for (int place = 1; place <= 5; ++place) {
    keeper_.Adopt({.network = Network::OfClient(At(Client6(1, place))),
                   .expires = Clock::now() + minutes(5),
                   .origin = Origin::kBeforeRestart});
  }
  EXPECT_THAT(enforcer_.orders(), IsEmpty());
  EXPECT_TRUE(BanSome(1, 6, 6));
}

TEST_F(KeeperWideningTest, WhatIsRestoredCountsAndIsWidenedAsItWas) {
  const auto restore = [this](const std::string& network, Origin origin) {
    Restore({.network = Net(network),
             .expires = Clock::now() + minutes(5),
             .origin = origin});
  };
  for (int place = 1; place <= 3; ++place) {
    restore(absl::StrFormat("2001:db8:0:10%d::/64", place), Origin::kList);
  }
  restore("2001:db8:0:107::/64", Origin::kOperator);
  EXPECT_TRUE(BanSome(1, 4, 4)) << "the fourth that was earned";
  restore("2001:db8:0:200::/56", Origin::kNeighbours);
  EXPECT_TRUE(Found(Client6(2, 9)));
  rules_.widening.members = {3, 0, 6};
  Use();
  restore("2001:db8:0:300::/56", Origin::kNeighbours);
  EXPECT_FALSE(Found(Client6(3, 9)));
}

TEST_F(KeeperWideningTest, WhoWasLetInIsNotCaughtAgainAfterARestart) {
  rules_.widening.members = {3, 4, 0};
  Use();
  for (int place = 1; place <= 5; ++place) {
    Restore({.network = Network::OfClient(At(Client6(1, place))),
             .expires = Clock::now() + minutes(5)});
  }
  // Enough for the /56, which an operator had lifted.
  keeper_.Restored();
  EXPECT_FALSE(BanSome(1, 6, 8));
  EXPECT_TRUE(BanSome(1, 9, 9)) << "as many others";
}

TEST_F(KeeperWideningTest, ARestoredNetworkKeepsItsMembers) {
  for (int place = 1; place <= 5; ++place) {
    Restore({.network = Network::OfClient(At(Client6(1, place))),
             .expires = Clock::now() + minutes(5)});
  }
  Restore({.network = Net(k56),
           .expires = Clock::now() + minutes(5),
           .origin = Origin::kNeighbours});
  keeper_.Restored();
  keeper_.Lift(Network::OfClient(At(Client6(1, 1))), "operator");
  EXPECT_TRUE(Found(Client6(1, 99))) << "four are left";
}

TEST_F(KeeperWideningTest, ANetworkThatTheEnforcerRefusesIsNotTriedAtOnce) {
  BanSome(1, 1, 4);
  keeper_.Withdraw(Net(k56));
  enforcer_.Take();
  EXPECT_FALSE(BanSome(1, 5, 5));
  EXPECT_THAT(enforcer_.Take(), Not(Contains(HasSubstr("/56"))));
}

}  // namespace
}  // namespace breakwater
