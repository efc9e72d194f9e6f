#include "daemon/set_keeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace breakwater {
namespace {

using std::chrono::seconds;

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
