#include "daemon/doctor/doctor_left_overs.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "core/rules/names.h"
#include "core/types/record.h"
#include "daemon/protocol/cli_json.h"
#include "daemon/system/run_program.h"
#include "firewall/sets/set_form.h"

namespace breakwater {
namespace {

using nlohmann::json;
using Sentences = std::vector<std::string>;

constexpr char kRecent[] = "/proc/net/xt_recent/";
constexpr char kWhy[] =
    " of another firewall.backend or firewall.set_prefix than is configured "
    "now keep out ";
constexpr char kUnless[] =
    ": restart breakwater-enforcer, which empties those with its own names; "
    "or, unless another Breakwater of this host fills them, ";

struct IpsetFacts {
  IpSetForm form;
  uint64_t references = 0;
  uint64_t entries = 0;
};

// "family inet6 hashsize 1024 maxelem 65536 netmask 64 timeout 600".
void ReadHeader(absl::string_view header, IpSetForm& form) {
  const std::vector<absl::string_view> words =
      absl::StrSplit(header, ' ', absl::SkipEmpty());
  for (size_t i = 0; i < words.size(); ++i) {
    const absl::string_view next = i + 1 < words.size() ? words[i + 1] : "";
    uint32_t number = 0;
    if (words[i] == "family") form.ipv6 = next == "inet6";
    if (words[i] == "timeout") form.has_timeout = true;
    if (words[i] == "netmask" && absl::SimpleAtoi(next, &number)) {
      form.netmask = static_cast<uint8_t>(std::min<uint32_t>(number, 255));
    }
  }
}

std::map<std::string, IpsetFacts> ReadIpsets(std::string_view listed) {
  std::map<std::string, IpsetFacts> sets;
  IpsetFacts* set = nullptr;
  for (const absl::string_view line :
       absl::StrSplit(absl::string_view(listed.data(), listed.size()), '\n')) {
    const std::pair<absl::string_view, absl::string_view> field =
        absl::StrSplit(line, absl::MaxSplits(": ", 1));
    if (field.first == "Name") set = &sets[std::string(field.second)];
    if (set == nullptr) continue;
    if (field.first == "Type") set->form.type = std::string(field.second);
    if (field.first == "Header") ReadHeader(field.second, set->form);
    if (field.first == "References") {
      static_cast<void>(absl::SimpleAtoi(field.second, &set->references));
    }
    if (field.first == "Number of entries") {
      static_cast<void>(absl::SimpleAtoi(field.second, &set->entries));
    }
  }
  return sets;
}

std::string Sentence(const std::string& backend, const Sentences& sets,
                     const std::string& whom, const std::string& remedy) {
  return absl::StrCat("the sets ", absl::StrJoin(sets, ", "), " of ", backend,
                      kWhy, whom, kUnless, remedy);
}

void AddIpsets(std::string_view listed, const Config& config,
               Sentences& sentences) {
  const std::map<std::string, IpsetFacts> all = ReadIpsets(listed);
  for (const auto& [name, facts] : all) {
    const std::optional<std::string> found = PrefixOfSet(name);
    if (!found || !HoldsClients(facts.form, /*ipv6=*/false)) continue;
    const std::string& prefix = *found;
    const FirewallNames names(prefix);
    const auto v6 = all.find(names.sets[1]);
    if (v6 == all.end() || !HoldsClients(v6->second.form, /*ipv6=*/true)) {
      continue;
    }
    if (prefix == config.firewall.set_prefix &&
        config.firewall.Uses(FirewallBackend::kIpset)) {
      continue;
    }
    Sentences sets;
    uint64_t entries = 0;
    for (size_t i = 0; i < kSetsOfBackend; ++i) {
      const auto set = all.find(names.Set(i));
      if (set == all.end() || set->second.references == 0 ||
          set->second.entries == 0) {
        continue;
      }
      sets.push_back(set->first);
      entries += set->second.entries;
    }
    if (sets.empty()) continue;
    sentences.push_back(Sentence(
        "ipset", sets, absl::StrCat(entries, " addresses"),
        absl::StrCat("ipset flush ", absl::StrJoin(sets, "; ipset flush "))));
  }
}

// The sets with timeouts of each table, and those that its rules look into.
struct NftFacts {
  std::map<std::string, NftSetForm> sets;
  std::string rules;
};

void AddNft(const std::string& listed, const Config& config,
            Sentences& sentences) {
  const json all = json::parse(listed, nullptr, false);
  std::map<std::string, NftFacts> tables;
  for (const json& thing : Member(all, "nftables")) {
    for (const char* kind : {"set", "rule"}) {
      const json& one = Member(thing, kind);
      if (!one.is_object() || Text(one, "family") != "inet") continue;
      NftFacts& facts = tables[Text(one, "table")];
      if (std::string_view(kind) == "rule") {
        facts.rules += Member(one, "expr").dump();
      } else {
        const std::string type = Text(one, "type");
        facts.sets[Text(one, "name")] = {
            .key_bytes = type == "ipv4_addr"   ? 4u
                         : type == "ipv6_addr" ? 16u
                                               : 0u,
            .has_timeout =
                absl::StrContains(Member(one, "flags").dump(), "timeout")};
      }
    }
  }
  for (const auto& [table, facts] : tables) {
    const FirewallNames names(table);
    const auto holds = [&](const std::string& name, bool ipv6) {
      const auto set = facts.sets.find(name);
      return set != facts.sets.end() && HoldsClients(set->second, ipv6);
    };
    if (!holds(names.sets[0], false) || !holds(names.sets[1], true) ||
        (table == config.firewall.set_prefix &&
         config.firewall.Uses(FirewallBackend::kNftables))) {
      continue;
    }
    Sentences sets;
    for (size_t i = 0; i < kSetsOfBackend; ++i) {
      const std::string& set = names.Set(i);
      if (!facts.sets.contains(set)) continue;
      if (absl::StrContains(facts.rules, absl::StrCat("\"@", set, "\""))) {
        sets.push_back(set);
      }
    }
    if (sets.empty()) continue;
    sentences.push_back(
        Sentence(absl::StrCat("the table inet ", table), sets, "who is in them",
                 absl::StrCat("nft delete table inet ", table)));
  }
}

}  // namespace

SetListings ListSets(const Config& config) {
  const auto output = [](const std::vector<std::string>& words) {
    const absl::StatusOr<ProgramResult> result = RunProgram(words);
    return result.ok() && result->exit_code == 0 ? result->out : "";
  };
  SetListings listings{.ipset = output({"ipset", "-t", "list"}),
                       .nft = output({"nft", "-t", "-j", "list", "ruleset"})};
  const FirewallNames names(config.firewall.set_prefix);
  for (const std::string& name : names.recent) {
    std::ifstream file;
    // One byte alone: more takes the kernel long.
    file.rdbuf()->pubsetbuf(nullptr, 0);
    file.open(kRecent + name);
    if (file.get() != std::ifstream::traits_type::eof()) {
      listings.recent.push_back(name);
    }
  }
  return listings;
}

std::vector<std::string> LeftOverSets(const SetListings& listings,
                                      const Config& config) {
  Sentences sentences;
  AddIpsets(listings.ipset, config, sentences);
  AddNft(listings.nft, config, sentences);
  if (!config.firewall.Uses(FirewallBackend::kXtRecent)) {
    for (const std::string& name : listings.recent) {
      sentences.push_back(Sentence("xt_recent", {name}, "who is in them",
                                   absl::StrCat("echo / >", kRecent, name)));
    }
  }
  return sentences;
}

}  // namespace breakwater
