#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>

#include "absl/container/flat_hash_map.h"
#include "core/address.h"
#include "core/clock.h"

namespace breakwater {

// Until when the elements of one set stay, as far as we have put them there.
//
// The kernel takes each add of an element as its new timeout, and has no cheap
// way to tell the old one. So that an add never shortens, what was put in is
// remembered here: 16 bytes an element. In many small tables: one of a million
// would stop the bans for tens of milliseconds when it grows. What has ended
// is dropped whenever a table has doubled, so that they follow the set's size.
class SetEndings {
 public:
  // The seconds to give the kernel so that the element stays at least as long
  // as it would have without this add; remembers them.
  uint32_t Prolong(const Network& network, uint32_t seconds, Instant now) {
    const uint64_t key = KeyOf(network);
    Table& table = TableOf(key);
    const uint32_t begin = SecondsOf(now);
    if (table.endings.size() >= table.next_sweep) Sweep(table, begin);
    uint32_t& ending = table.endings[key];
    ending = std::max(ending, begin + seconds);
    return ending - begin;
  }
  void Forget(const Network& network) {
    const uint64_t key = KeyOf(network);
    TableOf(key).endings.erase(key);
  }
  void Clear() { tables_ = {}; }
  size_t size() const {
    size_t sum = 0;
    for (const Table& table : tables_) sum += table.endings.size();
    return sum;
  }

 private:
  static constexpr size_t kTables = 256;
  static constexpr size_t kSmallest = 16;
  struct Table {
    absl::flat_hash_map<uint64_t, uint32_t> endings;
    size_t next_sweep = kSmallest;
  };

  // An element of one of our sets is an IPv4 address or an IPv6 /64, and a set
  // holds one family only: the eight bytes that can differ.
  static uint64_t KeyOf(const Network& network) {
    uint64_t key;
    const size_t at = network.IsV4() ? 8 : 0;
    std::memcpy(&key, network.address.bytes.data() + at, sizeof key);
    return key;
  }
  static uint32_t SecondsOf(Instant now) {
    return static_cast<uint32_t>(
        std::chrono::floor<std::chrono::seconds>(now.time_since_epoch())
            .count());
  }
  Table& TableOf(uint64_t key) {
    // Fibonacci hashing: the top bits depend on all of the key's.
    return tables_[(key * 0x9e3779b97f4a7c15) >> 56];
  }

  static void Sweep(Table& table, uint32_t begin) {
    absl::erase_if(table.endings, [begin](const auto& entry) {
      return entry.second <= begin;
    });
    table.next_sweep = std::max(kSmallest, 2 * table.endings.size());
  }

  std::array<Table, kTables> tables_;
};

}  // namespace breakwater
