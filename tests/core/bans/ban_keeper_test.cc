#include "core/bans/ban_keeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/fake_enforcer.h"

namespace breakwater {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::_;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

// Takes down what it is told: "changed 192.0.2.5", "ban 192.0.2.5 list.test".
class FakeMemory : public Memory {
 public:
  void Changed(const Network& who) override {
    told_.push_back("changed " + who.ToString());
  }
  void Happened(Event event) override {
    told_.push_back(absl::StrCat(EventKindName(event.kind), " ",
                                 event.who.ToString(), " ", event.label));
  }
  std::vector<std::string> Take() { return std::exchange(told_, {}); }

 private:
  std::vector<std::string> told_;
};

class BanKeeperTest : public testing::Test {
 protected:
  BanKeeperTest() {
    keeper_.SetMemory(memory_);
    Use({});
  }
  void Use(Rules rules) {
    rules_ = std::make_shared<const Rules>(std::move(rules));
    keeper_.SetRules(rules_);
  }
  static Network At(std::string_view address) {
    return Network::OfClient(*IpAddress::Parse(address));
  }
  // As a verdict of a list's does.
  std::optional<BanKeeper::InForce> Impose(std::string_view address,
                                           Duration length = minutes(10)) {
    return keeper_.Impose(
        {.connection = {.client = *IpAddress::Parse(address)}},
        {.action = Action::kReject,
         .reason = Reason::kListed,
         .label = "list.test",
         .id = "7f3a",
         .ban = length},
        {.rules = rules_});
  }
  // And rests on what that list said.
  void ImposeAsListed(std::string_view address) {
    Use({.zones = {{.name = "key.list.test", .label = "list.test"}}});
    keeper_.Impose({.connection = {.client = *IpAddress::Parse(address)}},
                   {.reason = Reason::kListed, .ban = minutes(10)},
                   {.rules = rules_, .listings = {{.zone = 0}}});
  }
  Ban BanFor(std::string_view address, Duration length) {
    return {.network = At(address),
            .client = *IpAddress::Parse(address),
            .expires = Clock::now() + length,
            .id = "old",
            .label = "list.test"};
  }

  BanTable bans_{100};
  FakeEnforcer enforcer_;
  Metrics metrics_;
  FakeMemory memory_;
  std::shared_ptr<const Rules> rules_;
  GoodHistory history_;
  BanKeeper keeper_{bans_, enforcer_, metrics_, history_};
};

TEST_F(BanKeeperTest, TableKernelMetricsAndMemoryAreToldOfABan) {
  ASSERT_TRUE(Impose("192.0.2.5"));
  EXPECT_TRUE(bans_.Find(At("192.0.2.5"), Clock::now()));
  EXPECT_THAT(enforcer_.Take(), ElementsAre("ban 192.0.2.5 600s"));
  EXPECT_EQ(metrics_.bans_in_force.Value(), 1);
  EXPECT_THAT(memory_.Take(),
              ElementsAre("changed 192.0.2.5", "ban 192.0.2.5 list.test"));
}

TEST_F(BanKeeperTest, WhoIsAtTheDoorAllTheSameIsSaidAgainNowAndThen) {
  const IpAddress client = *IpAddress::Parse("192.0.2.5");
  keeper_.IsAtTheDoor(client);
  EXPECT_THAT(enforcer_.Take(), IsEmpty()) << "no ban";
  Impose("192.0.2.5");
  enforcer_.Take();
  keeper_.IsAtTheDoor(client);
  EXPECT_THAT(enforcer_.Take(), IsEmpty()) << "it is on its way";
  bans_.Remove(At("192.0.2.5"));
  keeper_.Restore(RememberedBan(BanFor("192.0.2.5", minutes(9))));
  enforcer_.Take();
  keeper_.IsAtTheDoor(client);
  EXPECT_THAT(enforcer_.Take(), ElementsAre(StartsWith("ban 192.0.2.5 5")));
  keeper_.IsAtTheDoor(client);
  EXPECT_THAT(enforcer_.Take(), IsEmpty()) << "not for each connection";
}

TEST_F(BanKeeperTest, AndWhenItIsLifted) {
  Impose("192.0.2.5");
  enforcer_.Take();
  memory_.Take();
  EXPECT_EQ(keeper_.Lift(At("192.0.2.5"), "operator")->id, "7f3a");
  EXPECT_FALSE(bans_.Find(At("192.0.2.5"), Clock::now()));
  EXPECT_THAT(enforcer_.Take(), ElementsAre("unban 192.0.2.5"));
  EXPECT_EQ(metrics_.bans_in_force.Value(), 0);
  EXPECT_THAT(memory_.Take(),
              ElementsAre("changed 192.0.2.5", "unban 192.0.2.5 operator"));
}

TEST_F(BanKeeperTest, OneThatIsInForceIsProlongedAndDoesNotBeginAnew) {
  EXPECT_TRUE(Impose("192.0.2.5")->began);
  const auto again = Impose("192.0.2.5", hours(1));
  EXPECT_FALSE(again->began);
  EXPECT_EQ(again->ban.count, 2u);
  EXPECT_THAT(enforcer_.Take(),
              ElementsAre("ban 192.0.2.5 600s", "ban 192.0.2.5 3600s"));
  // The kernel need not hear of one that changes nothing.
  Impose("192.0.2.5", minutes(1));
  EXPECT_THAT(enforcer_.Take(), IsEmpty());
}

TEST_F(BanKeeperTest, WhatIsProtectedIsNeitherBannedNorRestored) {
  Use({.protected_networks = NetworkSet({*Network::Parse("192.0.2.0/24")})});
  EXPECT_EQ(keeper_.ShieldIn(At("192.0.2.5"))->network.ToString(),
            "192.0.2.0/24");
  EXPECT_FALSE(Impose("192.0.2.5"));
  EXPECT_FALSE(Impose("127.0.0.1"));
  keeper_.Restore(BanFor("192.0.2.5", hours(1)));
  EXPECT_EQ(bans_.size(), 0u);
  // Of what was banned before it was protected the kernel may not tell.
  EXPECT_THAT(enforcer_.Take(), ElementsAre("unban 192.0.2.5"));
  // Nor is it to come back when it is protected no longer.
  EXPECT_THAT(memory_.Take(), ElementsAre("changed 192.0.2.5"));
}

TEST_F(BanKeeperTest, WhatBecomesProtectedIsLetInAtOnce) {
  Impose("192.0.2.5");
  Impose("198.51.100.7");
  enforcer_.Take();
  Use({.protected_networks = NetworkSet({*Network::Parse("192.0.2.0/24")})});
  EXPECT_THAT(enforcer_.Take(), ElementsAre("unban 192.0.2.5"));
  Use({.protected_networks = NetworkSet({*Network::Parse("192.0.2.0/24")}),
       .allowed_networks = NetworkSet({*Network::Parse("198.51.100.7")})});
  EXPECT_THAT(enforcer_.Take(), ElementsAre("unban 198.51.100.7"));
  EXPECT_EQ(bans_.size(), 0u);
}

TEST_F(BanKeeperTest, SoIsTheHostWithAnAddressThatCarriesIt) {
  Impose("2002:c000:205::1");
  ASSERT_EQ(bans_.size(), 1u);
  enforcer_.Take();
  Use({.allowed_networks = NetworkSet({*Network::Parse("192.0.2.5")})});
  EXPECT_EQ(bans_.size(), 0u);
  EXPECT_THAT(enforcer_.Take(), ElementsAre("unban 2002:c000:205::/64"));
}

// Nobody's answer waits until all of them are looked through.
TEST_F(BanKeeperTest, OfManyWhatBecomesProtectedIsLetInBitByBit) {
  constexpr uint32_t kMany = 300'000;
  BanTable many(kMany);
  BanKeeper keeper(many, enforcer_, metrics_, history_);
  for (uint32_t i = 0; i < kMany; ++i) {
    many.Add({.network = Network::OfClient(IpAddress::FromV4(0x0b000000 + i)),
              .expires = Clock::now() + hours(1)},
             Clock::now());
  }
  Rules rules;
  rules.allowed_networks = NetworkSet({*Network::Parse("11.0.1.0/24")});
  keeper.SetRules(std::make_shared<const Rules>(rules));
  EXPECT_TRUE(keeper.is_sweeping());
  // Who is allowed is not banned again meanwhile.
  EXPECT_FALSE(keeper.Put({.network = *Network::Parse("11.0.1.7"),
                           .expires = Clock::now() + hours(1)}));
  while (keeper.is_sweeping()) keeper.Continue();
  EXPECT_EQ(many.size(), kMany - 256);
  EXPECT_EQ(keeper.lifted_by_rules(), 256u);
  EXPECT_THAT(enforcer_.Take(), SizeIs(256));
}

TEST_F(BanKeeperTest, ARestoredBanIsInForceAndTheKernelMayNotHaveIt) {
  keeper_.Restore(BanFor("192.0.2.5", hours(1)));
  keeper_.Restore(BanFor("192.0.2.6", Duration(0)));
  EXPECT_EQ(bans_.size(), 1u);
  EXPECT_EQ(bans_.Find(At("192.0.2.5"), Clock::now())->id, "old");
  EXPECT_THAT(enforcer_.Take(), ElementsAre(StartsWith("ban 192.0.2.5 3")));
  // What the kernel then tells of it is no news.
  keeper_.Adopt(BanFor("192.0.2.5", minutes(1)));
  EXPECT_EQ(bans_.Find(At("192.0.2.5"), Clock::now())->id, "old");
}

TEST_F(BanKeeperTest, OneThatIsRestoredLateTellsWhyTheKernelHasIt) {
  Ban found = BanFor("192.0.2.5", hours(2));
  found.origin = Origin::kBeforeRestart;
  found.id = "found";
  keeper_.Adopt(found);
  keeper_.Restore(BanFor("192.0.2.5", hours(1)));
  const auto ban = bans_.Find(At("192.0.2.5"), Clock::now());
  EXPECT_EQ(ban->id, "old");
  EXPECT_EQ(ban->count, 1u);
  EXPECT_EQ(ban->expires, found.expires);
  EXPECT_THAT(enforcer_.Take(), IsEmpty());
}

TEST_F(BanKeeperTest, SoDoesOneThatIsImported) {
  Ban found = BanFor("192.0.2.5", hours(2));
  found.origin = Origin::kBeforeRestart;
  keeper_.Adopt(found);
  keeper_.Put(BanFor("192.0.2.5", hours(1)), /*is_news=*/false);
  const auto ban = bans_.Find(At("192.0.2.5"), Clock::now());
  EXPECT_EQ(ban->id, "old");
  EXPECT_EQ(ban->origin, Origin::kList);
  EXPECT_EQ(ban->expires, found.expires);
  EXPECT_THAT(enforcer_.Take(), IsEmpty());
}

TEST_F(BanKeeperTest, AnEndThatTheKernelHasInWholeSecondsIsNotOrderedAgain) {
  Ban found = BanFor("192.0.2.5", minutes(60));
  found.origin = Origin::kBeforeRestart;
  keeper_.Adopt(found);
  Ban remembered = BanFor("192.0.2.5", minutes(60));
  remembered.expires = found.expires + std::chrono::milliseconds(999);
  keeper_.Restore(remembered);
  EXPECT_THAT(enforcer_.Take(), IsEmpty());
}

TEST_F(BanKeeperTest, OfTwoThatAreInForceTheOneSaidLastStays) {
  Impose("192.0.2.5", minutes(1));
  enforcer_.Take();
  const std::string id = bans_.Find(At("192.0.2.5"), Clock::now())->id;
  keeper_.Restore(BanFor("192.0.2.5", hours(1)));
  const auto ban = bans_.Find(At("192.0.2.5"), Clock::now());
  EXPECT_EQ(ban->id, id);
  EXPECT_GT(ban->expires, Clock::now() + minutes(59));
  EXPECT_THAT(enforcer_.Take(), ElementsAre(StartsWith("ban 192.0.2.5 3")));
}

TEST_F(BanKeeperTest, ARestoredOneNeverLastsLongerThanTheKernelCanCount) {
  keeper_.Restore(BanFor("192.0.2.5", hours(24 * 365)));
  EXPECT_LT(bans_.Find(At("192.0.2.5"), Clock::now())->expires,
            Clock::now() + hours(24 * 25));
}

TEST_F(BanKeeperTest, WhoeverChangesToObserveModeLetsInWhomWeHaveJudged) {
  Impose("192.0.2.5");
  Ban operators = BanFor("192.0.2.6", hours(1));
  operators.origin = Origin::kOperator;
  keeper_.Put(operators);
  enforcer_.Take();
  Use({.observe = true});
  EXPECT_THAT(enforcer_.Take(), ElementsAre("unban 192.0.2.5"));
  EXPECT_EQ(bans_.size(), 1u);
  EXPECT_TRUE(bans_.Find(At("192.0.2.6"), Clock::now()));
  Use({.observe = true});
  EXPECT_THAT(enforcer_.Take(), IsEmpty());
}

TEST_F(BanKeeperTest, InObserveModeOnlyTheOperatorsBansAreRestored) {
  Use({.observe = true});
  keeper_.Restore(BanFor("192.0.2.5", hours(1)));
  Ban operators = BanFor("192.0.2.6", hours(1));
  operators.origin = Origin::kOperator;
  keeper_.Restore(operators);
  EXPECT_EQ(bans_.size(), 1u);
  // The kernel has held it all the time.
  EXPECT_THAT(enforcer_.Take(), ElementsAre("unban 192.0.2.5", _));
}

// The memory was read when the kernel had told of its bans already.
TEST_F(BanKeeperTest,
       InObserveModeWhatWasAdoptedEndsWhenItIsKnownForAJudgement) {
  Use({.observe = true});
  Ban found = BanFor("192.0.2.5", hours(1));
  found.origin = Origin::kBeforeRestart;
  keeper_.Adopt(found);
  ASSERT_EQ(bans_.size(), 1u);
  keeper_.Restore(BanFor("192.0.2.5", hours(1)));
  EXPECT_EQ(bans_.size(), 0u) << "else the enforcer is told of it again";
  EXPECT_EQ(metrics_.bans_in_force.Value(), 0);
  EXPECT_THAT(enforcer_.Take(), ElementsAre("unban 192.0.2.5"));
  // But whom the operator has banned since stays out.
  Ban operators = BanFor("192.0.2.6", hours(1));
  operators.origin = Origin::kOperator;
  keeper_.Put(operators);
  enforcer_.Take();
  keeper_.Restore(BanFor("192.0.2.6", hours(1)));
  EXPECT_EQ(bans_.size(), 1u);
  EXPECT_THAT(enforcer_.Take(), IsEmpty());
}

TEST_F(BanKeeperTest, ARestoredBanOfAListsIsLookedAtAgain) {
  Use({.zones = {{.name = "key.list.test", .label = "list.test"}},
       .recheck_from = Duration(1)});
  keeper_.Restore(BanFor("192.0.2.5", Duration(50)));
  std::optional<Recheck::Due> due;
  const Instant end = Clock::now() + std::chrono::seconds(5);
  while (!due && Clock::now() < end) due = keeper_.TakeDue();
  ASSERT_TRUE(due);
  EXPECT_EQ(due->id, "old");
}

TEST_F(BanKeeperTest, WhomTheOperatorLetsInIsBannedNextAsIfThatHadNotBeen) {
  Use({.growth = {.factor = 2}});
  for (int i = 0; i < 10; ++i) {
    Impose("192.0.2.5");
    EXPECT_THAT(enforcer_.Take(), ElementsAre("ban 192.0.2.5 600s")) << i;
    keeper_.LiftAllOf(At("192.0.2.5"), "operator");
    enforcer_.Take();
  }
}

TEST_F(BanKeeperTest, WhatWasServedBeforeStillCountsWhenTheOperatorLetsOneIn) {
  Use({.growth = {.factor = 2}});
  Impose("192.0.2.5");
  keeper_.Lift(At("192.0.2.5"), "not-listed-any-more");
  Impose("192.0.2.5");
  keeper_.LiftAllOf(At("192.0.2.5"), "operator");
  enforcer_.Take();
  Impose("192.0.2.5");
  EXPECT_THAT(enforcer_.Take(), ElementsAre("ban 192.0.2.5 1200s"));
}

TEST_F(BanKeeperTest, ABanOfBeforeARestartIsTakenBackAsWell) {
  Use({.growth = {.factor = 2}});
  Ban ban = BanFor("192.0.2.5", minutes(10));
  ban.imposed = Clock::now() - minutes(10);
  keeper_.Restore(ban);
  keeper_.Restore(
      BanGrowth::Entry{.who = ban.network, .times = 2, .ends = ban.expires});
  keeper_.LiftAllOf(At("192.0.2.5"), "operator");
  EXPECT_EQ(keeper_.growth().Times(At("192.0.2.5"), Clock::now()), 1u);
}

TEST_F(BanKeeperTest, ABanThatIsKnownAfterItWasLiftedIsTakenBackAsWell) {
  Use({.growth = {.factor = 2}});
  Ban ban = BanFor("192.0.2.5", minutes(10));
  ban.imposed = Clock::now() - minutes(10);
  keeper_.LiftAllOf(ban.network, "operator");
  // Meanwhile it has earned another one, which counts.
  Impose("192.0.2.5");
  keeper_.Restore(
      BanGrowth::Entry{.who = ban.network, .times = 2, .ends = ban.expires});
  keeper_.TakeBack(ban);
  const Instant now = Clock::now();
  EXPECT_EQ(keeper_.growth().Times(ban.network, now), 2u);
  EXPECT_GT(keeper_.growth().Find(ban.network)->ends, now);
}

TEST_F(BanKeeperTest, ABanOfBeforeARestartWhoseClientIsAllowedNowIsTakenBack) {
  Rules rules{.growth = {.factor = 2}};
  rules.allowed_networks.Add(At("192.0.2.5"));
  Use(rules);
  Ban ban = BanFor("192.0.2.5", minutes(10));
  ban.imposed = Clock::now() - minutes(10);
  keeper_.Restore(
      BanGrowth::Entry{.who = ban.network, .times = 2, .ends = ban.expires});
  keeper_.Restore(ban);
  EXPECT_EQ(keeper_.growth().Times(At("192.0.2.5"), Clock::now()), 1u);
}

TEST_F(BanKeeperTest, ANetworkIsLetInWithAllOfIt) {
  for (const char* client : {"2001:db8:1::7", "2001:db8:1:ff::7",
                             "2001:db8:1:ffff::7", "2001:db8:2::7"}) {
    Impose(client);
  }
  const Network wide = *Network::Parse("2001:db8:1:ff00::/56");
  keeper_.Put({.network = wide,
               .expires = Clock::now() + minutes(10),
               .origin = Origin::kNeighbours});
  enforcer_.Take();
  const Network network = *Network::Parse("2001:db8:1::/48");
  EXPECT_EQ(keeper_.LiftAllOf(network, "operator").size(), 4u);
  EXPECT_THAT(enforcer_.Take(),
              ElementsAre("unban 2001:db8:1::/48", "unban 2001:db8:1:ff00::/56",
                          "unban 2001:db8:1::/64", "unban 2001:db8:1:ff::/64",
                          "unban 2001:db8:1:ffff::/64"));
  EXPECT_EQ(bans_.size(), 1u) << "the one beside is not in it";
  // The network was let in, whoever of it was banned.
  enforcer_.Take();
  EXPECT_TRUE(keeper_.LiftAllOf(network, "operator").empty());
  EXPECT_THAT(enforcer_.Take(), ElementsAre("unban 2001:db8:1::/48"));
}

TEST_F(BanKeeperTest, WhoIsAllowedWasBannedByMistakeToo) {
  Use({.growth = {.factor = 2}});
  Impose("192.0.2.5");
  Rules rules{.growth = {.factor = 2}};
  rules.allowed_networks.Add(At("192.0.2.5"));
  Use(rules);
  EXPECT_EQ(keeper_.growth().size(), 0u);
}

TEST_F(BanKeeperTest, AnOperatorsOwnBanTakesNothingBack) {
  Use({.growth = {.factor = 2}});
  Impose("192.0.2.5");
  keeper_.Lift(At("192.0.2.5"), "not-listed-any-more");
  Ban ban = BanFor("192.0.2.5", minutes(10));
  ban.origin = Origin::kOperator;
  keeper_.Put(ban);
  keeper_.LiftAllOf(At("192.0.2.5"), "operator");
  EXPECT_EQ(keeper_.growth().Times(At("192.0.2.5"), Clock::now()), 1u);
}

TEST_F(BanKeeperTest, WhatIsTooLittleForTheKernelDoesNotProlongTheTablesBan) {
  Impose("192.0.2.5");
  enforcer_.Take();
  const Instant ends = bans_.Find(At("192.0.2.5"), Clock::now())->expires;
  EXPECT_FALSE(Impose("192.0.2.5", minutes(10) + seconds(1))->prolonged);
  EXPECT_THAT(enforcer_.Take(), IsEmpty());
  EXPECT_EQ(bans_.Find(At("192.0.2.5"), Clock::now())->expires, ends);
  EXPECT_TRUE(Impose("192.0.2.5", minutes(10) + seconds(3))->prolonged);
  EXPECT_THAT(enforcer_.Take(), ElementsAre("ban 192.0.2.5 603s"));
}

TEST_F(BanKeeperTest, ABanThatIsOnlyToldAgainStaysAsItIs) {
  ImposeAsListed("192.0.2.5");
  const Ban before = *bans_.Find(At("192.0.2.5"), Clock::now());
  enforcer_.Take();
  Ban told = BanFor("192.0.2.5", minutes(10) + seconds(1));
  told.origin = Origin::kList;
  const auto again = keeper_.Put(told, /*is_news=*/false);
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->began || again->prolonged);
  EXPECT_EQ(again->ban.count, before.count);
  EXPECT_THAT(enforcer_.Take(), IsEmpty());
  keeper_.LiftThoseOf({.label = "list.test",
                       .family = Family::kIpv4,
                       .proven_at = before.imposed});
  EXPECT_EQ(bans_.size(), 0u) << "it still rests on the list";
}

TEST_F(BanKeeperTest, ABanThatIsToldAgainAndEndsLaterStillRestsOnItsList) {
  ImposeAsListed("192.0.2.5");
  const Ban before = *bans_.Find(At("192.0.2.5"), Clock::now());
  Ban told = BanFor("192.0.2.5", minutes(30));
  told.origin = Origin::kList;
  told.label = "list.test";
  const auto again = keeper_.Put(told, /*is_news=*/false);
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->prolonged);
  EXPECT_EQ(again->ban.count, 1u) << "it was not imposed once more";
  keeper_.LiftThoseOf({.label = "list.test",
                       .family = Family::kIpv4,
                       .proven_at = before.imposed});
  EXPECT_EQ(bans_.size(), 0u);
}

TEST_F(BanKeeperTest, WhatAPersonsFileProlongsStandsForItself) {
  ImposeAsListed("192.0.2.5");
  const Ban before = *bans_.Find(At("192.0.2.5"), Clock::now());
  Ban told = BanFor("192.0.2.5", minutes(30));
  told.origin = Origin::kOperator;
  keeper_.Put(told, /*is_news=*/false);
  keeper_.LiftThoseOf({.label = "list.test",
                       .family = Family::kIpv4,
                       .proven_at = before.imposed});
  EXPECT_EQ(bans_.size(), 1u);
}

TEST_F(BanKeeperTest, BansOfAListThatLiedAreLiftedAndDoNotCount) {
  const Instant before = Clock::now();
  ImposeAsListed("192.0.2.5");
  enforcer_.Take();
  keeper_.LiftThoseOf(
      {.label = "list.test", .family = Family::kIpv4, .proven_at = before});
  EXPECT_EQ(bans_.size(), 0u);
  EXPECT_THAT(enforcer_.Take(), ElementsAre("unban 192.0.2.5"));
  EXPECT_EQ(keeper_.growth().Times(At("192.0.2.5"), Clock::now()), 0u);
}

}  // namespace
}  // namespace breakwater
