#include "core/zones/hit_rate.h"

#include <algorithm>

namespace breakwater {
namespace {

// Zones whose last answers lie this far apart do not see the same clients.
constexpr auto kSameTime = std::chrono::minutes(1);

void Fade(double& share, bool listed, int over) {
  share += ((listed ? 1.0 : 0.0) - share) / over;
}

}  // namespace

void HitRate::Note(bool listed, Instant now) {
  clients_ = std::min(clients_ + 1, kPast);
  Fade(recent_, listed, std::min(clients_, kRecent));
  Fade(past_, listed, clients_);
  last_ = now;
}

bool HitRate::HasLeftItsPast() const {
  if (clients_ < kNewcomer) return false;
  return recent_ > past_ + 0.3 || 1 - recent_ < (1 - past_) / 4;
}

bool IsDoubtful(const HitRate& zone, absl::Span<const HitRate* const> others) {
  if (!zone.HasLeftItsPast()) return false;
  return std::ranges::none_of(others, [&](const HitRate* other) {
    return other->last() + kSameTime > zone.last() &&
           other->rise() >= zone.rise() / 2;
  });
}

}  // namespace breakwater
