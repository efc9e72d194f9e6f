#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "absl/types/span.h"
#include "core/net/address.h"

namespace breakwater {

// A ban covers one client, as Network::OfClient has it, or a network of one of
// these widths around many that are banned.
enum class Width : uint8_t { kV4By24, kV6By56, kV6By48 };
inline constexpr size_t kWidths = 3;
// Of a family, the narrower ones first.
inline constexpr std::array<Width, kWidths> kAllWidths = {
    Width::kV4By24, Width::kV6By56, Width::kV6By48};

constexpr bool IsV4(Width width) { return width == Width::kV4By24; }
// As it is written: 24, 56 or 48.
constexpr uint8_t BitsOf(Width width) {
  switch (width) {
    case Width::kV4By24:
      return 24;
    case Width::kV6By56:
      return 56;
    case Width::kV6By48:
      return 48;
  }
  return 0;
}
// Of the 128, as Network::length.
constexpr uint8_t LengthOf(Width width) {
  return static_cast<uint8_t>(BitsOf(width) + (IsV4(width) ? 96 : 0));
}
// Those of the address's family.
absl::Span<const Width> WidthsOf(const IpAddress& address);

// The network around an address of the width's family.
Network Widened(const IpAddress& address, Width width);
// What counts as one sender where one could pose as many: an IPv4 /24 or an
// IPv6 /48, which anybody has who has one.
Network SenderAround(const IpAddress& address);
// Nothing for a client and for all that no ban covers.
std::optional<Width> WidthOf(const Network& network);
// Whether it is what a ban of one client covers.
bool IsClient(const Network& network);

// When bans are widened.
struct WideningRules {
  // How many clients of one network must be banned for all of it to be, by
  // Width; 0: that never happens.
  std::array<uint32_t, kWidths> members{};

  uint32_t Members(Width width) const {
    return members[static_cast<size_t>(width)];
  }
  bool Allows(Width width) const { return Members(width) > 0; }

  bool operator==(const WideningRules&) const = default;
};

}  // namespace breakwater
