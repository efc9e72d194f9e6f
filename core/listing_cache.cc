#include "core/listing_cache.h"

#include <algorithm>

#include "absl/hash/hash.h"

namespace breakwater {
namespace {

using Tenth = std::chrono::duration<int64_t, std::deci>;

// Slots are 32 bits, and 2^26 clients are 3 GB.
constexpr size_t kMostClients = size_t{1} << 26;
// The index has room for this many at once; beyond it grows by rehashing.
constexpr size_t kReserved = size_t{1} << 20;

size_t Bounded(size_t capacity) {
  return std::clamp<size_t>(capacity, 1, kMostClients);
}

}  // namespace

ListingCache::ListingCache(size_t capacity, size_t zones)
    : capacity_(Bounded(capacity)),
      zones_(zones),
      start_(Clock::now() - std::chrono::seconds(1)),
      index_(0, Hash{this}, Equal{this}) {
  Reset();
}

std::optional<uint32_t> ListingCache::Find(const IpAddress& client, size_t zone,
                                           Instant now) const {
  const auto place = index_.find(client);
  if (place == index_.end() || zone >= zones_) return std::nullopt;
  const Answer& answer = AnswersAt(*place)[zone];
  if (answer.expires <= Tenths(now)) return std::nullopt;
  return answer.filters;
}

void ListingCache::Put(const IpAddress& client, size_t zone, uint32_t filters,
                       Instant expires) {
  if (zone >= zones_) return;
  AnswersAt(SlotFor(client))[zone] = {.filters = filters,
                                      .expires = Tenths(expires)};
}

size_t ListingCache::DropListings(size_t zone, bool ipv4) {
  if (zone >= zones_) return 0;
  size_t dropped = 0;
  for (const uint32_t slot : index_) {
    Answer& answer = AnswersAt(slot)[zone];
    if (answer.filters == 0 || ClientAt(slot).IsV4() != ipv4) continue;
    answer = {};
    ++dropped;
  }
  return dropped;
}

void ListingCache::Clear(size_t zones) {
  zones_ = zones;
  Reset();
}

void ListingCache::SetCapacity(size_t capacity) {
  capacity = Bounded(capacity);
  const bool smaller = capacity < capacity_;
  capacity_ = capacity;
  if (smaller) Reset();
}

size_t ListingCache::bytes() const {
  return chunks_.size() * kChunk *
             (sizeof(IpAddress) + zones_ * sizeof(Answer)) +
         index_.capacity() * (sizeof(uint32_t) + 1);
}

size_t ListingCache::Hash::operator()(const IpAddress& client) const {
  return absl::Hash<IpAddress>()(client);
}
size_t ListingCache::Hash::operator()(uint32_t slot) const {
  return absl::Hash<IpAddress>()(cache->ClientAt(slot));
}
bool ListingCache::Equal::operator()(uint32_t slot,
                                     const IpAddress& client) const {
  return cache->ClientAt(slot) == client;
}
bool ListingCache::Equal::operator()(const IpAddress& client,
                                     uint32_t slot) const {
  return cache->ClientAt(slot) == client;
}

const IpAddress& ListingCache::ClientAt(uint32_t slot) const {
  return chunks_[slot / kChunk].clients[slot % kChunk];
}

ListingCache::Answer* ListingCache::AnswersAt(uint32_t slot) const {
  return &chunks_[slot / kChunk].answers[slot % kChunk * zones_];
}

uint32_t ListingCache::SlotFor(const IpAddress& client) {
  if (const auto place = index_.find(client); place != index_.end()) {
    return *place;
  }
  uint32_t slot = static_cast<uint32_t>(index_.size());
  if (slot == capacity_) {
    slot = next_;
    next_ = static_cast<uint32_t>((next_ + 1) % capacity_);
    index_.erase(ClientAt(slot));
    std::fill_n(AnswersAt(slot), zones_, Answer{});
  } else if (slot / kChunk == chunks_.size()) {
    chunks_.push_back({.clients = std::make_unique<IpAddress[]>(kChunk),
                       .answers = std::make_unique<Answer[]>(kChunk * zones_)});
  }
  chunks_[slot / kChunk].clients[slot % kChunk] = client;
  index_.insert(slot);
  return slot;
}

void ListingCache::Reset() {
  chunks_.clear();
  index_ = Index(0, Hash{this}, Equal{this});
  index_.reserve(std::min(capacity_, kReserved));
  next_ = 0;
}

uint32_t ListingCache::Tenths(Instant instant) const {
  const int64_t tenths = std::chrono::floor<Tenth>(instant - start_).count();
  return static_cast<uint32_t>(std::clamp<int64_t>(tenths, 0, UINT32_MAX));
}

}  // namespace breakwater
