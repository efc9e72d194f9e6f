#include "tests/integration/harness/ip_set.h"

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/integration/harness/temp_directory.h"

namespace breakwater::testing {
namespace {

// A line of `ipset save` is: add SET ENTRY timeout SECONDS ...
std::vector<std::vector<std::string>> AddLines(const std::string& saved) {
  std::vector<std::vector<std::string>> lines;
  for (const auto& line : absl::StrSplit(saved, '\n')) {
    std::vector<std::string> words =
        absl::StrSplit(line, ' ', absl::SkipEmpty());
    if (words.size() >= 3 && words[0] == "add") lines.push_back(words);
  }
  return lines;
}

// A rule with counters is: [PACKETS:BYTES] -A CHAIN ...
uint64_t CountDropped(const std::string& saved) {
  uint64_t sum = 0;
  for (const auto& line : absl::StrSplit(saved, '\n')) {
    if (!absl::StartsWith(line, "[") || !absl::StrContains(line, "-j DROP")) {
      continue;
    }
    std::vector<std::string> counter =
        absl::StrSplit(line.substr(1), absl::MaxSplits(':', 1));
    uint64_t packets = 0;
    if (absl::SimpleAtoi(counter[0], &packets)) sum += packets;
  }
  return sum;
}

}  // namespace

std::string IpSets::List(const std::string& set) const {
  return RunIn(where_, {"ipset", "save", set}).out;
}

bool IpSets::Exists(const std::string& set) const {
  return RunIn(where_, {"ipset", "list", "-t", set}).ok();
}

bool IpSets::Has(const std::string& set, const std::string& address) const {
  return RunIn(where_, {"ipset", "-q", "test", set, address}).ok();
}

std::optional<std::chrono::seconds> IpSets::Timeout(
    const std::string& set, const std::string& entry) const {
  for (const std::vector<std::string>& words : AddLines(List(set))) {
    if (words[2] != entry) continue;
    for (size_t i = 3; i + 1 < words.size(); i += 2) {
      int64_t seconds = 0;
      if (words[i] == "timeout" && absl::SimpleAtoi(words[i + 1], &seconds)) {
        return std::chrono::seconds(seconds);
      }
    }
  }
  return std::nullopt;
}

std::vector<std::string> IpSets::Entries(const std::string& set) const {
  std::vector<std::string> entries;
  for (const std::vector<std::string>& words : AddLines(List(set))) {
    entries.push_back(words[2]);
  }
  return entries;
}

absl::Status IpSets::Destroy(const std::string& set) const {
  return RunIn(where_, {"ipset", "destroy", set})
      .ToStatus(absl::StrCat("destroying the set ", set));
}

absl::Status LoadRules(const Namespace& where, const std::string& path,
                       bool ipv6) {
  std::string rules = ReadFile(path);
  if (rules.empty()) return absl::NotFoundError(absl::StrCat("no ", path));
  std::string program = ipv6 ? "ip6tables" : "iptables";
  CommandResult result;
  for (const char* way : {"-restore", "-legacy-restore"}) {
    result = RunIn(where, {program + way, "--noflush"},
                   std::chrono::seconds(30), rules);
    if (result.ok()) return absl::OkStatus();
  }
  return result.ToStatus(absl::StrCat("loading ", path));
}

uint64_t DroppedPackets(const Namespace& where) {
  uint64_t sum = 0;
  // Each shows only its own rules.
  for (const char* program : {"iptables-nft-save", "iptables-legacy-save",
                              "ip6tables-nft-save", "ip6tables-legacy-save"}) {
    sum += CountDropped(RunIn(where, {program, "-c", "-t", "raw"}).out);
  }
  return sum;
}

}  // namespace breakwater::testing
