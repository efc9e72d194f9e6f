#include "core/dnsbl/listing_cache.h"

#include <algorithm>

#include "absl/hash/hash.h"

namespace breakwater {
namespace {

using Tenth = std::chrono::duration<int64_t, std::deci>;

// Slots are 32 bits, and 2^26 addresses are 3 GB.
constexpr size_t kMostKeys = size_t{1} << 26;
// The index has room for this many at once; beyond it grows by rehashing.
constexpr size_t kReserved = size_t{1} << 20;

size_t Bounded(size_t capacity) {
  return std::clamp<size_t>(capacity, 1, kMostKeys);
}

// What a key has on the heap.
size_t Outside(const IpAddress&) { return 0; }
size_t Outside(const std::string& name) {
  return name.capacity() > std::string().capacity() ? name.capacity() + 1 : 0;
}

}  // namespace

template <typename Key>
ListingCache<Key>::ListingCache(size_t capacity, size_t zones)
    : capacity_(Bounded(capacity)),
      zones_(zones),
      start_(Clock::now() - std::chrono::seconds(1)),
      index_(0, Hash{this}, Equal{this}) {
  Reset();
}

template <typename Key>
std::optional<uint32_t> ListingCache<Key>::Find(const Key& key, size_t zone,
                                                Instant now) const {
  const auto place = index_.find(key);
  if (place == index_.end() || zone >= zones_) return std::nullopt;
  const Answer& answer = AnswersAt(*place)[zone];
  if (answer.expires <= Tenths(now)) return std::nullopt;
  return answer.filters;
}

template <typename Key>
void ListingCache<Key>::Put(const Key& key, size_t zone, uint32_t filters,
                            Instant expires) {
  if (zone >= zones_) return;
  AnswersAt(SlotFor(key))[zone] = {.filters = filters,
                                   .expires = Tenths(expires)};
}

template <typename Key>
size_t ListingCache<Key>::DropListings(
    size_t zone, absl::FunctionRef<bool(const Key&)> is_meant) {
  if (zone >= zones_) return 0;
  size_t dropped = 0;
  for (const uint32_t slot : index_) {
    Answer& answer = AnswersAt(slot)[zone];
    if (answer.filters == 0 || answer.filters == kUnclear ||
        !is_meant(KeyAt(slot)))
      continue;
    answer = {};
    ++dropped;
  }
  return dropped;
}

template <typename Key>
void ListingCache<Key>::Clear(size_t zones) {
  zones_ = zones;
  Reset();
}

template <typename Key>
void ListingCache<Key>::SetCapacity(size_t capacity) {
  capacity = Bounded(capacity);
  const bool smaller = capacity < capacity_;
  capacity_ = capacity;
  if (smaller) Reset();
}

template <typename Key>
size_t ListingCache<Key>::bytes() const {
  return chunks_.size() * kChunk * (sizeof(Key) + zones_ * sizeof(Answer)) +
         index_.capacity() * (sizeof(uint32_t) + 1) + outside_;
}

template <typename Key>
size_t ListingCache<Key>::Hash::operator()(const Key& key) const {
  return absl::Hash<Key>()(key);
}
template <typename Key>
size_t ListingCache<Key>::Hash::operator()(uint32_t slot) const {
  return absl::Hash<Key>()(cache->KeyAt(slot));
}
template <typename Key>
bool ListingCache<Key>::Equal::operator()(uint32_t slot, const Key& key) const {
  return cache->KeyAt(slot) == key;
}
template <typename Key>
bool ListingCache<Key>::Equal::operator()(const Key& key, uint32_t slot) const {
  return cache->KeyAt(slot) == key;
}

template <typename Key>
const Key& ListingCache<Key>::KeyAt(uint32_t slot) const {
  return chunks_[slot / kChunk].keys[slot % kChunk];
}

template <typename Key>
typename ListingCache<Key>::Answer* ListingCache<Key>::AnswersAt(
    uint32_t slot) const {
  return &chunks_[slot / kChunk].answers[slot % kChunk * zones_];
}

template <typename Key>
uint32_t ListingCache<Key>::SlotFor(const Key& key) {
  if (const auto place = index_.find(key); place != index_.end()) {
    return *place;
  }
  uint32_t slot = static_cast<uint32_t>(index_.size());
  if (slot == capacity_) {
    slot = next_;
    next_ = static_cast<uint32_t>((next_ + 1) % capacity_);
    index_.erase(KeyAt(slot));
    outside_ -= Outside(KeyAt(slot));
    std::fill_n(AnswersAt(slot), zones_, Answer{});
  } else if (slot / kChunk == chunks_.size()) {
    chunks_.push_back({.keys = std::make_unique<Key[]>(kChunk),
                       .answers = std::make_unique<Answer[]>(kChunk * zones_)});
  }
  Key& kept = chunks_[slot / kChunk].keys[slot % kChunk];
  kept = key;
  outside_ += Outside(kept);
  index_.insert(slot);
  return slot;
}

template <typename Key>
void ListingCache<Key>::Reset() {
  chunks_.clear();
  index_ = Index(0, Hash{this}, Equal{this});
  if (zones_ > 0) index_.reserve(std::min(capacity_, kReserved));
  next_ = 0;
  outside_ = 0;
}

template <typename Key>
uint32_t ListingCache<Key>::Tenths(Instant instant) const {
  const int64_t tenths = std::chrono::floor<Tenth>(instant - start_).count();
  return static_cast<uint32_t>(std::clamp<int64_t>(tenths, 0, UINT32_MAX));
}

template class ListingCache<IpAddress>;
template class ListingCache<std::string>;

}  // namespace breakwater
