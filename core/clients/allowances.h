#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "core/base/clock.h"
#include "core/net/address.h"
#include "core/types/allowance.h"

namespace breakwater {

// The allowances in force. They take effect by Rules::allowed_networks: who
// changes them here has new rules made.
//
// Knows no clock. Bounded; a linear search, for they are few. Loop thread only.
class Allowances {
 public:
  static constexpr size_t kMost = 1000;

  // In place of the one for the same network, if there is one. An error says
  // that there are too many.
  absl::Status Allow(Allowance allowance);
  // What was in force for exactly this network, if anything was.
  std::optional<Allowance> End(const Network& network);
  // Takes out what has ended, and returns it.
  std::vector<Allowance> Expire(Instant now);

  bool Has(const Network& network) const;
  // The one for exactly this network.
  std::optional<Allowance> Of(const Network& network) const;
  // The one with the longest prefix that holds the address, or the whole
  // network.
  std::optional<Allowance> Find(const IpAddress& address) const;
  std::optional<Allowance> Find(const Network& network) const;
  // Soonest to end first. What Allow takes back after a restart.
  const std::vector<Allowance>& list() const { return list_; }

 private:
  std::vector<Allowance> list_;
};

}  // namespace breakwater
