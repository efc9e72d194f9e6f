#include "core/rules/header_rule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace breakwater {
namespace {

using testing::HasSubstr;
using testing::Not;
using Kind = HeaderRule::Test;

HeaderRule Rule(absl::string_view text) {
  const auto rule = ParseHeaderRule(text, OffenceKind::kSpam);
  EXPECT_TRUE(rule.ok()) << rule.status();
  return rule.ok() ? *rule : HeaderRule();
}

std::string Complaint(absl::string_view text) {
  return std::string(
      ParseHeaderRule(text, OffenceKind::kSpam).status().message());
}

TEST(HeaderRuleTest, EachTestHasItsSign) {
  EXPECT_EQ(Rule("X-Spam-Flag = YES"),
            (HeaderRule{.name = "X-Spam-Flag", .value = "YES"}));
  EXPECT_EQ(Rule("X-Spam-Score >= 15"), (HeaderRule{.name = "X-Spam-Score",
                                                    .test = Kind::kAtLeast,
                                                    .threshold = 15}));
  EXPECT_EQ(Rule("X-Virus-Status ^= Infected"),
            (HeaderRule{.name = "X-Virus-Status",
                        .test = Kind::kBegins,
                        .value = "Infected"}));
  EXPECT_EQ(Rule("X-Spamd-Result ~= \"BAYES_SPAM(\""),
            (HeaderRule{.name = "X-Spamd-Result",
                        .test = Kind::kContains,
                        .value = "BAYES_SPAM("}));
}

TEST(HeaderRuleTest, KeepsTheOffence) {
  EXPECT_EQ(ParseHeaderRule("X-Virus = yes", OffenceKind::kVirus)->offence,
            OffenceKind::kVirus);
}

TEST(HeaderRuleTest, WhiteSpaceAroundTheTestDoesNotMatter) {
  EXPECT_EQ(Rule(" X-Spam-Flag=YES "), Rule("X-Spam-Flag = YES"));
  EXPECT_EQ(Rule("X-Spam-Score\t>=\t-2.5"), Rule("X-Spam-Score >= -2.5"));
}

TEST(HeaderRuleTest, AValueInQuotesMayHoldAnything) {
  EXPECT_EQ(Rule(R"(X = "a \"b\" \\ with c")").value, R"(a "b" \ with c)");
  // As fields are compared.
  EXPECT_EQ(Rule("X = \"  a   b \"").value, "a b");
}

TEST(HeaderRuleTest, ASecretStandsBehindWith) {
  const HeaderRule rule = Rule("X-Spam-Flag = YES with Kiel-7f3a91c2");
  EXPECT_EQ(rule.value, "YES");
  EXPECT_EQ(rule.secret, "Kiel-7f3a91c2");
  EXPECT_EQ(Rule("X-Spam-Flag = with").value, "with");
}

TEST(HeaderRuleTest, WhatIsFormattedReadsBackTheSame) {
  for (const char* text :
       {"X-Spam-Flag = \"YES\"", "X-Spam-Score >= 15", "X-Spam-Score >= -2.5",
        "X-Spam-Score >= 0.1", "X-Virus-Status ^= \"a \\\"b\\\" \\\\c\"",
        "X-Spamd-Result ~= \"BAYES_SPAM(\""}) {
    EXPECT_EQ(FormatHeaderRule(Rule(text)), text);
  }
  EXPECT_EQ(FormatHeaderRule(Rule("X = a with Kiel-7f3a91c2")),
            "X = \"a\" with ***");
}

TEST(HeaderRuleTest, WhatIsNoRuleIsToldWithWhatWouldBeRight) {
  const struct {
    const char* text;
    const char* why;
  } kTable[] = {
      {"", "names no header field; write"},
      {"= YES", "names no header field; write"},
      {"X-Spam-Flag", "for X-Spam-Flag has no test"},
      {"X-Spam-Flag: YES", "has no test"},
      {"X Spam = YES", "has no test"},
      {"X-Spam-Score > 5", ">= for a score"},
      {"X-Spam-Flag =", "has no value; write"},
      {"X-Spam-Flag = \"\"", "has no value; write"},
      {"X-Spam-Flag = \"YES", "a quote without its end; write"},
      {"X-Spam-Score >= much", "has no number behind"},
      {"X-Spam-Score >= 1e3", "has no number behind"},
      {"X-Spam-Score >= nan", "has no number behind"},
      {"X-Spam-Score >= 20000", "from -10000 to 10000"},
      {"X-Spam-Flag = very bad", "write several words in quotes"},
      {"X-Spam-Flag = \"YES\"with abcdefgh1", "goes on behind its value"},
      {"X-Spam-Flag = YES with", "goes on behind its value"},
      {"X-Spam-Flag = YES with short", "write 8 to 64 letters"},
      {"X-Spam-Flag = YES with two words-here", "write 8 to 64 letters"},
      {"X = \"a\x01\"", "control characters; write"},
  };
  for (const auto& [text, why] : kTable) {
    EXPECT_THAT(Complaint(text), HasSubstr(why)) << text;
  }
  EXPECT_THAT(Complaint("X = " + std::string(201, 'a')), HasSubstr("too long"));
}

TEST(HeaderRuleTest, NoErrorShowsTheSecret) {
  for (const char* text : {"X = a with hush.hush", "X = a hush.hush",
                           "X >= a with hush.hush", "X ! with hush.hush"}) {
    EXPECT_THAT(Complaint(text), Not(HasSubstr("hush"))) << text;
  }
}

}  // namespace
}  // namespace breakwater
