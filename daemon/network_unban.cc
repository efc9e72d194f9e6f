#include "daemon/network_unban.h"

#include <utility>

#include "core/width.h"

namespace breakwater {
namespace {

// To the next network of that length, a whole number of bytes.
void Advance(IpAddress& address, uint8_t length) {
  for (size_t byte = length / 8; byte-- > 0;) {
    if (++address.bytes[byte] != 0) return;
  }
}

}  // namespace

std::vector<Ban> UnbanNetwork(Screener& screener, const BanTable& bans,
                              const Network& network) {
  const Instant now = Clock::now();
  std::vector<Ban> lifted;
  const auto lift = [&](const IpAddress& address) {
    for (Ban& ban : screener.Unban(address)) lifted.push_back(std::move(ban));
  };
  const auto lift_each = [&](uint8_t length) {
    IpAddress at = network.address;
    for (uint32_t left = 1U << (length - network.length); left > 0; --left) {
      if (bans.Find(Network::Of(at, length), now)) lift(at);
      Advance(at, length);
    }
  };
  lift(network.address);
  for (const Width width : WidthsOf(network.address)) {
    if (LengthOf(width) > network.length) lift_each(LengthOf(width));
  }
  lift_each(Network::OfClient(network.address).length);
  return lifted;
}

}  // namespace breakwater
