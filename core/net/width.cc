#include "core/net/width.h"

namespace breakwater {

absl::Span<const Width> WidthsOf(const IpAddress& address) {
  const absl::Span<const Width> all(kAllWidths);
  return address.IsV4() ? all.first(1) : all.subspan(1);
}

Network Widened(const IpAddress& address, Width width) {
  return Network::Of(address, LengthOf(width));
}

Network SenderAround(const IpAddress& address) {
  return Widened(address, address.IsV4() ? Width::kV4By24 : Width::kV6By48);
}

std::optional<Width> WidthOf(const Network& network) {
  for (const Width width : kAllWidths) {
    if (network.length == LengthOf(width) &&
        network.address.IsV4() == IsV4(width) &&
        network == Widened(network.address, width)) {
      return width;
    }
  }
  return std::nullopt;
}

bool IsClient(const Network& network) {
  return network == Network::OfClient(network.address);
}

}  // namespace breakwater
