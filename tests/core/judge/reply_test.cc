#include "core/judge/reply.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "core/judge/judge.h"

namespace breakwater {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::SizeIs;

ReplyFacts Facts() {
  return {.client = *IpAddress::Parse("192.0.2.5"),
          .list = "zen.spamhaus.org",
          .reason = "https://check.spamhaus.org/query/ip/192.0.2.5",
          .id = "7f3a"};
}

bool IsSafe(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

TEST(RenderReplyTest, FillsTheTemplate) {
  EXPECT_EQ(RenderReply(kDefaultReplyTemplate, Facts()),
            "Client 192.0.2.5 is listed by zen.spamhaus.org "
            "(https://check.spamhaus.org/query/ip/192.0.2.5) [id 7f3a]");
}

TEST(RenderReplyTest, WithoutWordsOfTheListThereAreNoBrackets) {
  ReplyFacts facts = Facts();
  facts.reason = "";
  EXPECT_EQ(RenderReply(kDefaultReplyTemplate, facts),
            "Client 192.0.2.5 is listed by zen.spamhaus.org [id 7f3a]");
}

TEST(RenderReplyTest, ATemplateMayNameAThingTwiceOrNotAtAll) {
  EXPECT_EQ(RenderReply("{id} {id}", Facts()), "7f3a 7f3a");
  EXPECT_EQ(RenderReply("Go away", Facts()), "Go away");
}

TEST(RenderReplyTest, WhatAListSaysIsNoTemplate) {
  ReplyFacts facts = Facts();
  facts.reason = "{id} {client}";
  EXPECT_EQ(RenderReply("{list}{reason}", facts),
            "zen.spamhaus.org ({id} {client})");
}

TEST(RenderReplyTest, WhatAListSaysStartsNoSecondLine) {
  ReplyFacts facts = Facts();
  facts.reason = "see\r\n250 ok\x01\xff \x1b[31m";
  const std::string text = RenderReply(kDefaultReplyTemplate, facts);
  EXPECT_TRUE(IsSafe(text)) << text;
  EXPECT_THAT(text, HasSubstr("(see 250 ok?? ?[31m) [id 7f3a]"));
}

TEST(RenderReplyTest, IsBoundedAndNeverLosesTheId) {
  ReplyFacts facts = Facts();
  const std::string endless(10'000, 'x');
  facts.reason = endless;
  EXPECT_THAT(RenderReply(kDefaultReplyTemplate, facts), EndsWith("[id 7f3a]"));
  facts.list = endless;
  const std::string text = RenderReply(kDefaultReplyTemplate, facts);
  EXPECT_THAT(text, SizeIs(kLongestReplyText));
  EXPECT_THAT(text, EndsWith("... [id 7f3a]"));
}

TEST(CheckReplyTemplateTest, TellsGoodFromBad) {
  EXPECT_TRUE(CheckReplyTemplate(kDefaultReplyTemplate).ok());
  EXPECT_TRUE(CheckReplyTemplate("Go away").ok());
  for (const std::string_view text :
       {"", " ", "two  spaces", " leading", "line\r\nbreak", "b\xc3\xb6se",
        "{unknown}", "{client", "client}", "{}", "{{client}}", "{Client}",
        "tab\there"}) {
    EXPECT_FALSE(CheckReplyTemplate(text).ok()) << text;
  }
  EXPECT_TRUE(CheckReplyTemplate(std::string(kLongestReplyText, 'x')).ok());
  EXPECT_FALSE(
      CheckReplyTemplate(std::string(kLongestReplyText + 1, 'x')).ok());
}

TEST(CheckReplyCodeTest, OnlyCodesThatRefuse) {
  for (const int code : {421, 450, 451, 521, 550, 554, 559}) {
    EXPECT_TRUE(CheckReplyCode(code).ok()) << code;
  }
  for (const int code :
       {-521, 0, 5, 200, 250, 354, 399, 460, 499, 560, 599, 600, 5210}) {
    EXPECT_FALSE(CheckReplyCode(code).ok()) << code;
  }
}

TEST(SafeReplyTest, WhateverAVerdictHoldsIsAReplyThatRefuses) {
  const SmtpReply reply = SafeReply(
      {.action = Action::kReject, .code = 250, .text = "ok\r\n221 bye"});
  EXPECT_EQ(reply.code, 521);
  EXPECT_EQ(reply.enhanced_code, "5.7.1");
  EXPECT_EQ(reply.text, "ok 221 bye");

  const SmtpReply later = SafeReply({.action = Action::kDefer});
  EXPECT_EQ(later.code, 451);
  EXPECT_EQ(later.enhanced_code, "4.7.1");
  EXPECT_FALSE(later.text.empty());
}

TEST(SafeReplyTest, AGoodReplyStaysAsItIs) {
  const SmtpReply reply =
      SafeReply({.action = Action::kReject, .code = 554, .text = "Go away"});
  EXPECT_EQ(reply.code, 554);
  EXPECT_EQ(reply.text, "Go away");
}

}  // namespace
}  // namespace breakwater
