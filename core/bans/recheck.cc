#include "core/bans/recheck.h"

#include <algorithm>

#include "core/judge/judge.h"

namespace breakwater {
namespace {

// Only these can be asked again: what the client has said is not kept.
bool RestsOnItsAddress(const Evidence& evidence) {
  return evidence.rules != nullptr && evidence.offences.empty() &&
         std::ranges::none_of(evidence.listings, [&](const Listing& listing) {
           return evidence.rules->zones[listing.zone].type == ZoneType::kDomain;
         });
}

}  // namespace

void Recheck::Add(const Ban& ban, Instant now) {
  const auto length = ban.expires - now;
  if (ban.origin != Origin::kList || !RestsOnItsAddress(ban.evidence) ||
      ban.client.IsUnspecified() || least_.count() == 0 || length < least_ ||
      waiting_.size() >= kMost) {
    return;
  }
  waiting_.push({.when = now + length / 2,
                 .due = {.network = ban.network, .id = ban.id}});
}

std::optional<Recheck::Due> Recheck::Take(Instant now) {
  if (waiting_.empty() || waiting_.top().when > now) return std::nullopt;
  Due due = waiting_.top().due;
  waiting_.pop();
  return due;
}

}  // namespace breakwater
