// Clients that come from one /64 after the other of the same network: on a real
// Postfix and the kernel's sets.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/integration/harness/temp_directory.h"
#include "tests/integration/harness/wait.h"
#include "tests/integration/whole_path.h"

namespace breakwater::testing {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;

class NeighboursTest : public WholePathTest {
 protected:
  static constexpr char kNetwork[] = "2001:db8:bad1:100::";
  static constexpr char kNeighbour[] = "2001:db8:bad1:1aa::5";  // on no list
  static constexpr char kBeside[] = "2001:db8:bad1:200::5";

  static std::string Zombie(int i) {
    return absl::StrFormat("2001:db8:bad1:1%02x::5", i);
  }
  void StartWith(const std::string& config = "", bool rules = true) {
    Parts parts{.policy = true, .rules = rules, .config = config};
    parts.listed.clear();
    for (int i = 0; i < 8; ++i) {
      parts.listed.push_back({absl::StrFormat("2001:db8:bad1:1%02x::/64", i)});
    }
    StartParts(parts);
  }
  // As many as it takes.
  void OpenEight() {
    for (int i = 0; i < 8; ++i) {
      BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(Zombie(i)));
      EXPECT_EQ(session.banner.code, 521) << Zombie(i);
    }
  }
  void BanEight() {
    OpenEight();
    ASSERT_TRUE(WaitUntil([&] { return IsBanned(Zombie(7)); }));
  }
  bool IsNetworkBanned() { return sets_->Has("breakwater6-56", kNetwork); }
  bool IsLetIn(const std::string& from) {
    const auto session = Open(from);
    return session.ok() && session->banner.code == 220;
  }
};

TEST_F(NeighboursTest, AfterEightTheNextIsDroppedByTheKernelAndExplainSaysWhy) {
  StartWith();
  ASSERT_FALSE(HasFatalFailure());
  // A neighbour that nobody lists is there, and goes with the others.
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session early, Open(kNeighbour));
  ASSERT_EQ(early.banner.code, 220);
  BanEight();
  ASSERT_TRUE(WaitUntil([&] { return IsNetworkBanned(); }));
  EXPECT_EQ(early.client.WaitForEnd(seconds(3)), Ending::kReset);
  EXPECT_TRUE(IsDropped(kNeighbour));
  EXPECT_TRUE(IsLetIn(kBeside));

  EXPECT_THAT(Ask({"explain", kNeighbour}),
              AllOf(HasSubstr("is kept out until "),
                    HasSubstr(", with its neighbours: 8 of "
                              "2001:db8:bad1:100::/56 are banned; without that "
                              "ban it would pass")));
  EXPECT_THAT(Ask({"bans"}), AllOf(HasSubstr("\"neighbours\""),
                                   HasSubstr("2001:db8:bad1:100::/56")));
  EXPECT_TRUE(breakwater_->WaitForLog("origin=neighbours"));
}

TEST_F(NeighboursTest,
       UnbanningOneLetsItsNeighboursInUntilAsManyAreBannedAgain) {
  StartWith();
  ASSERT_FALSE(HasFatalFailure());
  BanEight();
  ASSERT_TRUE(WaitUntil([&] { return IsNetworkBanned(); }));
  EXPECT_THAT(
      Ask({"unban", kNeighbour}),
      AllOf(HasSubstr("\"ok\":true"), HasSubstr("2001:db8:bad1:100::/56")));
  EXPECT_FALSE(IsNetworkBanned()) << "at once";
  EXPECT_TRUE(IsLetIn(kNeighbour));
  EXPECT_TRUE(IsDropped(Zombie(1))) << "is banned itself";
  // One more does not bring it back.
  ASSERT_THAT(Ask({"unban", Zombie(0)}), HasSubstr("\"ok\":true"));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session again, Open(Zombie(0)));
  EXPECT_EQ(again.banner.code, 521);
  ASSERT_TRUE(WaitUntil([&] { return IsBanned(Zombie(0)); }));
  EXPECT_FALSE(IsNetworkBanned());
}

TEST_F(NeighboursTest, AProtectedNeighbourKeepsTheNetworkOpen) {
  StartWith("[protect]\nnetworks = [\"2001:db8:bad1:1ff::7\"]\n");
  ASSERT_FALSE(HasFatalFailure());
  BanEight();
  EXPECT_TRUE(breakwater_->WaitForLog(
      "event=ban-refused client=2001:db8:bad1:100::/56 why=protected"));
  EXPECT_TRUE(IsLetIn(kNeighbour));
  EXPECT_FALSE(IsNetworkBanned());
}

TEST_F(NeighboursTest, ABannedNetworkOutlivesBothPrograms) {
  StartWith();
  ASSERT_FALSE(HasFatalFailure());
  BanEight();
  ASSERT_TRUE(WaitUntil([&] { return IsNetworkBanned(); }));
  ASSERT_TRUE(breakwater_->Stop());
  EXPECT_TRUE(IsDropped(kNeighbour));
  StartBreakwater();
  EXPECT_TRUE(IsDropped(kNeighbour));
  EXPECT_THAT(Ask({"explain", kNeighbour}),
              HasSubstr("2001:db8:bad1:100::/56"));
  ASSERT_THAT(Ask({"unban", kNeighbour}), HasSubstr("\"ok\":true"));
  EXPECT_TRUE(IsLetIn(kNeighbour));
}

TEST_F(NeighboursTest, NftablesKeepsThemOutToo) {
  StartWith("[firewall]\nbackend = \"nftables\"\n", /*rules=*/false);
  ASSERT_FALSE(HasFatalFailure());
  ASSERT_TRUE(
      breakwater_
          ->Command({"firewall", "print", "--for", "nftables", "--apply"})
          .ok());
  OpenEight();
  EXPECT_TRUE(WaitUntil([&] { return IsDropped(kNeighbour); }));
  EXPECT_TRUE(IsLetIn(kBeside));
  ASSERT_THAT(Ask({"unban", kNeighbour}), HasSubstr("\"ok\":true"));
  EXPECT_TRUE(IsLetIn(kNeighbour));
}

TEST_F(NeighboursTest, AReloadWithoutWideningLetsTheNetworkIn) {
  StartWith();
  ASSERT_FALSE(HasFatalFailure());
  BanEight();
  ASSERT_TRUE(WaitUntil([&] { return IsNetworkBanned(); }));
  BREAKWATER_ASSERT_OK(breakwater_->WriteConfig(
      ReadFile(breakwater_->config_path()) + "[widen]\nipv6_56 = 0\n"));
  ASSERT_THAT(Ask({"reload"}), HasSubstr("\"ok\":true"));
  EXPECT_TRUE(WaitUntil([&] { return !IsNetworkBanned(); }));
  EXPECT_TRUE(IsLetIn(kNeighbour));
  EXPECT_TRUE(IsDropped(Zombie(3)));
}

}  // namespace
}  // namespace breakwater::testing
