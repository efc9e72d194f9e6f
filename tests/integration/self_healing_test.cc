// What somebody does to the kernel's sets is noticed and put right: all live
// bans are back within seconds, with the time that they had left.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/integration/breakwater_test.h"
#include "tests/integration/harness/wait.h"

namespace breakwater::testing {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr seconds kSoon(5);

class SelfHealingTest : public BreakwaterTest {
 protected:
  void StartWith(const std::string& backend, bool rules = false) {
    // Bans come from the operator alone.
    StartService({.rules = rules,
                  .config = absl::StrCat("[firewall]\nbackend = ", backend,
                                         "\n[ban]\nneeds_socket = false\n")});
  }
  void Run(const std::string& command) {
    const CommandResult result = RunIn(mta(), {"sh", "-c", command});
    ASSERT_TRUE(result.ok()) << command << result.err;
  }
  void BanForAnHour(const std::string& address) {
    EXPECT_THAT(Ask({"ban", address, "--for", "1h"}), HasSubstr("\"ok\":true"));
  }
  // The seconds that nft shows an element to have left; -1 if it is not in.
  int LeftInNft(const std::string& set, const std::string& element) {
    const std::string text =
        RunIn(mta(), {"nft", "-j", "list", "set", "inet", "breakwater", set})
            .out;
    const size_t at = text.find(absl::StrCat("\"", element, "\""));
    const size_t expires = text.find("\"expires\": ", at);
    if (at == std::string::npos || expires == std::string::npos) return -1;
    return std::atoi(text.c_str() + expires + 11);
  }
  bool IsBackInNft(const std::string& set, const std::string& element) {
    return WaitUntil([&] { return LeftInNft(set, element) > 3500; }, kSoon) &&
           LeftInNft(set, element) <= 3600;
  }
};

TEST_F(SelfHealingTest, NftFlushRulesetDoesNotEndABan) {
  StartWith("\"nftables\"");
  ASSERT_FALSE(HasFatalFailure());
  BanForAnHour("203.0.113.9");
  BanForAnHour("2001:db8:900d::9");
  ASSERT_TRUE(IsBackInNft("breakwater4", "203.0.113.9"));
  Run("nft flush ruleset");
  EXPECT_TRUE(IsBackInNft("breakwater4", "203.0.113.9"));
  EXPECT_TRUE(IsBackInNft("breakwater6", "2001:db8:900d::"));
  EXPECT_THAT(breakwater_->Log(),
              HasSubstr("event=sets-made backend=nftables count=4"));
  EXPECT_TRUE(WaitUntil([&] {
    return Ask({"status"}).find("\"sets_made\":1") != std::string::npos;
  })) << Ask({"status"});
}

TEST_F(SelfHealingTest, AFirewallsReloadFromAFileThatHoldsTheTableKeepsBans) {
  StartWith("\"nftables\"");
  ASSERT_FALSE(HasFatalFailure());
  const std::string file = breakwater_->directory() + "/rules";
  Run("(echo flush ruleset; nft list ruleset) >" + file);
  BanForAnHour("203.0.113.9");
  ASSERT_TRUE(IsBackInNft("breakwater4", "203.0.113.9"));
  Run("nft -f " + file);
  ASSERT_EQ(LeftInNft("breakwater4", "203.0.113.9"), -1);
  EXPECT_TRUE(IsBackInNft("breakwater4", "203.0.113.9"));
  EXPECT_THAT(breakwater_->Log(), HasSubstr("event=sets-flushed"));
}

TEST_F(SelfHealingTest, AnEmptiedIpSetIsFilledAgainWithTheTimeThatWasLeft) {
  StartWith("\"ipset\"", /*rules=*/true);
  ASSERT_FALSE(HasFatalFailure());
  BanForAnHour("203.0.113.9");
  ASSERT_TRUE(WaitUntil([&] { return IsBanned("203.0.113.9"); }));
  Run("ipset flush");
  EXPECT_TRUE(WaitUntil([&] { return IsBanned("203.0.113.9"); }, kSoon));
  const auto left = sets_->Timeout("breakwater4", "203.0.113.9");
  ASSERT_TRUE(left);
  EXPECT_GT(*left, seconds(3500));
  EXPECT_TRUE(IsDropped("203.0.113.9"));
}

TEST_F(SelfHealingTest, ASetThatWasSwappedForAnotherOneIsFilled) {
  StartWith("\"ipset\"", /*rules=*/true);
  ASSERT_FALSE(HasFatalFailure());
  BanForAnHour("203.0.113.9");
  ASSERT_TRUE(WaitUntil([&] { return IsBanned("203.0.113.9"); }));
  Run("ipset create other hash:ip timeout 5 && ipset swap other breakwater4");
  EXPECT_FALSE(IsBanned("203.0.113.9"));
  EXPECT_TRUE(WaitUntil([&] { return IsBanned("203.0.113.9"); }, kSoon));
}

TEST_F(SelfHealingTest, AStrangersSetIsLeftAloneAndTheOperatorIsTold) {
  StartWith("\"ipset\"");
  ASSERT_FALSE(HasFatalFailure());
  BanForAnHour("203.0.113.9");
  Run("ipset destroy breakwater4 && ipset create breakwater4 hash:net && "
      "ipset add breakwater4 198.51.100.0/24");
  EXPECT_TRUE(WaitUntil([&] {
    return Ask({"status"}).find("sets cannot be used") != std::string::npos;
  })) << Ask({"status"});
  EXPECT_THAT(breakwater_->Log(), HasSubstr("has type hash:net, not hash:ip"));
  EXPECT_TRUE(IsBanned("198.51.100.7")) << "theirs stays";
  Run("ipset destroy breakwater4");
  EXPECT_TRUE(WaitUntil([&] { return IsBanned("203.0.113.9"); }, kSoon));
  EXPECT_TRUE(WaitUntil([&] {
    return Ask({"status"}).find("sets cannot be used") == std::string::npos;
  }));
}

TEST_F(SelfHealingTest, ABanGoesIntoBothBackendsAndIntoOneThatComesLater) {
  StartWith("\"ipset\"");
  ASSERT_FALSE(HasFatalFailure());
  BanForAnHour("203.0.113.9");
  ASSERT_TRUE(WaitUntil([&] { return IsBanned("203.0.113.9"); }));
  EXPECT_TRUE(breakwater_->Stop());
  Service both;
  both.config = "[firewall]\nbackend = [\"ipset\", \"nftables\"]\n";
  BREAKWATER_ASSERT_OK(breakwater_->WriteConfig(ConfigText(both)));
  StartBreakwater();
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_TRUE(IsBackInNft("breakwater4", "203.0.113.9"));
  BanForAnHour("203.0.113.10");
  EXPECT_TRUE(WaitUntil([&] { return IsBanned("203.0.113.10"); }));
  EXPECT_TRUE(IsBackInNft("breakwater4", "203.0.113.10"));
}

TEST_F(SelfHealingTest,
       AnEnforcerThatDiesLeavesNftablesBansAndLearnsThemAgain) {
  StartWith("\"nftables\"");
  ASSERT_FALSE(HasFatalFailure());
  BanForAnHour("203.0.113.9");
  ASSERT_TRUE(IsBackInNft("breakwater4", "203.0.113.9"));
  const pid_t before = breakwater_->ChildPid("breakwater-enforcer");
  ASSERT_GT(before, 0);
  kill(before, SIGKILL);
  EXPECT_GT(LeftInNft("breakwater4", "203.0.113.9"), 3500);
  ASSERT_TRUE(breakwater_->WaitForLog("event=list-partial entries=0"));
  Ask({"unban", "203.0.113.9"});
  EXPECT_TRUE(
      WaitUntil([&] { return LeftInNft("breakwater4", "203.0.113.9") == -1; }));
}

TEST_F(SelfHealingTest, ListsOfXtRecentAreFilledWhenTheirRulesAreBack) {
  StartWith("\"xt_recent\"");
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_TRUE(breakwater_->WaitForLog(
      "event=rules-missing backend=xt_recent sets=breakwater,breakwater6"));
  // Only root may write them: the lists are there when the enforcer starts.
  EXPECT_TRUE(breakwater_->Stop());
  const std::string rules =
      "iptables -t raw -A PREROUTING -p tcp --syn --dport 25 -m recent "
      "--name breakwater --rcheck --seconds 600 -j DROP && "
      "ip6tables -t raw -A PREROUTING -p tcp --syn --dport 25 -m recent "
      "--name breakwater6 --mask ffff:ffff:ffff:ffff:: --rcheck "
      "--seconds 600 -j DROP";
  Run(rules);
  StartBreakwater();
  ASSERT_FALSE(HasFatalFailure());
  BanForAnHour("203.0.113.9");
  EXPECT_TRUE(WaitUntil([&] { return IsDropped("203.0.113.9"); }));
  Run("echo / >/proc/net/xt_recent/breakwater");
  EXPECT_TRUE(breakwater_->WaitForLog("event=sets-flushed backend=xt_recent"));
  EXPECT_TRUE(WaitUntil([&] { return IsDropped("203.0.113.9"); }, kSoon));
  // New lists must be given to the enforcer's user first.
  Run("iptables -t raw -F && ip6tables -t raw -F && " + rules);
  EXPECT_TRUE(breakwater_->WaitForLog("may not be written"));
  Run("chown daemon /proc/net/xt_recent/*");
  EXPECT_TRUE(WaitUntil([&] { return IsDropped("203.0.113.9"); }, kSoon));
}

TEST_F(SelfHealingTest, AChangeOfBackendKeepsNobodyOut) {
  StartWith("\"ipset\"", /*rules=*/true);
  ASSERT_FALSE(HasFatalFailure());
  BanForAnHour("203.0.113.9");
  ASSERT_TRUE(WaitUntil([&] { return IsDropped("203.0.113.9"); }, kSoon));
  EXPECT_TRUE(breakwater_->Stop());
  Service other;
  other.config = "[firewall]\nbackend = \"nftables\"\n";
  BREAKWATER_ASSERT_OK(breakwater_->WriteConfig(ConfigText(other)));
  StartBreakwater();
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_THAT(breakwater_->Log(),
              HasSubstr("event=left-over-emptied backend=ipset "
                        "sets=breakwater4 addresses=1"));
  EXPECT_TRUE(IsBackInNft("breakwater4", "203.0.113.9"));
  Ask({"unban", "203.0.113.9"});
  EXPECT_FALSE(IsDropped("203.0.113.9"));
}

TEST_F(SelfHealingTest, AChangeOfTheSetsNamesIsToldOfAndUnbansAreFromAll) {
  StartWith("\"ipset\"", /*rules=*/true);
  ASSERT_FALSE(HasFatalFailure());
  BanForAnHour("203.0.113.9");
  BanForAnHour("203.0.113.10");
  ASSERT_TRUE(WaitUntil([&] { return IsDropped("203.0.113.10"); }, kSoon));
  EXPECT_TRUE(breakwater_->Stop());
  Service other;
  other.config = "[firewall]\nset_prefix = \"mx\"\n";
  BREAKWATER_ASSERT_OK(breakwater_->WriteConfig(ConfigText(other)));
  StartBreakwater();
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_TRUE(WaitUntil([&] {
    return Ask({"status"}).find("that the configuration does not name") !=
           std::string::npos;
  })) << Ask({"status"});
  EXPECT_THAT(Ask({"explain", "203.0.113.77"}), HasSubstr("may keep it out"));
  EXPECT_THAT(breakwater_->Command({"doctor"}).out,
              HasSubstr("the sets breakwater4 of ipset of another"));
  Ask({"unban", "203.0.113.9"});
  EXPECT_TRUE(WaitUntil([&] { return !IsDropped("203.0.113.9"); }, kSoon));
  EXPECT_TRUE(IsBanned("203.0.113.10")) << "perhaps another Breakwater's";
}

TEST_F(SelfHealingTest, RulesThatAreGoneAreAProblemUntilTheyAreBack) {
  StartWith("\"ipset\"", /*rules=*/true);
  ASSERT_FALSE(HasFatalFailure());
  BanForAnHour("203.0.113.9");
  std::this_thread::sleep_for(seconds(6));
  EXPECT_THAT(Ask({"status"}), Not(HasSubstr("no rule of the firewall")));
  EXPECT_THAT(Ask({"explain", "203.0.113.9"}), HasSubstr("is kept out until"));
  Run("iptables -t raw -F");
  EXPECT_TRUE(breakwater_->WaitForLog(
      "level=error event=rules-missing backend=ipset sets=breakwater4 ",
      seconds(10)));
  EXPECT_TRUE(WaitUntil([&] {
    return Ask({"status"})
               .find(
                   "no rule of the firewall drops who is in "
                   "breakwater4 of ipset") != std::string::npos;
  })) << Ask({"status"});
  EXPECT_THAT(Ask({"metrics"}), HasSubstr("breakwater_sets_without_rule 1"));
  EXPECT_THAT(Ask({"explain", "203.0.113.9"}),
              HasSubstr("but refused only: no rule of the firewall drops"));
  Run("iptables -t raw -A PREROUTING -p tcp --syn --dport 25 -m set "
      "--match-set breakwater4 src -j DROP");
  EXPECT_TRUE(breakwater_->WaitForLog("event=rules-found backend=ipset"));
  EXPECT_TRUE(WaitUntil([&] {
    return Ask({"status"}).find("no rule of the firewall") == std::string::npos;
  }));
  EXPECT_THAT(Ask({"metrics"}), HasSubstr("breakwater_sets_without_rule 0"));
}

TEST_F(SelfHealingTest, WhoOnlyObservesIsNotToldOfMissingRulesAsAProblem) {
  StartService({.rules = false, .mode = "observe"});
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_TRUE(breakwater_->WaitForLog("level=info event=rules-missing"));
  EXPECT_THAT(Ask({"status"}),
              AllOf(Not(HasSubstr("no rule of the firewall")),
                    HasSubstr("\"without_rule\":{\"ipset\":[\"breakwater4\"")));
}

TEST_F(SelfHealingTest, NftFlushRulesetLeavesOurTableWithItsRules) {
  StartWith("\"nftables\"");
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_TRUE(WaitUntil([&] {
    return Ask({"status"})
               .find(
                   "drops who is in breakwater4, breakwater6, "
                   "breakwater6-56, breakwater6-48 of nftables") !=
           std::string::npos;
  })) << Ask({"status"});
  const CommandResult applied = breakwater_->Command(
      {"firewall", "print", "--for", "nftables", "--apply"});
  ASSERT_TRUE(applied.ok()) << applied.err;
  EXPECT_TRUE(breakwater_->WaitForLog("event=rules-found backend=nftables"));
  BanForAnHour("203.0.113.9");
  EXPECT_TRUE(IsDropped("203.0.113.9"));
  const std::string list = "nft -s list chain inet breakwater ";
  const auto rules = [&] {
    return RunIn(mta(),
                 {"sh", "-c", list + "banned; " + list + "new-connections"})
        .out;
  };
  const std::string before = rules();
  Run("nft flush ruleset");
  EXPECT_TRUE(WaitUntil([&] { return rules() == before; }, seconds(2)))
      << rules();
  EXPECT_TRUE(WaitUntil([&] { return IsDropped("203.0.113.9"); }, kSoon));
  EXPECT_THAT(breakwater_->Log(), HasSubstr("rules=\"put back\""));
  EXPECT_TRUE(breakwater_->Command({"firewall", "remove"}).ok());
  EXPECT_TRUE(breakwater_->WaitForLog(
      "level=error event=rules-missing backend=nftables"));
  EXPECT_FALSE(IsDropped("203.0.113.9"));
}

}  // namespace
}  // namespace breakwater::testing
