#include "daemon/enforcer/set_keeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace breakwater {
namespace {

using std::chrono::seconds;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

constexpr unsigned long kAllFour = 0b1111;

// Sets of ipset's that hold nothing and that no rule looks into.
class UnseenSets final : public BanSets {
 public:
  explicit UnseenSets(SetNumbers& unseen) : unseen_(unseen) {}
  const char* name() const override { return "ipset"; }
  Capabilities capabilities() const override { return {}; }
  SetsCheck Check() override { return {}; }
  absl::StatusOr<SetNumbers> WithoutRule(bool&) override { return unseen_; }
  std::vector<ElementFailure> Add(absl::Span<const TimedNetwork>) override {
    return {};
  }
  std::vector<ElementFailure> Remove(absl::Span<const Network>) override {
    return {};
  }
  absl::StatusOr<std::vector<TimedNetwork>> List() override {
    return std::vector<TimedNetwork>();
  }

 private:
  SetNumbers& unseen_;
};

// Sets that do not list what is in, and remember what was taken out.
class SilentSets final : public BanSets {
 public:
  SilentSets(std::vector<Network>& removed, bool& fails)
      : removed_(removed), fails_(fails) {}
  const char* name() const override { return "nftables"; }
  Capabilities capabilities() const override { return {.lists = false}; }
  SetsCheck Check() override { return {}; }
  std::vector<ElementFailure> Add(absl::Span<const TimedNetwork>) override {
    return {};
  }
  std::vector<ElementFailure> Remove(
      absl::Span<const Network> networks) override {
    removed_.assign(networks.begin(), networks.end());
    if (fails_) return {{0, absl::InternalError("no memory")}};
    return {};
  }
  absl::StatusOr<std::vector<TimedNetwork>> List() override {
    return std::vector<TimedNetwork>();
  }

 private:
  std::vector<Network>& removed_;
  bool& fails_;
};

class SetsThatDoNotList : public testing::Test {
 protected:
  static std::vector<std::unique_ptr<BanSets>> Backends(
      std::vector<Network>& removed, bool& fails) {
    std::vector<std::unique_ptr<BanSets>> backends;
    backends.push_back(std::make_unique<SilentSets>(removed, fails));
    return backends;
  }
  static Network NetworkOf(std::string_view text) {
    return Network::Parse(text).value();
  }
  // What is taken out when it has become protected, too.
  const std::vector<Network>& TakenOutFor(std::string_view network) {
    NetworkSet all = configured_;
    all.Add(NetworkOf(network));
    configured_ = all;
    protection_.SetConfigured(configured_);
    removed_.clear();
    keeper_.RemoveProtected(protection_);
    return removed_;
  }

  std::vector<Network> removed_;
  bool fails_ = false;
  KernelErrors errors_;
  SetKeeper keeper_{Backends(removed_, fails_), errors_};
  NetworkSet configured_;
  Protection protection_;
};

// It may have been put in by an enforcer of before. Lists of 100,000 networks
// would have to be looked for in vain each time that an administrator logs in.
TEST_F(SetsThatDoNotList, WhatHasBecomeProtectedIsTakenOutOnce) {
  EXPECT_THAT(
      TakenOutFor("192.0.2.1"),
      UnorderedElementsAre(NetworkOf("192.0.2.1"), NetworkOf("192.0.2.0/24")));
  EXPECT_THAT(TakenOutFor("2001:db8::1"),
              UnorderedElementsAre(NetworkOf("2001:db8::/64"),
                                   NetworkOf("2001:db8::/56"),
                                   NetworkOf("2001:db8::/48")));
  EXPECT_THAT(TakenOutFor("2001:db8::1"), IsEmpty());
}

TEST_F(SetsThatDoNotList, NeighboursShareTheNetworksAroundThem) {
  configured_.Add(NetworkOf("192.0.2.1"));
  EXPECT_THAT(TakenOutFor("192.0.2.2"), SizeIs(3));
}

TEST_F(SetsThatDoNotList, WhatCouldNotBeTakenOutIsTriedAgain) {
  fails_ = true;
  EXPECT_THAT(TakenOutFor("192.0.2.1"), SizeIs(2));
  fails_ = false;
  EXPECT_THAT(TakenOutFor("192.0.2.1"), SizeIs(2));
  EXPECT_THAT(TakenOutFor("192.0.2.1"), IsEmpty());
}

class SetKeeperTest : public testing::Test {
 protected:
  static std::vector<std::unique_ptr<BanSets>> Backends(SetNumbers& unseen) {
    std::vector<std::unique_ptr<BanSets>> backends;
    backends.push_back(std::make_unique<UnseenSets>(unseen));
    return backends;
  }
  // What is told after so many seconds.
  unsigned long Told(int after, bool v4 = true, bool v6 = true) {
    keeper_.LookForRules(begin_ + seconds(after), v4, v6);
    return keeper_.without_rule().front().sets.to_ulong();
  }

  SetNumbers unseen_ = kAllFour;
  KernelErrors errors_;
  SetKeeper keeper_{Backends(unseen_), errors_};
  const Instant begin_ = Clock::now();
};

TEST_F(SetKeeperTest, AFirewallThatIsLoadedAnewIsNoNews) {
  EXPECT_EQ(Told(0), 0u);
  EXPECT_EQ(Told(2), 0u);
  unseen_ = 0;
  EXPECT_EQ(Told(3), 0u);
  unseen_ = kAllFour;
  EXPECT_EQ(Told(4), 0u);
  EXPECT_EQ(Told(6), 0u);
  EXPECT_EQ(Told(7), kAllFour);
}

TEST_F(SetKeeperTest, ARuleThatIsBackCountsAtOnce) {
  Told(0);
  ASSERT_EQ(Told(9), kAllFour);
  unseen_ = 0b1000;
  EXPECT_EQ(Told(10), 0b1000u);
  unseen_ = 0;
  EXPECT_EQ(Told(11), 0u);
}

TEST_F(SetKeeperTest, OnlyFamiliesOfWhichClientsCanComeCount) {
  unseen_ = 0b1111111;
  for (const int at : {0, 9}) Told(at, true, false);
  EXPECT_EQ(Told(10, true, false), 0b0010101u);
  for (const int at : {11, 19}) Told(at, false, true);
  EXPECT_EQ(Told(20, false, true), 0b1101010u);
  EXPECT_EQ(Told(21, false, false), 0u);
}

}  // namespace
}  // namespace breakwater
