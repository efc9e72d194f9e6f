// Against the kernel's own table of sockets, in a namespace of the test's.

#include "daemon/protection/ssh_peers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/net_namespace.h"
#include "tests/reaper/tcp_sockets.h"

namespace breakwater {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

IpAddress At(const char* text) { return *IpAddress::Parse(text); }

class SshPeersTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!namespace_.made()) GTEST_SKIP() << "needs root for a namespace";
    for (const char* address :
         {"192.0.2.22/24", "198.51.100.5/32", "198.51.100.6/32"}) {
      ASSERT_TRUE(
          NetNamespace::Run("ip addr add " + std::string(address) + " dev lo"));
    }
    ASSERT_TRUE(
        NetNamespace::Run("ip -6 addr add 2001:db8::5/128 dev lo nodad && "
                          "ip -6 addr add 2001:db8::22/128 dev lo nodad"));
    absl::StatusOr<SshPeers> peers = SshPeers::Open();
    ASSERT_TRUE(peers.ok()) << peers.status();
    peers_ = std::make_unique<SshPeers>(*std::move(peers));
    sshd_ = ListenOn("::", 22);
    ASSERT_GE(sshd_.get(), 0);
  }
  Session Connect(const char* from, const char* to, uint16_t port = 22) {
    return ConnectFrom(from, to, port, port == 22 ? sshd_ : other_);
  }
  bool Refresh(Duration later) {
    const absl::StatusOr<bool> another = peers_->Refresh(now_ += later);
    EXPECT_TRUE(another.ok()) << another.status();
    return another.value_or(false);
  }

  NetNamespace namespace_;
  TcpSocketFd sshd_;
  TcpSocketFd other_;
  std::unique_ptr<SshPeers> peers_;
  Instant now_ = Clock::now();
};

TEST_F(SshPeersTest, WhoIsConnectedForSoLongIsProtected) {
  const Session v4 = Connect("198.51.100.5", "192.0.2.22");
  const Session v6 = Connect("2001:db8::5", "2001:db8::22");
  EXPECT_FALSE(Refresh(seconds(0)));
  EXPECT_THAT(peers_->addresses(), IsEmpty());
  EXPECT_TRUE(Refresh(minutes(3)));
  EXPECT_THAT(peers_->addresses(),
              ElementsAre(At("198.51.100.5"), At("2001:db8::5")));
}

TEST_F(SshPeersTest, WhoGuessesPasswordsNeverStaysSoLong) {
  for (int i = 0; i < 10; ++i) {
    const Session guess = Connect("198.51.100.6", "192.0.2.22");
    Refresh(minutes(2));
  }
  EXPECT_THAT(peers_->addresses(), IsEmpty());
}

TEST_F(SshPeersTest, IsProtectedAnHourLonger) {
  {
    const Session session = Connect("198.51.100.5", "192.0.2.22");
    Refresh(seconds(0));
    Refresh(minutes(3));
  }
  EXPECT_FALSE(Refresh(hours(1) - seconds(1)));
  EXPECT_THAT(peers_->addresses(), ElementsAre(At("198.51.100.5")));
  EXPECT_TRUE(Refresh(seconds(5)));
  EXPECT_THAT(peers_->addresses(), IsEmpty());
}

TEST_F(SshPeersTest, OtherPortsAndOurOwnConnectionsDoNotCount) {
  other_ = ListenOn("::", 2222);
  const Session other = Connect("198.51.100.5", "192.0.2.22", 2222);
  const Session own = Connect("127.0.0.1", "127.0.0.1");
  Refresh(seconds(0));
  Refresh(minutes(3));
  EXPECT_THAT(peers_->addresses(), IsEmpty());
  peers_->SetOptions({.ports = {22, 2222}});
  Refresh(seconds(0));
  Refresh(minutes(3));
  EXPECT_THAT(peers_->addresses(), ElementsAre(At("198.51.100.5")));
}

TEST_F(SshPeersTest, LooksOnlyEverySoOften) {
  Refresh(seconds(0));
  const Session session = Connect("198.51.100.5", "192.0.2.22");
  Refresh(seconds(4));  // does not look
  Refresh(seconds(1));  // sees it for the first time
  Refresh(minutes(3) - seconds(1));
  EXPECT_THAT(peers_->addresses(), IsEmpty());
}

}  // namespace
}  // namespace breakwater
