#include "core/dnsbl/answer_cache.h"

namespace breakwater {

std::optional<uint32_t> AnswerCache::Find(const Subject& subject, size_t zone,
                                          Instant now) const {
  if (const auto* address = std::get_if<IpAddress>(&subject)) {
    return addresses_.Find(*address, columns_[zone], now);
  }
  return names_.Find(std::get<std::string>(subject), columns_[zone], now);
}

void AnswerCache::Put(const Subject& subject, size_t zone, uint32_t filters,
                      Instant expires) {
  if (const auto* address = std::get_if<IpAddress>(&subject)) {
    addresses_.Put(*address, columns_[zone], filters, expires);
  } else {
    names_.Put(std::get<std::string>(subject), columns_[zone], filters,
               expires);
  }
}

size_t AnswerCache::DropListings(size_t zone, Family family) {
  if (family == Family::kDomain) {
    return names_.DropListings(columns_[zone],
                               [](const std::string&) { return true; });
  }
  return addresses_.DropListings(columns_[zone],
                                 [family](const IpAddress& address) {
                                   return FamilyOf(address) == family;
                                 });
}

void AnswerCache::SetZones(const std::vector<Zone>& zones) {
  size_t of_addresses = 0;
  size_t of_names = 0;
  columns_.clear();
  for (const Zone& zone : zones) {
    const bool is_domain = zone.type == ZoneType::kDomain;
    columns_.push_back(is_domain ? of_names++ : of_addresses++);
  }
  addresses_.Clear(of_addresses);
  names_.Clear(of_names);
}

void AnswerCache::SetCapacity(size_t capacity) {
  addresses_.SetCapacity(capacity);
  names_.SetCapacity(capacity / kAddressesPerName);
}

}  // namespace breakwater
