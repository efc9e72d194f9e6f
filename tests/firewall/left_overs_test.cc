// Sets that another configuration has left, on the real kernel.

#include "firewall/left_overs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/net_namespace.h"

namespace breakwater {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class LeftOversTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!namespace_.made()) GTEST_SKIP() << "needs root for a namespace";
  }
  static void Run(const std::string& command) {
    ASSERT_TRUE(NetNamespace::Run(command)) << command;
  }
  // As that Breakwater has made and filled them, with rules that look there.
  static void MakeIpsets(const std::string& prefix) {
    Run("ipset create " + prefix + "4 hash:ip timeout 600 && ipset create " +
        prefix + "6 hash:ip family inet6 netmask 64 timeout 600 && ipset add " +
        prefix + "4 192.0.2.5 && ipset add " + prefix +
        "4 192.0.2.6 && ipset add " + prefix + "6 2001:db8:5::1");
    Run("iptables -t raw -A PREROUTING -m set --match-set " + prefix +
        "4 src -j DROP && ip6tables -t raw -A PREROUTING -m set --match-set " +
        prefix + "6 src -j DROP");
  }
  static void MakeNft(const std::string& prefix) {
    Run("nft 'table inet " + prefix + " { set " + prefix +
        "4 { type ipv4_addr; size 1000; flags dynamic,timeout; }; set " +
        prefix +
        "6 { type ipv6_addr; size 1000; flags dynamic,timeout; }; chain drops "
        "{ type filter hook prerouting priority raw; ip saddr @" +
        prefix + "4 drop; ip6 saddr & ffff:ffff:ffff:ffff:: @" + prefix +
        "6 drop; }; }'");
    Run("nft add element inet " + prefix + " " + prefix +
        "4 '{ 192.0.2.5 timeout 600s, 192.0.2.6 timeout 600s }'");
  }
  void Look(const LeftOvers::Options& options) {
    auto opened = LeftOvers::Open(options);
    ASSERT_TRUE(opened.ok()) << opened.status();
    left_overs_ = *std::move(opened);
    left_overs_->Look();
  }
  static std::string Ipset(const std::string& set) {
    return NetNamespace::Output("ipset list " + set);
  }
  static std::string Nft(const std::string& table) {
    return NetNamespace::Output("nft list table inet " + table);
  }

  NetNamespace namespace_;
  std::unique_ptr<LeftOvers> left_overs_;
};

TEST_F(LeftOversTest, OurSetsOfAnotherBackendAreEmptied) {
  MakeIpsets("breakwater");
  Look({.ipset = false, .nftables = true});
  EXPECT_THAT(
      left_overs_->emptied(),
      ElementsAre(AllOf(Field(&LeftOvers::Found::sets,
                              ElementsAre("breakwater4", "breakwater6")),
                        Field(&LeftOvers::Found::addresses, 3u))));
  EXPECT_THAT(left_overs_->found(), IsEmpty());
  EXPECT_THAT(Ipset("breakwater4"), HasSubstr("entries: 0"));
  EXPECT_THAT(Ipset("breakwater6"), HasSubstr("entries: 0"));
  left_overs_->Look();
  EXPECT_THAT(left_overs_->emptied(), IsEmpty()) << "once";
}

TEST_F(LeftOversTest, OurTableIsEmptiedWhereNftablesIsInUseNoMore) {
  MakeNft("breakwater");
  Look({});
  ASSERT_EQ(left_overs_->emptied().size(), 1u);
  EXPECT_THAT(Nft("breakwater"), AllOf(HasSubstr("@breakwater4 drop"),
                                       Not(HasSubstr("192.0.2.5"))));
}

TEST_F(LeftOversTest, OurListsAreEmptiedWhereXtRecentIsInUseNoMore) {
  Run("iptables -t raw -A PREROUTING -m recent --name breakwater --rcheck "
      "--seconds 600 -j DROP && echo +192.0.2.5 >/proc/net/xt_recent/"
      "breakwater");
  Look({});
  EXPECT_EQ(left_overs_->emptied().size(), 1u);
  EXPECT_THAT(NetNamespace::Output("cat /proc/net/xt_recent/breakwater"),
              Not(HasSubstr("192.0.2.5")));
}

TEST_F(LeftOversTest, WhatIsInUseIsLeftAlone) {
  MakeIpsets("breakwater");
  MakeNft("breakwater");
  Look({.ipset = true, .nftables = true, .xt_recent = true});
  EXPECT_THAT(left_overs_->emptied(), IsEmpty());
  EXPECT_THAT(left_overs_->found(), IsEmpty());
  EXPECT_THAT(Ipset("breakwater4"), HasSubstr("entries: 2"));
}

// They may be another Breakwater's.
TEST_F(LeftOversTest, SetsOfAnotherNameAreToldOfAndWhoIsUnbannedIsTakenOut) {
  MakeIpsets("mx");
  MakeNft("old");
  Look({});
  ASSERT_EQ(left_overs_->found().size(), 2u);
  const LeftOvers::Found& first = left_overs_->found()[0];
  EXPECT_EQ(first.backend, "ipset");
  EXPECT_THAT(first.sets, ElementsAre("mx4", "mx6"));
  EXPECT_EQ(first.addresses, 3u);
  EXPECT_EQ(first.remedy, "ipset flush mx4; ipset flush mx6");
  EXPECT_THAT(left_overs_->found()[1].sets, ElementsAre("old4", "old6"));
  left_overs_->Remove({*Network::Parse("192.0.2.5"),
                       *Network::Parse("2001:db8:5::/64"),
                       *Network::Parse("198.51.100.0/24")});
  EXPECT_THAT(Ipset("mx4"),
              AllOf(HasSubstr("192.0.2.6"), Not(HasSubstr("192.0.2.5"))));
  EXPECT_THAT(Ipset("mx6"), HasSubstr("entries: 0"));
  EXPECT_THAT(Nft("old"),
              AllOf(HasSubstr("192.0.2.6"), Not(HasSubstr("192.0.2.5"))));
}

TEST_F(LeftOversTest, SetsThatKeepNobodyOutAreNotToldOf) {
  MakeIpsets("mx");
  Run("iptables -t raw -F; ip6tables -t raw -F");
  MakeNft("old");
  Run("nft flush chain inet old drops");
  Look({});
  EXPECT_THAT(left_overs_->found(), IsEmpty());
}

TEST_F(LeftOversTest, WhatOnlyHasSuchANameIsNoneOfOurs) {
  Run("ipset create breakwater4 hash:net timeout 600 && ipset add breakwater4 "
      "192.0.2.0/24 && ipset create lan4 hash:ip timeout 600 && ipset create "
      "lan6 hash:ip family inet6 timeout 600 && ipset add lan4 10.0.0.1");
  Run("iptables -t raw -A PREROUTING -m set --match-set breakwater4 src -j "
      "DROP && iptables -t raw -A PREROUTING -m set --match-set lan4 src -j "
      "DROP");
  Look({.ipset = false});
  EXPECT_THAT(left_overs_->found(), IsEmpty());
  EXPECT_THAT(left_overs_->emptied(), IsEmpty());
  EXPECT_THAT(Ipset("breakwater4"), HasSubstr("192.0.2.0/24"));
  EXPECT_THAT(Ipset("lan4"), HasSubstr("10.0.0.1"));
}

}  // namespace
}  // namespace breakwater
