#include "daemon/doctor/packet_path.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace breakwater {
namespace {

// Chains of a real firewall jump a few deep; loops the kernel refuses.
constexpr int kDeepest = 32;

class Walker {
 public:
  explicit Walker(const PathTable& table) : table_(table) {}

  // True when the packet has met its end.
  bool Through(const PathChain& chain, int depth) {
    for (const PathRule& rule : chain.rules) {
      if (depth > kDeepest) return false;
      if (rule.fit == Fit::kNever) continue;
      const bool sure = rule.fit == Fit::kYes;
      if (rule.ours) walk_.met_ours = true;
      switch (rule.verdict) {
        case PathRule::Verdict::kNone:
          break;
        case PathRule::Verdict::kReturn:
          if (sure) return false;
          break;
        case PathRule::Verdict::kJump:
        case PathRule::Verdict::kGoto: {
          const PathChain* const target = table_.Find(rule.target);
          // What is in a chain that may be entered may be met.
          if (target != nullptr && Through(*target, depth + 1)) return true;
          if (sure && rule.verdict == PathRule::Verdict::kGoto) return false;
          break;
        }
        case PathRule::Verdict::kAccept:
          if (!sure) {
            if (!walk_.met_ours) walk_.maybe_accepted.push_back(&rule);
            break;
          }
          [[fallthrough]];
        default:
          if (!sure) break;
          walk_.end = rule.verdict;
          walk_.by = &rule;
          return true;
      }
    }
    return false;
  }
  PathWalk Result() { return std::move(walk_); }

 private:
  const PathTable& table_;
  PathWalk walk_;
};

std::string Shown(const PathTable& table, const PathRule& rule) {
  return absl::StrCat(table.name, ": ", rule.text);
}

bool HasOurs(const PathChain& chain) {
  return std::ranges::any_of(chain.rules, &PathRule::ours);
}

// Rules that keep out what is in a set, but in none of ours.
std::string RulesOfOtherSets(const std::vector<PathTable>& tables) {
  std::vector<std::string> rules;
  for (const PathTable& table : tables) {
    for (const PathChain& chain : table.chains) {
      for (const PathRule& rule : chain.rules) {
        if (!rule.other_sets.empty() &&
            rule.verdict == PathRule::Verdict::kDrop) {
          rules.push_back(Shown(table, rule));
        }
      }
    }
  }
  return absl::StrJoin(rules, "; ");
}

// Why the rules of ours in a chain of a table are not met; nothing if they are.
std::optional<std::string> WhyNotMet(const PathTable& table,
                                     const PathChain& ours) {
  std::string accepted;
  for (const PathChain& hook : table.chains) {
    if (!hook.is_hook) continue;
    const PathWalk walk = WalkChain(table, hook);
    if (walk.met_ours) return std::nullopt;
    if (walk.by != nullptr && walk.end == PathRule::Verdict::kAccept) {
      accepted = absl::StrCat("another rule accepts before ours: ",
                              Shown(table, *walk.by));
    } else if (!walk.maybe_accepted.empty() && accepted.empty()) {
      accepted = absl::StrCat("another rule may accept before ours: ",
                              Shown(table, *walk.maybe_accepted.front()));
    }
  }
  for (const PathChain& chain : table.chains) {
    for (const PathRule& rule : chain.rules) {
      const bool leads = &chain == &ours ? rule.ours : rule.target == ours.name;
      if (leads && rule.misses_port) {
        return absl::StrCat("the rule is for other ports: ",
                            Shown(table, rule));
      }
    }
  }
  if (!accepted.empty()) return accepted;
  if (!ours.is_hook) {
    const bool entered =
        std::ranges::any_of(table.chains, [&](const PathChain& chain) {
          return std::ranges::any_of(chain.rules, [&](const PathRule& rule) {
            return rule.target == ours.name;
          });
        });
    if (!entered) {
      return absl::StrCat("no rule leads to the chain ", ours.name, " of ",
                          table.name);
    }
  }
  return absl::StrCat("the rules in the chain ", ours.name, " of ", table.name,
                      " do not apply to a new connection to this port");
}

}  // namespace

bool ProbePacket::Uses(FirewallBackend backend) const {
  return std::ranges::find(backends, backend) != backends.end();
}

bool ProbePacket::IsKnownTo(FirewallBackend backend,
                            const std::string& set) const {
  if (!Uses(backend)) return false;
  if (backend == FirewallBackend::kXtRecent) {
    return !width && std::ranges::find(names.recent, set) != names.recent.end();
  }
  if (width) return set == names.wide[static_cast<size_t>(*width)];
  return std::ranges::find(names.sets, set) != names.sets.end();
}

bool ProbePacket::IsOurs(FirewallBackend backend,
                         const std::string& set) const {
  return Uses(backend) &&
         (std::ranges::find(names.sets, set) != names.sets.end() ||
          std::ranges::find(names.wide, set) != names.wide.end());
}

std::string ProbePacket::Set() const {
  const size_t family = client.IsV4() ? 0 : 1;
  const std::string& name =
      width ? names.wide[static_cast<size_t>(*width)] : names.sets[family];
  std::vector<std::string> sets;
  for (const FirewallBackend backend : backends) {
    switch (backend) {
      case FirewallBackend::kIpset:
        sets.push_back(absl::StrCat("the set ", name, " of ipset"));
        break;
      case FirewallBackend::kNftables:
        sets.push_back(absl::StrCat("the set ", name, " of the table inet ",
                                    names.nft_table));
        break;
      case FirewallBackend::kXtRecent:
        if (width) break;  // holds no networks
        sets.push_back(
            absl::StrCat("the list ", names.recent[family], " of xt_recent"));
    }
  }
  return absl::StrJoin(sets, " or ");
}

void PathRule::Require(Fit condition) {
  if (condition == Fit::kNever) missed_other_ = true;
  fit = std::min(fit, condition);
  misses_port = missed_port_ && !missed_other_;
}

void PathRule::RequirePort(bool fits) {
  if (!fits) missed_port_ = true;
  if (!fits) fit = Fit::kNever;
  misses_port = missed_port_ && !missed_other_;
}

const PathChain* PathTable::Find(absl::string_view chain) const {
  const auto found = std::ranges::find(
      chains, std::string(chain), [](const PathChain& c) { return c.name; });
  return found == chains.end() ? nullptr : &*found;
}

PathWalk WalkChain(const PathTable& table, const PathChain& hook) {
  Walker walker(table);
  const bool ended = walker.Through(hook, 0);
  PathWalk walk = walker.Result();
  if (!ended) {
    walk.end =
        hook.drops ? PathRule::Verdict::kDrop : PathRule::Verdict::kAccept;
  }
  return walk;
}

const PathRule* OurEnd(const std::vector<PathTable>& tables) {
  for (const PathTable& table : tables) {
    for (const PathChain& hook : table.chains) {
      if (!hook.is_hook) continue;
      const PathWalk walk = WalkChain(table, hook);
      if (walk.by != nullptr && walk.by->ours) return walk.by;
    }
  }
  return nullptr;
}

std::vector<std::string> WhyNotDropped(const std::vector<PathTable>& tables,
                                       const ProbePacket& packet) {
  std::vector<std::string> reasons;
  bool named = false;
  bool met = false;
  for (const PathTable& table : tables) {
    for (const PathChain& chain : table.chains) {
      if (!HasOurs(chain)) continue;
      named = true;
      if (const auto why = WhyNotMet(table, chain)) {
        reasons.push_back(*why);
      } else {
        met = true;
      }
    }
  }
  if (!named) {
    const std::string others = RulesOfOtherSets(tables);
    return {others.empty()
                ? absl::StrCat("no rule of the firewall drops who is in ",
                               packet.Set(),
                               ": load what `breakwater firewall print` prints")
                : absl::StrCat("no rule drops who is in ", packet.Set(),
                               ", but in another one: ", others)};
  }
  if (met) {
    reasons.push_back(
        "a rule looks into our set and is met, but does not drop: either the "
        "enforcer could not put the client in, and `breakwater status` says "
        "why, or the rule does something else");
  }
  return reasons;
}

std::vector<std::string> WhatDrops(const std::vector<PathTable>& tables) {
  std::vector<std::string> rules;
  for (const PathTable& table : tables) {
    for (const PathChain& hook : table.chains) {
      if (!hook.is_hook) continue;
      const PathWalk walk = WalkChain(table, hook);
      if (walk.end != PathRule::Verdict::kDrop) continue;
      rules.push_back(
          walk.by == nullptr
              ? absl::StrCat(table.name, ": the policy of ", hook.name)
              : Shown(table, *walk.by));
    }
  }
  return rules;
}

}  // namespace breakwater
