#include "daemon/protection/host_protection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/daemon/test_daemon.h"
#include "tests/fakes/net_namespace.h"
#include "tests/reaper/tcp_sockets.h"

namespace breakwater {
namespace {

using std::chrono::seconds;
using testing::AllOf;
using testing::Contains;
using testing::IsEmpty;
using testing::Not;

ProtectedNetwork Of(ProtectionSource source, const char* network) {
  return {*Network::Parse(network), source};
}

class HostProtectionTest : public testing::Test {
 protected:
  HostProtectionTest() {
    config_.protect.special_ranges = false;
    config_.resolver.servers = {{.address = *IpAddress::Parse("127.0.0.1")}};
    config_.protect.postconf = {directory_.File("postconf")};
  }
  void SetUp() override {
    if (!namespace_.made()) GTEST_SKIP() << "needs root for a namespace";
    auto opened = HostProtection::Open(directory_.File("resolv.conf"));
    ASSERT_TRUE(opened.ok()) << opened.status();
    protection_ = std::make_unique<HostProtection>(*std::move(opened));
  }
  void Write(const std::string& name, const std::string& text) {
    std::ofstream(directory_.File(name)) << text;
  }
  // As Postfix' would, it says what a file says.
  void MakePostconf() {
    Write("main.cf", "192.0.2.0/24");
    Write("postconf", "#!/bin/sh\necho " + directory_.File("") + "\ncat " +
                          directory_.File("main.cf") + "\n");
    chmod(directory_.File("postconf").c_str(), 0755);
  }
  bool Refresh(Duration later = seconds(0)) {
    const absl::StatusOr<bool> another = protection_->Refresh(now_ += later);
    EXPECT_TRUE(another.ok()) << another.status();
    return another.value_or(false);
  }
  bool Use() {
    protection_->SetConfig(config_);
    return Refresh();
  }

  NetNamespace namespace_;
  TestDirectory directory_;
  Config config_;
  std::unique_ptr<HostProtection> protection_;
  Instant now_ = Clock::now();
};

TEST_F(HostProtectionTest, NothingIsProtectedForNothing) {
  EXPECT_FALSE(Use());
  EXPECT_THAT(protection_->networks(), IsEmpty());
}

TEST_F(HostProtectionTest, SpecialRangesAreOnlyWhereTheConfigurationSaysSo) {
  config_.protect.special_ranges = true;
  EXPECT_TRUE(Use());
  EXPECT_THAT(protection_->networks(),
              AllOf(Contains(Of(ProtectionSource::kSpecialRange, "10.0.0.0/8")),
                    Contains(Of(ProtectionSource::kSpecialRange, "fc00::/7"))));
  config_.protect.special_ranges = false;
  EXPECT_TRUE(Use());
  EXPECT_THAT(protection_->networks(), IsEmpty());
}

TEST_F(HostProtectionTest, ResolversAreThoseOfTheConfigurationAndOfTheHost) {
  Write("resolv.conf", "nameserver 192.0.2.53\nnameserver 127.0.0.53\n");
  config_.resolver.servers.push_back(
      {.address = *IpAddress::Parse("2001:db8::53")});
  EXPECT_TRUE(Use());
  EXPECT_THAT(
      protection_->networks(),
      testing::ElementsAre(Of(ProtectionSource::kResolver, "192.0.2.53"),
                           Of(ProtectionSource::kResolver, "2001:db8::53")));
}

TEST_F(HostProtectionTest, AnotherResolvConfIsNoticed) {
  Use();
  Write("resolv.conf", "nameserver 192.0.2.53\n");
  EXPECT_FALSE(Refresh(seconds(1))) << "looked a moment ago";
  EXPECT_TRUE(Refresh(seconds(5)));
  EXPECT_THAT(protection_->networks(),
              Contains(Of(ProtectionSource::kResolver, "192.0.2.53")));
}

TEST_F(HostProtectionTest, PostfixIsNotAskedUnlessWanted) {
  MakePostconf();
  EXPECT_FALSE(Use());
  config_.protect.mynetworks = true;
  EXPECT_TRUE(Use());
  EXPECT_THAT(protection_->networks(),
              Contains(Of(ProtectionSource::kMynetworks, "192.0.2.0/24")));
}

TEST_F(HostProtectionTest, AChangeOfMainCfIsNoticedWithoutAReload) {
  MakePostconf();
  config_.protect.mynetworks = true;
  Use();
  Write("main.cf", "198.51.100.0/24 hash:/nets");
  EXPECT_TRUE(Refresh(seconds(5)));
  EXPECT_THAT(protection_->networks(),
              Contains(Of(ProtectionSource::kMynetworks, "198.51.100.0/24")));
  EXPECT_EQ(protection_->failing(), 1u) << "a table is left out";
}

TEST_F(HostProtectionTest, PostfixIsAskedAgainWhenTheHostHasOtherAddresses) {
  MakePostconf();
  // As with mynetworks_style: what it says is made of the interfaces.
  Write("postconf", "#!/bin/sh\necho " + directory_.File("") +
                        "\nip -o -4 addr show scope global dev lo |"
                        " awk '{print $4}'\n");
  config_.protect.mynetworks = true;
  Use();
  EXPECT_THAT(protection_->networks(), IsEmpty()) << "before the network is up";
  ASSERT_TRUE(NetNamespace::Run("ip addr add 198.51.100.5/32 dev lo"));
  Refresh(seconds(1));
  Refresh(seconds(4));
  EXPECT_THAT(protection_->networks(),
              Contains(Of(ProtectionSource::kMynetworks, "198.51.100.5")));
}

TEST_F(HostProtectionTest, WhatPostfixDoesNotSayAnyMoreStaysAsItWas) {
  MakePostconf();
  config_.protect.mynetworks = true;
  Use();
  EXPECT_EQ(protection_->failing(), 0u);
  Write("postconf", "#!/bin/sh\necho broken >&2; exit 1\n");
  EXPECT_FALSE(Use());
  EXPECT_EQ(protection_->failing(), 1u);
  EXPECT_THAT(protection_->networks(),
              Contains(Of(ProtectionSource::kMynetworks, "192.0.2.0/24")));
}

TEST_F(HostProtectionTest, APostfixThatComesLaterIsAskedAgain) {
  config_.protect.mynetworks = true;
  Use();
  EXPECT_EQ(protection_->failing(), 1u);
  MakePostconf();
  EXPECT_FALSE(Refresh(seconds(30)));
  EXPECT_TRUE(Refresh(seconds(30)));
  EXPECT_EQ(protection_->failing(), 0u);
}

TEST_F(HostProtectionTest, SshPeersAreFoundWhereTheConfigurationSaysSo) {
  ASSERT_TRUE(NetNamespace::Run("ip addr add 198.51.100.5/32 dev lo"));
  const TcpSocketFd sshd = ListenOn("198.51.100.5", 2222);
  const Session session =
      ConnectFrom("198.51.100.5", "198.51.100.5", 2222, sshd);
  config_.protect.ssh_peers = true;
  config_.protect.ssh = {.ports = {2222}, .after = seconds(10)};
  Use();
  Refresh(seconds(10));
  const auto peer = Of(ProtectionSource::kSshPeer, "198.51.100.5");
  EXPECT_THAT(protection_->networks(), Contains(peer));
  config_.protect.ssh_peers = false;
  Use();
  EXPECT_THAT(protection_->networks(), Not(Contains(peer)));
}

}  // namespace
}  // namespace breakwater
