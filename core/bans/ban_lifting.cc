// The part of ban_keeper.h that does what a person has said: let them in.

#include <utility>

#include "core/bans/ban_keeper.h"

namespace breakwater {
namespace {

// To the next network of that length, a whole number of bytes.
void Advance(IpAddress& address, uint8_t length) {
  for (size_t byte = length / 8; byte-- > 0;) {
    if (++address.bytes[byte] != 0) return;
  }
}

}  // namespace

std::vector<Ban> BanKeeper::LiftAllOf(const Network& network,
                                      std::string_view why) {
  std::vector<Ban> lifted;
  // False: nobody was kept out by that network.
  const auto lift = [&](const Network& one) {
    std::optional<Ban> ban = bans_.Remove(one);
    if (!ban) return false;
    TakeBackGrowth(*ban);
    Lifted(one, ban->id, why);
    lifted.push_back(*std::move(ban));
    return true;
  };
  if (!lift(network)) Lifted(network, "", why);
  const IpAddress& address = network.address;
  const absl::Span<const Width> widths = WidthsOf(address);
  for (size_t i = widths.size(); i-- > 0;) {
    if (LengthOf(widths[i]) >= network.length) continue;
    const Network around = Widened(address, widths[i]);
    widening_.Forget(around);
    if (!lift(around)) enforcer_.Unban(around);
  }
  const auto lift_each = [&](uint8_t length) {
    IpAddress at = address;
    for (uint32_t left = 1U << (length - network.length); left > 0; --left) {
      lift(Network::Of(at, length));
      Advance(at, length);
    }
  };
  for (const Width width : widths) {
    if (LengthOf(width) > network.length) lift_each(LengthOf(width));
  }
  const uint8_t client = Network::OfClient(address).length;
  if (client > network.length) lift_each(client);
  ShowSize();
  return lifted;
}

// Whether or not there was a restart since. One that was imported made nothing
// longer: it is not known since when it was in force.
void BanKeeper::TakeBackGrowth(const Ban& ban) {
  if (ban.imposed == Instant() ||
      (ban.origin != Origin::kList && ban.origin != Origin::kOffence)) {
    return;
  }
  const Instant now = Clock::now();
  const std::optional<Ban> next = bans_.Find(ban.network, now);
  growth_.TakeBack(ban.network, ban.imposed, next ? next->expires : now);
}

}  // namespace breakwater
