#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mutex>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "core/bans/ban_rows.h"
#include "core/base/clock.h"
#include "core/net/width.h"
#include "core/types/ban.h"

namespace breakwater {

// Who is kept out. The kernel owns the expiry of what it holds; this table is
// what answers a banned client's callbacks and what the operator is shown.
//
// Any thread may ask; only the loop changes it. Bounded: beyond `capacity` the
// ban that would end soonest makes room. There may be a million, so that
// nothing that the loop does goes over all of them at once: what must look at
// each does so bit by bit, with a Cursor.
class BanTable {
 public:
  explicit BanTable(size_t capacity);

  // Puts the ban in force, or prolongs the one that is: never shortens it. The
  // first reason, id and origin stay, as the client was told them. What is
  // only told again is not imposed once more. Returns what is in force
  // afterwards.
  Ban Add(const Ban& ban, Instant now, bool is_news = true);
  // What was in force, if anything was.
  std::optional<Ban> Remove(const Network& network);
  // The ban that covers this client: its own, or else the widest one of its
  // network.
  std::optional<Ban> Find(const IpAddress& client, Instant now) const;
  // The ban of just that network.
  std::optional<Ban> Find(const Network& network, Instant now) const;
  // Drops what has ended, at most so many. Cheap when little has.
  void Expire(Instant now, size_t most = std::numeric_limits<size_t>::max());

  // The bans in force, soonest to end first, at most `most` of them; or only
  // whom they cover, which is quicker by far.
  std::vector<Ban> List(Instant now, size_t most) const;
  std::vector<Network> Soonest(Instant now, size_t most) const;
  size_t size() const;

  // How far somebody has looked. Who is banned all the while is met once; who
  // is not may be or not.
  class Cursor {
   private:
    friend class BanTable;
    uint32_t next_ = 0;
  };
  // What a ban is, without what people are told of it.
  struct Glance {
    const Network& network;
    Instant expires;
    Instant imposed;
    Origin origin;
    const Evidence& evidence;
    std::optional<Evidence> instead = {};  // to be, of that evidence
  };
  // Shows the next ones, in force or not, at most so many. Those of whom `look`
  // says so are removed, and put into `removed`. Whether there are more.
  bool Look(Cursor& cursor, size_t most, absl::FunctionRef<bool(Glance&)> look,
            std::vector<Ban>* removed = nullptr);
  // Of all at once.
  std::vector<Ban> RemoveIf(absl::FunctionRef<bool(Glance&)> which);

 private:
  // What is kept of a network, if it is in force.
  std::optional<uint32_t> InForce(const Network& network, Instant now) const;
  void Insert(const Ban& ban);
  void Erase(uint32_t number);
  void CountWide(const Network& network, int step);
  // A heap, of which each ban knows its place.
  bool EndsSooner(uint32_t a, uint32_t b) const {
    return rows_.expires(a) < rows_.expires(b);
  }
  void PutAt(size_t place, uint32_t number);
  void MoveUp(size_t place);
  void MoveDown(size_t place);

  const size_t capacity_;
  mutable std::mutex mutex_;
  BanRows rows_;                   // guarded by mutex_
  std::vector<uint32_t> endings_;  // soonest first; guarded by mutex_
  // How many bans have each width, so that no other is looked for.
  std::array<size_t, kWidths> wide_{};  // guarded by mutex_
};

}  // namespace breakwater
