#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/bans/ban_table.h"
#include "core/base/clock.h"
#include "core/rules/names.h"

namespace breakwater {

// Tells bans of clients, a page at a time, so that telling a million holds
// up the loop no longer than telling a few. What counts is who was banned at
// the first page: who is unbanned before its page is not told, and who is
// banned meanwhile is not waited for.
//
// Loop thread only. `bans` must outlive it.
class BanExport {
 public:
  static constexpr size_t kPage = 128;

  explicit BanExport(const BanTable& bans) : bans_(bans) {}

  // The answer to `export`. `snapshot` 0 begins a new one, of `who`; at its
  // last page "next" is null. An error if the snapshot is not there any more,
  // or if too many are in use.
  nlohmann::json Page(uint64_t snapshot, size_t offset,
                      std::vector<Network> who, const FirewallNames& names,
                      Instant now);

 private:
  // Some 17 MB each for a million bans.
  static constexpr size_t kMostSnapshots = 4;
  static constexpr Duration kIdle = std::chrono::seconds(60);

  struct Snapshot {
    uint64_t number = 0;
    Instant used;
    std::vector<Network> networks;
  };

  const BanTable& bans_;
  std::vector<Snapshot> snapshots_;
  uint64_t last_number_ = 0;
};

}  // namespace breakwater
