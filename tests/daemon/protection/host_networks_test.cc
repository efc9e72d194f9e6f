#include "daemon/protection/host_networks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/net_namespace.h"

namespace breakwater {
namespace {

using std::chrono::seconds;
using testing::Contains;
using testing::Each;
using testing::Field;
using testing::IsEmpty;
using testing::Not;

ProtectedNetwork Own(const char* text) {
  return {*Network::Parse(text), ProtectionSource::kOwnAddress};
}
ProtectedNetwork Gateway(const char* text) {
  return {*Network::Parse(text), ProtectionSource::kGateway};
}

class HostNetworksTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!namespace_.made()) GTEST_SKIP() << "needs root for a namespace";
    auto hosts = HostNetworks::Open();
    ASSERT_TRUE(hosts.ok()) << hosts.status();
    hosts_ = std::make_unique<HostNetworks>(*std::move(hosts));
  }
  void Run(const char* command) {
    ASSERT_TRUE(NetNamespace::Run(command)) << command;
  }
  void MakeInterface() {
    Run("ip link add mail0 type veth peer name mail1");
    Run("ip link set mail1 up && ip link set mail0 up");
    Run("ip addr add 192.0.2.10/24 dev mail0");
    Run("ip -6 addr add 2001:db8::10/64 dev mail0 nodad");
  }

  NetNamespace namespace_;
  std::unique_ptr<HostNetworks> hosts_;
  Instant now_ = Clock::now();
};

TEST_F(HostNetworksTest, LoopbackAloneIsNothingNew) {
  EXPECT_TRUE(*hosts_->Refresh(now_));
  EXPECT_THAT(hosts_->networks(), IsEmpty());
}

TEST_F(HostNetworksTest, FindsOwnAddressesAndGatewaysOfBothFamilies) {
  MakeInterface();
  Run("ip route add default via 192.0.2.1");
  Run("ip -6 route add default via 2001:db8::1 dev mail0");
  ASSERT_TRUE(hosts_->Refresh(now_).ok());
  EXPECT_THAT(hosts_->networks(),
              testing::UnorderedElementsAre(
                  Own("192.0.2.10"), Own("2001:db8::10"), Gateway("192.0.2.1"),
                  Gateway("2001:db8::1")));
}

TEST_F(HostNetworksTest, FindsTheGatewaysOfARouteWithSeveralAndOfOtherTables) {
  MakeInterface();
  Run("ip route add 203.0.113.0/24 nexthop via 192.0.2.2 nexthop via "
      "192.0.2.3");
  Run("ip route add 198.51.100.0/24 via 192.0.2.4 table 77");
  Run("ip route add 10.1.0.0/16 via inet6 2001:db8::9 dev mail0");
  ASSERT_TRUE(hosts_->Refresh(now_).ok());
  for (const char* gateway :
       {"192.0.2.2", "192.0.2.3", "192.0.2.4", "2001:db8::9"}) {
    EXPECT_THAT(hosts_->networks(), Contains(Gateway(gateway)));
  }
}

TEST_F(HostNetworksTest, OfAPointToPointLinkOnlyOurEndIsOurs) {
  Run("ip link add mail0 type veth peer name mail1");
  Run("ip link set mail0 up");
  Run("ip addr add 192.0.2.10 peer 192.0.2.20 dev mail0");
  ASSERT_TRUE(hosts_->Refresh(now_).ok());
  EXPECT_THAT(hosts_->networks(), Contains(Own("192.0.2.10")));
  EXPECT_THAT(hosts_->networks(), Not(Contains(Own("192.0.2.20"))));
}

TEST_F(HostNetworksTest, NoticesAChangeWithoutWaitingForTheNextReading) {
  EXPECT_TRUE(*hosts_->Refresh(now_));
  EXPECT_FALSE(*hosts_->Refresh(now_ + seconds(1)));
  MakeInterface();
  EXPECT_TRUE(*hosts_->Refresh(now_ + seconds(2)));
  EXPECT_THAT(hosts_->networks(), Contains(Own("192.0.2.10")));
  Run("ip addr del 192.0.2.10/24 dev mail0");
  // Read a moment ago: not again at once, but the change is not forgotten.
  EXPECT_FALSE(*hosts_->Refresh(now_ + seconds(2)));
  EXPECT_TRUE(*hosts_->Refresh(now_ + seconds(4)));
  EXPECT_THAT(hosts_->networks(), Not(Contains(Own("192.0.2.10"))));
}

TEST_F(HostNetworksTest, ManyAddressesFit) {
  Run("ip link add mail0 type veth peer name mail1");
  Run("ip link set mail0 up");
  Run("for i in $(seq 1 200); do echo addr add 10.9.0.$i/16 dev mail0; done "
      "| ip -batch -");
  ASSERT_TRUE(hosts_->Refresh(now_).ok());
  EXPECT_EQ(
      std::ranges::count(hosts_->networks(), ProtectionSource::kOwnAddress,
                         &ProtectedNetwork::source),
      200);
}

}  // namespace
}  // namespace breakwater
