#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "core/ban.h"
#include "core/clock.h"
#include "core/width.h"

namespace breakwater {

// Who is kept out. The kernel owns the expiry of what it holds; this table is
// what answers a banned client's callbacks and what the operator is shown.
//
// Any thread may ask; only the loop changes it. Bounded: beyond `capacity` the
// ban that would end soonest makes room.
class BanTable {
 public:
  explicit BanTable(size_t capacity) : capacity_(capacity) {}

  // Puts the ban in force, or prolongs the one that is: never shortens it. The
  // first reason, id and origin stay, as the client was told them. Returns
  // what is in force afterwards.
  Ban Add(const Ban& ban, Instant now);
  // What was in force, if anything was.
  std::optional<Ban> Remove(const Network& network);
  // Removes those of whom `which` says so, and returns them. It may change the
  // others' evidence.
  std::vector<Ban> RemoveIf(const std::function<bool(Ban&)>& which);
  // The ban that covers this client: its own, or else the widest one of its
  // network.
  std::optional<Ban> Find(const IpAddress& client, Instant now) const;
  // The ban of just that network.
  std::optional<Ban> Find(const Network& network, Instant now) const;
  // Drops what has ended. Cheap when little has.
  void Expire(Instant now);

  // The bans in force, soonest to end first, at most `most` of them.
  std::vector<Ban> List(Instant now, size_t most) const;
  // Whom the bans in force cover, in no order: cheaper than the bans, for those
  // who look at them bit by bit.
  std::vector<Network> Networks(Instant now) const;
  size_t size() const;

 private:
  struct Ending {
    Instant expires;
    Network network;
  };
  using Bans = absl::flat_hash_map<Network, Ban>;
  static bool EndsLater(const Ending& a, const Ending& b) {
    return a.expires > b.expires;
  }

  // An ending whose ban was prolonged or removed is stale and is passed over.
  bool IsStale(const Ending& ending) const;
  // What is kept of a network, if it is in force.
  const Ban* InForce(const Network& network, Instant now) const;
  void Erase(Bans::iterator place);
  void CountWide(const Network& network, int step);
  // What comes to its end, or makes room.
  void EraseSoonest();
  void PopEnding();
  void PushEnding(const Ban& ban);

  const size_t capacity_;
  mutable std::mutex mutex_;
  Bans bans_;                    // guarded by mutex_
  std::vector<Ending> endings_;  // a heap; guarded by mutex_
  // How many bans have each width, so that no other is looked for.
  std::array<size_t, kWidths> wide_{};  // guarded by mutex_
};

}  // namespace breakwater
