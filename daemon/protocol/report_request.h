#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "core/net/address.h"
#include "core/types/offence.h"

namespace breakwater {

// What another program says that a client did: one line, words separated by
// single spaces.
//
//   report ADDRESS KIND [LENGTH [DETAIL ...]]
//
// KIND is an offence's name, or any other word of letters, digits and ".-_+":
// that is kind "reported", with the word before the detail. LENGTH, "12h", is
// for how long to ban if it comes to that, "-" as the offence's rule says. A
// third word that does not begin with a digit is where the detail begins.
struct ReportRequest {
  IpAddress address;
  OffenceKind kind = OffenceKind::kReported;
  // The word that was said, where it is not the kind's name.
  std::string word;
  std::optional<std::chrono::seconds> length;
  std::string detail;  // safe ASCII, may be empty

  Offence ToOffence() const;
  bool operator==(const ReportRequest&) const = default;
};

inline constexpr size_t kLongestReport = 1000;

// `line` may be anything; it has no newline any more. The error names the word
// that is wrong and what would be right, in printable ASCII.
absl::StatusOr<ReportRequest> ParseReport(std::string_view line);

// The line that ParseReport reads back, without a newline.
std::string FormatReport(const ReportRequest& request);

}  // namespace breakwater
