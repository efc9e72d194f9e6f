#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "core/base/clock.h"
#include "core/types/client.h"

namespace breakwater {

// What both doors tell of one session, and is to count once: that a client has
// connected, of which Postfix asks the policy server first and then tells its
// milters; and a mail for a trap, which the policy server has refused and the
// milter is told of, or asked about where that did not help. Bounded. Loop
// thread only.
class Echoes {
 public:
  // Whether the other door has just told of the same.
  bool IsEcho(const Client& client, std::string_view what, Instant now);

 private:
  // The client's address and port, and a hash of what is told: the MTA does
  // not tell its own address and port at every door.
  using Key = std::pair<std::pair<IpAddress, uint16_t>, size_t>;
  struct Told {
    Front front = Front::kPolicy;
    uint64_t socket = 0;
    Instant at;
  };

  absl::flat_hash_map<Key, Told> told_;
  std::deque<std::pair<Key, Instant>> order_;  // as told_, some gone
};

}  // namespace breakwater
