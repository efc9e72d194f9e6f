#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "core/base/clock.h"
#include "core/net/address.h"
#include "firewall/sets/ban_sets.h"

namespace breakwater {

// Until when the elements of one set stay, as far as we have put them there.
//
// The kernel takes each add of an element as its new timeout, and has no cheap
// way to tell the old one. So that an add never shortens, what was put in is
// remembered here: 16 bytes an element. It is also by this that a full set
// finds what ends first, and that one that somebody has emptied is noticed.
//
// In many small tables: one of a million would stop the bans for tens of
// milliseconds when it grows. What has ended is dropped whenever a table has
// doubled, so that they follow the set's size.
class SetEndings {
 public:
  SetEndings() = default;  // of clients
  explicit SetEndings(Width width) : width_(width) {}

  // What is left, as far as we know; zero if it is not in.
  Duration Left(const Network& network, Instant now) const;
  // It was put in for so long, or found there.
  void Note(const Network& network, Duration left, Instant now);
  void Forget(const Network& network);
  void Clear() { tables_ = {}; }

  // Whether it was put in and has not ended.
  bool Holds(const Network& network, Instant now) const;
  // What was put in, and part of what has ended.
  size_t size() const;

  // Up to `count` elements that must still be there so long from now, from
  // other places at each call.
  std::vector<Network> Witnesses(size_t count, Duration margin, Instant now);
  // All that was put in and has not ended.
  std::vector<TimedNetwork> List(Instant now) const;
  // Elements that end first: `count` of them or somewhat more, fewer only if
  // there are no more. Of many elements it looks at a part, and takes from
  // there what is among the first hundredth of all: to look at a million takes
  // a tenth of a second.
  std::vector<Network> Soonest(size_t count, Instant now);

 private:
  static constexpr size_t kTables = 256;
  static constexpr size_t kSmallest = 16;
  struct Table {
    absl::flat_hash_map<uint64_t, Instant> endings;
    size_t next_sweep = kSmallest;
  };

  static uint64_t KeyOf(const Network& network);
  Network NetworkOf(uint64_t key) const;
  static size_t PlaceOf(uint64_t key) {
    // Fibonacci hashing: the top bits depend on all of the key's.
    return (key * 0x9e3779b97f4a7c15) >> 56;
  }
  static void Sweep(Table& table, Instant now);
  // The ending up to which about the first hundredth of all end.
  Instant SampleSoonest(Instant now) const;
  std::vector<Network> SoonestOfAll(size_t count, Instant now) const;

  std::optional<Width> width_;
  std::array<Table, kTables> tables_;
  size_t next_witness_ = 0;
  size_t next_soonest_ = 0;
};

}  // namespace breakwater
