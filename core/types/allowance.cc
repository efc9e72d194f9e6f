#include "core/types/allowance.h"

namespace breakwater {
namespace {

constexpr int kWidestV4 = 96 + 16;
constexpr int kWidestV6 = 32;

}  // namespace

bool IsWide(const Network& network) {
  if (network.IsV4()) return network.length < kWidestV4;
  // Some hold all of IPv4, which is mapped into IPv6.
  return network.length < kWidestV6 || network.Contains(IpAddress::FromV4(0));
}

}  // namespace breakwater
