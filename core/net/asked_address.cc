#include "core/net/asked_address.h"

#include <algorithm>

namespace breakwater {
namespace {

bool IsSpecialV4(uint32_t address) {
  const auto in = [address](uint32_t network, int length) {
    return (address ^ network) >> (32 - length) == 0;
  };
  return in(0x00000000, 8) ||   // this network
         in(0x0a000000, 8) ||   // private (RFC 1918), as the next two
         in(0xac100000, 12) ||  //
         in(0xc0a80000, 16) ||  //
         in(0x64400000, 10) ||  // shared, behind a carrier's NAT (RFC 6598)
         in(0x7f000000, 8) ||   // loopback
         in(0xa9fe0000, 16) ||  // link-local
         in(0xe0000000, 3);     // multicast, reserved, broadcast
}

bool IsSpecialV6(const std::array<uint8_t, 16>& bytes) {
  // :: and ::1, and whatever else of ::/8 is not IPv4-mapped or NAT64's.
  if (bytes[0] == 0x00) return true;
  if ((bytes[0] & 0xfe) == 0xfc) return true;  // unique local (RFC 4193)
  if (bytes[0] == 0xff) return true;           // multicast
  // Link-local, and the site-local ones that RFC 3879 took back.
  return bytes[0] == 0xfe && (bytes[1] & 0x80) != 0;
}

// The IPv4 address in the client's, if it carries one.
std::optional<uint32_t> CarriedV4(const IpAddress& client) {
  const auto& bytes = client.bytes;
  const auto at = [&bytes](size_t place) {
    return static_cast<uint32_t>(bytes[place]) << 24 |
           static_cast<uint32_t>(bytes[place + 1]) << 16 |
           static_cast<uint32_t>(bytes[place + 2]) << 8 | bytes[place + 3];
  };
  if (client.IsV4()) return client.V4();
  if (bytes[0] == 0x20 && bytes[1] == 0x02) return at(2);  // 2002::/16
  constexpr std::array<uint8_t, 12> kNat64 = {0x00, 0x64, 0xff, 0x9b};
  if (std::equal(kNat64.begin(), kNat64.end(), bytes.begin())) return at(12);
  return std::nullopt;
}

}  // namespace

std::optional<Network> CarriedNetwork(const Network& network) {
  const auto& bytes = network.address.bytes;
  if (network.length < 16 || bytes[0] != 0x20 || bytes[1] != 0x02) {
    return std::nullopt;
  }
  const int length = std::min(network.length - 16, 32);
  return Network::Of(IpAddress::FromV4(*CarriedV4(network.address)),
                     static_cast<uint8_t>(96 + length));
}

std::optional<IpAddress> AskedAddress(const IpAddress& client) {
  if (const std::optional<uint32_t> carried = CarriedV4(client)) {
    if (IsSpecialV4(*carried)) return std::nullopt;
    return IpAddress::FromV4(*carried);
  }
  if (IsSpecialV6(client.bytes)) return std::nullopt;
  return client;
}

}  // namespace breakwater
