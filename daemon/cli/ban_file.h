#pragma once

#include <chrono>
#include <cstddef>
#include <istream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "daemon/protocol/ban_entry.h"

namespace breakwater {

// The files of `breakwater export` and `import`. Two kinds are written:
//
//   json    an array with a ban on each line, of all that is known of it
//   ipset   add -exist breakwater4 192.0.2.1 timeout 512
//
// and read, line by line, so that a bad line spoils no other, and each kind
// wherever it stands: those two; what `ipset save` prints of whatever set; JSON
// objects, one a line; the answer of `breakwater --json bans`; and addresses,
// one a line. Behind '#' stands a comment.

// A line of the file, without its newline; nothing where it names nobody. The
// entries without a time get `usual`. Errors say what is wrong with the line;
// NotFound that its ban has ended.
absl::StatusOr<std::vector<BanEntry>> ReadBanLine(std::string_view line,
                                                  std::chrono::seconds usual);

// For a ban as DescribeBan makes it, how it stands in a file, with a newline.
std::string IpsetLine(const nlohmann::json& ban,
                      const std::vector<std::string>& sets);  // IPv4, IPv6

}  // namespace breakwater
