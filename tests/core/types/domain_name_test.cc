#include "core/types/domain_name.h"

#include <gtest/gtest.h>

namespace breakwater {
namespace {

TEST(ListedNameTest, IsTheWholeNameInLowerCaseWithoutADotAtItsEnd) {
  EXPECT_EQ(ListedName("mail.example.com"), "mail.example.com");
  EXPECT_EQ(ListedName("MAIL.Example.Com."), "mail.example.com");
  EXPECT_EQ(ListedName("xn--bcher-kva.example"), "xn--bcher-kva.example");
  EXPECT_EQ(ListedName("_dmarc.a-b.example"), "_dmarc.a-b.example");
  EXPECT_EQ(ListedName("1.2.3.4.dyn.example"), "1.2.3.4.dyn.example");
  EXPECT_EQ(ListedName("example.4u"), "example.4u");
}

TEST(ListedNameTest, IsNothingForWhatIsNoDomainName) {
  const std::string kTable[] = {
      "",
      ".",
      "localhost",
      "unknown",
      "localhost.",
      "192.0.2.5",
      "192.0.2",
      "[192.0.2.5]",
      "[IPv6:2001:db8::5]",
      "2001:db8::5",
      "::ffff:192.0.2.5",
      "a..example",
      ".a.example",
      "a.example..",
      "-a.example",
      "a-.example",
      "a b.example",
      "a@b.example",
      "a.example/",
      "b\xfc"
      "cher.example",  // Latin-1
      "\xe2\x98\x83.example",
      std::string("a.exa\0mple", 10),
      "a.example\r\n",
      std::string(64, 'a') + ".example",
  };
  for (const std::string& text : kTable) {
    EXPECT_EQ(ListedName(text), std::nullopt) << text;
  }
}

TEST(DomainOfSenderTest, MayBeBeyondAscii) {
  EXPECT_EQ(DomainOfSender("<u@b\u00fccher.example>"), "xn--bcher-kva.example");
}

TEST(ListedNameTest, EndsAtTheLongestNameThatTheDnsHas) {
  std::string name;
  for (int i = 0; i < 4; ++i) name += std::string(49, 'a') + ".";
  name += std::string(253 - name.size(), 'b');
  ASSERT_EQ(name.size(), 253u);
  EXPECT_EQ(ListedName(name), name);
  EXPECT_EQ(ListedName(name + "."), name);
  EXPECT_EQ(ListedName(name + "b"), std::nullopt);
}

TEST(DomainOfSenderTest, IsWhatStandsBehindTheLastAt) {
  EXPECT_EQ(DomainOfSender("a@b.example"), "b.example");
  EXPECT_EQ(DomainOfSender("<a@B.Example.>"), "b.example");
  EXPECT_EQ(DomainOfSender("<@r.example,@s.example:a@b.example>"), "b.example");
  EXPECT_EQ(DomainOfSender("\"a@c.example\"@b.example"), "b.example");
}

TEST(DomainOfSenderTest, IsNothingWhereThereIsNone) {
  for (const char* sender :
       {"", "<>", "<a>", "a@", "<a@>", "<a@localhost>", "<a@[192.0.2.5]>",
        "a@192.0.2.5", "@r.example:", "<a@b.example> SIZE=1", "a@b@"}) {
    EXPECT_EQ(DomainOfSender(sender), std::nullopt) << sender;
  }
}

TEST(FitsBeforeTest, CountsTheDotBetween) {
  EXPECT_TRUE(FitsBefore(std::string(200, 'a'), std::string(52, 'z')));
  EXPECT_FALSE(FitsBefore(std::string(200, 'a'), std::string(53, 'z')));
}

}  // namespace
}  // namespace breakwater
