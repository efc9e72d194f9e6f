#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/net/width.h"

namespace breakwater {

// What the kernel's sets are called, by the backend, and what the rules of the
// firewall must name. All begin with firewall.set_prefix:
//
//   ipset      breakwater4 breakwater6 breakwater4-extend breakwater6-extend
//              breakwater4-24 breakwater6-56 breakwater6-48
//   nftables   the same, in the table `inet breakwater`
//   xt_recent  the lists `breakwater` (IPv4) and `breakwater6`
inline constexpr char kUsualPrefix[] = "breakwater";

struct FirewallNames {
  explicit FirewallNames(const std::string& prefix = kUsualPrefix)
      : sets{absl::StrCat(prefix, "4"), absl::StrCat(prefix, "6"),
             absl::StrCat(prefix, "4-extend"),
             absl::StrCat(prefix, "6-extend")},
        wide{absl::StrCat(prefix, "4-24"), absl::StrCat(prefix, "6-56"),
             absl::StrCat(prefix, "6-48")},
        nft_table(prefix),
        recent{prefix, absl::StrCat(prefix, "6")} {}

  // Of those of ipset and nftables, by number: first `sets`, then `wide`.
  const std::string& Set(size_t number) const {
    return number < sets.size() ? sets[number] : wide[number - sets.size()];
  }

  // IPv4 and IPv6; then those whose bans a hit starts again (ban.extend).
  std::array<std::string, 4> sets;
  // By Width: those of whole networks. One for each, since a set does not say
  // how long the prefix of an element is: a /56 can look like a /48.
  std::array<std::string, kWidths> wide;
  std::string nft_table;              // of the family inet
  std::array<std::string, 2> recent;  // IPv4 and IPv6
};

// Elements that a set of networks holds, if those of clients hold so many:
// each stands for many clients.
constexpr uint32_t MostWideEntries(uint32_t most_entries) {
  return std::min<uint32_t>(most_entries, 65'536);
}
constexpr uint32_t WideHashSize(uint32_t hash_size) {
  return std::min<uint32_t>(hash_size, 16'384);
}

}  // namespace breakwater
