#include "core/net/asked_address.h"

#include <gtest/gtest.h>

namespace breakwater {
namespace {

std::string Asked(const char* client) {
  const auto asked = AskedAddress(*IpAddress::Parse(client));
  return asked ? asked->ToString() : "nobody";
}

TEST(AskedAddressTest, AClientIsAskedAboutAsItIs) {
  for (const char* client :
       {"1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0",
        "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0",
        "223.255.255.255", "2001:db8::5", "2003::1", "2a00:1450::1",
        // Where the tests live: documentation and benchmarks.
        "192.0.2.5", "198.51.100.7", "203.0.113.9", "198.18.0.1"}) {
    EXPECT_EQ(Asked(client), client);
  }
}

TEST(AskedAddressTest, ACarriedIpv4AddressIsTheClients) {
  EXPECT_EQ(Asked("::ffff:192.0.2.5"), "192.0.2.5");
  EXPECT_EQ(Asked("2002:c000:205::1"), "192.0.2.5");
  EXPECT_EQ(Asked("2002:c000:205:ffff:1:2:3:4"), "192.0.2.5");
  EXPECT_EQ(Asked("64:ff9b::c000:205"), "192.0.2.5");
}

TEST(AskedAddressTest, WhatOnlyLooksLikeACarrierIsNone) {
  EXPECT_EQ(Asked("2001:c000:205::1"), "2001:c000:205::1");
  // Of a network's own choice (RFC 8215), where an IPv4 address may stand
  // anywhere.
  EXPECT_EQ(Asked("64:ff9b:1::c000:205"), "nobody");
  EXPECT_EQ(Asked("::192.0.2.5"), "nobody");
}

TEST(AskedAddressTest, NobodysAndEverybodysAddressesAreNotAskedAbout) {
  for (const char* client : {"0.0.0.0",
                             "0.255.255.255",
                             "10.0.0.1",
                             "10.255.255.255",
                             "100.64.0.0",
                             "100.127.255.255",
                             "127.0.0.1",
                             "127.255.255.255",
                             "169.254.1.1",
                             "172.16.0.0",
                             "172.31.255.255",
                             "192.168.0.1",
                             "192.168.255.255",
                             "224.0.0.1",
                             "239.255.255.255",
                             "240.0.0.1",
                             "255.255.255.255",
                             "::",
                             "::1",
                             "fc00::1",
                             "fdff::1",
                             "fe80::1",
                             "fec0::1",
                             "ff02::1"}) {
    EXPECT_EQ(Asked(client), "nobody") << client;
  }
}

TEST(AskedAddressTest, NorAreThoseInACarrier) {
  EXPECT_EQ(Asked("2002:a00:1::1"), "nobody");    // 10.0.0.1
  EXPECT_EQ(Asked("64:ff9b::c0a8:1"), "nobody");  // 192.168.0.1
  EXPECT_EQ(Asked("::ffff:127.0.0.1"), "nobody");
}

TEST(CarriedNetworkTest, A6to4NetworkMeansItsIpv4Hosts) {
  const auto carried = [](const char* network) {
    const auto found = CarriedNetwork(*Network::Parse(network));
    return found ? found->ToString() : "";
  };
  EXPECT_EQ(carried("2002:c000:205:7::/64"), "192.0.2.5");
  EXPECT_EQ(carried("2002:c000:205::/48"), "192.0.2.5");
  EXPECT_EQ(carried("2002:c000::/32"), "192.0.0.0/16");
  EXPECT_EQ(carried("2001:db8::/64"), "");
  EXPECT_EQ(carried("192.0.2.5"), "");
}

}  // namespace
}  // namespace breakwater
