#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/net/address.h"
#include "core/types/ban.h"

namespace breakwater {

// A ban on its way from one daemon, file or set to another: what `breakwater
// import` sends.
struct BanEntry {
  Network network;              // as Network::OfClient makes it
  std::chrono::seconds left{};  // 1 to kLongestBanSeconds
  Origin origin = Origin::kOperator;
  uint32_t count = 1;
  std::string id;      // letters and digits; empty if it has none
  std::string label;   // safe ASCII, as is the reason; both may be empty
  std::string reason;  // of the reply, as the client was told it

  bool operator==(const BanEntry&) const = default;
};

// What goes into one line of the control protocol at most: carrying it out must
// not hold up the loop.
inline constexpr size_t kMostEntries = 128;
inline constexpr size_t kLongestImportLine = 64 * 1024;

// What a ban of that address, or of that network, covers: one client. The error
// says why it is none.
absl::StatusOr<Network> ClientsNetwork(std::string_view text);

// An object as DescribeBan makes it, of which the network and a time must be
// there: "until" (UTC), which goes on while a file lies about, before
// "seconds_left". What is odd in the rest is left out. NotFound if it has
// ended.
absl::StatusOr<BanEntry> ParseBanEntry(const nlohmann::json& object);
// Reads it back the same, as long as the clock stands still.
nlohmann::json DescribeBanEntry(const BanEntry& entry);

// A JSON array of such objects, at most kMostEntries. `text` may be anything.
absl::StatusOr<std::vector<BanEntry>> ParseBanEntries(std::string_view text);
std::string FormatBanEntries(const std::vector<BanEntry>& entries);

}  // namespace breakwater
