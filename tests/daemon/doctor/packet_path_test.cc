#include "daemon/doctor/packet_path.h"

#include <string>
#include <vector>

#include "daemon/doctor/doctor_host.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace breakwater {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

ProbePacket Packet(bool banned = true) {
  return {.client = *IpAddress::Parse("198.51.100.2"),
          .server = *IpAddress::Parse("192.0.2.25"),
          .port = 25,
          .interface = "bw-doctor",
          .banned = banned,
          .names = FirewallNames(),
          .backends = {FirewallBackend::kIpset, FirewallBackend::kXtRecent}};
}

// What becomes of the packet in a filter table whose INPUT has these rules.
std::string Fate(const std::string& rules, bool banned = true) {
  const std::vector<PathTable> tables = ReadIptables(
      "*filter\n:INPUT ACCEPT [0:0]\n:SMTP - [0:0]\n" + rules + "\nCOMMIT\n",
      "iptables", Packet(banned));
  const PathWalk walk = WalkChain(tables[0], tables[0].chains[0]);
  return walk.by == nullptr ? "policy" : walk.by->text;
}

TEST(PacketPathTest, MatchesAreRead) {
  const struct {
    const char* match;
    bool fits;
  } cases[] = {
      {"", true},
      {"-p tcp -m tcp --dport 25", true},
      {"-p udp -m udp --dport 25", false},
      {"-p tcp -m tcp ! --dport 25", false},
      {"-p tcp -m multiport --dports 20:30,587", true},
      {"-p tcp -m multiport ! --dports 465,587", true},
      {"-s 198.51.100.0/24", true},
      {"! -s 198.51.100.0/24", false},
      {"-d 192.0.2.25/32", true},
      {"-i lo", false},
      {"-i bw-+", true},
      {"-m conntrack --ctstate RELATED,ESTABLISHED", false},
      {"-m conntrack --ctstate NEW", true},
      {"-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN", true},
      {"-p tcp -m tcp --tcp-flags SYN,RST RST", false},
      {"-m set --match-set breakwater4 src", true},
      {"-m set ! --match-set breakwater4 src", false},
      {"-m set --match-set other src", false},
      {"-m recent --rcheck --seconds 600 --name breakwater --rsource", true},
      {"-m comment --comment \"-i lo\"", true},
      {"-m u32 --u32 \"0x0\"", false},  // perhaps
  };
  for (const auto& c : cases) {
    const std::string rule = "-A INPUT " + std::string(c.match) + " -j DROP";
    EXPECT_EQ(Fate(rule) != "policy", c.fits) << c.match;
  }
}

TEST(PacketPathTest, ChainsAreFollowedAndLeft) {
  EXPECT_EQ(Fate("-A INPUT -p tcp -j SMTP\n-A INPUT -j DROP\n"
                 "-A SMTP -s 192.0.2.0/24 -j ACCEPT\n-A SMTP -j RETURN\n"
                 "-A SMTP -j ACCEPT"),
            "-A INPUT -j DROP");
  EXPECT_EQ(Fate("-A INPUT -p tcp -g SMTP\n-A INPUT -j DROP\n"
                 "-A SMTP -i lo -j ACCEPT"),
            "policy");
  EXPECT_EQ(Fate("-A INPUT -j LOG\n[3:180] -A INPUT -j ACCEPT"),
            "-A INPUT -j ACCEPT");
}

TEST(PacketPathTest, WhoIsNotBannedPassesOurRule) {
  const std::string rule =
      "-A INPUT -m set --match-set breakwater4 src -j DROP";
  EXPECT_EQ(Fate(rule, true), rule);
  EXPECT_EQ(Fate(rule, false), "policy");
}

TEST(PacketPathTest, AnotherPortsRuleIsNotBlamedWhereOursIsMet) {
  const std::vector<PathTable> tables = ReadIptables(
      "*raw\n:PREROUTING ACCEPT [0:0]\n:BREAKWATER - [0:0]\n"
      "-A PREROUTING -p tcp -m tcp --dport 2525 -j BREAKWATER\n"
      "-A PREROUTING -p tcp -m tcp --dport 25 -j BREAKWATER\n"
      "-A BREAKWATER -m set --match-set breakwater4 src -j DROP\n",
      "iptables", Packet());
  ASSERT_NE(OurEnd(tables), nullptr);
  EXPECT_THAT(OurEnd(tables)->text, HasSubstr("breakwater4"));
}

TEST(PacketPathTest, WhatIsNoRulesetHasNoTables) {
  EXPECT_THAT(ReadIptables("", "iptables", Packet()), IsEmpty());
  EXPECT_THAT(ReadIptables("-A INPUT -j\n*filter\n-A\n:\n-A X -j DROP", "a",
                           Packet())[0]
                  .chains,
              IsEmpty());
  for (const char* json :
       {"", "[]", "{\"nftables\":3}",
        "{\"nftables\":[{\"rule\":{\"expr\":[{\"match\":{\"left\":{\"&\":[]},"
        "\"right\":[]}},{},3]}},{\"chain\":[]}]}"}) {
    for (const PathTable& table : ReadNft(json, "", {}, Packet())) {
      EXPECT_THAT(table.chains, IsEmpty()) << json;
    }
  }
}

// As it was loaded before bans were widened.
TEST(PacketPathTest, ASetOfClientsSaysNothingOfTheirNetwork) {
  ProbePacket packet = Packet();
  const char kOld[] =
      "*raw\n:PREROUTING ACCEPT [0:0]\n"
      "-A PREROUTING -m set --match-set breakwater4 src -j DROP\n"
      "-A PREROUTING -m set --match-set blocklist src -j DROP\n"
      "-A PREROUTING -m recent --rcheck --name breakwater -j DROP\n"
      "COMMIT\n";
  EXPECT_NE(OurEnd(ReadIptables(kOld, "iptables", packet)), nullptr);
  packet.width = Width::kV4By24;
  const std::vector<PathTable> old = ReadIptables(kOld, "iptables", packet);
  EXPECT_EQ(OurEnd(old), nullptr);
  EXPECT_THAT(WhyNotDropped(old, packet)[0],
              HasSubstr("no rule drops who is in the set breakwater4-24 of "
                        "ipset, but in another one: iptables -t raw: -A "
                        "PREROUTING -m set --match-set blocklist"));
  const std::vector<PathTable> right = ReadIptables(
      "*raw\n:PREROUTING ACCEPT [0:0]\n"
      "-A PREROUTING -m set --match-set breakwater4 src -j DROP\n"
      "-A PREROUTING -m set --match-set breakwater4-24 src -j DROP\nCOMMIT\n",
      "iptables", packet);
  ASSERT_NE(OurEnd(right), nullptr);
  EXPECT_THAT(OurEnd(right)->text, HasSubstr("breakwater4-24"));
}

// One rule of a chain of prerouting, in that table of nft.
std::vector<PathTable> NftDropOf(const std::string& set,
                                 const std::string& table,
                                 const ProbePacket& packet) {
  const std::string in =
      R"("family":"inet","table":")" + table + R"(","chain":"c")";
  return ReadNft(
      R"({"nftables":[{"chain":{"family":"inet","table":")" + table +
          R"(","name":"c","hook":"prerouting","policy":"accept"}},)" +
          R"({"rule":{)" + in + R"(,"handle":4,"expr":[{"match":{"op":"==",)" +
          R"("left":{"payload":{"protocol":"ip","field":"saddr"}},)" +
          R"("right":"@)" + set + R"("}},{"drop":null}]}}]})",
      "", {}, packet);
}

TEST(PacketPathTest, ARuleForAnotherBackendsSetOfThatNameProvesNothing) {
  const char kIpset[] =
      "*raw\n:PREROUTING ACCEPT [0:0]\n"
      "-A PREROUTING -m set --match-set breakwater4 src -j DROP\nCOMMIT\n";
  const char kRecent[] =
      "*raw\n:PREROUTING ACCEPT [0:0]\n"
      "-A PREROUTING -m recent --rcheck --name breakwater -j DROP\nCOMMIT\n";
  ProbePacket packet = Packet();
  packet.backends = {FirewallBackend::kNftables};
  EXPECT_EQ(OurEnd(ReadIptables(kIpset, "iptables", packet)), nullptr);
  EXPECT_EQ(OurEnd(ReadIptables(kRecent, "iptables", packet)), nullptr);
  EXPECT_NE(OurEnd(NftDropOf("breakwater4", "breakwater", packet)), nullptr);
  EXPECT_EQ(OurEnd(NftDropOf("breakwater4", "filter", packet)), nullptr);
  EXPECT_THAT(
      WhyNotDropped(ReadIptables(kIpset, "iptables", packet), packet),
      ElementsAre(HasSubstr("no rule drops who is in the set breakwater4 of "
                            "the table inet breakwater, but in another one: "
                            "iptables -t raw: -A PREROUTING")));
  packet.backends = {FirewallBackend::kXtRecent};
  EXPECT_EQ(OurEnd(ReadIptables(kIpset, "iptables", packet)), nullptr);
  EXPECT_NE(OurEnd(ReadIptables(kRecent, "iptables", packet)), nullptr);
  EXPECT_EQ(OurEnd(NftDropOf("breakwater4", "breakwater", packet)), nullptr);
  EXPECT_THAT(WhyNotDropped({}, packet)[0],
              HasSubstr("who is in the list breakwater of xt_recent"));
}

TEST(DoctorHostTest, ListenersAreReadFromTheKernelsTable) {
  const char kTcp[] =
      "  sl  local_address rem_address   st\n"
      "   0: 0100007F:0019 00000000:0000 0A 00000000:00000000\n"
      "   1: 190200C0:0019 00000000:0000 0A 00000000:00000000\n"
      "   2: 190200C0:0019 076433C6:9C40 01 00000000:00000000\n"
      "   3: 00000000:024B 00000000:0000 0A 00000000:00000000\n";
  const char kTcp6[] =
      "   0: 00000000000000000000000000000000:0019 "
      "00000000000000000000000000000000:0000 0A 0\n";
  const std::vector<IpAddress> found = ListenersOn(25, kTcp, kTcp6);
  EXPECT_THAT(found, ElementsAre(*IpAddress::Parse("127.0.0.1"),
                                 *IpAddress::Parse("192.0.2.25"),
                                 *IpAddress::Parse("::")));
  const auto target = ChooseTarget(
      true, found,
      {*IpAddress::Parse("203.0.113.1"), *IpAddress::Parse("192.0.2.25")});
  ASSERT_TRUE(target);
  EXPECT_EQ(target->server.ToString(), "192.0.2.25");
  EXPECT_TRUE(target->listens);
  EXPECT_FALSE(ChooseTarget(false, found, {*IpAddress::Parse("192.0.2.25")}));
  EXPECT_TRUE(
      ChooseTarget(false, found, {*IpAddress::Parse("2001:db8::1")})->listens);
}

TEST(Host, WhatTheReversePathFilterDropsIsCounted) {
  EXPECT_EQ(ReversePathDrops("TcpExt: SyncookiesSent TW IPReversePathFilter X\n"
                             "TcpExt: 1 2 37 4\n"
                             "IpExt: InNoRoutes\nIpExt: 9\n"),
            37U);
  EXPECT_EQ(ReversePathDrops("TcpExt: TW\nTcpExt: 2\n"), 0U);
  EXPECT_EQ(ReversePathDrops(""), 0U);
}

}  // namespace
}  // namespace breakwater
