#include "daemon/cli/ban_file.h"

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "core/base/text.h"
#include "core/types/record.h"
#include "daemon/protocol/cli_json.h"

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

bool IsFlag(const std::string& word) {
  return word == "-exist" || word == "-!" || word == "-quiet" || word == "-q";
}

// add SET ENTRY [timeout SECONDS] ..., with flags between them. A comment is
// the operator's own text, in which "timeout" and "nomatch" mean nothing.
absl::StatusOr<std::vector<BanEntry>> ReadAdd(const Words& words,
                                              seconds usual) {
  Words rest;
  for (size_t i = 1; i < words.size(); ++i) {
    if (rest.size() >= 2 && words[i] == "comment") {
      ++i;
    } else if (!IsFlag(words[i])) {
      rest.push_back(words[i]);
    }
  }
  if (rest.size() < 2) {
    return absl::InvalidArgumentError("the line ends before its address");
  }
  const std::string entry = rest[1];
  rest.erase(rest.begin(), rest.begin() + 2);
  if (std::ranges::find(rest, "nomatch") != rest.end()) {
    return Wrong(entry, "is an exception of the set (nomatch), not a ban");
  }
  const absl::StatusOr<Network> network = ClientsNetwork(entry);
  if (!network.ok()) return network.status();
  const absl::StatusOr<std::optional<seconds>> timeout = TimeoutIn(rest);
  if (!timeout.ok()) return timeout.status();
  return std::vector<BanEntry>{
      {.network = *network, .left = timeout->value_or(usual)}};
}

// What a line of ipset's is to whom it bans.
enum class IpsetVerb { kNone, kAdd, kDelete, kOther };

IpsetVerb VerbOf(const std::string& word) {
  const auto is_one_of = [&word](std::initializer_list<const char*> words) {
    return std::ranges::find(words, word) != words.end();
  };
  if (is_one_of({"add", "-A", "--add"})) return IpsetVerb::kAdd;
  if (is_one_of({"del", "-D", "--del"})) return IpsetVerb::kDelete;
  // What else ipset save prints, and what a script does around it: the sets'
  // own business.
  if (is_one_of({"create", "new", "-N", "--create", "flush", "-F", "--flush",
                 "destroy", "-X", "--destroy", "swap", "-W", "--swap", "rename",
                 "-E", "--rename", "COMMIT", "quit"})) {
    return IpsetVerb::kOther;
  }
  return IpsetVerb::kNone;
}

// As ipset reads its lines: between quotes stands one word. Nothing if a quote
// has no end.
std::optional<Words> SplitWords(absl::string_view text) {
  Words words;
  bool in_quotes = false;
  bool in_word = false;
  for (const char c : text) {
    if (c == '"') {
      in_quotes = !in_quotes;
    } else if (!in_quotes && absl::ascii_isspace(c)) {
      in_word = false;
      continue;
    }
    if (!in_word) words.emplace_back();
    in_word = true;
    if (c != '"') words.back().push_back(c);
  }
  if (in_quotes) return std::nullopt;
  return words;
}

// A "#" begins one, but within ipset's quotes.
absl::string_view WithoutComment(absl::string_view text) {
  bool in_quotes = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') in_quotes = !in_quotes;
    if (text[i] == '#' && !in_quotes) return text.substr(0, i);
  }
  return text;
}

// "-exist add x 192.0.2.5 ..." and the like; nothing for what is none of
// ipset's.
std::optional<absl::StatusOr<std::vector<BanEntry>>> ReadIpsetLine(
    absl::string_view text, seconds usual) {
  std::optional<Words> words = SplitWords(text);
  if (!words) {
    return absl::InvalidArgumentError("the line ends within quotes");
  }
  while (!words->empty() && IsFlag(words->front())) {
    words->erase(words->begin());
  }
  if (words->empty()) return std::nullopt;
  switch (VerbOf(words->front())) {
    case IpsetVerb::kAdd:
      return ReadAdd(*words, usual);
    case IpsetVerb::kOther:
      return std::vector<BanEntry>();
    case IpsetVerb::kDelete:
      return absl::InvalidArgumentError(
          "the line takes an entry out of its set; whom an earlier one bans "
          "stays banned");
    case IpsetVerb::kNone:
      break;
  }
  return std::nullopt;
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
  text = WithoutComment(text);
  if (auto entries = ReadIpsetLine(text, usual)) return *std::move(entries);
  const Words words =
      absl::StrSplit(text, absl::ByAnyChar(" \t"), absl::SkipEmpty());
  if (words.empty()) return std::vector<BanEntry>();
  const std::string& first = words[0];
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
