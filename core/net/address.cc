#include "core/net/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <initializer_list>
#include <iterator>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/base/text.h"

namespace breakwater {
namespace {

constexpr std::array<uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0,    0,
                                                   0, 0, 0, 0, 0xff, 0xff};

// The text of any address fits: the longest is 45 characters (RFC 4291).
constexpr size_t kLongestText = 45;

bool SamePrefix(const IpAddress& a, const IpAddress& b, uint8_t length) {
  const size_t whole = length / 8;
  if (!std::equal(a.bytes.begin(), a.bytes.begin() + whole, b.bytes.begin())) {
    return false;
  }
  const int rest = length % 8;
  if (rest == 0) return true;
  const auto mask = static_cast<uint8_t>(0xff << (8 - rest));
  return (a.bytes[whole] & mask) == (b.bytes[whole] & mask);
}

// The longest prefix first.
bool ComesBefore(const Network& a, const Network& b) {
  return a.length != b.length ? a.length > b.length : a.address < b.address;
}

// Lives as long as the program.
NetworkSet* MakeSet(std::initializer_list<const char*> texts) {
  std::vector<Network> networks;
  for (const char* text : texts) networks.push_back(*Network::Parse(text));
  return new NetworkSet(std::move(networks));
}

}  // namespace

IpAddress IpAddress::FromV4(uint32_t host_order) {
  IpAddress result;
  std::copy(kMappedPrefix.begin(), kMappedPrefix.end(), result.bytes.begin());
  for (int i = 0; i < 4; ++i) {
    result.bytes[12 + i] = static_cast<uint8_t>(host_order >> (24 - 8 * i));
  }
  return result;
}

IpAddress IpAddress::From(const in_addr& address) {
  return FromV4(ntohl(address.s_addr));
}

IpAddress IpAddress::From(const in6_addr& address) {
  IpAddress result;
  std::memcpy(result.bytes.data(), &address, result.bytes.size());
  return result;
}

std::optional<IpAddress> IpAddress::From(const sockaddr* address) {
  if (address == nullptr) return std::nullopt;
  if (address->sa_family == AF_INET) {
    sockaddr_in in;
    std::memcpy(&in, address, sizeof in);
    return From(in.sin_addr);
  }
  if (address->sa_family == AF_INET6) {
    sockaddr_in6 in6;
    std::memcpy(&in6, address, sizeof in6);
    return From(in6.sin6_addr);
  }
  return std::nullopt;
}

std::optional<IpAddress> IpAddress::Parse(std::string_view text) {
  if (text.size() > kLongestText) return std::nullopt;
  const std::string terminated(text);
  if (terminated.find('\0') != std::string::npos) return std::nullopt;
  in_addr v4;
  if (inet_pton(AF_INET, terminated.c_str(), &v4) == 1) return From(v4);
  in6_addr v6;
  if (inet_pton(AF_INET6, terminated.c_str(), &v6) == 1) return From(v6);
  return std::nullopt;
}

bool IpAddress::IsV4() const {
  return std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), bytes.begin());
}

bool IpAddress::IsUnspecified() const {
  return *this == IpAddress{} || *this == FromV4(0);
}

uint32_t IpAddress::V4() const {
  uint32_t result = 0;
  for (int i = 12; i < 16; ++i) result = (result << 8) | bytes[i];
  return result;
}

std::string IpAddress::ToString() const {
  char text[INET6_ADDRSTRLEN];
  if (IsV4()) {
    inet_ntop(AF_INET, &bytes[12], text, sizeof text);
  } else {
    inet_ntop(AF_INET6, bytes.data(), text, sizeof text);
  }
  return text;
}

Network Network::Of(const IpAddress& address, uint8_t length) {
  Network result{.address = address, .length = length};
  for (size_t i = 0; i < result.address.bytes.size(); ++i) {
    const int kept = std::clamp(length - static_cast<int>(8 * i), 0, 8);
    result.address.bytes[i] &= static_cast<uint8_t>(0xff << (8 - kept));
  }
  return result;
}

Network Network::OfClient(const IpAddress& address) {
  return Of(address, address.IsV4() ? 128 : 64);
}

absl::StatusOr<Network> Network::Parse(std::string_view text) {
  const size_t slash = text.find('/');
  const std::optional<IpAddress> address =
      IpAddress::Parse(text.substr(0, slash));
  if (!address) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", Escaped(text, 60),
                     "\" is not a network; write it like 192.0.2.0/24 or "
                     "2001:db8::/32"));
  }
  if (slash == std::string_view::npos) return Network{.address = *address};

  // ::ffff:192.0.2.0/120 means what it says, 192.0.2.0/24 what IPv4 says.
  const bool v4_text = text.find(':') == std::string_view::npos;
  const unsigned longest = v4_text ? 32 : 128;
  const std::string_view digits = text.substr(slash + 1);
  unsigned length = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), length);
  if (error != std::errc() || end != digits.data() + digits.size() ||
      length > longest) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", Escaped(text, 60),
                     "\" has no prefix length between 0 and ", longest));
  }
  const Network network =
      Of(*address, static_cast<uint8_t>(v4_text ? length + 96 : length));
  if (network.address != *address) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", Escaped(text, 60),
                     "\" has bits set behind its prefix; did you mean ",
                     network.ToString(), "?"));
  }
  return network;
}

bool Network::Contains(const IpAddress& other) const {
  return SamePrefix(address, other, length);
}

bool Network::Contains(const Network& other) const {
  return length <= other.length && Contains(other.address);
}

bool Network::Overlaps(const Network& other) const {
  return SamePrefix(address, other.address, std::min(length, other.length));
}

std::string Network::ToString() const {
  if (length == 128) return address.ToString();
  if (IsV4()) return absl::StrCat(address.ToString(), "/", length - 96);
  return absl::StrCat(address.ToString(), "/", static_cast<int>(length));
}

const std::shared_ptr<const NetworkSet::Members>& NetworkSet::None() {
  static const auto* const kNone =
      new std::shared_ptr<const Members>(std::make_shared<const Members>());
  return *kNone;
}

NetworkSet::NetworkSet(std::vector<Network> networks) {
  Add(std::move(networks));
}

void NetworkSet::Add(std::vector<Network> networks) {
  if (networks.empty()) return;
  std::ranges::sort(networks, ComesBefore);
  const auto rest = std::ranges::unique(networks);
  networks.erase(rest.begin(), rest.end());
  Members members;
  std::vector<Network>& all = members.networks;
  all.reserve(members_->networks.size() + networks.size());
  std::ranges::set_union(members_->networks, networks, std::back_inserter(all),
                         ComesBefore);
  for (size_t i = 1; i <= all.size(); ++i) {
    if (i < all.size() && all[i].length == all[i - 1].length) continue;
    members.ends.push_back(i);
  }
  members_ = std::make_shared<const Members>(std::move(members));
}

std::optional<Network> NetworkSet::Find(const IpAddress& address) const {
  return FindOverlap({.address = address});
}

std::optional<Network> NetworkSet::FindOverlap(const Network& network) const {
  const std::vector<Network>& all = members_->networks;
  size_t begin = 0;
  for (const size_t end : members_->ends) {
    const uint8_t length = all[begin].length;
    // The only one of that length that holds it, or the first that it holds.
    const Network wanted =
        Network::Of(network.address, std::min(length, network.length));
    const auto last = all.begin() + static_cast<ptrdiff_t>(end);
    const auto found = std::lower_bound(
        all.begin() + static_cast<ptrdiff_t>(begin), last, wanted.address,
        [](const Network& member, const IpAddress& address) {
          return member.address < address;
        });
    if (found != last && found->Overlaps(network)) return *found;
    begin = end;
  }
  return std::nullopt;
}

NetworkSet NetworkSet::Without(const NetworkSet& other) const {
  if (members_ == other.members_) return {};
  std::vector<Network> rest;
  std::ranges::set_difference(networks(), other.networks(),
                              std::back_inserter(rest), ComesBefore);
  return NetworkSet(std::move(rest));
}

const NetworkSet& AlwaysProtected() {
  static const NetworkSet* const kNetworks = MakeSet(
      {"127.0.0.0/8", "0.0.0.0/8", "169.254.0.0/16", "::1", "::", "fe80::/10"});
  return *kNetworks;
}

const NetworkSet& SpecialRanges() {
  static const NetworkSet* const kNetworks =
      MakeSet({"10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.0.0.0/24",
               "192.168.0.0/16", "224.0.0.0/4", "240.0.0.0/4", "64:ff9b:1::/48",
               "100::/64", "fc00::/7", "fec0::/10", "ff00::/8"});
  return *kNetworks;
}

const NetworkSet& SharedRanges() {
  static const NetworkSet* const kNetworks =
      MakeSet({"64:ff9b::/96", "2001::/32"});
  return *kNetworks;
}

}  // namespace breakwater
