#include "daemon/cli/ban_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace breakwater {

void PrintTo(const BanEntry& entry, std::ostream* out) {
  *out << DescribeBanEntry(entry);
}

namespace {

using nlohmann::json;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr seconds kUsual(600);

Network Client(const char* address) {
  return Network::OfClient(*IpAddress::Parse(address));
}
std::vector<BanEntry> Read(std::string_view line) {
  const auto entries = ReadBanLine(line, kUsual);
  EXPECT_TRUE(entries.ok()) << line << ": " << entries.status();
  return entries.value_or(std::vector<BanEntry>());
}
std::string ErrorOf(std::string_view line) {
  const auto entries = ReadBanLine(line, kUsual);
  return entries.ok() ? "no error" : std::string(entries.status().message());
}
BanEntry Plain(const char* address, int left) {
  return {.network = Client(address), .left = seconds(left)};
}

TEST(ReadBanLine, ReadsAddresses) {
  EXPECT_THAT(Read("192.0.2.5"), ElementsAre(Plain("192.0.2.5", 600)));
  EXPECT_THAT(Read("  192.0.2.5/32 # a zombie\r"),
              ElementsAre(Plain("192.0.2.5", 600)));
  EXPECT_THAT(Read("2001:db8::5"), ElementsAre(Plain("2001:db8::", 600)));
  EXPECT_THAT(Read("2001:db8::/64"), ElementsAre(Plain("2001:db8::", 600)));
}

TEST(ReadBanLine, ReadsWhatIpsetSaves) {
  EXPECT_THAT(Read("create f2b-postfix hash:ip family inet hashsize 1024 "
                   "maxelem 65536 timeout 600 bucketsize 12 initval 0x12"),
              IsEmpty());
  EXPECT_THAT(Read("add f2b-postfix 192.0.2.5 timeout 512"),
              ElementsAre(Plain("192.0.2.5", 512)));
  EXPECT_THAT(Read("add -exist breakwater6 2001:db8:: timeout 7"),
              ElementsAre(Plain("2001:db8::", 7)));
  EXPECT_THAT(Read("add x 192.0.2.5 timeout 9 packets 3 bytes 180 -exist"),
              ElementsAre(Plain("192.0.2.5", 9)));
  EXPECT_THAT(Read("-exist add x 192.0.2.5 comment \"a b\""),
              ElementsAre(Plain("192.0.2.5", 600)));
}

TEST(ReadBanLine, WhatACommentSaysIsNoOption) {
  const std::pair<const char*, int> kTable[] = {
      {R"(add x 192.0.2.5 comment "AUTH timeout from office")", 600},
      {R"(add x 192.0.2.5 timeout 512 comment "then timeout 77 x")", 512},
      {R"(add x 192.0.2.5 timeout 512 packets 1 bytes 60 comment "nomatch")",
       512},
      {R"(add x 192.0.2.5 comment nomatch timeout 512)", 512},
      {R"(add x 192.0.2.5 comment "was nomatch before")", 600},
      {R"(add x 192.0.2.5 comment "-exist" timeout 512)", 512},
      {R"(add x 192.0.2.5 timeout 512 comment "ticket #17")", 512},
      {R"(add x 192.0.2.5 timeout 512 comment "" skbprio 1:2)", 512},
      {R"(add comment 192.0.2.5 timeout 512)", 512},
      {R"("add" "x" "192.0.2.5" "timeout" "512")", 512},
  };
  for (const auto& [line, left] : kTable) {
    EXPECT_THAT(Read(line), ElementsAre(Plain("192.0.2.5", left))) << line;
  }
}

TEST(ReadBanLine, WhatARestoreScriptDoesToSetsIsItsOwnBusiness) {
  for (const char* line :
       {"create -exist x hash:ip timeout 600 comment",
        "-exist create x hash:ip", "-N x iphash", "new x hash:ip", "flush x",
        "flush", "-F x", "destroy x", "destroy", "-X x", "swap x y", "-W x y",
        "rename x y", "-E x y", "COMMIT", "quit", "-exist destroy x"}) {
    EXPECT_THAT(Read(line), IsEmpty()) << line;
  }
  EXPECT_THAT(Read("-! -A x 192.0.2.5 timeout 9"),
              ElementsAre(Plain("192.0.2.5", 9)));
}

TEST(ReadBanLine, WhatNeverEndsThereGetsTheUsualTime) {
  EXPECT_THAT(Read("add x 192.0.2.5 timeout 0"),
              ElementsAre(Plain("192.0.2.5", 600)));
  EXPECT_THAT(Read("add x 192.0.2.5"), ElementsAre(Plain("192.0.2.5", 600)));
  EXPECT_THAT(Read("add x 192.0.2.5 timeout 4294967"),
              ElementsAre(Plain("192.0.2.5", 2'147'483)));
}

TEST(ReadBanLine, ReadsJsonWithAllThatIsKnown) {
  const auto entries = Read(
      R"({"count":3,"id":"5d0c7f3a","network":"192.0.2.5","origin":"list",)"
      R"("reason":"Client 192.0.2.5 is listed","seconds_left":77,"zone":"z"},)");
  ASSERT_THAT(entries, SizeIs(1));
  EXPECT_EQ(entries[0], (BanEntry{.network = Client("192.0.2.5"),
                                  .left = seconds(77),
                                  .origin = Origin::kList,
                                  .count = 3,
                                  .id = "5d0c7f3a",
                                  .label = "z",
                                  .reason = "Client 192.0.2.5 is listed"}));
}

TEST(ReadBanLine, ReadsTheArrayThatBansPrints) {
  EXPECT_THAT(Read(R"({"ok":true,"total":2,"bans":[)"
                   R"({"network":"192.0.2.5","seconds_left":5},)"
                   R"({"network":"192.0.2.6","seconds_left":0},)"
                   R"({"network":"2001:db8::/64","seconds_left":6}]})"),
              ElementsAre(Plain("192.0.2.5", 5), Plain("2001:db8::", 6)));
  for (const char* around : {"", "  ", "[", "]", "[]", "# words", "COMMIT"}) {
    EXPECT_THAT(Read(around), IsEmpty()) << around;
  }
}

TEST(ReadBanLine, ABanOfANetworkDoesNotSpoilWhatBansPrints) {
  EXPECT_THAT(Read(R"({"ok":true,"bans":[)"
                   R"({"network":"192.0.2.5","seconds_left":60},)"
                   R"({"network":"2001:db8::/56","origin":"neighbours",)"
                   R"("seconds_left":60},)"
                   R"({"network":"192.0.2.6","seconds_left":60}]})"),
              ElementsAre(Plain("192.0.2.5", 60), Plain("192.0.2.6", 60)));
}

TEST(ReadBanLine, TheTimeGoesOnWhileAFileLiesAbout) {
  const auto with = [](const char* until) {
    return absl::StrCat(R"({"network":"192.0.2.5","seconds_left":99,"until":")",
                        until, "\"}");
  };
  EXPECT_THAT(ErrorOf(with("2001-01-01T00:00:00Z")), HasSubstr("has ended"));
  EXPECT_GT(Read(with("2100-01-01T00:00:00Z"))[0].left, seconds(99));
  EXPECT_THAT(Read(with("tomorrow")), ElementsAre(Plain("192.0.2.5", 99)));
}

TEST(ReadBanLine, SaysWhatIsWrong) {
  const std::pair<const char*, const char*> kWrong[] = {
      {"mail.example.org", "\"mail.example.org\" is not an address"},
      {"192.0.2.0/24", "\"192.0.2.0/24\" is wider than a ban"},
      {"2001:db8::/56", "is wider than a ban"},
      {"192.0.2.5 600", "\"600\" is too much behind an address"},
      {"add x", "ends before its address"},
      {"add x 192.0.2.5,tcp:25", "is not an address"},
      {"add x 192.0.2.5 timeout soon", "\"soon\" is no timeout"},
      {"add x 192.0.2.5 timeout", "\"\" is no timeout"},
      {"add x 192.0.2.5 nomatch", "is an exception of the set"},
      {"add x 192.0.2.5 timeout 9 comment \"a", "ends within quotes"},
      {"del x 192.0.2.5", "takes an entry out of its set"},
      {"-exist -D x 192.0.2.5", "takes an entry out of its set"},
      {"test x 192.0.2.5", "is too much behind an address"},
      {"{\"network\":", "is no whole JSON"},
      {"[1]", "is no JSON object"},
      {"{\"network\":\"192.0.2.5\"}", "no number seconds_left"},
      {"{\"network\":7,\"seconds_left\":1}", "network: \"\" is not"},
      {"\x1b[31m", "\"\\x1b[31m\" is not an address"}};
  for (const auto& [line, error] : kWrong) {
    EXPECT_THAT(ErrorOf(line), HasSubstr(error)) << line;
  }
}

TEST(ReadBanLine, WhatIsOddInTheRestIsLeftOut) {
  const auto entries =
      Read(R"({"network":"192.0.2.5","seconds_left":9999999999999999999,)"
           R"("id":"a b","origin":7,"count":-1,"reason":"a\u001bb\nc"})");
  ASSERT_THAT(entries, SizeIs(1));
  EXPECT_EQ(entries[0].left, seconds(2'147'483));
  EXPECT_EQ(entries[0].id, "");
  EXPECT_EQ(entries[0].origin, Origin::kOperator);
  EXPECT_EQ(entries[0].count, 1U);
  EXPECT_EQ(entries[0].reason, "a?b c");
}

TEST(IpsetLine, IsWhatIpsetRestores) {
  const auto line = [](const char* network) {
    return IpsetLine({{"network", network}, {"seconds_left", 512}},
                     {"breakwater4", "breakwater6"});
  };
  EXPECT_EQ(line("192.0.2.5"),
            "add -exist breakwater4 192.0.2.5 timeout 512\n");
  EXPECT_EQ(line("2001:db8::/64"),
            "add -exist breakwater6 2001:db8:: timeout 512\n");
  EXPECT_EQ(line("192.0.2.0/24"),
            "add -exist breakwater4-24 192.0.2.0/24 timeout 512\n");
}

TEST(BanEntries, AreReadBackFromTheWire) {
  const std::vector<BanEntry> entries = {{.network = Client("192.0.2.5"),
                                          .left = seconds(5),
                                          .origin = Origin::kOffence,
                                          .count = 2,
                                          .id = "abc",
                                          .label = "trap",
                                          .reason = "said \"x\""},
                                         Plain("2001:db8::", 6)};
  EXPECT_EQ(ParseBanEntries(FormatBanEntries(entries)).value(), entries);
}

TEST(BanEntries, AreBounded) {
  const std::vector<BanEntry> many(kMostEntries, Plain("192.0.2.5", 5));
  EXPECT_TRUE(ParseBanEntries(FormatBanEntries(many)).ok());
  std::vector<BanEntry> more = many;
  more.push_back(many[0]);
  EXPECT_FALSE(ParseBanEntries(FormatBanEntries(more)).ok());
  EXPECT_FALSE(ParseBanEntries("[]").ok());
  EXPECT_FALSE(ParseBanEntries(std::string(60'000, '[')).ok());
}

}  // namespace
}  // namespace breakwater
