#include "core/rules/trap_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>

namespace breakwater {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TrapList Traps(const std::vector<std::string>& entries) {
  auto list = TrapList::Parse(entries);
  EXPECT_TRUE(list.ok()) << list.status();
  return list.ok() ? *std::move(list) : TrapList();
}

std::string Complaint(const std::string& entry) {
  return std::string(TrapList::Parse({entry}).status().message());
}

TEST(TrapListTest, NobodyIsInAnEmptyOne) {
  EXPECT_FALSE(TrapList().Holds("<user@domain.example>"));
  EXPECT_TRUE(TrapList().empty());
}

TEST(TrapListTest, AnAddressIsThatAddress) {
  const TrapList traps = Traps({"Trap@Domain.Example"});
  for (const char* recipient :
       {"<trap@domain.example>", "trap@domain.example", "<TRAP@DOMAIN.EXAMPLE>",
        "<trap@domain.example.>", "<\"trap\"@domain.example>",
        "<@relay.example:trap@domain.example>"}) {
    EXPECT_TRUE(traps.Holds(recipient)) << recipient;
  }
  for (const char* recipient :
       {"<other@domain.example>", "<trap@other.example>",
        "<trap@sub.domain.example>", "<xtrap@domain.example>",
        "<trap+x@domain.example>", "<trap>", "<@domain.example>", "<>", ""}) {
    EXPECT_FALSE(traps.Holds(recipient)) << recipient;
  }
}

TEST(TrapListTest, AnExtensionIsWrittenOut) {
  const TrapList traps = Traps({"user+old@domain.example"});
  EXPECT_TRUE(traps.Holds("<user+old@domain.example>"));
  EXPECT_FALSE(traps.Holds("<user@domain.example>"));
  EXPECT_FALSE(traps.Holds("<user+new@domain.example>"));
}

TEST(TrapListTest, ADomainIsEveryAddressOfIt) {
  const TrapList traps = Traps({"@domain.example"});
  EXPECT_TRUE(traps.Holds("<anybody@domain.example>"));
  EXPECT_TRUE(traps.Holds("<" + std::string(2000, 'x') + "@domain.example>"));
  EXPECT_FALSE(traps.Holds("<anybody@sub.domain.example>"));
  EXPECT_FALSE(traps.Holds("<anybody@xdomain.example>"));
}

TEST(TrapListTest, SubdomainsAreThoseAtAnyDepth) {
  for (const char* entry : {".domain.example", "@.domain.example"}) {
    const TrapList traps = Traps({entry});
    EXPECT_TRUE(traps.Holds("<anybody@sub.domain.example>"));
    EXPECT_TRUE(traps.Holds("<anybody@a.b.domain.example>"));
    EXPECT_FALSE(traps.Holds("<anybody@domain.example>"));
    EXPECT_FALSE(traps.Holds("<anybody@xdomain.example>"));
  }
}

TEST(TrapListTest, ADomainBeyondAsciiIsThatOfItsALabels) {
  const TrapList traps =
      Traps({"a@b\u00fccher.example", "@.f\u00fcr.example.",
             "b-*@xn--bcher-kva.example", "c@*.B\u00dccher.example"});
  for (const char* recipient :
       {"a@xn--bcher-kva.example", "<A@B\u00dcCHER.example.>",
        "x@mx.xn--fr-xka.example", "x@mx.f\u00fcr.example",
        "b-1@b\u00fccher.example", "c@mx.b\u00fccher.example"}) {
    EXPECT_TRUE(traps.Holds(recipient)) << recipient;
  }
  EXPECT_FALSE(traps.Holds("a@bucher.example"));
  EXPECT_THAT(Complaint("a@b\u00fc*.example"), HasSubstr("write its A-label"));
}

TEST(TrapListTest, ALocalPartIsThatInEveryDomain) {
  const TrapList traps = Traps({"trap@"});
  EXPECT_TRUE(traps.Holds("<trap@domain.example>"));
  EXPECT_TRUE(traps.Holds("<Trap@other.example>"));
  EXPECT_TRUE(traps.Holds("<trap@[192.0.2.5]>"));
  EXPECT_TRUE(traps.Holds("<trap>"));
  EXPECT_FALSE(traps.Holds("<trapper@domain.example>"));
}

TEST(TrapListTest, APatternStandsForCharacters) {
  const struct {
    const char* entry;
    const char* recipient;
    bool holds;
  } kTable[] = {
      {"info-*@a.example", "<info-@a.example>", true},
      {"info-*@a.example", "<INFO-2024@a.example>", true},
      {"info-*@a.example", "<info@a.example>", false},
      {"info-*@a.example", "<info-x@b.example>", false},
      {"info-*@a.example", "<info-x@a.example.b.example>", false},
      {"*-x-*@a.example", "<a-x-x-b@a.example>", true},
      {"*-x-*@a.example", "<a-x@a.example>", false},
      {"*ab@a.example", "<aabab@a.example>", true},
      {"*ab@a.example", "<aaba@a.example>", false},
      {"*aab@a.example", "<aaab@a.example>", true},
      {"user??@a.example", "<user42@a.example>", true},
      {"user??@a.example", "<user1@a.example>", false},
      {"user??@a.example", "<user123@a.example>", false},
      {"trap@*.a.example", "<trap@x.y.a.example>", true},
      {"trap@*.a.example", "<trap@a.example>", false},
      {"@mx?.example", "<anybody@mx1.example>", true},
      {"@mx?.example", "<anybody@mx.example>", false},
      {"*@a.example", "<anybody@a.example>", true},
      {"trap@*", "<trap@a.example>", true},
      {"a*c@", "<abc@x.example>", true},
  };
  for (const auto& [entry, recipient, holds] : kTable) {
    EXPECT_EQ(Traps({entry}).Holds(recipient), holds)
        << entry << " " << recipient;
  }
}

TEST(TrapListTest, AStarNeverMatchesAcrossTheAt) {
  const TrapList traps = Traps({"a*b@c.example"});
  EXPECT_FALSE(traps.Holds("<a@x.b@d.example>"));
  EXPECT_TRUE(traps.Holds("<\"a@b\"@c.example>"));  // an @ of the local part
}

TEST(TrapListTest, InQuotesItIsAsItStands) {
  const TrapList traps = Traps({R"("a *"@domain.example)"});
  EXPECT_TRUE(traps.Holds(R"(<"A *"@domain.example>)"));
  EXPECT_FALSE(traps.Holds(R"(<"a b"@domain.example>)"));
}

TEST(TrapListTest, AnAddressLongerThanAnyMeetsNoPattern) {
  const TrapList traps = Traps({"a*@domain.example"});
  EXPECT_TRUE(traps.Holds("a" + std::string(250, 'x') + "@domain.example"));
  EXPECT_FALSE(traps.Holds("a" + std::string(400, 'x') + "@domain.example"));
  // A domain written as a pattern is none.
  EXPECT_TRUE(Traps({"*@domain.example"})
                  .Holds(std::string(400, 'x') + "@domain.example"));
}

TEST(TrapListTest, WhatIsNoTrapIsToldWithWhatWouldBeRight) {
  const struct {
    const char* entry;
    const char* why;
  } kTable[] = {
      {"domain.example", "has no @"},
      {"user", "has no @"},
      {"", "has no @"},
      {"@", "nearly every address"},
      {"*@*", "nearly every address"},
      {"??*@*.*", "nearly every address"},
      {"@*", "nearly every address"},
      {"a@b@c.example", "more than one address"},
      {"a@b.example,c@d.example", "more than one address"},
      {"a b@c.example", "more than one address"},
      {"<a@b.example>", "more than one address"},
      {"user@.domain.example", "is no domain"},
      {"user@a..example", "is no domain"},
      {"user@a b.example", "is no domain"},
      {"@.*.example", "*.domain"},
      {"\"a\"@*.example", "quotes"},
      {"\"\"@", "nothing before"},
      {"\"a@b.example", "quote"},
      {"a\x01@b.example", "control"},
  };
  for (const auto& [entry, why] : kTable) {
    EXPECT_THAT(Complaint(entry), HasSubstr(why)) << entry;
    EXPECT_THAT(Complaint(entry), HasSubstr("user@domain.example")) << entry;
  }
  EXPECT_THAT(Complaint("a\x01@b.example"), HasSubstr("a\\x01@"));
  EXPECT_THAT(Complaint(std::string(600, 'a') + "@b.example"),
              HasSubstr("too long"));
}

TEST(TrapFileTest, HoldsAnEntryForEachLine) {
  const auto traps = TrapList::ParseText(
      "# old customers\r\n"
      "\n"
      "a@x.example\r\n"
      "  @y.example   # all of it\n"
      "odd#one@x.example\n"
      "A@X.example\n"
      "b@x.example",
      "traps");
  ASSERT_TRUE(traps.ok()) << traps.status();
  EXPECT_EQ(traps->size(), 4u);
  for (const char* recipient :
       {"a@x.example", "who@y.example", "odd#one@x.example", "b@x.example"}) {
    EXPECT_TRUE(traps->Holds(recipient)) << recipient;
  }
  EXPECT_FALSE(traps->Holds("odd@x.example"));
}

TEST(TrapFileTest, AMarkOfTheByteOrderIsNoTrap) {
  const auto traps = TrapList::ParseText(
      "\xef\xbb\xbf"
      "a@x.example",
      "traps");
  ASSERT_TRUE(traps.ok()) << traps.status();
  EXPECT_TRUE(traps->Holds("a@x.example"));
}

TEST(TrapFileTest, AnErrorNamesFileAndLine) {
  const auto traps =
      TrapList::ParseText("a@x.example\n#\nb.example\n", "traps");
  EXPECT_THAT(std::string(traps.status().message()),
              StartsWith("traps:3: \"b.example\" is no trap: it has no @; "));
}

TEST(TrapFileTest, PatternsAreBounded) {
  std::string text;
  for (size_t i = 0; i < TrapList::kMostPatterns; ++i) {
    text += "a" + std::to_string(i) + "-*@x.example\n";
  }
  EXPECT_TRUE(TrapList::ParseText(text + "a1-*@x.example", "t").ok());
  const auto more = TrapList::ParseText(text + "b-*@x.example", "t");
  EXPECT_THAT(std::string(more.status().message()),
              StartsWith("t:1001: there are more than 1000 "));
}

TEST(TrapFileTest, EntriesAreBounded) {
  std::string text;
  for (size_t i = 0; i < TrapList::kMostEntries; ++i) {
    text += "a" + std::to_string(i) + "@x.io\n";
  }
  const auto most = TrapList::ParseText(text, "t");
  ASSERT_TRUE(most.ok()) << most.status();
  EXPECT_EQ(most->size(), TrapList::kMostEntries);
  EXPECT_TRUE(most->Holds("<a499999@x.io>"));
  EXPECT_FALSE(most->Holds("<a500000@x.io>"));
  EXPECT_FALSE(TrapList::ParseText(text + "a500000@x.io", "t").ok());

  TrapList other = Traps({"a7@x.io"});
  EXPECT_TRUE(other.Merge(*most).ok());
  TrapList third = Traps({"b@x.io"});
  EXPECT_FALSE(third.Merge(*most).ok());
}

TEST(TrapFileTest, TextIsBounded) {
  const auto traps =
      TrapList::ParseText(std::string(TrapList::kLargestFile + 1, '#'), "t");
  EXPECT_THAT(std::string(traps.status().message()),
              StartsWith("t: is larger than 8 MiB"));
}

TEST(TrapListTest, MergedItHoldsBoth) {
  TrapList traps = Traps({"a@x.example", "b-*@x.example"});
  ASSERT_TRUE(traps.Merge(Traps({"c@x.example", "d-*@x.example"})).ok());
  EXPECT_EQ(traps.size(), 4u);
  for (const char* recipient :
       {"a@x.example", "b-1@x.example", "c@x.example", "d-1@x.example"}) {
    EXPECT_TRUE(traps.Holds(recipient)) << recipient;
  }
}

class LoadTrapFileTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(mkdtemp(directory_.data()), nullptr); }
  void TearDown() override {
    unlink(path().c_str());
    rmdir(directory_.c_str());
  }

  std::string path() const { return directory_ + "/traps"; }
  std::string Complaint() const {
    return std::string(LoadTrapFile(path()).status().message());
  }

  std::string directory_ = testing::TempDir() + "trap_list_XXXXXX";
};

TEST_F(LoadTrapFileTest, ReadsAFile) {
  std::ofstream(path()) << "a@x.example\n@y.example\n";
  const auto traps = LoadTrapFile(path());
  ASSERT_TRUE(traps.ok()) << traps.status();
  EXPECT_TRUE(traps->Holds("<a@x.example>"));
  EXPECT_TRUE(traps->Holds("<b@y.example>"));
}

TEST_F(LoadTrapFileTest, ErrorsNameTheFile) {
  EXPECT_THAT(Complaint(), HasSubstr(path() + ": cannot be read: No "));
  std::ofstream(path()) << "\nwrong\n";
  EXPECT_THAT(Complaint(), StartsWith(path() + ":2: \"wrong\""));
}

TEST_F(LoadTrapFileTest, AFileThatIsTooLargeIsRefused) {
  std::ofstream(path()) << std::string(TrapList::kLargestFile + 1, '#');
  EXPECT_THAT(Complaint(), HasSubstr("larger than 8 MiB"));
}

TEST_F(LoadTrapFileTest, APipeIsNotWaitedFor) {
  ASSERT_EQ(mkfifo(path().c_str(), 0600), 0);
  EXPECT_THAT(Complaint(), HasSubstr("not a regular file"));
}

}  // namespace
}  // namespace breakwater
