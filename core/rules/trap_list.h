#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace breakwater {

// Recipients that nobody has a reason to write to: who does, is a spammer. An
// entry is one of these, where case never matters:
//
//   user@domain.example     that address; user+extension@ is another one
//   @domain.example         every address of the domain,
//   @.domain.example        of its subdomains at any depth, but not of itself
//   .domain.example         the same, as in Postfix' access(5)
//   user@                   that local part in every domain, or without one
//   info-*@domain.example   a pattern: * stands for any characters, ? for one;
//                           in the domain, too, but never across the @
//   "odd * one"@domain.example   in quotes, as it stands
//
// Built once, then read by any thread. An entry takes about 90 bytes. To look
// somebody up takes a microsecond, and 25 more for a thousand patterns (0.7 ms
// for the worst that could be written). An address of more than 320 octets
// meets no pattern.
class TrapList {
 public:
  static constexpr size_t kMostEntries = 500'000;
  static constexpr size_t kMostPatterns = 1000;    // each is tried in turn
  static constexpr size_t kLargestFile = 8 << 20;  // bytes

  TrapList() = default;  // holds nobody

  // The entries that the configuration names.
  static absl::StatusOr<TrapList> Parse(absl::Span<const std::string> entries);
  // One entry for each line; "#" begins a comment at the beginning of a line or
  // behind white space. `name` is for errors, which say the line.
  static absl::StatusOr<TrapList> ParseText(std::string_view text,
                                            std::string_view name);

  // Adds the other's. Fails, changed or not, if they are too many together.
  absl::Status Merge(const TrapList& other);

  // Whether a recipient is one, as an MTA tells it: "<a@b>" or "a@b", with a
  // source route (RFC 5321 section 4.1.1.3), which is ignored, or a local part
  // in quotes, which is unquoted.
  bool Holds(std::string_view recipient) const;

  size_t size() const { return exact_.size() + patterns_.size(); }
  bool empty() const { return size() == 0; }

 private:
  struct Pattern {
    std::string local;
    std::string domain;
    bool operator==(const Pattern&) const = default;
  };

  absl::Status Add(std::string_view entry);
  absl::Status AddPattern(Pattern pattern);

  // "local@domain", "@domain", "@.domain" or "local@". Lower case.
  absl::flat_hash_set<std::string> exact_;
  std::vector<Pattern> patterns_;
};

// A file of such lines (list_file.h).
absl::StatusOr<TrapList> LoadTrapFile(const std::string& path);

}  // namespace breakwater
