#include "core/recheck.h"

namespace breakwater {

void Recheck::Add(const Ban& ban, Instant now) {
  const auto length = ban.expires - now;
  if (ban.origin != Origin::kList || ban.evidence.rules == nullptr ||
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
