#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "core/address.h"
#include "core/clock.h"

namespace breakwater {

// Zones' answers about clients, each for its own time. Bounded by the number
// of clients: a new one makes room by forgetting one of the oldest. Keyed by
// the single address, as lists are asked; zones are indices into the rules'
// zones, so a change of the zones clears it. Loop thread only.
class ListingCache {
 public:
  explicit ListingCache(size_t capacity);

  // The answer that counted (host order), zero for "not listed", or nothing if
  // unknown or too old.
  std::optional<uint32_t> Find(const IpAddress& client, size_t zone,
                               Instant now) const;
  void Put(const IpAddress& client, size_t zone, uint32_t answer,
           Instant expires);
  void Clear();
  void SetCapacity(size_t capacity);
  size_t size() const;

 private:
  size_t capacity_;
};

}  // namespace breakwater
