// The part of packet_path.h that reads what nft lists.

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/doctor/packet_path.h"
#include "daemon/protocol/cli_json.h"

namespace breakwater {
namespace {

using nlohmann::json;
using Verdict = PathRule::Verdict;

// The line of each rule, by its table, chain and handle: `# handle N`.
class RuleLines {
 public:
  explicit RuleLines(std::string_view listed) {
    std::string table, chain;
    for (absl::string_view line : absl::StrSplit(
             absl::string_view(listed.data(), listed.size()), '\n')) {
      line = absl::StripAsciiWhitespace(line);
      const std::vector<std::string> words = absl::StrSplit(line, ' ');
      const size_t handle = line.rfind(" # handle ");
      if (words.size() > 2 && words[0] == "table") {
        table = absl::StrCat(words[1], " ", words[2]);
      } else if (words.size() > 1 && words[0] == "chain") {
        chain = words[1];
      } else if (handle != absl::string_view::npos) {
        lines_[Key(table, chain, std::string(line.substr(handle + 10)))] =
            std::string(line.substr(0, handle));
      }
    }
  }
  std::string Find(const std::string& table, const std::string& chain,
                   const std::string& handle) const {
    const auto found = lines_.find(Key(table, chain, handle));
    return absl::StrCat("chain ", chain, ": ",
                        found == lines_.end()
                            ? absl::StrCat("the rule with handle ", handle)
                            : found->second);
  }

 private:
  static std::string Key(const std::string& table, const std::string& chain,
                         const std::string& handle) {
    return absl::StrCat(table, "|", chain, "|", handle);
  }
  std::map<std::string, std::string> lines_;
};

class RuleReader {
 public:
  RuleReader(const ProbePacket& packet, const std::string& table)
      : packet_(packet),
        is_our_table_(table == "inet " + packet.names.nft_table) {}

  PathRule Read(const json& expressions) {
    for (const json& expression : expressions) {
      if (!expression.is_object() || expression.empty()) continue;
      const std::string kind = expression.begin().key();
      const json& value = expression.begin().value();
      if (kind == "match") {
        Match(value);
      } else if (kind == "vmap") {
        VerdictMap(value);
      } else {
        Statement(kind, value);
      }
    }
    return std::move(rule_);
  }

 private:
  // What a match looks at: "tcp dport", "meta iifname", "ct state".
  static std::string Subject(const json& left) {
    if (const json& masked = Member(left, "&"); masked.is_array()) {
      return masked.empty() ? "" : Subject(masked[0]);
    }
    if (const json& payload = Member(left, "payload"); payload.is_object()) {
      return absl::StrCat(Text(payload, "protocol"), " ",
                          Text(payload, "field"));
    }
    for (const char* kind : {"meta", "ct"}) {
      if (const json& key = Member(left, kind); key.is_object()) {
        return absl::StrCat(kind, " ", Text(key, "key"));
      }
    }
    return "";
  }

  void Match(const json& match) {
    const std::string subject = Subject(Member(match, "left"));
    const json& right = Member(match, "right");
    const std::string op = Text(match, "op");
    const bool negated = op == "!=";
    const bool v4 = packet_.client.IsV4();
    if (absl::StartsWith(subject, v4 ? "ip6 " : "ip ") ||
        absl::StartsWith(subject, "udp ")) {
      rule_.Require(Fit::kNever);
    } else if (right.is_string() && absl::StartsWith(Text(right), "@")) {
      Set(Text(right).substr(1), negated);
    } else if (subject == "tcp dport" || subject == "th dport") {
      rule_.RequirePort(HasPort(right) != negated);
    } else if (subject == "ip saddr" || subject == "ip6 saddr") {
      Require(HasAddress(right, packet_.client) != negated);
    } else if (subject == "ip daddr" || subject == "ip6 daddr") {
      Require(HasAddress(right, packet_.server) != negated);
    } else if (subject == "meta iifname" || subject == "meta iif") {
      Require(Has(right, [&](const std::string& name) {
                return name == packet_.interface;
              }) != negated);
    } else if (subject == "ct state") {
      Require(HasText(right, "new") != negated);
    } else if (subject == "tcp flags") {
      Require(HasText(right, "syn") != negated);
    } else if (subject == "meta l4proto" || subject == "ip protocol" ||
               subject == "ip6 nexthdr") {
      Require(HasText(right, "tcp") != negated);
    } else if (subject == "meta nfproto") {
      Require(HasText(right, v4 ? "ipv4" : "ipv6") != negated);
    } else {
      rule_.Require(Fit::kMaybe);
    }
  }
  void Require(bool fits) { rule_.Require(fits ? Fit::kYes : Fit::kNever); }

  // Whether one of what stands on the right passes.
  template <typename Passes>
  static bool Has(const json& right, Passes passes) {
    if (right.is_array()) {
      return std::any_of(right.begin(), right.end(),
                         [&](const json& one) { return Has(one, passes); });
    }
    if (const json& set = Member(right, "set"); set.is_array()) {
      return Has(set, passes);
    }
    return passes(Text(right));
  }
  static bool HasText(const json& right, const std::string& text) {
    return Has(right, [&](const std::string& one) { return one == text; });
  }
  bool HasPort(const json& right) const {
    if (right.is_array()) {
      return std::any_of(right.begin(), right.end(),
                         [&](const json& one) { return HasPort(one); });
    }
    if (const json& set = Member(right, "set"); set.is_array()) {
      return HasPort(set);
    }
    if (const json& range = Member(right, "range");
        range.is_array() && range.size() == 2) {
      return range[0] <= packet_.port && packet_.port <= range[1];
    }
    return right == packet_.port;
  }
  static bool HasAddress(const json& right, const IpAddress& address) {
    if (right.is_array()) {
      return std::any_of(right.begin(), right.end(), [&](const json& one) {
        return HasAddress(one, address);
      });
    }
    if (const json& set = Member(right, "set"); set.is_array()) {
      return HasAddress(set, address);
    }
    std::string text = Text(right);
    if (const json& prefix = Member(right, "prefix"); prefix.is_object()) {
      text = absl::StrCat(Text(prefix, "addr"), "/", Text(prefix, "len"));
    }
    const absl::StatusOr<Network> network = Network::Parse(text);
    return network.ok() && network->Contains(address);
  }

  void Set(const std::string& name, bool negated) {
    bool holds = false;
    constexpr FirewallBackend kNft = FirewallBackend::kNftables;
    // The rules of a table know its own sets only.
    if (is_our_table_ && packet_.IsKnownTo(kNft, name)) {
      rule_.ours = true;
      holds = packet_.banned;
    } else if (!is_our_table_ || !packet_.IsOurs(kNft, name)) {
      rule_.other_sets.push_back(name);
    }
    Require(holds != negated);
  }

  // The entry for our packet; maps of other things are none of our concern.
  void VerdictMap(const json& map) {
    const std::string subject = Subject(Member(map, "key"));
    for (const json& entry : Member(Member(map, "data"), "set")) {
      if (!entry.is_array() || entry.size() != 2) continue;
      const bool fits =
          (subject == "ct state" && HasText(entry[0], "new")) ||
          (subject == "tcp dport" && HasPort(entry[0])) ||
          (subject == "meta iifname" && HasText(entry[0], packet_.interface));
      if (!fits || !entry[1].is_object() || entry[1].empty()) continue;
      Statement(entry[1].begin().key(), entry[1].begin().value());
      return;
    }
  }

  void Statement(const std::string& kind, const json& value) {
    if (kind == "accept") {
      rule_.verdict = Verdict::kAccept;
    } else if (kind == "drop" || kind == "reject") {
      rule_.verdict = Verdict::kDrop;
    } else if (kind == "return") {
      rule_.verdict = Verdict::kReturn;
    } else if (kind == "redirect" || kind == "dnat") {
      rule_.verdict = Verdict::kDivert;
    } else if (kind == "jump" || kind == "goto") {
      rule_.verdict = kind == "jump" ? Verdict::kJump : Verdict::kGoto;
      rule_.target = Text(value, "target");
    } else if (kind == "limit" || kind == "xt" || kind == "quota" ||
               kind == "ct count") {
      rule_.Require(Fit::kMaybe);
    }
  }

  const ProbePacket& packet_;
  const bool is_our_table_;
  PathRule rule_;
};

}  // namespace

std::vector<PathTable> ReadNft(std::string_view text, std::string_view listed,
                               const std::vector<std::string>& skipped,
                               const ProbePacket& packet) {
  const RuleLines lines(listed);
  const json all = json::parse(text, nullptr, false);
  std::vector<PathTable> tables;
  const auto table_of = [&](const json& thing) -> PathTable* {
    const std::string name =
        absl::StrCat(Text(thing, "family"), " ", Text(thing, "table"));
    if (std::ranges::find(skipped, name) != skipped.end()) return nullptr;
    const auto found =
        std::ranges::find(tables, "nft table " + name, &PathTable::name);
    if (found != tables.end()) return &*found;
    tables.push_back({.name = "nft table " + name});
    return &tables.back();
  };
  const bool v4 = packet.client.IsV4();
  for (const json& thing : Member(all, "nftables")) {
    if (const json& chain = Member(thing, "chain"); chain.is_object()) {
      PathTable* const table = table_of(chain);
      if (table == nullptr) continue;
      const std::string hook = Text(chain, "hook");
      const std::string family = Text(chain, "family");
      const bool sees = family == "inet" || family == (v4 ? "ip" : "ip6");
      table->chains.push_back(
          {.name = Text(chain, "name"),
           .is_hook = sees && (hook == "prerouting" || hook == "input"),
           .drops = Text(chain, "policy") == "drop"});
    }
    if (const json& rule = Member(thing, "rule"); rule.is_object()) {
      PathTable* const table = table_of(rule);
      if (table == nullptr) continue;
      const auto chain = std::ranges::find(table->chains, Text(rule, "chain"),
                                           &PathChain::name);
      if (chain == table->chains.end()) continue;
      const std::string name =
          absl::StrCat(Text(rule, "family"), " ", Text(rule, "table"));
      PathRule read = RuleReader(packet, name).Read(Member(rule, "expr"));
      read.text = lines.Find(name, chain->name, Text(rule, "handle"));
      chain->rules.push_back(std::move(read));
    }
  }
  return tables;
}

}  // namespace breakwater
