#include "core/judge/ban_basis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/judge/judge.h"

namespace breakwater {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::shared_ptr<const Rules> RulesWith(std::vector<std::string> labels) {
  auto rules = std::make_shared<Rules>();
  for (const std::string& label : labels) {
    rules->zones.push_back({.name = label, .label = label});
  }
  return rules;
}

// Of a list called A.
Ban BanOn(std::vector<Listing> listings, std::vector<OffenceKind> offences = {},
          std::shared_ptr<const Rules> rules = RulesWith({"A", "B b"})) {
  return {.label = "A",
          .evidence = {.rules = std::move(rules),
                       .listings = std::move(listings),
                       .offences = std::move(offences)}};
}

TEST(BanBasisTest, MostRestOnTheirOwnListAndTakeOneByte) {
  EXPECT_EQ(BasisOf(BanOn({{.zone = 0}})), "1");
}

TEST(BanBasisTest, WhatElseTheyRestOnIsReadUnderOtherRules) {
  const Ban ban = BanOn(
      {{.zone = 0, .filters = 10}, {.zone = 1, .filters = 1, .may_ban = false}},
      {OffenceKind::kTrap, OffenceKind::kHelo});
  const auto others = RulesWith({"new", "B b", "A"});
  const Evidence read = EvidenceFrom(BasisOf(ban), ban, others);
  EXPECT_EQ(read.rules, others);
  EXPECT_THAT(read.listings,
              ElementsAre(Listing{.zone = 2, .filters = 10},
                          Listing{.zone = 1, .filters = 1, .may_ban = false}));
  EXPECT_THAT(read.offences,
              ElementsAre(OffenceKind::kTrap, OffenceKind::kHelo));
}

TEST(BanBasisTest, AListThatIsNotAskedAnyMoreIsLeftOut) {
  const Ban ban = BanOn({{.zone = 0}, {.zone = 1}});
  const Evidence read = EvidenceFrom(BasisOf(ban), ban, RulesWith({"A"}));
  EXPECT_THAT(read.listings, ElementsAre(Listing{.zone = 0}));
  EXPECT_EQ(EvidenceFrom(BasisOf(ban), ban, RulesWith({"C"})).rules, nullptr);
}

TEST(BanBasisTest, WhatStandsForItselfStaysSo) {
  const Ban ban = BanOn({}, {}, nullptr);
  const Evidence read = EvidenceFrom(BasisOf(ban), ban, RulesWith({"A"}));
  EXPECT_EQ(read.rules, nullptr);
}

TEST(BanBasisTest, WhereNothingIsKnownAListsBanRestsOnThatList) {
  Ban ban = BanOn({});
  EXPECT_THAT(EvidenceFrom("", ban, RulesWith({"C", "A"})).listings,
              ElementsAre(Listing{.zone = 1}));
  ban.origin = Origin::kOperator;
  EXPECT_EQ(EvidenceFrom("", ban, RulesWith({"A"})).rules, nullptr);
}

TEST(BanBasisTest, WhatSaysNothingSoundIsLeftOut) {
  const Ban ban = BanOn({});
  for (const char* basis :
       {"0", "-", "- A", "1G", "1x", "1 ", "1 nobody", "g A", "100000000",
        "+nothing", "+", "\n", "..", "--1", "1\tA"}) {
    const Evidence read = EvidenceFrom(basis, ban, RulesWith({"A"}));
    EXPECT_THAT(read.listings, IsEmpty()) << basis;
    EXPECT_THAT(read.offences, IsEmpty()) << basis;
  }
  EXPECT_THAT(EvidenceFrom("x\n2\n+?", ban, RulesWith({"A"})).listings,
              ElementsAre(Listing{.zone = 0, .filters = 2}));
}

}  // namespace
}  // namespace breakwater
