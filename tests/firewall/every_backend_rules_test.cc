// Whether rules look into the sets, and how those of nftables come back.

#include "tests/firewall/every_backend.h"

namespace breakwater {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

SetNumbers Sets(std::initializer_list<size_t> numbers) {
  SetNumbers sets;
  for (const size_t number : numbers) sets[number] = true;
  return sets;
}

class EveryBackendsRules : public EveryBackend {
 protected:
  SetNumbers WithoutRule() {
    EXPECT_THAT(sets_->Check().wrong, IsEmpty());
    const auto without = sets_->WithoutRule(restored_);
    EXPECT_TRUE(without.ok()) << without.status();
    return without.value_or(SetNumbers());
  }
  bool restored_ = false;
};

TEST_P(EveryBackendsRules, SetsWithoutARuleAreTold) {
  sets_ = kind().Open({});
  ASSERT_NE(sets_, nullptr);
  EXPECT_EQ(WithoutRule(), Sets({0, 1}));
  Run(kind().Rules(false, seconds_));
  EXPECT_EQ(WithoutRule(), Sets({}));
  EXPECT_FALSE(restored_);
  Run(kind().RemoveRules());
  EXPECT_TRUE(Eventually([&] { return WithoutRule() == Sets({0, 1}); }));
}

TEST_P(EveryBackendsRules, OnlySetsThatBansGoIntoNeedARule) {
  if (kind().WideRules().empty()) GTEST_SKIP() << "holds no networks";
  sets_ = kind().Open({.extend = true, .widening = {.members = {9, 9, 0}}});
  ASSERT_NE(sets_, nullptr);
  EXPECT_EQ(WithoutRule(), Sets({0, 1, 2, 3, 4, 5}));
  sets_->SetWidening({.members = {9, 9, 9}});
  Run(kind().Rules(true, seconds_));
  EXPECT_EQ(WithoutRule(), Sets({4, 5, 6}));
  Run(kind().WideRules());
  EXPECT_EQ(WithoutRule(), Sets({}));
  EXPECT_EQ(sets_->SetName(4), "breakwater4-24");
}

INSTANTIATE_TEST_SUITE_P(, EveryBackendsRules,
                         testing::Values(std::make_shared<IpsetKind>(),
                                         std::make_shared<NftKind>(false),
                                         std::make_shared<RecentKind>()),
                         EveryBackend::NameOf);

// As `breakwater firewall print --for nftables` has them, with what else rules
// may be made of: sets and maps without a name.
constexpr char kOurTable[] = R"(table inet breakwater {
	chain banned {
		ip saddr @breakwater4 counter packets 0 bytes 0 drop
		meta l4proto tcp ip6 saddr & ffff:ffff:ffff:ffff:: @breakwater6 reject with tcp reset
	}
	chain new-connections {
		type filter hook prerouting priority raw; policy accept;
		tcp dport { 25, 2525, 3000-3010 } tcp flags & (fin | syn | rst | ack) == syn jump banned comment "ours"
		ip saddr . tcp dport { 192.0.2.77 . 26 } accept
	}
	chain new-connections-nat {
		type nat hook prerouting priority dstnat - 10; policy accept;
		tcp dport vmap { 24 : goto banned, 23 : drop }
		tcp dport 2526 redirect to :2525
	}
})";

class NftRulesTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!namespace_.made()) GTEST_SKIP() << "needs root for a namespace";
    auto sets = NftSets::Open({});
    ASSERT_TRUE(sets.ok()) << sets.status();
    sets_ = *std::move(sets);
    Load(kOurTable);
    ASSERT_EQ(Look(), Sets({}));
    before_ = Listed();
    ASSERT_THAT(before_, HasSubstr("3000-3010"));
  }
  static void Run(const std::string& command) {
    ASSERT_TRUE(NetNamespace::Run(command)) << command;
  }
  static void Load(const std::string& text) {
    Run("nft -f - <<'END'\n" + text + "\nEND\n");
  }
  // As the enforcer does it, every second.
  SetNumbers Look() {
    restored_ = sets_->Check().restored_rules;
    const auto without = sets_->WithoutRule(restored_);
    EXPECT_TRUE(without.ok()) << without.status();
    return without.value_or(SetNumbers());
  }
  static std::string Listed() {
    return NetNamespace::Output("nft -s list table inet breakwater");
  }

  NetNamespace namespace_;
  std::unique_ptr<NftSets> sets_;
  std::string before_;
  bool restored_ = false;
};

TEST_F(NftRulesTest, ARuleThatLetsPassWhoIsInTheSetIsNone) {
  const SetNumbers v4 = Sets({0});
  for (const char* harmless : {"accept", "return", "counter", "continue"}) {
    Run("nft flush chain inet breakwater banned");
    Load(absl::StrCat("add rule inet breakwater banned ip saddr @breakwater4 ",
                      harmless,
                      "\nadd rule inet breakwater banned ip6 saddr & "
                      "ffff:ffff:ffff:ffff:: @breakwater6 drop"));
    EXPECT_EQ(Look(), v4) << harmless;
    EXPECT_FALSE(restored_);
  }
}

TEST_F(NftRulesTest, BehindOneThatAcceptsEverythingNoneIsReached) {
  Run("nft insert rule inet breakwater banned counter accept");
  EXPECT_EQ(Look(), Sets({}));
  EXPECT_TRUE(restored_);
  EXPECT_EQ(Listed(), before_);
  Run("nft insert rule inet breakwater banned ip saddr 192.0.2.1 accept");
  EXPECT_EQ(Look(), Sets({})) << "a friend's";
  EXPECT_FALSE(restored_);
}

TEST_F(NftRulesTest, ADormantTableHasNoRulesAndIsLeftAsleep) {
  Run("nft 'add table inet breakwater { flags dormant; }'");
  EXPECT_EQ(Look(), Sets({0, 1}));
  EXPECT_FALSE(restored_);
  EXPECT_THAT(Listed(), HasSubstr("dormant"));
  Run("nft 'add table inet breakwater { }'");
  EXPECT_EQ(Look(), Sets({}));
}

TEST_F(NftRulesTest, AFlushedRulesetHasOurTableBackWhole) {
  for (const char* flush :
       {"nft flush ruleset", "nft delete table inet breakwater",
        "nft flush table inet breakwater",
        "nft flush chain inet breakwater banned",
        "nft flush chain inet breakwater new-connections; "
        "nft delete chain inet breakwater new-connections; "
        "nft flush chain inet breakwater new-connections-nat; "
        "nft delete chain inet breakwater new-connections-nat"}) {
    Run(flush);
    EXPECT_EQ(Look(), Sets({})) << flush;
    EXPECT_TRUE(restored_) << flush;
    EXPECT_EQ(Listed(), before_) << flush;
    EXPECT_EQ(Look(), Sets({}));
    EXPECT_FALSE(restored_) << "once";
  }
}

TEST_F(NftRulesTest, RulesThatAreTakenAwayOnPurposeStayAway) {
  Run("nft flush table inet breakwater");
  Run("nft delete chain inet breakwater new-connections; nft delete chain "
      "inet breakwater new-connections-nat; nft delete chain inet breakwater "
      "banned");
  EXPECT_EQ(Look(), Sets({0, 1}));
  Run("nft flush ruleset");
  EXPECT_EQ(Look(), Sets({0, 1}));
  EXPECT_FALSE(restored_);
  EXPECT_THAT(Listed(), Not(HasSubstr("chain")));
}

TEST_F(NftRulesTest, OtherRulesThatAreLoadedStay) {
  Run("nft flush table inet breakwater");
  Run("nft add rule inet breakwater new-connections ip saddr @breakwater4 "
      "drop");
  EXPECT_EQ(Look(), Sets({1}));
  EXPECT_FALSE(restored_);
  const std::string now = Listed();
  Run("nft flush ruleset");
  EXPECT_EQ(Look(), Sets({1}));
  EXPECT_TRUE(restored_);
  EXPECT_EQ(Listed(), now);
}

// Elements of an administrator's set are not known, so that neither are the
// rules that need them.
TEST_F(NftRulesTest, ATableWithAnothersSetsIsNotOursToPutBack) {
  Run("nft add set inet breakwater friends '{ type ipv4_addr; }'");
  Run("nft insert rule inet breakwater banned ip saddr @friends accept");
  EXPECT_EQ(Look(), Sets({}));
  Run("nft flush ruleset");
  EXPECT_EQ(Look(), Sets({0, 1}));
  EXPECT_FALSE(restored_);
}

TEST_F(NftRulesTest, AChainThatNothingLeadsToKeepsNobodyOut) {
  Run("nft flush ruleset");
  sets_ = *NftSets::Open({});
  Run("nft add chain inet breakwater banned");
  Run("nft add rule inet breakwater banned ip saddr @breakwater4 drop");
  EXPECT_EQ(Look(), Sets({0, 1}));
  Run("nft add chain inet breakwater in "
      "'{ type filter hook input priority 0; }'");
  Run("nft add rule inet breakwater in tcp dport 25 jump banned");
  EXPECT_EQ(Look(), Sets({1}));
}

}  // namespace
}  // namespace breakwater
