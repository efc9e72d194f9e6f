#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "core/base/clock.h"
#include "core/types/client.h"
#include "core/types/verdict.h"

namespace breakwater {

// The sessions that observe mode would have refused. Nothing ends them, so each
// door comes to its own verdict about them, where in enforce mode the first one
// that refuses is the last that is asked. Bounded. Loop thread only.
class ObservedSessions {
 public:
  explicit ObservedSessions(size_t most = 32'768) : most_(most) {}

  // Whether the verdict is to be told, at whichever door: it is the first of
  // its session, or in enforce mode the client would have come as far as this.
  bool IsNews(const Client& client, const Verdict& verdict, Instant now);

 private:
  // The MTA does not tell its own address and port at every door.
  using Key = std::pair<IpAddress, uint16_t>;
  struct Told {
    uint64_t socket = 0;
    Instant at;
    std::string label;
    bool ended = false;  // it would have been banned
  };

  const size_t most_;
  absl::flat_hash_map<Key, Told> told_;
  std::deque<std::pair<Key, Instant>> order_;  // as told_, some gone
};

}  // namespace breakwater
