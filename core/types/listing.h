#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/types/domain_name.h"

namespace breakwater {

// One zone's positive answer about one client (RFC 5782): A records that the
// zone's configuration counts.
struct Listing {
  size_t zone = 0;       // index into Rules::zones
  uint32_t filters = 1;  // bit i: the zone's filter i matched; never 0
  // Whether the zone is trusted that far now. A zone that is not trusted at all
  // has no listing.
  bool may_ban = true;
  // Of a zone of domains: which of the client's names it lists, the first of
  // them.
  std::optional<NameKind> name = {};

  bool operator==(const Listing&) const = default;
};

}  // namespace breakwater
