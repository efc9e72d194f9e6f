#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace breakwater {

// What sets look like that a Breakwater has made, by which those of another
// configuration are known: sets PREFIX4 and PREFIX6 of clients with timeouts,
// the latter of /64; in nftables in a table PREFIX.

// What a set of ipset is.
struct IpSetForm {
  std::string type;  // "hash:ip"
  bool ipv6 = false;
  bool has_timeout = false;
  uint8_t netmask = 0;  // 0: that of one address
};
// Whether it can be the one of a family's clients.
inline bool HoldsClients(const IpSetForm& form, bool ipv6) {
  const bool whole = form.netmask == 0 || form.netmask == (ipv6 ? 128 : 32);
  return form.type == "hash:ip" && form.ipv6 == ipv6 && form.has_timeout &&
         (ipv6 ? form.netmask == 64 : whole);
}

// What a set of nftables is.
struct NftSetForm {
  uint32_t key_bytes = 0;  // of an element
  bool has_timeout = false;
};
inline bool HoldsClients(const NftSetForm& form, bool ipv6) {
  return form.has_timeout && form.key_bytes == (ipv6 ? 16u : 4u);
}

// The prefix, if a set's name can be that of the IPv4 clients.
inline std::optional<std::string> PrefixOfSet(const std::string& name) {
  if (name.size() < 2 || name.back() != '4') return std::nullopt;
  return name.substr(0, name.size() - 1);
}

}  // namespace breakwater
