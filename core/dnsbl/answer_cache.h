#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/clock.h"
#include "core/dnsbl/listing_cache.h"
#include "core/rules/zone.h"
#include "core/zones/subject.h"

namespace breakwater {

// What the zones of the rules have said: one cache for the addresses of clients
// and one for their names, so that a client costs no more for zones that are
// never asked about addresses. Zones are indices into the rules' zones. Loop
// thread only.
class AnswerCache {
 public:
  // Clients say as many names as they like, but few that lists are asked about
  // again, so that fewer are kept.
  static constexpr size_t kAddressesPerName = 4;

  explicit AnswerCache(size_t capacity)  // in clients
      : addresses_(capacity, 0), names_(capacity / kAddressesPerName, 0) {}

  // As in ListingCache.
  std::optional<uint32_t> Find(const Subject& subject, size_t zone,
                               Instant now) const;
  void Put(const Subject& subject, size_t zone, uint32_t filters,
           Instant expires);
  size_t DropListings(size_t zone, Family family);

  // Forgets all, and is for these zones from now on.
  void SetZones(const std::vector<Zone>& zones);
  void SetCapacity(size_t capacity);

  size_t addresses() const { return addresses_.size(); }
  size_t names() const { return names_.size(); }
  size_t bytes() const { return addresses_.bytes() + names_.bytes(); }

 private:
  ListingCache<IpAddress> addresses_;
  ListingCache<std::string> names_;
  std::vector<size_t> columns_;  // by zone: of the cache that it belongs to
};

}  // namespace breakwater
