#include "core/zones/subject.h"

#include <array>

#include "absl/strings/str_cat.h"

namespace breakwater {
namespace {

// The address' part of the name, with a dot behind it.
std::string PrefixOf(const IpAddress& client) {
  std::string result;
  if (client.IsV4()) {
    for (int i = 15; i >= 12; --i) {
      result += std::to_string(client.bytes[i]);
      result += '.';
    }
    return result;
  }
  constexpr char kDigits[] = "0123456789abcdef";
  result.reserve(64);
  for (int i = 15; i >= 0; --i) {
    result += kDigits[client.bytes[i] & 0xf];
    result += '.';
    result += kDigits[client.bytes[i] >> 4];
    result += '.';
  }
  return result;
}

}  // namespace

std::string DnsblName(const Subject& subject, std::string_view zone) {
  if (const auto* address = std::get_if<IpAddress>(&subject)) {
    return PrefixOf(*address).append(zone);
  }
  std::string name = std::get<std::string>(subject);
  return name.append(1, '.').append(zone);
}

const char* FamilyName(Family family) {
  switch (family) {
    case Family::kIpv4:
      return "ipv4";
    case Family::kIpv6:
      return "ipv6";
    case Family::kDomain:
      return "domain";
  }
  return "?";
}

Family FamilyOf(const IpAddress& address) {
  return address.IsV4() ? Family::kIpv4 : Family::kIpv6;
}

Family FamilyOf(const Subject& subject) {
  const auto* address = std::get_if<IpAddress>(&subject);
  return address == nullptr ? Family::kDomain : FamilyOf(*address);
}

absl::Span<const Family> FamiliesOf(ZoneType type) {
  static constexpr std::array kOfAddresses = {Family::kIpv4, Family::kIpv6};
  static constexpr std::array kOfDomains = {Family::kDomain};
  if (type == ZoneType::kDomain) return kOfDomains;
  return kOfAddresses;
}

}  // namespace breakwater
