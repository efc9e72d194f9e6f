#include "core/bans/ban_table.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <utility>

namespace breakwater {
namespace {

// For more than these the table grows as it fills.
constexpr size_t kMostExpected = 1'000'000;

// A ban that stands on both stands on either. One that is no list's stands for
// itself.
Evidence Together(const Evidence& kept, const Evidence& more) {
  if (kept.rules == nullptr || more.rules == nullptr) return {};
  if (kept.rules != more.rules) return more;  // indices of other zones
  Evidence both = kept;
  for (const Listing& listing : more.listings) {
    if (std::ranges::none_of(both.listings, [&](const Listing& known) {
          return known.zone == listing.zone;
        })) {
      both.listings.push_back(listing);
    }
  }
  return both;
}

}  // namespace

BanTable::BanTable(size_t capacity)
    : capacity_(capacity), rows_(std::min(capacity, kMostExpected) + 1) {}

Ban BanTable::Add(const Ban& ban, Instant now, bool is_news) {
  const std::lock_guard lock(mutex_);
  const std::optional<uint32_t> known = InForce(ban.network, now);
  if (!known) {
    if (const auto ended = rows_.Find(ban.network)) Erase(*ended);
    Insert(ban);
    while (rows_.size() > capacity_) Erase(endings_.front());
    return ban;
  }
  const uint32_t number = *known;
  if (is_news) rows_.Count(number, ban.members);
  // What is told again of a list's ban rests on what that rested on.
  if (is_news || ban.evidence.rules == nullptr) {
    rows_.SetEvidence(number, Together(rows_.evidence(number), ban.evidence));
  }
  if (ban.expires > rows_.expires(number)) {
    rows_.Prolong(number, ban.expires);
    MoveDown(rows_.place(number));
  }
  return rows_.At(number);
}

std::optional<Ban> BanTable::Remove(const Network& network) {
  const std::lock_guard lock(mutex_);
  const std::optional<uint32_t> known = rows_.Find(network);
  if (!known) return std::nullopt;
  Ban removed = rows_.At(*known);
  Erase(*known);
  return removed;
}

std::optional<Ban> BanTable::Find(const IpAddress& client, Instant now) const {
  const std::lock_guard lock(mutex_);
  std::optional<uint32_t> ban = InForce(Network::OfClient(client), now);
  const absl::Span<const Width> widths = WidthsOf(client);
  for (size_t i = widths.size(); !ban && i-- > 0;) {
    if (wide_[static_cast<size_t>(widths[i])] == 0) continue;
    ban = InForce(Widened(client, widths[i]), now);
  }
  return ban ? std::optional(rows_.At(*ban)) : std::nullopt;
}

std::optional<Ban> BanTable::Find(const Network& network, Instant now) const {
  const std::lock_guard lock(mutex_);
  const std::optional<uint32_t> ban = InForce(network, now);
  return ban ? std::optional(rows_.At(*ban)) : std::nullopt;
}

std::optional<uint32_t> BanTable::InForce(const Network& network,
                                          Instant now) const {
  const std::optional<uint32_t> ban = rows_.Find(network);
  return ban && rows_.expires(*ban) > now ? ban : std::nullopt;
}

void BanTable::Expire(Instant now, size_t most) {
  const std::lock_guard lock(mutex_);
  for (; most > 0 && !endings_.empty(); --most) {
    if (rows_.expires(endings_.front()) > now) return;
    Erase(endings_.front());
  }
}

std::vector<Network> BanTable::Soonest(Instant now, size_t most) const {
  std::vector<Network> result;
  const std::lock_guard lock(mutex_);
  // From the root of the heap down: what is next stands below what was.
  using Next = std::pair<Instant, size_t>;
  std::priority_queue<Next, std::vector<Next>, std::greater<>> next;
  const auto push = [&](size_t place) {
    if (place >= endings_.size()) return;
    next.emplace(rows_.expires(endings_[place]), place);
  };
  push(0);
  while (!next.empty() && result.size() < most) {
    const auto [expires, place] = next.top();
    next.pop();
    if (expires > now) result.push_back(rows_.network(endings_[place]));
    push(2 * place + 1);
    push(2 * place + 2);
  }
  return result;
}

std::vector<Ban> BanTable::List(Instant now, size_t most) const {
  std::vector<Ban> result;
  for (const Network& network : Soonest(now, most)) {
    if (auto ban = Find(network, now)) result.push_back(*std::move(ban));
  }
  return result;
}

size_t BanTable::size() const {
  const std::lock_guard lock(mutex_);
  return rows_.size();
}

bool BanTable::Look(Cursor& cursor, size_t most,
                    absl::FunctionRef<bool(Glance&)> look,
                    std::vector<Ban>* removed) {
  const std::lock_guard lock(mutex_);
  for (; most > 0 && cursor.next_ < rows_.end(); --most) {
    const uint32_t number = cursor.next_++;
    if (!rows_.IsKept(number)) continue;
    Glance glance{.network = rows_.network(number),
                  .expires = rows_.expires(number),
                  .imposed = rows_.imposed(number),
                  .origin = rows_.origin(number),
                  .evidence = rows_.evidence(number)};
    if (look(glance)) {
      if (removed != nullptr) removed->push_back(rows_.At(number));
      Erase(number);
    } else if (glance.instead) {
      rows_.SetEvidence(number, *glance.instead);
    }
  }
  return cursor.next_ < rows_.end();
}

std::vector<Ban> BanTable::RemoveIf(absl::FunctionRef<bool(Glance&)> which) {
  std::vector<Ban> removed;
  Cursor cursor;
  Look(cursor, std::numeric_limits<size_t>::max(), which, &removed);
  return removed;
}

void BanTable::Insert(const Ban& ban) {
  const uint32_t number = rows_.Add(ban);
  CountWide(ban.network, 1);
  endings_.push_back(number);
  PutAt(endings_.size() - 1, number);
  MoveUp(endings_.size() - 1);
}

void BanTable::Erase(uint32_t number) {
  const size_t place = rows_.place(number);
  const uint32_t last = endings_.back();
  endings_.pop_back();
  if (last != number) {
    PutAt(place, last);
    MoveUp(place);
    MoveDown(rows_.place(last));
  }
  CountWide(rows_.network(number), -1);
  rows_.Erase(number);
}

void BanTable::CountWide(const Network& network, int step) {
  if (const std::optional<Width> width = WidthOf(network)) {
    wide_[static_cast<size_t>(*width)] += step;
  }
}

void BanTable::PutAt(size_t place, uint32_t number) {
  endings_[place] = number;
  rows_.SetPlace(number, static_cast<uint32_t>(place));
}

void BanTable::MoveUp(size_t place) {
  const uint32_t number = endings_[place];
  while (place > 0) {
    const size_t above = (place - 1) / 2;
    if (!EndsSooner(number, endings_[above])) break;
    PutAt(place, endings_[above]);
    place = above;
  }
  PutAt(place, number);
}

void BanTable::MoveDown(size_t place) {
  const uint32_t number = endings_[place];
  while (true) {
    size_t below = 2 * place + 1;
    if (below >= endings_.size()) break;
    if (below + 1 < endings_.size() &&
        EndsSooner(endings_[below + 1], endings_[below])) {
      ++below;
    }
    if (!EndsSooner(endings_[below], number)) break;
    PutAt(place, endings_[below]);
    place = below;
  }
  PutAt(place, number);
}

}  // namespace breakwater
