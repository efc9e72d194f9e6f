#include "daemon/toml/wide_networks.h"

#include "absl/strings/str_cat.h"

namespace breakwater {
namespace {

constexpr int kWidestV4 = 96 + 8;
constexpr int kWidestV6 = 16;

}  // namespace

bool HoldsMuchOfTheInternet(const Network& network) {
  for (const NetworkSet* ranges : {&AlwaysProtected(), &SpecialRanges()}) {
    const std::optional<Network> range = ranges->Find(network.address);
    if (range && range->Contains(network)) return false;
  }
  if (network.IsV4()) return network.length < kWidestV4;
  // Some hold all of IPv4, which is mapped into IPv6.
  return network.length < kWidestV6 || network.Contains(IpAddress::FromV4(0));
}

std::optional<std::string> WideNetworkWarning(std::string_view where,
                                              const Network& network,
                                              std::string_view effect) {
  if (!HoldsMuchOfTheInternet(network)) return std::nullopt;
  return absl::StrCat(std::string(where), ": ", network.ToString(),
                      " holds much of the internet, and nobody in it is ",
                      std::string(effect));
}

}  // namespace breakwater
