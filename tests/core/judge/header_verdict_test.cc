#include "core/judge/header_verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

namespace breakwater {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

std::vector<HeaderRule> Rules(const std::vector<const char*>& texts,
                              OffenceKind offence = OffenceKind::kSpam) {
  std::vector<HeaderRule> rules;
  for (const char* text : texts) {
    rules.push_back(*ParseHeaderRule(text, offence));
  }
  return rules;
}

bool Meets(const char* rule, absl::string_view name, absl::string_view value) {
  return Reads(Rules({rule}), name, value).has_value();
}

using Fields = std::vector<std::pair<const char*, const char*>>;

std::optional<Offence> Verdict(const std::vector<HeaderRule>& rules,
                               const Fields& fields) {
  HeaderVerdict verdict(rules);
  for (const auto& [name, value] : fields) verdict.Add(name, value);
  return verdict.Result();
}

TEST(ScoreInTest, ReadsWhatFiltersWrite) {
  const struct {
    const char* value;
    double score;
  } kTable[] = {
      // rspamd's X-Spamd-Result and X-Spamd-Bar
      {"default: True [18.20 / 15.00];\n\tBAYES_SPAM(5.00)[99.9%];", 18.2},
      {"default: False [-0.10 / 15.00]; R_SPF_ALLOW(-0.20)[+ip4:192.0.2.5]",
       -0.1},
      {"++++++", 6},
      {"---", -3},
      {"/", 0},
      // SpamAssassin's X-Spam-Status, its old versions', X-Spam-Level
      {"Yes, score=18.2 required=5.0 tests=BAYES_99=3.5,URIBL", 18.2},
      {"Yes, hits=7.4 required=5.0", 7.4},
      {"No, score=-2.1\n\trequired=5.0", -2.1},
      {"****", 4},
      {"xxxx", 4},
      // amavis'
      {"Yes, score=18.2 tagged_above=-999 required=6.2 tests=[A=1, B=2.5]",
       18.2},
      {"15.3", 15.3},
      // MIMEDefang's
      {"6.8 (******) NAME_OF_TEST,OTHER", 6.8},
      {"+5.5", 5.5},
      {".5", 0.5},
      {"18,20", 18},
  };
  for (const auto& [value, score] : kTable) {
    EXPECT_EQ(ScoreIn(value), score) << value;
  }
}

TEST(ScoreInTest, WhatIsNoScoreIsNone) {
  for (const char* value : {"",
                            " ",
                            "Yes",
                            "YES",
                            "score=",
                            "score=high",
                            "myscore=5",
                            "[",
                            "[/]",
                            "[5]",
                            "[nan / 15]",
                            "nan",
                            "inf",
                            "1e9",
                            "0x10",
                            "192.0.2.5",
                            "15abc",
                            "+-5",
                            "**-",
                            "BAYES_99 5.0",
                            "999999999999999999999999"}) {
    EXPECT_EQ(ScoreIn(value), std::nullopt) << value;
  }
}

TEST(HeaderVerdictTest, AWholeValueIsComparedWithoutCase) {
  EXPECT_TRUE(Meets("X-Spam-Flag = YES", "x-spam-flag", "Yes"));
  EXPECT_TRUE(Meets("X = \"a b\"", "X", " a\n\tb "));
  EXPECT_FALSE(Meets("X-Spam-Flag = YES", "X-Spam-Flag", "YES, really"));
  EXPECT_FALSE(Meets("X-Spam-Flag = YES", "X-Spam-Flag", "NO"));
  EXPECT_FALSE(Meets("X-Spam-Flag = YES", "X-Spam-Flag2", "YES"));
}

TEST(HeaderVerdictTest, AThresholdIsReached) {
  EXPECT_TRUE(Meets("X-Spam-Score >= 15", "X-Spam-Score", "15"));
  EXPECT_TRUE(Meets("X-Spam-Score >= 15", "X-Spam-Score", "15.01"));
  EXPECT_FALSE(Meets("X-Spam-Score >= 15", "X-Spam-Score", "14.99"));
  EXPECT_FALSE(Meets("X-Spam-Score >= -5", "X-Spam-Score", "unknown"));
}

TEST(HeaderVerdictTest, ATextIsAtTheBeginningOrAnywhere) {
  EXPECT_TRUE(Meets("X-Virus-Status ^= Infected", "X-Virus-Status",
                    "infected (Eicar-Signature)"));
  EXPECT_FALSE(
      Meets("X-Virus-Status ^= Infected", "X-Virus-Status", "Not infected"));
  EXPECT_TRUE(Meets("X ~= bayes_spam", "X", "[1 / 2]; BAYES_SPAM(5)"));
  EXPECT_FALSE(Meets("X ~= bayes_spam", "X", "[1 / 2]; BAYES_HAM(5)"));
}

TEST(HeaderVerdictTest, ItTellsTheFieldAndTheOffence) {
  const auto offence =
      Reads(Rules({"X-Virus = yes"}, OffenceKind::kVirus), "x-virus", "YES");
  ASSERT_TRUE(offence.has_value());
  EXPECT_EQ(offence->kind, OffenceKind::kVirus);
  EXPECT_EQ(offence->detail, "X-Virus: YES");
  const auto long_one = Reads(Rules({"X ^= a"}), "X", std::string(70000, 'a'));
  ASSERT_TRUE(long_one.has_value());
  EXPECT_THAT(long_one->detail, SizeIs(103));
}

TEST(HeaderVerdictTest, BeyondEightThousandBytesAValueIsNotRead) {
  EXPECT_TRUE(Meets("X ~= bad", "X", std::string(8000, 'a') + " bad"));
  EXPECT_FALSE(Meets("X ~= bad", "X", std::string(9000, 'a') + " bad"));
}

TEST(HeaderVerdictTest, WithASecretOnlyAValueThatHoldsItCounts) {
  const char kRule[] = "X-Spam-Flag = YES with Kiel-7f3a91c2";
  for (const char* value :
       {"YES Kiel-7f3a91c2", "Kiel-7f3a91c2 YES", "YES; Kiel-7f3a91c2",
        "YES\n\tKiel-7f3a91c2", "YES Kiel-7f3a91c2 Kiel-7f3a91c2"}) {
    EXPECT_TRUE(Meets(kRule, "X-Spam-Flag", value)) << value;
  }
  for (const char* value :
       {"YES", "YES kiel-7f3a91c2", "YES xKiel-7f3a91c2", "YES Kiel-7f3a91c2x",
        "YES Kiel-7f3a91c2-x", "YES Kiel", "NO Kiel-7f3a91c2"}) {
    EXPECT_FALSE(Meets(kRule, "X-Spam-Flag", value)) << value;
  }
}

TEST(HeaderVerdictTest, ASecretWithinALongerWordIsAGuess) {
  const char kRule[] = "X ~= bad with Kiel-7f3a91c2";
  EXPECT_TRUE(Meets(kRule, "X", "bad (Kiel-7f3a91c2)"));
  EXPECT_FALSE(Meets(kRule, "X", "bad xKiel-7f3a91c2"));
  EXPECT_FALSE(Meets(kRule, "X", "bad Kiel-7f3a91c2x"));
  EXPECT_FALSE(Meets(kRule, "X", "bad Kiel-7f3a91c1Kiel-7f3a91c2"));
  EXPECT_TRUE(Meets(kRule, "X", "bad xKiel-7f3a91c2 Kiel-7f3a91c2"));
}

TEST(HeaderVerdictTest, TheSecretIsNotTold) {
  const auto offence = Reads(Rules({"X ~= bad with Kiel-7f3a91c2"}), "X",
                             "Kiel-7f3a91c2 bad Kiel-7f3a91c2");
  ASSERT_TRUE(offence.has_value());
  EXPECT_THAT(offence->detail, Not(HasSubstr("Kiel")));
}

TEST(HeaderVerdictTest, OneFieldOfThatNameIsBelieved) {
  const auto rules = Rules({"X-Spam-Flag = YES"});
  EXPECT_TRUE(Verdict(rules, {{"Subject", "hello"}, {"X-Spam-Flag", "YES"}}));
  EXPECT_FALSE(Verdict(rules, {{"Subject", "YES"}}));
  EXPECT_FALSE(Verdict(rules, {}));
}

TEST(HeaderVerdictTest, OfSeveralFieldsNoneIsBelieved) {
  const auto rules = Rules({"X-Spam-Flag = YES"});
  for (const Fields& fields :
       {Fields{{"X-Spam-Flag", "YES"}, {"X-Spam-Flag", "NO"}},
        Fields{{"X-Spam-Flag", "NO"}, {"x-spam-flag", "YES"}},
        Fields{{"X-Spam-Flag", "YES"}, {"X-Spam-Flag", "YES"}},
        Fields{{"X-Spam-Flag", "YES"},
               {"X-Spam-Flag", "YES"},
               {"X-Spam-Flag", "YES"}}}) {
    EXPECT_FALSE(Verdict(rules, fields));
  }
}

TEST(HeaderVerdictTest, AForgedFieldWithoutTheSecretDoesNotSilenceTheFilter) {
  const auto rules = Rules({"X-Spam-Flag = YES with Kiel-7f3a91c2"});
  EXPECT_TRUE(Verdict(rules, {{"X-Spam-Flag", "NO"},
                              {"X-Spam-Flag", "YES Kiel-7f3a91c2"},
                              {"X-Spam-Flag", "YES"}}));
  EXPECT_FALSE(Verdict(rules, {{"X-Spam-Flag", "NO Kiel-7f3a91c2"},
                               {"X-Spam-Flag", "YES Kiel-7f3a91c2"}}));
}

TEST(HeaderVerdictTest, OfSeveralRulesTheFirstThatIsMetTells) {
  auto rules = Rules({"X-Virus = yes"}, OffenceKind::kVirus);
  for (const HeaderRule& rule : Rules({"X-Spam >= 9", "X-Spam >= 5"})) {
    rules.push_back(rule);
  }
  EXPECT_EQ(Verdict(rules, {{"X-Spam", "10"}, {"X-Virus", "yes"}})->kind,
            OffenceKind::kVirus);
  EXPECT_EQ(Verdict(rules, {{"X-Spam", "6"}, {"X-Virus", "no"}})->kind,
            OffenceKind::kSpam);
  // What is doubtful of one name is not of another.
  EXPECT_EQ(
      Verdict(rules, {{"X-Spam", "6"}, {"X-Virus", "yes"}, {"X-Virus", "yes"}})
          ->kind,
      OffenceKind::kSpam);
}

TEST(HeaderVerdictTest, TheNextMessageBeginsAnew) {
  const auto rules = Rules({"X-Spam-Flag = YES"});
  HeaderVerdict verdict(rules);
  verdict.Add("X-Spam-Flag", "YES");
  verdict.Reset();
  EXPECT_FALSE(verdict.Result().has_value());
  verdict.Add("X-Spam-Flag", "YES");
  EXPECT_TRUE(verdict.Result().has_value());
}

}  // namespace
}  // namespace breakwater
