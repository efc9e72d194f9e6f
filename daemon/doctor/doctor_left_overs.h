#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/config/config.h"

namespace breakwater {

// Sets of ours that the configuration names no longer, by their backend or by
// firewall.set_prefix, and that rules of the firewall still look into.

// What they are found by: `ipset -t list`, `nft -t -j list ruleset`, and those
// of xt_recent's lists with our names that hold somebody.
struct SetListings {
  std::string ipset;
  std::string nft;
  std::vector<std::string> recent;
};
SetListings ListSets(const Config& config);

// Sentences: who they keep out, and how they are emptied.
std::vector<std::string> LeftOverSets(const SetListings& listings,
                                      const Config& config);

}  // namespace breakwater
