#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/net/address.h"
#include "core/net/width.h"
#include "daemon/protocol/ban_entry.h"
#include "daemon/protocol/report_request.h"

namespace breakwater {

// What breakwater(8) asks of the daemon: one line over the control socket,
// words separated by single spaces.
//
//   status
//   bans [LIMIT]
//   ban ADDRESS SECONDS [REASON ...]
//   unban ADDRESS|NETWORK
//   history ADDRESS|NETWORK [LIMIT]
//   allow NETWORK SECONDS [--force] [REASON ...]
//   allowed
//   disallow NETWORK
//   explain ADDRESS|NAME
//   report ADDRESS KIND [LENGTH [DETAIL ...]]     (report_request.h)
//   zones
//   test-zones [LABEL]
//   metrics
//   reload
//   export [SNAPSHOT OFFSET]
//   import [{"network":"ADDRESS","seconds_left":SECONDS, ...}, ...]
//
// An ADDRESS may be written as the network of one client, too (client_word.h);
// the NETWORK of unban and history is one that a ban may have.
//
// The answer is one line too, a JSON object: {"ok":true, ...} or
// {"ok":false,"error":"..."}. Then the connection is closed; but behind one of
// the last two another request may come.
enum class Verb : uint8_t {
  kStatus,
  kBans,
  kBan,
  kUnban,
  kHistory,
  kAllow,
  kAllowed,
  kDisallow,
  kExplain,
  kReport,
  kZones,
  kTestZones,
  kMetrics,
  kReload,
  kExport,
  kImport,
};

const char* VerbName(Verb verb);

inline constexpr size_t kLongestControlLine = 4096;
// How the only line begins that may be longer: kLongestImportLine.
inline constexpr char kImportBegin[] = "import ";
// What is to last longer stands better in protect.networks.
inline constexpr std::chrono::seconds kLongestAllowance =
    std::chrono::hours(24 * 366);
inline constexpr size_t kUsualBansShown = 1000;
// Making the answer must not hold up the loop.
inline constexpr size_t kMostBansShown = 10'000;

struct ControlRequest {
  Verb verb = Verb::kStatus;
  IpAddress address;  // of ban, unban, history, explain
  std::string name;   // of explain, in the place of an address
  // Of allow and disallow; an address there means the client that has it. Of
  // unban and history, if it is that of many clients.
  Network network;
  bool force = false;                  // of allow: a wide one is meant
  std::chrono::seconds length{};       // of ban and allow
  std::string reason;                  // of these two: safe ASCII, may be empty
  std::string label;                   // of test-zones; empty: all
  size_t limit = kUsualBansShown;      // of bans and history
  ReportRequest report = {};           // of report
  uint64_t snapshot = 0;               // of export; 0: a new one
  size_t offset = 0;                   // in the snapshot
  std::vector<BanEntry> entries = {};  // of import

  // Whether unban and history mean a network of many clients.
  bool IsWide() const {
    return (verb == Verb::kUnban || verb == Verb::kHistory) &&
           WidthOf(network).has_value();
  }

  bool operator==(const ControlRequest&) const = default;
};

// `line` may be anything; it has no newline any more. The error names the word
// that is wrong and what would be right.
absl::StatusOr<ControlRequest> ParseControlRequest(std::string_view line);

// The line that ParseControlRequest reads back, without a newline.
std::string FormatControlRequest(const ControlRequest& request);

}  // namespace breakwater
