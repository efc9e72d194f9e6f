#include "core/ban_table.h"

#include <algorithm>

namespace breakwater {
namespace {

// A ban that stands on both stands on either. One that is no list's stands for
// itself.
void AddEvidence(Evidence& kept, const Evidence& more) {
  if (kept.rules == nullptr || more.rules == nullptr) {
    kept = {};
    return;
  }
  if (kept.rules != more.rules) {  // indices of other zones
    kept = more;
    return;
  }
  for (const Listing& listing : more.listings) {
    if (std::ranges::none_of(kept.listings, [&](const Listing& known) {
          return known.zone == listing.zone;
        })) {
      kept.listings.push_back(listing);
    }
  }
}

}  // namespace

Ban BanTable::Add(const Ban& ban, Instant now) {
  const std::lock_guard lock(mutex_);
  const auto [place, added] = bans_.try_emplace(ban.network, ban);
  Ban& kept = place->second;
  if (added) {
    CountWide(ban.network, 1);
  } else {
    if (kept.expires <= now) {
      kept = ban;
    } else {
      ++kept.count;
      kept.members = std::max(kept.members, ban.members);
      AddEvidence(kept.evidence, ban.evidence);
      if (ban.expires <= kept.expires) return kept;
      kept.expires = ban.expires;
    }
  }
  const Ban result = kept;
  PushEnding(result);
  while (bans_.size() > capacity_) {
    EraseSoonest();
  }
  return result;
}

std::optional<Ban> BanTable::Remove(const Network& network) {
  const std::lock_guard lock(mutex_);
  const auto place = bans_.find(network);
  if (place == bans_.end()) return std::nullopt;
  Ban removed = std::move(place->second);
  Erase(place);
  return removed;
}

std::vector<Ban> BanTable::RemoveIf(const std::function<bool(Ban&)>& which) {
  std::vector<Ban> removed;
  const std::lock_guard lock(mutex_);
  absl::erase_if(bans_, [&](auto& entry) {
    if (!which(entry.second)) return false;
    removed.push_back(entry.second);
    CountWide(entry.first, -1);
    return true;
  });
  return removed;
}

std::optional<Ban> BanTable::Find(const IpAddress& client, Instant now) const {
  const std::lock_guard lock(mutex_);
  const Ban* ban = InForce(Network::OfClient(client), now);
  const absl::Span<const Width> widths = WidthsOf(client);
  for (size_t i = widths.size(); ban == nullptr && i-- > 0;) {
    if (wide_[static_cast<size_t>(widths[i])] == 0) continue;
    ban = InForce(Widened(client, widths[i]), now);
  }
  return ban == nullptr ? std::nullopt : std::optional(*ban);
}

std::optional<Ban> BanTable::Find(const Network& network, Instant now) const {
  const std::lock_guard lock(mutex_);
  const Ban* ban = InForce(network, now);
  return ban == nullptr ? std::nullopt : std::optional(*ban);
}

const Ban* BanTable::InForce(const Network& network, Instant now) const {
  const auto place = bans_.find(network);
  if (place == bans_.end() || place->second.expires <= now) return nullptr;
  return &place->second;
}

void BanTable::Erase(Bans::iterator place) {
  CountWide(place->first, -1);
  bans_.erase(place);
}

void BanTable::CountWide(const Network& network, int step) {
  if (const std::optional<Width> width = WidthOf(network)) {
    wide_[static_cast<size_t>(*width)] += step;
  }
}

void BanTable::EraseSoonest() {
  if (!IsStale(endings_.front())) {
    Erase(bans_.find(endings_.front().network));
  }
  PopEnding();
}

void BanTable::Expire(Instant now) {
  const std::lock_guard lock(mutex_);
  while (!endings_.empty() && endings_.front().expires <= now) {
    EraseSoonest();
  }
}

std::vector<Ban> BanTable::List(Instant now, size_t most) const {
  std::vector<Ban> result;
  {
    const std::lock_guard lock(mutex_);
    result.reserve(bans_.size());
    for (const auto& [network, ban] : bans_) {
      if (ban.expires > now) result.push_back(ban);
    }
  }
  const auto sooner = [](const Ban& a, const Ban& b) {
    return a.expires < b.expires;
  };
  const size_t shown = std::min(most, result.size());
  std::partial_sort(result.begin(), result.begin() + shown, result.end(),
                    sooner);
  result.resize(shown);
  return result;
}

std::vector<Network> BanTable::Networks(Instant now) const {
  std::vector<Network> result;
  const std::lock_guard lock(mutex_);
  result.reserve(bans_.size());
  for (const auto& [network, ban] : bans_) {
    if (ban.expires > now) result.push_back(network);
  }
  return result;
}

size_t BanTable::size() const {
  const std::lock_guard lock(mutex_);
  return bans_.size();
}

bool BanTable::IsStale(const Ending& ending) const {
  const auto place = bans_.find(ending.network);
  return place == bans_.end() || place->second.expires != ending.expires;
}

void BanTable::PopEnding() {
  std::pop_heap(endings_.begin(), endings_.end(), EndsLater);
  endings_.pop_back();
}

void BanTable::PushEnding(const Ban& ban) {
  endings_.push_back({.expires = ban.expires, .network = ban.network});
  std::push_heap(endings_.begin(), endings_.end(), EndsLater);
  // Prolonging and removing leave stale endings behind; when they outnumber
  // the bans, start over, so that the heap is bounded as the table is.
  if (endings_.size() <= 2 * bans_.size() + 64) return;
  endings_.clear();
  for (const auto& [network, kept] : bans_) {
    endings_.push_back({.expires = kept.expires, .network = network});
  }
  std::make_heap(endings_.begin(), endings_.end(), EndsLater);
}

}  // namespace breakwater
