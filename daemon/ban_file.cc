#include "daemon/ban_file.h"

#include <algorithm>
#include <charconv>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "core/record.h"
#include "core/text.h"
#include "daemon/cli_json.h"

namespace breakwater {
namespace {

using nlohmann::json;
using std::chrono::seconds;
using Words = std::vector<std::string>;

absl::Status Wrong(std::string_view word, const char* why) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", Escaped(word, 60), "\" ", why));
}

// The seconds of `timeout`, if it is among the words; 0 is for ever.
absl::StatusOr<std::optional<seconds>> TimeoutIn(const Words& words) {
  const auto key = std::ranges::find(words, "timeout");
  if (key == words.end()) return std::nullopt;
  const std::string word = key + 1 == words.end() ? "" : *(key + 1);
  uint32_t number = 0;
  const char* const end = word.data() + word.size();
  const auto [stopped, error] = std::from_chars(word.data(), end, number);
  if (error != std::errc() || stopped != end) {
    return Wrong(word, "is no timeout in seconds");
  }
  if (number == 0) return std::nullopt;
  return seconds(std::min(number, kLongestBanSeconds));
}

// add SET ENTRY [timeout SECONDS] ..., with or without -exist anywhere.
absl::StatusOr<std::vector<BanEntry>> ReadAdd(Words words, seconds usual) {
  std::erase_if(words, [](const std::string& word) {
    return word == "-exist" || word == "-!";
  });
  if (words.size() < 3) {
    return absl::InvalidArgumentError("the line ends before its address");
  }
  if (std::ranges::find(words, "nomatch") != words.end()) {
    return Wrong(words[2], "is an exception of the set (nomatch), not a ban");
  }
  const absl::StatusOr<Network> network = ClientsNetwork(words[2]);
  if (!network.ok()) return network.status();
  const absl::StatusOr<std::optional<seconds>> timeout = TimeoutIn(words);
  if (!timeout.ok()) return timeout.status();
  return std::vector<BanEntry>{
      {.network = *network, .left = timeout->value_or(usual)}};
}

absl::StatusOr<std::vector<BanEntry>> ReadJson(std::string_view line) {
  const json value = json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) {
    return absl::InvalidArgumentError("what stands there is no whole JSON");
  }
  std::vector<BanEntry> entries;
  const json& list = value.is_array() ? value : Member(value, "bans");
  if (!list.is_array()) {
    absl::StatusOr<BanEntry> entry = ParseBanEntry(value);
    if (!entry.ok()) return entry.status();
    entries.push_back(*std::move(entry));
    return entries;
  }
  for (const json& object : list) {
    absl::StatusOr<BanEntry> entry = ParseBanEntry(object);
    if (absl::IsNotFound(entry.status())) continue;
    if (!entry.ok()) {
      // A network's comes of itself where those that it rests on are.
      if (Text(object, "origin") == OriginName(Origin::kNeighbours)) continue;
      return entry.status();
    }
    entries.push_back(*std::move(entry));
  }
  return entries;
}

}  // namespace

absl::StatusOr<std::vector<BanEntry>> ReadBanLine(std::string_view line,
                                                  seconds usual) {
  absl::string_view text =
      absl::StripAsciiWhitespace(absl::string_view(line.data(), line.size()));
  if (!text.empty() && (text[0] == '{' || text[0] == '[' || text[0] == ']')) {
    text = absl::StripSuffix(text, ",");
    if (text == "[" || text == "]" || text == "[]") {
      return std::vector<BanEntry>();
    }
    return ReadJson(std::string_view(text.data(), text.size()));
  }
  text = text.substr(0, text.find('#'));
  const Words words =
      absl::StrSplit(text, absl::ByAnyChar(" \t"), absl::SkipEmpty());
  if (words.empty()) return std::vector<BanEntry>();
  const std::string& first = words[0];
  if (first == "add" || first == "-A" || first == "-exist" || first == "-!") {
    return ReadAdd(words, usual);
  }
  // What else ipset save prints, and what a script puts around it.
  for (const char* const other : {"create", "-N", "flush", "-F", "COMMIT"}) {
    if (first == other) return std::vector<BanEntry>();
  }
  if (words.size() > 1) {
    return Wrong(words[1],
                 "is too much behind an address; a line holds one address, "
                 "\"add SET ADDRESS timeout SECONDS\", or JSON");
  }
  const absl::StatusOr<Network> network = ClientsNetwork(first);
  if (!network.ok()) return network.status();
  return std::vector<BanEntry>{{.network = *network, .left = usual}};
}

std::string IpsetLine(const json& ban, const std::vector<std::string>& sets) {
  if (sets.size() < 2) return "";
  const std::string network = Text(ban, "network");
  const bool ipv6 = network.find(':') != std::string::npos;
  std::string set = sets[ipv6 ? 1 : 0];
  std::string entry = network;
  const size_t slash = network.find('/');
  // The set makes a /64 of an address by itself; networks that are wider than a
  // client's have a set for each width.
  if (ipv6 && network.ends_with("/64")) {
    entry.resize(slash);
  } else if (slash != std::string::npos) {
    absl::StrAppend(&set, "-", network.substr(slash + 1));
  }
  return absl::StrCat("add -exist ", set, " ", entry, " timeout ",
                      std::max<int64_t>(Number(ban, "seconds_left"), 1), "\n");
}

}  // namespace breakwater
