#pragma once

#include <memory>
#include <vector>

#include "core/listing.h"

namespace breakwater {

struct Rules;

// What a ban rests on, so that it can be lifted when lists prove to have lied.
struct Evidence {
  std::shared_ptr<const Rules> rules;  // null: no list's, never lifted
  std::vector<Listing> listings;
};

}  // namespace breakwater
