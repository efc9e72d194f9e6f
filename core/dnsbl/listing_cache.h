#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "core/base/clock.h"
#include "core/net/address.h"

namespace breakwater {

// Zones' answers about addresses or names, each for its own time. Bounded by
// the number of these: a new one makes room by forgetting the one that came
// first. Zones are columns: when they change, it is cleared. Loop thread only.
//
// An address costs 16 bytes and 8 for each zone; the index, which is made for
// the capacity at once, 5 to 11 for each address that fits. With three zones
// and room for 200,000 that is 54 bytes for each of 100,000 addresses, 47 when
// it is full. A name costs 32 bytes in place of 16, and those of its own beyond
// 15. Memory grows as clients come, in steps of a few thousand, and never
// moves, so that no answer waits for it.
template <typename Key>  // IpAddress or std::string
class ListingCache {
 public:
  ListingCache(size_t capacity, size_t zones);
  ListingCache(const ListingCache&) = delete;  // the index points back
  ListingCache& operator=(const ListingCache&) = delete;

  // In place of filters: the answer was none that a list can give.
  static constexpr uint32_t kUnclear = uint32_t{1} << 31;

  // The zone's filters that matched, zero for "not listed", or nothing if
  // unknown or too old. An earlier `now` forgives that it is too old.
  std::optional<uint32_t> Find(const Key& key, size_t zone, Instant now) const;
  // `expires` counts in tenths of a second, rounded down.
  void Put(const Key& key, size_t zone, uint32_t filters, Instant expires);

  // Forgets the zone's listings of the keys of which `is_meant` says so, and
  // says how many they were; that somebody is not listed it keeps.
  size_t DropListings(size_t zone,
                      absl::FunctionRef<bool(const Key&)> is_meant);

  // Forgets all, and is for that many zones from now on.
  void Clear(size_t zones);
  // Forgets all when it gets smaller.
  void SetCapacity(size_t capacity);

  size_t size() const { return index_.size(); }  // keys
  // What the keys and the index take.
  size_t bytes() const;

 private:
  struct Answer {
    uint32_t filters = 0;
    uint32_t expires = 0;  // tenths of a second after start_; 0: unknown
  };
  // kChunk keys, and behind them the answers about each.
  struct Chunk {
    std::unique_ptr<Key[]> keys;
    std::unique_ptr<Answer[]> answers;
  };
  static constexpr size_t kChunk = 4096;

  // The index holds slot numbers only and looks the key up.
  struct Hash {
    using is_transparent = void;
    const ListingCache* cache;
    size_t operator()(const Key& key) const;
    size_t operator()(uint32_t slot) const;
  };
  struct Equal {
    using is_transparent = void;
    const ListingCache* cache;
    bool operator()(uint32_t a, uint32_t b) const { return a == b; }
    bool operator()(uint32_t slot, const Key& key) const;
    bool operator()(const Key& key, uint32_t slot) const;
  };
  using Index = absl::flat_hash_set<uint32_t, Hash, Equal>;

  const Key& KeyAt(uint32_t slot) const;
  Answer* AnswersAt(uint32_t slot) const;
  uint32_t SlotFor(const Key& key);
  void Reset();
  uint32_t Tenths(Instant instant) const;

  size_t capacity_;
  size_t zones_;
  const Instant start_;
  std::vector<Chunk> chunks_;
  Index index_;
  uint32_t next_ = 0;   // the slot that makes room when all are taken
  size_t outside_ = 0;  // bytes that keys have besides their own
};

extern template class ListingCache<IpAddress>;
extern template class ListingCache<std::string>;

}  // namespace breakwater
