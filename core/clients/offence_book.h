#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "core/base/clock.h"
#include "core/net/address.h"
#include "core/types/offence.h"

namespace breakwater {

// The offences that are on record, by network: of a client what a ban of it
// would cover.
//
// How many of a kind fall into a window that ends now is reckoned from two
// numbers, that of the window which the first of them began and that of the one
// before, of which a part still counts. So it decays, and a client costs some
// 170 bytes however often it offends (see bytes). Beyond `capacity` the one who
// has not offended for longest makes room.
//
// Loop thread only.
class OffenceBook {
 public:
  explicit OffenceBook(size_t capacity) : capacity_(capacity) {}
  // Of zero nothing is kept.
  void SetCapacity(size_t capacity);

  // One more was seen; how many of its kind count now, that one among them.
  uint32_t Note(const Network& who, OffenceKind kind, Duration window,
                Instant now);
  uint32_t Count(const Network& who, OffenceKind kind, Duration window,
                 Instant now) const;
  // The kinds that stand against it: their rule is on, and was broken as often
  // as it says.
  OffenceKinds Standing(const Network& who, const OffenceRules& rules,
                        Instant now) const;
  // All is forgiven.
  void Forget(const Network& who);

  // For people: what is on record, by kind.
  struct Record {
    OffenceKind kind = OffenceKind::kTrap;
    uint32_t count = 0;
    Instant last;
  };
  std::vector<Record> Find(const Network& who, const OffenceRules& rules,
                           Instant now) const;

  // What is on record of one, and how it comes there again: who offended last
  // first, all of them before those who are on record by now. Of a kind that
  // is, what came since counts.
  struct Entry {
    Network who;
    OffenceKind kind = OffenceKind::kTrap;
    uint32_t count = 0;   // in the window that began at `begin`,
    uint32_t before = 0;  // and in the one before it
    Instant begin;
    Instant last;
  };
  std::vector<Entry> Entries(const Network& who) const;
  void Restore(const Entry& entry);
  std::vector<Network> Networks() const;

  size_t size() const { return places_.size(); }
  size_t bytes() const;  // about

 private:
  // Of one kind. Times are in milliseconds after start_.
  struct Tally {
    OffenceKind kind;
    uint32_t count = 0;   // in the window that began at `begin`,
    uint32_t before = 0;  // and in the one before it
    int64_t begin = 0;
    int64_t last = 0;
  };
  struct Page {
    Network who;
    absl::InlinedVector<Tally, 1> tallies;
  };
  using Pages = std::list<Page>;  // who offended last first

  int64_t Elapsed(Instant now) const;
  static uint32_t CountOf(const Tally& tally, Duration window, int64_t now);
  Instant InstantOf(int64_t elapsed) const;
  const Page* PageOf(const Network& who) const;
  // Put in front of all others.
  Page& FrontPageOf(const Network& who);
  void DropLast();

  size_t capacity_;
  const Instant start_ = Clock::now();
  Pages pages_;
  absl::flat_hash_map<Network, Pages::iterator> places_;
};

}  // namespace breakwater
