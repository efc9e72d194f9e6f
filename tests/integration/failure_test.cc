// Whatever fails, mail flows as if Breakwater were not there, and the operator
// is told.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "tests/integration/harness/wait.h"
#include "tests/integration/whole_path.h"

namespace breakwater::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

class FailureTest : public WholePathTest {
 protected:
  // Nobody may wait for a child whose parent is gone: a zombie does not run.
  static bool Runs(pid_t pid) {
    char program[2];
    const std::string link = "/proc/" + std::to_string(pid) + "/exe";
    return pid > 0 && readlink(link.c_str(), program, sizeof program) > 0;
  }
  void StartBothDoors() { StartParts({.policy = true, .milter = true}); }
};

TEST_F(FailureTest, MailFlowsWhenBreakwaterIsStopped) {
  StartBothDoors();
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_TRUE(breakwater_->Stop());
  ExpectMailFlows(kClean);
  ExpectMailFlows(kListed);
}

TEST_F(FailureTest, MailFlowsWhenTheDaemonHangs) {
  StartBothDoors();
  ASSERT_FALSE(HasFatalFailure());
  const pid_t daemon = breakwater_->ChildPid("breakwaterd");
  ASSERT_EQ(kill(daemon, SIGSTOP), 0);
  BREAKWATER_ASSERT_OK_AND_ASSIGN(
      SmtpClient client,
      SmtpClient::Connect(world(), {.from = kClean}, seconds(20)));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(SmtpReply banner,
                                  client.ReadReply(seconds(20)));
  EXPECT_EQ(banner.code, 220);
  kill(daemon, SIGCONT);
}

TEST_F(FailureTest, MailFlowsWhenTheListsAreSilentAndStatusSaysSo) {
  StartBothDoors();
  ASSERT_FALSE(HasFatalFailure());
  list_->Pause();
  ExpectMailFlows(kListed);
  EXPECT_FALSE(IsBanned(kListed));
  EXPECT_TRUE(breakwater_->WaitForLog("event=zone-error"));
  EXPECT_THAT(Ask({"status"}), HasSubstr("timeout"));
  list_->Resume();
}

TEST_F(FailureTest, AKilledEnforcerIsStartedAgainAndKnowsTheBans) {
  StartBothDoors();
  ASSERT_FALSE(HasFatalFailure());
  const pid_t enforcer = breakwater_->ChildPid("breakwater-enforcer");
  ASSERT_GT(enforcer, 0);
  ASSERT_EQ(kill(enforcer, SIGKILL), 0);
  ASSERT_TRUE(breakwater_->WaitForLog("event=enforcer-lost"));
  ExpectMailFlows(kClean);
  // Banned while nobody could tell the kernel.
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListed));
  EXPECT_EQ(session.banner.code, 521);
  EXPECT_TRUE(WaitUntil([&] { return IsBanned(kListed); }));
}

TEST_F(FailureTest, AKilledDaemonIsStartedAgainAndKeepsTheBans) {
  StartBothDoors();
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK(Open(kListed));
  ASSERT_TRUE(WaitUntil([&] { return IsBanned(kListed); }));
  const pid_t daemon = breakwater_->ChildPid("breakwaterd");
  ASSERT_EQ(kill(daemon, SIGKILL), 0);
  ASSERT_TRUE(WaitUntil([&] {
    const pid_t now = breakwater_->ChildPid("breakwaterd");
    return now != 0 && now != daemon;
  }));
  EXPECT_TRUE(WaitUntil(
      [&] { return Ask({"bans"}).find(kListed) != std::string::npos; }));
  EXPECT_TRUE(IsBanned(kListed));
  EXPECT_TRUE(WaitUntil([&] { return !Ask({"status"}).empty(); }));
  ExpectMailFlows(kClean);
}

// Not even one that hangs.
TEST_F(FailureTest, AKilledParentLeavesNobodyBehindAndAnotherOneServes) {
  StartBothDoors();
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK(Open(kListed));
  ASSERT_TRUE(WaitUntil([&] { return IsBanned(kListed); }));
  const pid_t daemon = breakwater_->ChildPid("breakwaterd");
  const pid_t enforcer = breakwater_->ChildPid("breakwater-enforcer");
  ASSERT_EQ(kill(enforcer, SIGSTOP), 0);
  ASSERT_EQ(kill(breakwater_->pid(), SIGKILL), 0);
  for (const pid_t child : {daemon, enforcer}) {
    EXPECT_TRUE(WaitUntil([&] { return !Runs(child); })) << child;
  }
  StartBreakwater();
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_TRUE(WaitUntil(
      [&] { return Ask({"bans"}).find(kListed) != std::string::npos; }));
  EXPECT_TRUE(breakwater_->Stop());
  EXPECT_FALSE(Runs(breakwater_->ChildPid("breakwaterd")));
}

TEST_F(FailureTest, ARestartKeepsTheBans) {
  StartBothDoors();
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK(Open(kListed));
  ASSERT_TRUE(WaitUntil([&] { return IsBanned(kListed); }));
  ASSERT_TRUE(breakwater_->Stop());
  EXPECT_TRUE(IsBanned(kListed));
  StartBreakwater();
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_TRUE(IsBanned(kListed));
  EXPECT_THAT(Ask({"explain", kListed}), HasSubstr("is listed by dnsbl.test"));
}

TEST_F(FailureTest, ASetDestroyedUnderUsIsMadeAgainWithItsBans) {
  Parts parts{.policy = true, .rules = false};
  StartParts(parts);
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK(Open(kListed));
  ASSERT_TRUE(WaitUntil([&] { return IsBanned(kListed); }));
  BREAKWATER_ASSERT_OK(sets_->Destroy("breakwater4"));
  EXPECT_TRUE(WaitUntil([&] { return IsBanned(kListed); }));
  EXPECT_TRUE(breakwater_->WaitForLog("event=sets-made"));
}

TEST_F(FailureTest, ABanTakenOutOfASetComesBackWhenItsClientDoes) {
  StartParts({.policy = true});
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_THAT(Ask({"ban", kListed, "--for", "1h"}), HasSubstr("\"ok\":true"));
  ASSERT_TRUE(WaitUntil([&] { return IsBanned(kListed); }));
  // What came within a few seconds may have been on its way.
  std::this_thread::sleep_for(seconds(6));
  ASSERT_TRUE(RunIn(mta(), {"ipset", "del", "breakwater4", kListed}).ok());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListed));
  EXPECT_EQ(session.banner.code, 521);
  EXPECT_TRUE(WaitUntil([&] { return IsBanned(kListed); }));
  EXPECT_GT(sets_->Timeout("breakwater4", kListed), seconds(3500));
  EXPECT_TRUE(IsDropped(kListed));
}

TEST_F(FailureTest, StatusSaysThatTheEnforcerIsAway) {
  StartBothDoors();
  ASSERT_FALSE(HasFatalFailure());
  const pid_t enforcer = breakwater_->ChildPid("breakwater-enforcer");
  ASSERT_EQ(kill(enforcer, SIGSTOP), 0);
  BREAKWATER_ASSERT_OK(Open(kListed));  // an order that is not answered
  EXPECT_TRUE(WaitUntil(
      [&] {
        return Ask({"status"}).find("does not answer") != std::string::npos;
      },
      seconds(25), milliseconds(200)));
  kill(enforcer, SIGCONT);
  EXPECT_TRUE(WaitUntil([&] { return IsBanned(kListed); }, seconds(20)));
}

TEST_F(FailureTest, AReloadWithAMistakeKeepsTheOldRulesAndSaysWhy) {
  Parts parts{.policy = true};
  StartParts(parts);
  ASSERT_FALSE(HasFatalFailure());
  parts.config = "colour = \"blue\"\n";
  BREAKWATER_ASSERT_OK(breakwater_->WriteConfig(ConfigText(ServiceOf(parts))));
  EXPECT_THAT(Ask({"reload"}), HasSubstr("colour"));
  EXPECT_THAT(Ask({"status"}), HasSubstr("refused at the reload"));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListed));
  EXPECT_EQ(session.banner.code, 521);
}

TEST_F(FailureTest, AReloadTakesTheNewRulesAndLosesNoSession) {
  Parts parts{.policy = true, .milter = true};
  StartParts(parts);
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session open, Open(kClean));
  parts.config = "[protect]\nnetworks = [\"198.18.0.0/24\"]\n";
  BREAKWATER_ASSERT_OK(breakwater_->WriteConfig(ConfigText(ServiceOf(parts))));
  EXPECT_THAT(Ask({"reload"}), HasSubstr("\"ok\":true"));
  ExpectMailFlows(kListed);
  BREAKWATER_ASSERT_OK_AND_ASSIGN(
      SmtpReply reply,
      open.client.SendMessage("a@example.org", "good@mail.test", "x\n"));
  EXPECT_EQ(reply.code, 250);
}

}  // namespace
}  // namespace breakwater::testing
