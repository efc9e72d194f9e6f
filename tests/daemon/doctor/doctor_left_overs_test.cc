#include "daemon/doctor/doctor_left_overs.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace breakwater {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Config With(const std::string& backend, const std::string& prefix) {
  const absl::StatusOr<Config> config =
      ParseConfig("firewall.backend = \"" + backend +
                      "\"\nfirewall.set_prefix = \"" + prefix + "\"\n",
                  "test.toml");
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? *config : DefaultConfig();
}

// As `ipset -t list` shows a Breakwater's sets.
std::string Ipsets(const std::string& prefix, int references, int entries) {
  const std::string end =
      " hashsize 65536 maxelem 1000000 timeout 600 bucketsize 12 initval "
      "0x1\nSize in memory: 200\nReferences: " +
      std::to_string(references) +
      "\n"
      "Number of entries: " +
      std::to_string(entries) + "\n\n";
  return "Name: " + prefix +
         "4\nType: hash:ip\nRevision: 6\nHeader: family "
         "inet" +
         end + "Name: " + prefix +
         "6\nType: hash:ip\nRevision: 6\nHeader: family inet6 netmask 64" + end;
}

constexpr char kNft[] = R"({"nftables": [
 {"set": {"family": "inet", "name": "old4", "table": "old",
          "type": "ipv4_addr", "flags": ["timeout", "dynamic"]}},
 {"set": {"family": "inet", "name": "old6", "table": "old",
          "type": "ipv6_addr", "flags": ["timeout", "dynamic"]}},
 {"rule": {"family": "inet", "table": "old", "chain": "banned", "expr": [
   {"match": {"op": "==", "left": {"payload": {"protocol": "ip",
     "field": "saddr"}}, "right": "@old4"}}, {"drop": null}]}}]})";

TEST(DoctorLeftOversTest, SetsOfIpsetThatKeepSomebodyOutAreNamed) {
  const std::string listed = Ipsets("breakwater", 1, 7);
  EXPECT_THAT(LeftOverSets({.ipset = listed}, With("ipset", "breakwater")),
              IsEmpty());
  for (const Config& config :
       {With("nftables", "breakwater"), With("ipset", "mx")}) {
    EXPECT_THAT(
        LeftOverSets({.ipset = listed}, config),
        ElementsAre(AllOf(HasSubstr("breakwater4, breakwater6 of ipset"),
                          HasSubstr("keep out 14 addresses"),
                          HasSubstr("ipset flush breakwater4"))));
  }
}

TEST(DoctorLeftOversTest, SetsThatKeepNobodyOutAreNot) {
  const Config config = With("nftables", "breakwater");
  EXPECT_THAT(LeftOverSets({.ipset = Ipsets("mx", 0, 7)}, config), IsEmpty());
  EXPECT_THAT(LeftOverSets({.ipset = Ipsets("mx", 1, 0)}, config), IsEmpty());
  EXPECT_THAT(LeftOverSets({.ipset = "Number of entries: 3\nName: a4\n",
                            .nft = "{\"nftables\": [{\"set\": 3}]}"},
                           config),
              IsEmpty());
}

TEST(DoctorLeftOversTest, SetsOfAnotherFormAreNobodysBans) {
  const Config config = With("nftables", "breakwater");
  const std::string right = Ipsets("mx", 1, 7);
  ASSERT_EQ(LeftOverSets({.ipset = right}, config).size(), 1u);
  for (const auto& [from, to] :
       {std::pair("hash:ip", "hash:net"), std::pair("netmask 64", "netmask 56"),
        std::pair("inet hashsize", "inet netmask 24 hashsize"),
        std::pair("timeout 600", "comment"),
        std::pair("Name: mx6", "Name: m6")}) {
    std::string wrong = right;
    wrong.replace(wrong.find(from), std::string(from).size(), to);
    EXPECT_THAT(LeftOverSets({.ipset = wrong}, config), IsEmpty()) << to;
  }
  std::string nft = kNft;
  ASSERT_EQ(LeftOverSets({.nft = nft}, config).size(), 1u);
  nft.replace(nft.find("ipv6_addr"), 9, "ipv4_addr");
  EXPECT_THAT(LeftOverSets({.nft = nft}, config), IsEmpty());
}

TEST(DoctorLeftOversTest, TablesAndListsAreNamed) {
  EXPECT_THAT(
      LeftOverSets({.nft = kNft, .recent = {"breakwater"}},
                   With("ipset", "breakwater")),
      ElementsAre(AllOf(HasSubstr("the sets old4 of the table inet old"),
                        HasSubstr("nft delete table inet old")),
                  HasSubstr("echo / >/proc/net/xt_recent/breakwater")));
  EXPECT_THAT(
      LeftOverSets({.nft = kNft, .recent = {"old"}}, With("nftables", "old")),
      ElementsAre(HasSubstr("xt_recent")));
}

}  // namespace
}  // namespace breakwater
