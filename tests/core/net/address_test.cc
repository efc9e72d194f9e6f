#include "core/net/address.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "absl/hash/hash_testing.h"
#include "tests/fakes/random_networks.h"

namespace breakwater {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

IpAddress Address(std::string_view text) { return *IpAddress::Parse(text); }
Network Net(std::string_view text) { return *Network::Parse(text); }

TEST(IpAddressTest, ReadsAndWritesBothFamilies) {
  for (const char* text : {"192.0.2.5", "0.0.0.0", "255.255.255.255",
                           "2001:db8::5", "::", "::1", "fe80::1:2:3:4"}) {
    const std::optional<IpAddress> address = IpAddress::Parse(text);
    ASSERT_TRUE(address.has_value()) << text;
    EXPECT_EQ(address->ToString(), text);
  }
}

TEST(IpAddressTest, AMappedAddressIsTheIpv4One) {
  const IpAddress mapped = Address("::ffff:192.0.2.5");
  EXPECT_EQ(mapped, Address("192.0.2.5"));
  EXPECT_EQ(mapped, IpAddress::FromV4(0xc0000205));
  EXPECT_TRUE(mapped.IsV4());
  EXPECT_EQ(mapped.V4(), 0xc0000205u);
  EXPECT_EQ(mapped.ToString(), "192.0.2.5");
}

TEST(IpAddressTest, ACompatibleAddressIsNot) {
  EXPECT_FALSE(Address("::192.0.2.5").IsV4());
  EXPECT_NE(Address("::192.0.2.5"), Address("192.0.2.5"));
}

TEST(IpAddressTest, RefusesAllElse) {
  for (const std::string_view text : std::initializer_list<std::string_view>{
           "", " ", "localhost", "192.0.2", "192.0.2.5.6", "192.0.2.256",
           "192.0.2.05x", "192.0.2.5 ", " 192.0.2.5", "[2001:db8::5]",
           "fe80::1%eth0", "2001:db8::5::", "1:2:3:4:5:6:7", "IPv6:2001:db8::5",
           "unknown", "-1", "3221225989",
           std::string_view("192.0.2.5\0.example", 18)}) {
    EXPECT_EQ(IpAddress::Parse(text), std::nullopt) << text;
  }
  EXPECT_EQ(IpAddress::Parse(std::string(1 << 20, '1')), std::nullopt);
}

TEST(IpAddressTest, ReadsSocketAddresses) {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_addr.s_addr = htonl(0xc0000205);
  EXPECT_EQ(IpAddress::From(reinterpret_cast<sockaddr*>(&in)),
            Address("192.0.2.5"));
  sockaddr_in6 in6{};
  in6.sin6_family = AF_INET6;
  inet_pton(AF_INET6, "::ffff:192.0.2.5", &in6.sin6_addr);
  EXPECT_EQ(IpAddress::From(reinterpret_cast<sockaddr*>(&in6)),
            Address("192.0.2.5"));
}

TEST(IpAddressTest, OtherSocketAddressesHoldNone) {
  sockaddr other{};
  other.sa_family = AF_UNIX;
  EXPECT_EQ(IpAddress::From(&other), std::nullopt);
  EXPECT_EQ(IpAddress::From(static_cast<const sockaddr*>(nullptr)),
            std::nullopt);
}

TEST(IpAddressTest, KnowsTheUnspecifiedOnes) {
  EXPECT_TRUE(IpAddress{}.IsUnspecified());
  EXPECT_TRUE(Address("0.0.0.0").IsUnspecified());
  EXPECT_FALSE(Address("::1").IsUnspecified());
}

TEST(IpAddressTest, HashesAsItCompares) {
  EXPECT_TRUE(absl::VerifyTypeImplementsAbslHashCorrectly(
      {IpAddress{}, Address("192.0.2.5"), Address("::ffff:192.0.2.5"),
       Address("2001:db8::5")}));
  EXPECT_TRUE(absl::VerifyTypeImplementsAbslHashCorrectly(
      {Network{}, Net("192.0.2.0/24"), Net("192.0.2.0/25"),
       Net("2001:db8::/32")}));
}

TEST(NetworkTest, ReadsAndWrites) {
  const struct {
    const char* text;
    const char* shown;
    int length;
  } kTable[] = {
      {"192.0.2.0/24", "192.0.2.0/24", 120},
      {"192.0.2.5", "192.0.2.5", 128},
      {"192.0.2.5/32", "192.0.2.5", 128},
      {"0.0.0.0/0", "0.0.0.0/0", 96},
      {"2001:db8::/32", "2001:db8::/32", 32},
      {"2001:db8::5", "2001:db8::5", 128},
      {"::/0", "::/0", 0},
      {"::ffff:192.0.2.0/120", "192.0.2.0/24", 120},
  };
  for (const auto& [text, shown, length] : kTable) {
    const absl::StatusOr<Network> network = Network::Parse(text);
    ASSERT_TRUE(network.ok()) << network.status();
    EXPECT_EQ(network->ToString(), shown);
    EXPECT_EQ(network->length, length) << text;
  }
}

TEST(NetworkTest, AnErrorSaysWhatWouldBeRight) {
  const struct {
    const char* text;
    const char* error;
  } kTable[] = {
      {"192.0.2.5/24", "did you mean 192.0.2.0/24?"},
      {"2001:db8::5/64", "did you mean 2001:db8::/64?"},
      {"192.0.2.0/33", "between 0 and 32"},
      {"2001:db8::/129", "between 0 and 128"},
      {"192.0.2.0/", "no prefix length"},
      {"192.0.2.0/-1", "no prefix length"},
      {"192.0.2.0/24x", "no prefix length"},
      {"192.0.2.0/+24", "no prefix length"},
      {"mail.example", "write it like"},
      {"", "write it like"},
      {"192.0.2.0/255.255.255.0", "no prefix length"},
  };
  for (const auto& [text, error] : kTable) {
    const absl::Status status = Network::Parse(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_NE(status.message().find(error), absl::string_view::npos) << status;
  }
}

TEST(NetworkTest, ClearsTheBitsBehindThePrefix) {
  EXPECT_EQ(Network::Of(Address("192.0.2.255"), 120), Net("192.0.2.0/24"));
  EXPECT_EQ(Network::Of(Address("192.0.2.255"), 121), Net("192.0.2.128/25"));
  EXPECT_EQ(Network::Of(Address("2001:db8:ffff::1"), 33),
            Net("2001:db8:8000::/33"));
  EXPECT_EQ(Network::Of(Address("2001:db8::1"), 0), Net("::/0"));
}

TEST(NetworkTest, ABanCoversOneIpv4AddressOrA64) {
  EXPECT_EQ(Network::OfClient(Address("192.0.2.5")), Net("192.0.2.5"));
  EXPECT_EQ(Network::OfClient(Address("2001:db8:0:1:2:3:4:5")),
            Net("2001:db8:0:1::/64"));
}

TEST(NetworkTest, ContainsWhatSharesItsPrefix) {
  EXPECT_TRUE(Net("192.0.2.0/24").Contains(Address("192.0.2.255")));
  EXPECT_FALSE(Net("192.0.2.0/24").Contains(Address("192.0.3.0")));
  EXPECT_TRUE(Net("192.0.2.0/23").Contains(Address("192.0.3.0")));
  EXPECT_FALSE(Net("0.0.0.0/0").Contains(Address("2001:db8::5")));
  EXPECT_TRUE(Net("::/0").Contains(Address("192.0.2.5")));
}

TEST(NetworkTest, OverlapsWhatContainsItOrIsContained) {
  EXPECT_TRUE(Net("192.0.2.0/24").Overlaps(Net("192.0.2.128/25")));
  EXPECT_TRUE(Net("192.0.2.128/25").Overlaps(Net("192.0.2.0/24")));
  EXPECT_FALSE(Net("192.0.2.0/25").Overlaps(Net("192.0.2.128/25")));
}

TEST(NetworkSetTest, FindsTheLongestPrefix) {
  NetworkSet set({Net("192.0.0.0/16"), Net("192.0.2.0/24")});
  set.Add(Net("192.0.2.5"));
  set.Add(Net("0.0.0.0/0"));
  EXPECT_EQ(set.Find(Address("192.0.2.5")), Net("192.0.2.5"));
  EXPECT_EQ(set.Find(Address("192.0.2.6")), Net("192.0.2.0/24"));
  EXPECT_EQ(set.Find(Address("192.0.3.6")), Net("192.0.0.0/16"));
  EXPECT_EQ(set.Find(Address("198.51.100.1")), Net("0.0.0.0/0"));
  EXPECT_EQ(set.Find(Address("2001:db8::5")), std::nullopt);
}

TEST(NetworkSetTest, FindsWhatAWiderNetworkWouldSwallow) {
  const NetworkSet set({Net("192.0.2.5")});
  EXPECT_EQ(set.FindOverlap(Net("192.0.2.0/24")), Net("192.0.2.5"));
  EXPECT_EQ(set.FindOverlap(Net("192.0.3.0/24")), std::nullopt);
  EXPECT_EQ(NetworkSet().FindOverlap(Net("::/0")), std::nullopt);
}

// A naive look at each tells the same.
TEST(NetworkSetTest, FindsAmongManyWhatALookAtEachFinds) {
  RandomNetworks random;
  random.SetNear(random.Protections());
  for (int round = 0; round < 50; ++round) {
    std::vector<Network> all;
    for (int i = random.Below(200); i > 0; --i) {
      all.push_back(random.AnyNetwork());
    }
    NetworkSet set(
        std::vector<Network>(all.begin(), all.begin() + all.size() / 2));
    set.Add(std::vector<Network>(all.begin() + all.size() / 2, all.end()));
    for (int i = 0; i < 200; ++i) {
      const Network asked = random.AnyNetwork();
      const auto naive = [&all](auto fits) {
        std::optional<Network> longest;
        for (const Network& network : all) {
          if (fits(network) && (!longest || network.length > longest->length)) {
            longest = network;
          }
        }
        return longest;
      };
      EXPECT_EQ(set.Find(asked.address), naive([&](const Network& network) {
                  return network.Contains(asked.address);
                }));
      const std::optional<Network> found = set.FindOverlap(asked);
      const std::optional<Network> expected = naive(
          [&](const Network& network) { return network.Overlaps(asked); });
      ASSERT_EQ(found.has_value(), expected.has_value());
      if (!found) continue;
      EXPECT_TRUE(found->Overlaps(asked));
      EXPECT_EQ(found->length, expected->length);
    }
  }
}

TEST(NetworkSetTest, HoldsEachOnceAndCopiesShareNoChange) {
  NetworkSet set({Net("192.0.2.5"), Net("192.0.2.5"), Net("192.0.2.0/24")});
  NetworkSet copy = set;
  copy.Add(Net("198.51.100.7"));
  copy.Add(Net("192.0.2.5"));
  EXPECT_THAT(set.networks(),
              ElementsAre(Net("192.0.2.5"), Net("192.0.2.0/24")));
  EXPECT_THAT(copy.Without(set).networks(), ElementsAre(Net("198.51.100.7")));
  EXPECT_THAT(set.Without(copy).networks(), IsEmpty());
  EXPECT_THAT(NetworkSet().networks(), IsEmpty());
}

TEST(AlwaysProtectedTest, HoldsLoopbackUnspecifiedAndLinkLocal) {
  for (const char* text : {"127.0.0.1", "127.255.255.255", "0.0.0.0", "0.1.2.3",
                           "169.254.1.1", "::1", "::", "fe80::1", "febf::1"}) {
    EXPECT_TRUE(AlwaysProtected().Find(Address(text)).has_value()) << text;
  }
  for (const char* text :
       {"192.0.2.5", "126.0.0.1", "10.0.0.1", "2001:db8::1", "fec0::1"}) {
    EXPECT_FALSE(AlwaysProtected().Find(Address(text)).has_value()) << text;
  }
}

TEST(SpecialRangesTest, HoldWhatNoClientOfTheInternetHas) {
  for (const char* text :
       {"10.1.2.3", "100.64.0.1", "100.127.255.255", "172.16.0.1",
        "172.31.255.255", "192.168.0.1", "192.0.0.8", "224.0.0.1", "240.0.0.1",
        "255.255.255.255", "fc00::1", "fd12::1", "fec0::1", "ff02::1", "100::1",
        "64:ff9b:1::1"}) {
    EXPECT_TRUE(SpecialRanges().Find(Address(text))) << text;
  }
  // The last ones are for documentation and benchmarks.
  for (const char* text :
       {"9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0",
        "172.15.255.255", "172.32.0.0", "192.0.1.1", "192.167.0.1",
        "223.255.255.255", "64:ff9b::1", "2002::1", "2a00::1", "192.0.2.5",
        "198.18.0.5", "198.51.100.5", "203.0.113.5", "2001:db8::5"}) {
    EXPECT_FALSE(SpecialRanges().Find(Address(text))) << text;
  }
}

TEST(SharedRangesTest, HoldAddressesThatAreMadeUpForOthers) {
  EXPECT_TRUE(SharedRanges().Find(Address("64:ff9b::c000:205")));
  EXPECT_TRUE(SharedRanges().Find(Address("2001:0:4136::1")));
  EXPECT_FALSE(SharedRanges().Find(Address("2002:c000:205::1")));
  EXPECT_FALSE(SharedRanges().Find(Address("2001:db8::1")));
}

}  // namespace
}  // namespace breakwater
