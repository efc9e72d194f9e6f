// The part of packet_path.h that reads iptables-save.

#include <algorithm>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/doctor/packet_path.h"

namespace breakwater {
namespace {

using Words = std::vector<std::string>;

// As iptables-save quotes: "a \"b\"" is one word.
Words Split(absl::string_view line) {
  Words words;
  std::string word;
  bool quoted = false;
  bool open = false;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quoted && c == '\\' && i + 1 < line.size()) {
      word += line[++i];
    } else if (c == '"') {
      quoted = !quoted;
      open = true;
    } else if (c == ' ' && !quoted) {
      if (open || !word.empty()) words.push_back(std::move(word));
      word.clear();
      open = false;
    } else {
      word += c;
    }
  }
  if (open || !word.empty()) words.push_back(std::move(word));
  return words;
}

bool PortIn(const std::string& list, uint16_t port) {
  for (const absl::string_view part : absl::StrSplit(list, ',')) {
    const std::vector<absl::string_view> ends = absl::StrSplit(part, ':');
    int first = -1;
    int last = -1;
    if (!absl::SimpleAtoi(ends.front(), &first) ||
        !absl::SimpleAtoi(ends.back(), &last)) {
      continue;
    }
    if (first <= port && port <= last) return true;
  }
  return false;
}

bool IsAddressIn(const std::string& list, const IpAddress& address) {
  for (const absl::string_view part : absl::StrSplit(list, ',')) {
    const absl::StatusOr<Network> network = Network::Parse(std::string(part));
    if (network.ok() && network->Contains(address)) return true;
  }
  return false;
}

bool IsInterface(const std::string& pattern, const std::string& name) {
  if (absl::EndsWith(pattern, "+")) {
    return absl::StartsWith(name, pattern.substr(0, pattern.size() - 1));
  }
  return pattern == name;
}

// --tcp-flags MASK SET, for a packet with SYN alone.
bool FlagsFit(const std::string& mask, const std::string& set) {
  const auto has_syn = [](const std::string& flags) {
    const std::vector<std::string> words = absl::StrSplit(flags, ',');
    return std::ranges::find(words, "SYN") != words.end() || flags == "ALL";
  };
  return set == (has_syn(mask) ? "SYN" : "NONE");
}

bool HasWord(const std::string& list, absl::string_view word) {
  const std::vector<std::string> words = absl::StrSplit(list, ',');
  return std::ranges::find(words, std::string(word)) != words.end();
}

// One rule's words, from its first match on.
class RuleReader {
 public:
  RuleReader(const Words& words, size_t at, const ProbePacket& packet)
      : words_(words), at_(at), packet_(packet) {}

  PathRule Read() {
    while (at_ < words_.size()) {
      negated_ = false;
      std::string option = Next();
      if (option == "!") {
        negated_ = true;
        option = Next();
      }
      if (option == "-j" || option == "-g") {
        Target(Next(), option == "-g");
        break;
      }
      Condition(option);
    }
    return std::move(rule_);
  }

 private:
  std::string Next() { return at_ < words_.size() ? words_[at_++] : ""; }
  void Skip() {
    while (at_ < words_.size() && !absl::StartsWith(words_[at_], "-") &&
           words_[at_] != "!") {
      ++at_;
    }
  }
  void Require(bool fits) {
    rule_.Require(fits != negated_ ? Fit::kYes : Fit::kNever);
  }

  void Condition(const std::string& option) {
    if (option == "-m" || option == "--match") {
      const std::string match = Next();
      recent_ = recent_ || match == "recent";
    } else if (option == "-p") {
      const std::string protocol = Next();
      Require(protocol == "tcp" || protocol == "6" || protocol == "all");
    } else if (option == "-s") {
      Require(IsAddressIn(Next(), packet_.client));
    } else if (option == "-d") {
      Require(IsAddressIn(Next(), packet_.server));
    } else if (option == "-i") {
      Require(IsInterface(Next(), packet_.interface));
    } else if (option == "--dport" || option == "--dports") {
      rule_.RequirePort(PortIn(Next(), packet_.port) != negated_);
    } else if (option == "--tcp-flags") {
      const std::string mask = Next();
      Require(FlagsFit(mask, Next()));
    } else if (option == "--ctstate" || option == "--state") {
      Require(HasWord(Next(), "NEW"));
    } else if (option == "--dst-type") {
      Require(HasWord(Next(), "LOCAL"));
    } else if (option == "--match-set") {
      Set(Next());
      Skip();
    } else if (option == "--name" && recent_) {
      if (packet_.IsKnownTo(FirewallBackend::kXtRecent, Next())) {
        rule_.ours = true;
        Require(packet_.banned);
      } else {
        rule_.Require(Fit::kMaybe);
      }
    } else if (option == "--comment") {
      Next();
    } else {
      // Of `recent`: how, not whether. All else may ask for anything.
      if (!recent_) rule_.Require(Fit::kMaybe);
      Skip();
    }
  }
  void Set(const std::string& name) {
    if (packet_.IsKnownTo(FirewallBackend::kIpset, name)) {
      rule_.ours = true;
      Require(packet_.banned);
      return;
    }
    if (!packet_.IsOurs(FirewallBackend::kIpset, name))
      rule_.other_sets.push_back(name);
    Require(false);
  }
  void Target(const std::string& target, bool is_goto) {
    using Verdict = PathRule::Verdict;
    if (target == "ACCEPT") {
      rule_.verdict = Verdict::kAccept;
    } else if (target == "DROP" || target == "REJECT" || target == "TARPIT") {
      rule_.verdict = Verdict::kDrop;
    } else if (target == "RETURN") {
      rule_.verdict = Verdict::kReturn;
    } else if (target == "REDIRECT" || target == "DNAT") {
      rule_.verdict = Verdict::kDivert;
    } else {
      // A chain, or a target that goes on, which no chain is called like.
      rule_.verdict = is_goto ? Verdict::kGoto : Verdict::kJump;
      rule_.target = target;
    }
  }

  const Words& words_;
  size_t at_;
  const ProbePacket& packet_;
  bool negated_ = false;
  bool recent_ = false;
  PathRule rule_;
};

}  // namespace

std::vector<PathTable> ReadIptables(std::string_view saved,
                                    const std::string& program,
                                    const ProbePacket& packet) {
  std::vector<PathTable> tables;
  for (const absl::string_view line :
       absl::StrSplit(absl::string_view(saved.data(), saved.size()), '\n')) {
    if (absl::StartsWith(line, "*")) {
      tables.push_back({.name = absl::StrCat(program, " -t ", line.substr(1))});
    }
    if (tables.empty()) continue;
    PathTable& table = tables.back();
    const Words words = Split(line);
    if (absl::StartsWith(line, ":") && words.size() >= 2) {
      const std::string name = words[0].substr(1);
      table.chains.push_back(
          {.name = name,
           .is_hook = name == "PREROUTING" || name == "INPUT",
           .drops = words[1] == "DROP"});
      continue;
    }
    const auto add = std::ranges::find(words, "-A");
    if (words.end() - add < 2) continue;
    const auto chain = std::ranges::find(
        table.chains, *(add + 1), [](const PathChain& c) { return c.name; });
    if (chain == table.chains.end()) continue;
    const auto first = static_cast<size_t>(add + 2 - words.begin());
    PathRule rule = RuleReader(words, first, packet).Read();
    const size_t text = line.find("-A ");
    rule.text = std::string(line.substr(text));
    chain->rules.push_back(std::move(rule));
  }
  return tables;
}

}  // namespace breakwater
