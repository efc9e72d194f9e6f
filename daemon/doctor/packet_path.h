#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/string_view.h"
#include "core/net/address.h"
#include "core/rules/names.h"
#include "daemon/config/config.h"

namespace breakwater {

// What becomes of one packet in the firewall's rules, read as well as can be:
// for breakwater doctor, which has seen what did become of it and looks for the
// rule that is to blame.

// A SYN that a client sends to the mail server.
struct ProbePacket {
  IpAddress client;
  IpAddress server;
  uint16_t port = 25;
  std::string interface;  // it comes in by
  bool banned = false;    // the client is in our sets, and in no others
  FirewallNames names;
  // Those that are filled: a set of another one holds nobody, whatever its
  // name.
  std::vector<FirewallBackend> backends;
  // Not the client is in them, but its network of that width in one.
  std::optional<Width> width = {};

  bool Uses(FirewallBackend backend) const;
  // Whether a ban that the packet would meet stands in that set.
  bool IsKnownTo(FirewallBackend backend, const std::string& set) const;
  // Whether the set is one of ours, whatever is in it.
  bool IsOurs(FirewallBackend backend, const std::string& set) const;
  // The first set to look into, in words: "the set breakwater4 of ipset".
  std::string Set() const;
};

// Whether a rule takes the packet; kMaybe: it asks what we cannot know.
enum class Fit : uint8_t { kNever, kMaybe, kYes };

struct PathRule {
  enum class Verdict : uint8_t {
    kNone,  // goes on to the next rule
    kAccept,
    kDrop,  // or rejects
    kDivert,
    kReturn,
    kJump,
    kGoto
  };
  std::string text;  // as its own tool shows it
  Fit fit = Fit::kYes;
  bool misses_port = false;  // nothing but the port is in the way
  bool ours = false;         // looks into a set of ours
  std::vector<std::string> other_sets;
  Verdict verdict = Verdict::kNone;
  std::string target;  // of kJump and kGoto

  // Notes one more condition of the rule.
  void Require(Fit condition);
  void RequirePort(bool fits);

 private:
  bool missed_other_ = false;
  bool missed_port_ = false;
};

struct PathChain {
  std::string name;
  bool is_hook = false;  // the kernel sends our packet here
  bool drops = false;    // whatever comes to its end
  std::vector<PathRule> rules;
};

// The chains that can jump to one another.
struct PathTable {
  std::string name;  // "iptables -t raw", "nft table inet filter"
  std::vector<PathChain> chains;

  const PathChain* Find(absl::string_view chain) const;
};

// How the packet comes through a chain of a hook.
struct PathWalk {
  PathRule::Verdict end = PathRule::Verdict::kNone;
  const PathRule* by = nullptr;  // null: the chain's policy
  bool met_ours = false;         // a rule of ours, before the end
  std::vector<const PathRule*> maybe_accepted;  // before ours
};
PathWalk WalkChain(const PathTable& table, const PathChain& hook);

// The rule of ours at which the packet ends in one of the tables, or null.
const PathRule* OurEnd(const std::vector<PathTable>& tables);

// Why a banned client's packet is not kept out by these tables: sentences, the
// likeliest first. Never empty.
std::vector<std::string> WhyNotDropped(const std::vector<PathTable>& tables,
                                       const ProbePacket& packet);
// Which rules keep out a packet that should come through; empty if none is
// seen.
std::vector<std::string> WhatDrops(const std::vector<PathTable>& tables);

// The tables of `iptables-save`, as `program` ("iptables", "ip6tables-legacy")
// names them in what is shown.
std::vector<PathTable> ReadIptables(std::string_view saved,
                                    const std::string& program,
                                    const ProbePacket& packet);
// The tables of `nft -j list ruleset`, without those of `skipped` ("ip raw"),
// which iptables has made. `listed` is the same without -j and with handles,
// for what is shown.
std::vector<PathTable> ReadNft(std::string_view json, std::string_view listed,
                               const std::vector<std::string>& skipped,
                               const ProbePacket& packet);

}  // namespace breakwater
