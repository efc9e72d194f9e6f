#pragma once

#include <vector>

#include "firewall/ban_sets.h"

namespace breakwater {

// firewall.backend = "none": bans take effect nowhere but in the answers of
// the daemon.
class NoSets final : public BanSets {
 public:
  absl::StatusOr<int> MakeMissing() override { return 0; }
  std::vector<ElementFailure> Add(absl::Span<const TimedNetwork>) override {
    return {};
  }
  std::vector<ElementFailure> Remove(absl::Span<const Network>) override {
    return {};
  }
  absl::StatusOr<std::vector<TimedNetwork>> List() override {
    return std::vector<TimedNetwork>{};
  }
};

}  // namespace breakwater
