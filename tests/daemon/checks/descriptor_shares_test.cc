#include "daemon/checks/descriptor_shares.h"

#include <gtest/gtest.h>

namespace breakwater {
namespace {

Config AllDoors() {
  Config config;
  config.policy.sockets = {"unix:/p", "inet:127.0.0.1:1"};
  config.milter.socket = "unix:/m";
  config.report.socket = "unix:/r";
  return config;
}

TEST(DescriptorShares, LeaveEnoughForOurOwnWork) {
  for (const size_t limit : {64u, 256u, 1024u, 65'536u}) {
    const DescriptorShares shares = ShareDescriptors(limit, AllDoors());
    const size_t all = shares.policy + shares.milter + shares.report;
    EXPECT_LE(all, limit - std::min<size_t>(128, limit / 2)) << limit;
    EXPECT_GT(shares.policy, 10u) << limit;
    EXPECT_GT(shares.milter, 10u) << limit;
    EXPECT_GT(shares.report, 3u) << limit;
  }
}

TEST(DescriptorShares, APlentyIsBoundedByTheConfigurationAndTheRestTheMilters) {
  Config config = AllDoors();
  config.policy.most_connections = 4096;
  const DescriptorShares shares = ShareDescriptors(524'288, config);
  EXPECT_EQ(shares.policy, 4096u);
  EXPECT_EQ(shares.report, 256u);
  EXPECT_EQ(shares.milter, 524'288u - 128 - 256 - 4096);
}

TEST(DescriptorShares, ADoorAloneHasThemAll) {
  Config policy;
  policy.policy.sockets = {"unix:/p"};
  EXPECT_EQ(ShareDescriptors(256, policy).policy, 128u);
  EXPECT_EQ(ShareDescriptors(256, policy).milter, 0u);
  Config milter;
  milter.milter.socket = "unix:/m";
  EXPECT_EQ(ShareDescriptors(256, milter).milter, 128u);
}

}  // namespace
}  // namespace breakwater
