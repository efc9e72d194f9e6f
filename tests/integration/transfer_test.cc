// Bans go from one daemon to another, and to and from ipset's own tool.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/integration/breakwater_test.h"
#include "tests/integration/harness/temp_directory.h"
#include "tests/integration/harness/wait.h"

namespace breakwater::testing {
namespace {

using nlohmann::json;
using std::chrono::seconds;
using std::chrono::steady_clock;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class TransferTest : public BreakwaterTest {
 protected:
  void SetUp() override {
    BreakwaterTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    StartService({.rules = false});
    BREAKWATER_ASSERT_OK_AND_ASSIGN(TempDirectory made, TempDirectory::Make());
    directory_ = std::make_unique<TempDirectory>(std::move(made));
  }
  std::string File(const std::string& name) const {
    return absl::StrCat(directory_->path(), "/", name);
  }
  // Another host's, in the other namespace.
  void StartOther() {
    BREAKWATER_ASSERT_OK_AND_ASSIGN(other_, Breakwater::Make(world()));
    std::swap(breakwater_, other_);
    const std::string config = ConfigText({});
    std::swap(breakwater_, other_);
    BREAKWATER_ASSERT_OK(other_->WriteConfig(config));
    BREAKWATER_ASSERT_OK(other_->Start("event=enforcer-connected"));
  }
  void Ban(const std::string& address, const std::string& time,
           const std::string& why) {
    EXPECT_THAT(Ask({"ban", address, "--for", time, "--reason", why}),
                HasSubstr("\"ok\":true"));
  }
  void Export(const std::string& format, const std::string& file) {
    const CommandResult result =
        breakwater_->Command({"export", "--for", format});
    ASSERT_TRUE(result.ok()) << result.err;
    BREAKWATER_ASSERT_OK(WriteFile(file, result.out));
  }
  // What is in the sets of a namespace, and for how long.
  static std::map<std::string, int> InSets(const Namespace& where) {
    std::map<std::string, int> entries;
    for (const char* set : {"breakwater4", "breakwater6"}) {
      for (const auto& line :
           absl::StrSplit(RunIn(where, {"ipset", "save", set}).out, '\n')) {
        const std::vector<std::string> words = absl::StrSplit(line, ' ');
        if (words.size() < 5 || words[0] != "add") continue;
        entries[absl::StrCat(words[1], " ", words[2])] = std::stoi(words[4]);
      }
    }
    return entries;
  }
  static void ExpectSame(const std::map<std::string, int>& a,
                         const std::map<std::string, int>& b) {
    ASSERT_EQ(a.size(), b.size());
    for (const auto& [entry, left] : a) {
      ASSERT_TRUE(b.contains(entry)) << entry;
      EXPECT_NEAR(left, b.at(entry), 10) << entry;
    }
  }

  std::unique_ptr<TempDirectory> directory_;
  std::unique_ptr<Breakwater> other_;
};

TEST_F(TransferTest, AnExportThatIsImportedElsewhereMakesTheSameSets) {
  StartOther();
  ASSERT_FALSE(HasFatalFailure());
  Ban("203.0.113.1", "10m", "sends viruses");
  Ban("203.0.113.2", "2d", "");
  Ban("2001:db8:900d::9", "1h", "");
  const std::string file = File("bans.json");
  Export("json", file);
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_THAT(json::parse(ReadFile(file)), SizeIs(3));

  CommandResult result = other_->Command({"import", file});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, "3 new, 0 prolonged, 0 as before\n");
  ExpectSame(InSets(mta()), InSets(world()));
  EXPECT_THAT(InSets(world()), SizeIs(3));

  // With what was said of them.
  const json told = json::parse(other_->Command({"--json", "bans"}).out);
  const json known = json::parse(Ask({"bans"}));
  for (size_t i = 0; i < 3; ++i) {
    for (const char* key : {"network", "id", "reason", "origin", "count"}) {
      EXPECT_EQ(told["bans"][i][key], known["bans"][i][key]) << key;
    }
  }
  result = other_->Command({"import", file});
  EXPECT_EQ(result.out, "0 new, 0 prolonged, 3 as before\n");
}

TEST_F(TransferTest, IpsetRestoreLoadsAnExportAndItsSaveIsImported) {
  StartOther();
  ASSERT_FALSE(HasFatalFailure());
  Ban("203.0.113.1", "10m", "");
  Ban("2001:db8:900d::9", "1h", "");
  const std::string file = File("bans.ipset");
  Export("ipset", file);
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_THAT(ReadFile(file), HasSubstr("add -exist breakwater4 203.0.113.1 "
                                        "timeout "));
  const CommandResult restored =
      RunIn(world(), {"ipset", "restore"}, seconds(30), ReadFile(file));
  EXPECT_TRUE(restored.ok()) << restored.err;
  ExpectSame(InSets(mta()), InSets(world()));

  // The way back, from somebody's own set.
  const CommandResult mine =
      RunIn(world(), {"sh", "-ec",
                      "ipset create mine hash:ip timeout 0; "
                      "ipset add mine 203.0.113.3 timeout 500; "
                      "ipset add mine 203.0.113.1 timeout 5000; "
                      "ipset save mine"});
  ASSERT_TRUE(mine.ok()) << mine.err;
  BREAKWATER_ASSERT_OK(WriteFile(file, mine.out));
  EXPECT_EQ(breakwater_->Command({"import", file}).out,
            "1 new, 1 prolonged, 0 as before\n");
  const auto entries = InSets(mta());
  EXPECT_NEAR(entries.at("breakwater4 203.0.113.3"), 500, 10);
  EXPECT_NEAR(entries.at("breakwater4 203.0.113.1"), 5000, 10);
}

TEST_F(TransferTest, BadLinesAndProtectedOnesAreToldAndStopNoOther) {
  const std::string file = File("list");
  BREAKWATER_ASSERT_OK(WriteFile(file,
                                 "# collected by hand\n"
                                 "203.0.113.1\n"
                                 "mail.example.org\n"
                                 "192.0.2.1\n"  // the gateway
                                 "192.0.2.0/24\n"
                                 "add x 203.0.113.2 timeout 300\n"));
  const CommandResult result =
      breakwater_->Command({"import", file, "--for", "2h"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.out,
            "2 new, 0 prolonged, 0 as before, 1 refused, 2 not understood\n");
  EXPECT_THAT(
      result.err,
      AllOf(HasSubstr(
                absl::StrCat(file, ":3: network: \"mail.example.org\" is not")),
            HasSubstr(absl::StrCat(file, ":4: 192.0.2.1 is not banned: ")),
            HasSubstr(absl::StrCat(file, ":5: network: "))));
  const auto entries = InSets(mta());
  EXPECT_THAT(entries, SizeIs(2));
  EXPECT_NEAR(entries.at("breakwater4 203.0.113.1"), 7200, 10);
  EXPECT_THAT(Ask({"bans"}), HasSubstr("refused (imported) [id "));
}

TEST_F(TransferTest, AHundredThousandTakeSecondsAndHoldUpNobody) {
  std::string text;
  for (int i = 0; i < 100'000; ++i) {
    absl::StrAppend(&text, "198.", 18 + i / 65'536, ".", i / 256 % 256, ".",
                    i % 256, "\n");
  }
  const std::string file = File("many");
  BREAKWATER_ASSERT_OK(WriteFile(file, text));
  std::atomic<bool> done = false;
  double longest = 0;
  std::thread others([&] {
    while (!done) {
      const auto begin = steady_clock::now();
      EXPECT_THAT(Ask({"status"}), HasSubstr("\"ok\":true"));
      const std::chrono::duration<double> took = steady_clock::now() - begin;
      longest = std::max(longest, took.count());
    }
  });
  const auto begin = steady_clock::now();
  const CommandResult result = breakwater_->Command({"import", file});
  const auto imported = steady_clock::now();
  const CommandResult exported =
      breakwater_->Command({"export", "--for", "ipset"});
  const auto end = steady_clock::now();
  done = true;
  others.join();
  EXPECT_EQ(result.out, "100000 new, 0 prolonged, 0 as before\n") << result.err;
  EXPECT_EQ(std::count(exported.out.begin(), exported.out.end(), '\n'),
            100'000);
  EXPECT_THAT(InSets(mta()), SizeIs(100'000));
  const std::chrono::duration<double> in = imported - begin;
  const std::chrono::duration<double> out = end - imported;
  std::printf("in %.1f s, out %.1f s, status within %.3f s\n", in.count(),
              out.count(), longest);
  EXPECT_LT(in.count(), 30);
  EXPECT_LT(out.count(), 30);
  EXPECT_LT(longest, 3);
}

}  // namespace
}  // namespace breakwater::testing
