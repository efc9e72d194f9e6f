#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "core/base/clock.h"
#include "core/net/address.h"
#include "core/rules/rules.h"

namespace breakwater {

// How often clients were banned lately, and so for how long they are next. By
// what a ban covers. Bounded, some 130 bytes each: whose last ban was imposed
// first makes room. Loop thread only.
class BanGrowth {
 public:
  explicit BanGrowth(GrowthRules rules = {}) { SetRules(rules); }
  void SetRules(GrowthRules rules);

  // How long the next ban lasts whose first would have been `base`: never
  // shorter than that, and no longer than the ceiling unless that is. `chance`
  // is from 0 to 1, for the jitter.
  Duration Next(const Network& who, Duration base, double chance,
                Instant now) const;
  // A ban was imposed.
  void Note(const Network& who, Instant ends, Instant now);
  // How many are remembered.
  uint32_t Times(const Network& who, Instant now) const;
  // Bans were a mistake: as if there had been none.
  void Forget(const Network& who);
  // The last one was, imposed then: those before it still count. When they were
  // over is not known, but not after `at_most`.
  void TakeBack(const Network& who, Instant imposed, Instant at_most);

  // What is remembered of one, and how it is remembered again: who was banned
  // last first, all of them before those who are known by now. Of who is known
  // it counts as well.
  struct Entry {
    Network who;
    uint32_t times = 0;
    Instant ends;  // the last ban
  };
  std::optional<Entry> Find(const Network& who) const;
  void Restore(const Entry& entry);
  std::vector<Network> Networks() const;

  size_t size() const { return places_.size(); }

 private:
  using Entries = std::list<Entry>;  // banned last first

  void Put(const Entry& entry);
  void DropLast();

  GrowthRules rules_;
  Entries entries_;
  absl::flat_hash_map<Network, Entries::iterator> places_;
};

}  // namespace breakwater
