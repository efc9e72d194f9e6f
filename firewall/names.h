#pragma once

#include <array>
#include <string>

#include "absl/strings/str_cat.h"

namespace breakwater {

// What the kernel's sets are called, by the backend, and what the rules of the
// firewall must name. All begin with firewall.set_prefix:
//
//   ipset      breakwater4 breakwater6 breakwater4-extend breakwater6-extend
//   nftables   the same four, in the table `inet breakwater`
//   xt_recent  the lists `breakwater` (IPv4) and `breakwater6`
inline constexpr char kUsualPrefix[] = "breakwater";

struct FirewallNames {
  explicit FirewallNames(const std::string& prefix = kUsualPrefix)
      : sets{absl::StrCat(prefix, "4"), absl::StrCat(prefix, "6"),
             absl::StrCat(prefix, "4-extend"),
             absl::StrCat(prefix, "6-extend")},
        nft_table(prefix),
        recent{prefix, absl::StrCat(prefix, "6")} {}

  // IPv4 and IPv6; then those whose bans a hit starts again (ban.extend).
  std::array<std::string, 4> sets;
  std::string nft_table;              // of the family inet
  std::array<std::string, 2> recent;  // IPv4 and IPv6
};

}  // namespace breakwater
