#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "core/base/clock.h"
#include "core/net/address.h"
#include "core/types/record.h"

namespace breakwater {

// What the enforcer has refused for a reason that may pass: the last word about
// a network, a kBan or kUnban, is said again after a pause that doubles each
// time, until it is taken or the ban has ended. Bounded: what finds no room is
// not said again. Pure; not thread-safe.
class PostponedOrders {
 public:
  static constexpr size_t kMost = 100'000;
  static constexpr size_t kMostAtOnce = 10'000;  // new ones come behind
  static constexpr Duration kLongestPause = std::chrono::minutes(5);

  explicit PostponedOrders(Duration first_pause) : first_pause_(first_pause) {}

  struct Order {
    RecordKind kind = RecordKind::kBan;
    Network network;
    Instant ends;      // of a ban
    Duration pause{};  // after which it was said, zero for the first time
  };
  void Add(const Order& refused, Instant now);
  // Something newer goes to the enforcer about this network.
  void Forget(const Network& network) { waiting_.erase(network); }
  // Those whose time has come, but for bans that have ended.
  std::vector<Order> Take(Instant now);
  // When there may be some; Instant::max() if nothing waits.
  Instant next() const { return next_; }
  void Clear();

 private:
  struct Waiting {
    Instant due;
    Order order;
  };
  const Duration first_pause_;
  absl::flat_hash_map<Network, Waiting> waiting_;
  Instant next_ = Instant::max();
};

}  // namespace breakwater
