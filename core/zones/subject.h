#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "absl/types/span.h"
#include "core/net/address.h"
#include "core/rules/zone.h"

namespace breakwater {

// What a zone is asked about: a client's address or one of its names.
using Subject = std::variant<IpAddress, std::string>;

// The name to ask for. Of an address, reversed octets (RFC 5782 section 2.1) or
// reversed nibbles (section 2.4) before the zone's name; IPv4-mapped is IPv4.
// Of a name, the name itself before it (section 3).
std::string DnsblName(const Subject& subject, std::string_view zone);

// Zones are believed for each of these apart.
enum class Family : uint8_t { kIpv4, kIpv6, kDomain };
inline constexpr size_t kFamilies = static_cast<size_t>(Family::kDomain) + 1;

const char* FamilyName(Family family);  // "ipv4", "ipv6", "domain"
Family FamilyOf(const IpAddress& address);
Family FamilyOf(const Subject& subject);
// What zones of that type hold; the first is the one that every one has.
absl::Span<const Family> FamiliesOf(ZoneType type);

}  // namespace breakwater
