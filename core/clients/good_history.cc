#include "core/clients/good_history.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "core/net/width.h"

namespace breakwater {
namespace {

// What comes within this time counts as one: a burst of a thousand messages
// says no more of a client than the first of them.
constexpr Duration kOneOccasion = std::chrono::minutes(10);

// Of those who have been silent for longest, how many may make room.
constexpr size_t kLookedAt = 8;

constexpr size_t kMostOfASender = 256;
constexpr size_t kPartOfABlock = 8;  // of all places

// What a provider has, rather than a host.
Network BlockAround(const IpAddress& address) {
  return Network::Of(address, address.IsV4() ? 96 + 16 : 32);
}

void Step(absl::flat_hash_map<Network, uint32_t>& counts,
          const Network& network, int step) {
  uint32_t& count = counts[network];
  count += static_cast<uint32_t>(step);
  if (count == 0) counts.erase(network);
}

uint32_t CountIn(const absl::flat_hash_map<Network, uint32_t>& counts,
                 const Network& network) {
  const auto place = counts.find(network);
  return place == counts.end() ? 0 : place->second;
}

}  // namespace

void GoodHistory::SetRules(HistoryRules rules) {
  rules_ = rules;
  while (probation_.size() > most_on_probation()) DropLast(probation_);
  while (good_.size() > most_good()) DropLast(good_);
}

void GoodHistory::Accept(const IpAddress& client, Instant now) {
  if (rules_.clients == 0) return;
  Expire(now);
  const Network network = Network::OfClient(client);
  const auto place = places_.find(network);
  if (place == places_.end()) {
    if (!HasRoomFor(network)) return;
    if (probation_.size() >= most_on_probation()) DropLast(probation_);
    Count(network, 1);
    probation_.push_front(
        {.client = network, .weighed = now, .first = now, .last = now});
    places_[network] = probation_.begin();
  } else {
    Entry& entry = *place->second;
    if (now - entry.weighed >= kOneOccasion) {
      const double weight = WeightOf(entry, now) + 1;
      entry.weight = std::min(static_cast<float>(weight), kHeaviest);
      entry.weighed = now;
    }
    entry.last = now;
    Entries& entries = entry.good ? good_ : probation_;
    entries.splice(entries.begin(), entries, place->second);
  }
  const Entries::iterator entry = places_[network];
  if (!entry->good && now - entry->first >= rules_.probation) {
    Promote(entry, now);
  }
}

void GoodHistory::AcceptUncleared(const IpAddress& client, Instant now) {
  Expire(now);
  const auto place = places_.find(Network::OfClient(client));
  if (place == places_.end() || !place->second->good) return;
  place->second->last = now;
  good_.splice(good_.begin(), good_, place->second);
}

void GoodHistory::Promote(Entries::iterator entry, Instant now) {
  if (most_good() == 0) return;
  if (good_.size() >= most_good()) {
    const Entries::iterator lightest = LightestOfTheSilent(now);
    if (WeightOf(*lightest, now) > WeightOf(*entry, now)) return;
    CountGood(lightest->client, -1);
    Count(lightest->client, -1);
    places_.erase(lightest->client);
    good_.erase(lightest);
  }
  entry->good = true;
  CountGood(entry->client, 1);
  good_.splice(good_.begin(), probation_, entry);
}

GoodHistory::Entries::iterator GoodHistory::LightestOfTheSilent(Instant now) {
  Entries::iterator lightest = std::prev(good_.end());
  Entries::iterator next = lightest;
  for (size_t i = 1; i < kLookedAt && next != good_.begin(); ++i) {
    --next;
    if (WeightOf(*next, now) < WeightOf(*lightest, now)) lightest = next;
  }
  return lightest;
}

bool GoodHistory::IsGood(const IpAddress& client, Instant now) const {
  const Entry* entry = Known(client, now);
  return entry != nullptr && entry->good;
}

void GoodHistory::Warn(const IpAddress& client, Instant now) {
  const auto place = places_.find(Network::OfClient(client));
  if (place == places_.end() || IsWarned(client, now)) return;
  place->second->warned = now;
}

bool GoodHistory::IsWarned(const IpAddress& client, Instant now) const {
  const Entry* entry = Known(client, now);
  return entry != nullptr && entry->warned != Instant::min() &&
         now - entry->warned < rules_.window;
}

void GoodHistory::Expire(Instant now) {
  for (Entries* entries : {&probation_, &good_}) {
    while (!entries->empty() && entries->back().last + rules_.keep <= now) {
      DropLast(*entries);
    }
  }
}

std::optional<GoodHistory::Standing> GoodHistory::Find(const IpAddress& client,
                                                       Instant now) const {
  const Entry* entry = Known(client, now);
  if (entry == nullptr) return std::nullopt;
  Standing standing{.good = entry->good,
                    .weight = WeightOf(*entry, now),
                    .first = entry->first,
                    .last = entry->last};
  if (IsWarned(client, now)) standing.warned = entry->warned;
  return standing;
}

std::optional<GoodHistory::Entry> GoodHistory::Find(
    const Network& client) const {
  const auto place = places_.find(client);
  if (place == places_.end()) return std::nullopt;
  return *place->second;
}

void GoodHistory::Restore(const Entry& entry) {
  if (const auto known = places_.find(entry.client); known != places_.end()) {
    return AddTo(known->second, entry);
  }
  Entries& entries = entry.good ? good_ : probation_;
  const size_t most = entry.good ? most_good() : most_on_probation();
  if (entries.size() >= most || !HasRoomFor(entry.client)) return;
  Count(entry.client, 1);
  entries.push_back(entry);
  if (entry.good) CountGood(entry.client, 1);
  places_[entry.client] = std::prev(entries.end());
}

void GoodHistory::AddTo(Entries::iterator known, const Entry& before) {
  const Instant when = std::max(known->weighed, before.weighed);
  const double weight = WeightOf(*known, when) + WeightOf(before, when);
  known->weight = std::min(static_cast<float>(weight), kHeaviest);
  known->weighed = when;
  known->first = std::min(known->first, before.first);
  known->last = std::max(known->last, before.last);
  known->warned = std::max(known->warned, before.warned);
  if (known->good || !before.good || good_.size() >= most_good()) return;
  known->good = true;
  CountGood(known->client, 1);
  good_.splice(good_.begin(), probation_, known);
}

std::vector<Network> GoodHistory::Networks() const {
  std::vector<Network> networks;
  networks.reserve(places_.size());
  for (const auto& [client, entry] : places_) networks.push_back(client);
  return networks;
}

size_t GoodHistory::bytes() const {
  // A node has two links and malloc's word; a place has the table's byte.
  constexpr size_t kNode = sizeof(Entry) + 3 * sizeof(void*);
  constexpr size_t kPlace = sizeof(decltype(places_)::value_type) + 1;
  constexpr size_t kAround = sizeof(decltype(good_around_)::value_type) + 1;
  return places_.size() * kNode + places_.capacity() * kPlace +
         (good_around_.capacity() + shares_.capacity()) * kAround;
}

double GoodHistory::WeightOf(const Entry& entry, Instant now) const {
  const std::chrono::duration<double> age = now - entry.weighed;
  return entry.weight * std::exp2(-age / rules_.half_life);
}

const GoodHistory::Entry* GoodHistory::Known(const IpAddress& client,
                                             Instant now) const {
  const auto place = places_.find(Network::OfClient(client));
  if (place == places_.end()) return nullptr;
  const Entry& entry = *place->second;
  return entry.last + rules_.keep <= now ? nullptr : &entry;
}

void GoodHistory::DropLast(Entries& entries) {
  if (entries.back().good) CountGood(entries.back().client, -1);
  Count(entries.back().client, -1);
  places_.erase(entries.back().client);
  entries.pop_back();
}

void GoodHistory::CountGood(const Network& client, int step) {
  for (const Width width : WidthsOf(client.address)) {
    Step(good_around_, Widened(client.address, width), step);
  }
}

void GoodHistory::Count(const Network& client, int step) {
  Step(shares_, SenderAround(client.address), step);
  Step(shares_, BlockAround(client.address), step);
}

bool GoodHistory::HasRoomFor(const Network& client) const {
  const size_t most_of_block =
      std::max<size_t>(kMostOfASender, rules_.clients / kPartOfABlock);
  return CountIn(shares_, SenderAround(client.address)) < kMostOfASender &&
         CountIn(shares_, BlockAround(client.address)) < most_of_block;
}

}  // namespace breakwater
