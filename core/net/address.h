#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace breakwater {

// The address of a host. IPv4 is kept as IPv4-mapped IPv6 (RFC 4291 section
// 2.5.5.2), so that a client is one key however a socket happened to report
// it: a dual-stack listener says ::ffff:192.0.2.5 for 192.0.2.5.
struct IpAddress {
  std::array<uint8_t, 16> bytes{};  // network order

  static IpAddress FromV4(uint32_t host_order);
  static IpAddress From(const in_addr& address);
  static IpAddress From(const in6_addr& address);
  // Nothing for another family than AF_INET and AF_INET6.
  static std::optional<IpAddress> From(const sockaddr* address);
  // "192.0.2.5", "2001:db8::5", "::ffff:192.0.2.5". Nothing for all else: no
  // names, no brackets, no zone identifiers.
  static std::optional<IpAddress> Parse(std::string_view text);

  bool IsV4() const;
  bool IsUnspecified() const;  // 0.0.0.0 or ::
  uint32_t V4() const;         // host order; only when IsV4()
  std::string ToString() const;

  auto operator<=>(const IpAddress&) const = default;

  template <typename H>
  friend H AbslHashValue(H h, const IpAddress& address) {
    return H::combine(std::move(h), address.bytes);
  }
};

// A CIDR prefix. `length` counts bits of the 128, so an IPv4 /24 has 120; bits
// behind it are zero.
struct Network {
  IpAddress address;
  uint8_t length = 128;

  // Clears the bits behind the prefix. `length` is at most 128.
  static Network Of(const IpAddress& address, uint8_t length);
  // What a ban of this client covers: one IPv4 address, or the /64 that an
  // IPv6 host can pick its addresses from.
  static Network OfClient(const IpAddress& address);
  // "192.0.2.0/24", "2001:db8::/32", or a bare address. The error says what
  // would be right; bits set behind the prefix are one.
  static absl::StatusOr<Network> Parse(std::string_view text);

  bool IsV4() const { return length >= 96 && address.IsV4(); }
  bool Contains(const IpAddress& other) const;
  bool Contains(const Network& other) const;  // the whole of it
  bool Overlaps(const Network& other) const;
  // In the family's own terms: "192.0.2.0/24", without "/32" or "/128".
  std::string ToString() const;

  auto operator<=>(const Network&) const = default;

  template <typename H>
  friend H AbslHashValue(H h, const Network& network) {
    return H::combine(std::move(h), network.address, network.length);
  }
};

// Networks that are asked "are you in one of these?", each once. There may be
// 100,000: a question takes a binary search for each length that occurs, and
// copies share what they hold. Any thread may ask; one that is being changed
// nobody else may use.
class NetworkSet {
 public:
  NetworkSet() = default;
  explicit NetworkSet(std::vector<Network> networks);

  // Many cost as much as one: all of it is copied.
  void Add(std::vector<Network> networks);
  void Add(const Network& network) { Add(std::vector<Network>{network}); }
  // The longest prefix that holds the address.
  std::optional<Network> Find(const IpAddress& address) const;
  // A member that shares an address with `network`.
  std::optional<Network> FindOverlap(const Network& network) const;
  // Longest prefix first.
  const std::vector<Network>& networks() const { return members_->networks; }
  bool operator==(const NetworkSet& other) const {
    return members_ == other.members_ || networks() == other.networks();
  }
  // Those that `other` has not.
  NetworkSet Without(const NetworkSet& other) const;

 private:
  struct Members {
    std::vector<Network> networks;
    // Where the networks of each length that occurs end.
    std::vector<size_t> ends;
  };
  static const std::shared_ptr<const Members>& None();

  std::shared_ptr<const Members> members_ = None();
};

// Loopback and unspecified addresses and the link-local ranges: never judged
// and never banned, whatever a configuration says.
const NetworkSet& AlwaysProtected();

// Ranges from which no client can come over the internet: private, shared,
// multicast, reserved (RFC 6890, RFC 8215). Those for documentation and
// benchmarks are not among them.
const NetworkSet& SpecialRanges();

// Ranges of which one /64 stands for a great many hosts: the addresses that
// NAT64 (RFC 6052) and Teredo (RFC 4380) make up. Judged, but never banned.
const NetworkSet& SharedRanges();

}  // namespace breakwater
