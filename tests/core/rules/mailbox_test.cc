#include "core/rules/mailbox.h"

#include <gtest/gtest.h>

namespace breakwater {
namespace {

// "local@domain", or what could not be read.
std::string Recipient(std::string_view text) {
  const std::optional<Mailbox> mailbox = ReadRecipient(text);
  if (!mailbox) return "unreadable";
  return mailbox->local + (mailbox->has_at ? "@" : "") + mailbox->domain;
}

TEST(MailboxTest, CaseAndBracketsDoNotMatter) {
  EXPECT_EQ(Recipient("<User@Domain.Example>"), "user@domain.example");
  EXPECT_EQ(Recipient("user@domain.example"), "user@domain.example");
  EXPECT_EQ(Recipient(" <user@domain.example.> "), "user@domain.example");
}

TEST(MailboxTest, ThereMayBeNoDomain) {
  EXPECT_EQ(Recipient("<Postmaster>"), "postmaster");
  EXPECT_EQ(Recipient("<user@>"), "user@");
  EXPECT_EQ(Recipient("<>"), "");
}

TEST(MailboxTest, QuotesAndBackslashesAreTakenOff) {
  EXPECT_EQ(Recipient(R"(<"user"@a.example>)"), "user@a.example");
  EXPECT_EQ(Recipient(R"(<"odd one"@a.example>)"), "odd one@a.example");
  EXPECT_EQ(Recipient(R"(<"a\"b\\c"@a.example>)"), R"(a"b\c@a.example)");
  EXPECT_EQ(Recipient(R"(<\u\s\e\r@a.example>)"), "user@a.example");
  EXPECT_TRUE(ReadRecipient(R"(<"user"@a.example>)")->quoted);
  EXPECT_FALSE(ReadRecipient("<user@a.example>")->quoted);
}

TEST(MailboxTest, AnAtInQuotesDividesNothing) {
  EXPECT_EQ(ReadRecipient(R"("a@b"@c.example)")->local, "a@b");
  EXPECT_EQ(ReadRecipient(R"(a\@b@c.example)")->local, "a@b");
  EXPECT_EQ(ReadRecipient("a@b@c.example")->domain, "c.example");
}

TEST(MailboxTest, AQuoteWithoutItsEndIsUnreadable) {
  EXPECT_EQ(Recipient(R"(<"user@a.example>)"), "unreadable");
  EXPECT_EQ(Recipient(R"(<user"@a.example>)"), "unreadable");
}

TEST(MailboxTest, ASourceRouteIsDropped) {
  EXPECT_EQ(Recipient("<@r.example,@s.example:a@b.example>"), "a@b.example");
  EXPECT_EQ(Recipient("<@[IPv6:2001:db8::1]:a@b.example>"), "a@b.example");
  EXPECT_EQ(Recipient("<@r.example>"), "@r.example");
}

}  // namespace
}  // namespace breakwater
