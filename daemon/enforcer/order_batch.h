#pragma once

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "core/types/record.h"
#include "firewall/sets/ban_sets.h"
#include "reaper/reaper.h"

namespace breakwater {

// What one packet of orders comes to, so that the sets get one batch of removes
// and one of adds: of several orders about one network the last decides
// whether it is in, and a ban behind an unban starts anew.
class OrderBatch {
 public:
  void Ban(const Network& network, Duration left);
  void Unban(const Network& network);
  // An order about a connection.
  void AddConnection(const Record& record);

  // In the order in which the networks came first.
  std::vector<Network> Removes() const;
  std::vector<TimedNetwork> Adds() const;
  // For the reaper, without the networks to sweep.
  Reaper::Work& work() { return work_; }

 private:
  struct Fate {
    Network network;
    bool remove = false;
    Duration left{};  // zero: not to be put in
  };
  Fate& FateOf(const Network& network);

  std::vector<Fate> fates_;
  absl::flat_hash_map<Network, size_t> index_;
  Reaper::Work work_;
};

}  // namespace breakwater
