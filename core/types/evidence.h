#pragma once

#include <memory>
#include <vector>

#include "core/types/listing.h"
#include "core/types/offence.h"

namespace breakwater {

struct Rules;

// What a verdict rests on, so that it can be judged anew with what the client
// does later, and its ban lifted when lists prove to have lied.
struct Evidence {
  std::shared_ptr<const Rules> rules;  // null: no judge's, never lifted
  std::vector<Listing> listings;
  std::vector<OffenceKind> offences;
};

}  // namespace breakwater
