#include "firewall/nftables/nft_batch.h"

#include <gtest/gtest.h>

#include "core/base/clock.h"
#include "tests/fakes/net_namespace.h"

namespace breakwater {
namespace {

TEST(NftBatchTest, OfNothingWaitsForNoAnswer) {
  const NetNamespace there;
  if (!there.made()) GTEST_SKIP() << "needs root for a namespace";
  auto socket = NetlinkSocket::Open(NETLINK_NETFILTER);
  ASSERT_TRUE(socket.ok()) << socket.status();
  std::vector<char> bytes;
  const Instant begin = Clock::now();
  EXPECT_TRUE(NftBatch(*socket, bytes).Send().ok());
  EXPECT_LT(Clock::now() - begin, std::chrono::milliseconds(500));
  // And what comes after it is answered.
  NftBatch batch(*socket, bytes);
  batch.NewTable("mx");
  EXPECT_TRUE(batch.Send().ok());
}

}  // namespace
}  // namespace breakwater
