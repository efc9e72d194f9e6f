// What is known of clients outlives restarts and boots, and nothing that
// becomes of the file keeps anybody from being banned.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "tests/integration/harness/wait.h"
#include "tests/integration/whole_path.h"

namespace breakwater::testing {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

class MemoryTest : public WholePathTest {
 protected:
  void StartPolicy(const std::string& config = "") {
    StartParts({.policy = true, .rules = false, .config = config});
  }
  void GetBanned(const std::string& from) {
    BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(from));
    ASSERT_EQ(session.banner.code, 521);
    ASSERT_TRUE(WaitUntil([&] { return IsBanned(from); }));
  }
  // Answered behind what is being written.
  bool IsWritten(const std::string& address) {
    return WaitUntil([&] {
      return Ask({"history", address}).find("\"what\":\"ban\"") !=
             std::string::npos;
    });
  }
  std::string MemoryFile() const {
    return breakwater_->directory() + "/memory/memory.db";
  }
  // As a boot does.
  void EmptyTheKernel() {
    for (const char* set : {"breakwater4", "breakwater6"}) {
      BREAKWATER_ASSERT_OK(sets_->Destroy(set));
    }
  }
};

TEST_F(MemoryTest, ABootFillsTheKernelsSetsWithTheTimeThatIsLeft) {
  StartPolicy();
  ASSERT_FALSE(HasFatalFailure());
  GetBanned(kListed);
  const auto left = sets_->Timeout("breakwater4", kListed);
  ASSERT_TRUE(breakwater_->Stop());
  EmptyTheKernel();
  StartBreakwater();
  ASSERT_FALSE(HasFatalFailure());
  ASSERT_TRUE(WaitUntil([&] { return IsBanned(kListed); }, seconds(5)));
  EXPECT_LE(sets_->Timeout("breakwater4", kListed), left);
  EXPECT_GT(sets_->Timeout("breakwater4", kListed), *left - seconds(60));
  EXPECT_THAT(Ask({"explain", kListed}),
              AllOf(HasSubstr("\"origin\":\"list\""),
                    HasSubstr("is listed by dnsbl.test")));
}

TEST_F(MemoryTest, AKilledDaemonKnowsTheReasonsAndWhatComesNext) {
  StartPolicy("[growth]\njitter_percent = 0\n");
  ASSERT_FALSE(HasFatalFailure());
  GetBanned(kListed);
  ASSERT_TRUE(IsWritten(kListed));
  const pid_t daemon = breakwater_->ChildPid("breakwaterd");
  ASSERT_EQ(kill(daemon, SIGKILL), 0);
  ASSERT_TRUE(WaitUntil([&] {
    return Ask({"bans"}).find("is listed by dnsbl.test") != std::string::npos;
  }));
  EXPECT_THAT(Ask({"bans"}), Not(HasSubstr("before-restart")));
  // The second ban is twice as long, though the first was in another life.
  EXPECT_THAT(Ask({"explain", kListed}),
              HasSubstr("\"next_ban_seconds\":1200"));
}

TEST_F(MemoryTest, WhatTheOperatorWasAnsweredNoCrashUndoes) {
  StartPolicy();
  ASSERT_FALSE(HasFatalFailure());
  GetBanned(kListed);
  ASSERT_TRUE(IsWritten(kListed));
  Ask({"allow", kClean, "--for", "1h", "--reason", "a friend"});
  EXPECT_THAT(Ask({"unban", kListed}), Not(HasSubstr("\"note\"")));
  ASSERT_EQ(kill(breakwater_->ChildPid("breakwaterd"), SIGKILL), 0);
  ASSERT_TRUE(WaitUntil(
      [&] { return Ask({"allow"}).find("a friend") != std::string::npos; }));
  EXPECT_THAT(Ask({"bans"}), HasSubstr("\"total\":0"));
  EXPECT_FALSE(IsBanned(kListed));
}

TEST_F(MemoryTest, ABanThatWasLiftedWhileTheEnforcerHungStaysLifted) {
  StartPolicy();
  ASSERT_FALSE(HasFatalFailure());
  GetBanned(kListed);
  ASSERT_TRUE(IsWritten(kListed));
  const pid_t enforcer = breakwater_->ChildPid("breakwater-enforcer");
  ASSERT_GT(enforcer, 0);
  ASSERT_EQ(kill(enforcer, SIGSTOP), 0);
  EXPECT_THAT(Ask({"unban", kListed}), HasSubstr("not confirmed"));
  ASSERT_EQ(kill(breakwater_->ChildPid("breakwaterd"), SIGKILL), 0);
  ASSERT_EQ(kill(enforcer, SIGKILL), 0);
  EXPECT_TRUE(WaitUntil([&] { return !IsBanned(kListed); }));
  EXPECT_THAT(Ask({"bans"}), HasSubstr("\"total\":0"));
}

TEST_F(MemoryTest, WhoIsAllowedIsSoAfterARestart) {
  StartPolicy();
  ASSERT_FALSE(HasFatalFailure());
  Ask({"allow", kListed, "--for", "1h", "--reason", "a mistake"});
  ASSERT_TRUE(breakwater_->Stop());
  StartBreakwater();
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_THAT(Ask({"allow"}),
              AllOf(HasSubstr(kListed), HasSubstr("a mistake")));
  ExpectMailFlows(kListed);
  EXPECT_THAT(Ask({"history", kListed}), HasSubstr("\"what\":\"allowed\""));
}

TEST_F(MemoryTest, WhatAListWasAskedCountsAgainstTheDaysBudgetAfterARestart) {
  StartPolicy();
  ASSERT_FALSE(HasFatalFailure());
  ExpectMailFlows(kClean);
  const auto asked = [this] {
    const auto zones = nlohmann::json::parse(Ask({"zones"}), nullptr, false);
    return zones["zones"][0]["today"]["listing_questions"].get<int>();
  };
  EXPECT_GE(asked(), 1);
  const int before = asked();
  ASSERT_TRUE(breakwater_->Stop());
  StartBreakwater();
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_GE(asked(), before);
}

TEST_F(MemoryTest, HistoryTellsWhatHappenedAcrossARestart) {
  StartPolicy();
  ASSERT_FALSE(HasFatalFailure());
  GetBanned(kListed);
  ASSERT_TRUE(breakwater_->Stop());
  StartBreakwater();
  ASSERT_FALSE(HasFatalFailure());
  Ask({"unban", kListed});
  EXPECT_TRUE(WaitUntil([&] {
    return Ask({"history", kListed}).find("unban") != std::string::npos;
  }));
  EXPECT_THAT(breakwater_->Command({"history", kListed}).out,
              ContainsRegex("unban +operator +[0-9a-f]+\n"
                            ".* ban +1[01]m[ 0-9s]* +dnsbl.test .*\n"
                            ".* rejected +dnsbl.test"));
  EXPECT_THAT(breakwater_->Command({"history", kClean}).out,
              HasSubstr("nothing is known to have happened"));
}

TEST_F(MemoryTest, AFullDiskStopsNoBanAndIsWrittenToWhenItHasRoom) {
  StartPolicy();
  ASSERT_FALSE(HasFatalFailure());
  ASSERT_TRUE(breakwater_->Stop());
  const std::string directory =
      std::filesystem::path(MemoryFile()).parent_path();
  ASSERT_EQ(mount("tmpfs", directory.c_str(), "tmpfs", 0,
                  absl::StrCat("size=1m,mode=0700,uid=", kDaemonUid).c_str()),
            0);
  StartBreakwater();
  const std::string ballast = directory + "/ballast";
  const int fd = open(ballast.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  const std::string block(4096, 'x');
  while (write(fd, block.data(), block.size()) > 0) {
  }
  close(fd);
  GetBanned(kListed);
  EXPECT_TRUE(breakwater_->WaitForLog("event=memory-failed"));
  EXPECT_THAT(Ask({"status"}), HasSubstr("would be lost with a restart"));
  EXPECT_THAT(Ask({"metrics"}), HasSubstr("breakwater_memory_up 0"));
  GetBanned(kListedToo);
  unlink(ballast.c_str());
  EXPECT_TRUE(breakwater_->WaitForLog("event=memory-works"));
  ASSERT_TRUE(breakwater_->Stop());
  StartBreakwater();
  EXPECT_THAT(Ask({"bans"}), Not(HasSubstr("before-restart")));
  breakwater_->Stop();
  EXPECT_EQ(umount(directory.c_str()), 0);
}

TEST_F(MemoryTest, ABrokenFileIsMovedAsideAndTheBansHold) {
  StartPolicy();
  ASSERT_FALSE(HasFatalFailure());
  GetBanned(kListed);
  ASSERT_TRUE(breakwater_->Stop());
  const int fd = open(MemoryFile().c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  ASSERT_EQ(write(fd, "no database at all", 18), 18);
  close(fd);
  StartBreakwater();
  EXPECT_THAT(breakwater_->Log(), HasSubstr("event=memory-broken"));
  EXPECT_TRUE(std::filesystem::exists(MemoryFile() + ".broken"));
  EXPECT_TRUE(IsBanned(kListed));
  // All that is left to be known is what the kernel holds.
  EXPECT_TRUE(WaitUntil([&] {
    return Ask({"bans"}).find("before-restart") != std::string::npos;
  }));
  EXPECT_TRUE(breakwater_->WaitForLog("event=memory-works"));
}

}  // namespace
}  // namespace breakwater::testing
