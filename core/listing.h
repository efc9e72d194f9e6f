#pragma once

#include <cstddef>
#include <cstdint>

namespace breakwater {

// One zone's positive answer about one client (RFC 5782): an A record that the
// zone's configuration counts.
struct Listing {
  size_t zone = 0;      // index into Rules::zones
  uint32_t answer = 0;  // host order; 127.0.0.2 and so on

  bool operator==(const Listing&) const = default;
};

}  // namespace breakwater
