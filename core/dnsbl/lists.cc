#include "core/dnsbl/lists.h"

#include <algorithm>

namespace breakwater {

bool Answers::AllHeard() const {
  if (unheard.empty()) return true;
  std::vector<Listing> heard;
  for (const Listing& listing : listings) {
    if (std::ranges::find(unheard, listing.zone) == unheard.end()) {
      heard.push_back(listing);
    }
  }
  return IsSettled(*rules, heard, unheard);
}

}  // namespace breakwater
