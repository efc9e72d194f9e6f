#include "firewall/nftables/nft_rules.h"

#include <netinet/in.h>
// Behind the above, which it else redefines.
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "firewall/nftables/nft_batch.h"

extern "C" {
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
}

namespace breakwater {
namespace {

constexpr size_t kHeader = sizeof(nfgenmsg);
constexpr size_t kLongestQuestion = 512;
// A set of ports has a few; all of them must fit into one message.
constexpr size_t kMostAnonymous = 500;

using ChainHandle = std::unique_ptr<nftnl_chain, void (*)(const nftnl_chain*)>;
using RuleHandle = std::unique_ptr<nftnl_rule, void (*)(const nftnl_rule*)>;
using SetHandle = std::unique_ptr<nftnl_set, void (*)(const nftnl_set*)>;

std::string Text(const char* text) { return text == nullptr ? "" : text; }

// The number that every change of the ruleset makes another.
absl::StatusOr<uint32_t> Generation(NetlinkSocket& socket) {
  alignas(nlmsghdr) char bytes[kLongestQuestion];
  nlmsghdr* message =
      nftnl_nlmsg_build_hdr(bytes, NFT_MSG_GETGEN, AF_UNSPEC, 0, 0);
  uint32_t generation = 0;
  const absl::Status status =
      socket.Query(message, [&generation](const nlmsghdr& answer) {
        const NetlinkAttributes found(answer, kHeader);
        if (const nlattr* id = found.Find(NFTA_GEN_ID, 4)) {
          generation = mnl_attr_get_u32(id);
        }
      });
  if (!status.ok()) return status;
  return generation;
}

// All that this question is about in the table; the kernel may tell of others.
absl::Status Dump(NetlinkSocket& socket, uint16_t question,
                  uint16_t table_attribute, const std::string& table,
                  absl::FunctionRef<void(const nlmsghdr&)> each) {
  alignas(nlmsghdr) char bytes[kLongestQuestion];
  nlmsghdr* message =
      nftnl_nlmsg_build_hdr(bytes, question, NFPROTO_INET, NLM_F_DUMP, 0);
  mnl_attr_put_strz(message, table_attribute, table.c_str());
  const absl::Status status = socket.Query(message, each);
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

// What refuses a packet, sends it elsewhere, or does what only its module
// knows.
const std::set<std::string> kActs = {"reject", "redir",    "nat",   "tproxy",
                                     "queue",  "synproxy", "target"};
// What matches nothing.
const std::set<std::string> kUnconditional = {"counter", "log", "notrack"};

extern "C" int CountElement(nftnl_set_elem*, void* count) {
  ++*static_cast<size_t*>(count);
  return 0;
}

}  // namespace

struct NftRules::Chain {
  ChainHandle chain{nullptr, nftnl_chain_free};
  std::string name;
  bool is_base = false;  // the kernel sends packets there
};

struct NftRules::Rule {
  RuleHandle rule{nullptr, nftnl_rule_free};
  std::string chain;
  std::vector<std::string> lookups;   // the sets that it looks into
  std::vector<std::string> changes;   // those that it puts something into
  std::vector<std::string> leads_to;  // chains
  bool leads_anywhere = false;        // by a map of verdicts
  bool acts = false;                  // whoever matches does not just go on
  bool takes_all = false;             // has no condition
  bool lets_pass = false;             // accepts, or leaves the chain
};

struct NftRules::AnonymousSet {
  SetHandle set{nullptr, nftnl_set_free};
  std::string name;
};

NftRules::NftRules(std::string table) : table_(std::move(table)) {}
NftRules::NftRules(NftRules&&) noexcept = default;
NftRules& NftRules::operator=(NftRules&&) noexcept = default;
NftRules::~NftRules() = default;

// ---- What there is ----------------------------------------------------------

absl::StatusOr<std::optional<NftRules>> NftRules::Read(
    NetlinkSocket& socket, const std::string& table) {
  const absl::StatusOr<uint32_t> before = Generation(socket);
  if (!before.ok()) return before.status();
  NftRules rules(table);
  const absl::Status status = rules.ReadAll(socket);
  const absl::StatusOr<uint32_t> after = Generation(socket);
  if (!after.ok()) return after.status();
  if (*before != *after) return std::nullopt;
  if (!status.ok()) {
    return absl::Status(status.code(),
                        absl::StrCat("read the rules of table ", table, ": ",
                                     status.message()));
  }
  return rules;
}

absl::Status NftRules::ReadFlags(NetlinkSocket& socket) {
  alignas(nlmsghdr) char bytes[kLongestQuestion];
  nlmsghdr* message =
      nftnl_nlmsg_build_hdr(bytes, NFT_MSG_GETTABLE, NFPROTO_INET, 0, 0);
  mnl_attr_put_strz(message, NFTA_TABLE_NAME, table_.c_str());
  const absl::Status status =
      socket.Query(message, [this](const nlmsghdr& answer) {
        const NetlinkAttributes found(answer, kHeader);
        if (const nlattr* flags = found.Find(NFTA_TABLE_FLAGS, 4)) {
          is_dormant_ =
              (ntohl(mnl_attr_get_u32(flags)) & NFT_TABLE_F_DORMANT) != 0;
        }
      });
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

absl::Status NftRules::ReadAll(NetlinkSocket& socket) {
  absl::Status status = ReadFlags(socket);
  if (!status.ok()) return status;
  status =
      Dump(socket, NFT_MSG_GETCHAIN, NFTA_CHAIN_TABLE, table_,
           [this](const nlmsghdr& answer) {
             Chain chain{.chain = {nftnl_chain_alloc(), nftnl_chain_free}};
             nftnl_chain* const one = chain.chain.get();
             if (nftnl_chain_nlmsg_parse(&answer, one) < 0) return;
             if (nftnl_chain_get_u32(one, NFTNL_CHAIN_FAMILY) != NFPROTO_INET ||
                 Text(nftnl_chain_get_str(one, NFTNL_CHAIN_TABLE)) != table_) {
               return;
             }
             chain.name = Text(nftnl_chain_get_str(one, NFTNL_CHAIN_NAME));
             chain.is_base = nftnl_chain_is_set(one, NFTNL_CHAIN_HOOKNUM);
             // What the kernel gives each anew.
             for (const uint16_t its_own :
                  {NFTNL_CHAIN_HANDLE, NFTNL_CHAIN_USE, NFTNL_CHAIN_BYTES,
                   NFTNL_CHAIN_PACKETS}) {
               nftnl_chain_unset(one, its_own);
             }
             chains_.push_back(std::move(chain));
           });
  if (!status.ok()) return status;
  status = Dump(socket, NFT_MSG_GETRULE, NFTA_RULE_TABLE, table_,
                [this](const nlmsghdr& answer) {
                  Rule rule{.rule = {nftnl_rule_alloc(), nftnl_rule_free}};
                  nftnl_rule* const one = rule.rule.get();
                  if (nftnl_rule_nlmsg_parse(&answer, one) < 0) {
                    can_be_put_back_ = false;
                    return;
                  }
                  if (Text(nftnl_rule_get_str(one, NFTNL_RULE_TABLE)) != table_)
                    return;
                  rule.chain = Text(nftnl_rule_get_str(one, NFTNL_RULE_CHAIN));
                  Describe(rule);
                  nftnl_rule_unset(one, NFTNL_RULE_HANDLE);
                  nftnl_rule_unset(one, NFTNL_RULE_POSITION);
                  rules_.push_back(std::move(rule));
                });
  return status.ok() ? ReadAnonymousSets(socket) : status;
}

void NftRules::Describe(Rule& rule) {
  struct Visit {
    NftRules& rules;
    Rule& rule;
  } visit{*this, rule};
  const auto each = [](nftnl_expr* expression, void* data) noexcept -> int {
    Rule& rule = static_cast<Visit*>(data)->rule;
    const std::string name =
        Text(nftnl_expr_get_str(expression, NFTNL_EXPR_NAME));
    const auto text = [expression](uint16_t attribute) {
      return nftnl_expr_is_set(expression, attribute)
                 ? Text(nftnl_expr_get_str(expression, attribute))
                 : "";
    };
    if (name == "lookup") {
      rule.lookups.push_back(text(NFTNL_EXPR_LOOKUP_SET));
      rule.leads_anywhere |=
          nftnl_expr_is_set(expression, NFTNL_EXPR_LOOKUP_DREG) &&
          nftnl_expr_get_u32(expression, NFTNL_EXPR_LOOKUP_DREG) ==
              NFT_REG_VERDICT;
    } else if (name == "dynset") {
      rule.changes.push_back(text(NFTNL_EXPR_DYNSET_SET_NAME));
    } else if (name == "immediate") {
      if (const std::string chain = text(NFTNL_EXPR_IMM_CHAIN);
          !chain.empty()) {
        rule.leads_to.push_back(chain);
      }
      if (nftnl_expr_is_set(expression, NFTNL_EXPR_IMM_VERDICT)) {
        const auto verdict = static_cast<int>(
            nftnl_expr_get_u32(expression, NFTNL_EXPR_IMM_VERDICT));
        rule.lets_pass |= verdict == NF_ACCEPT || verdict == NFT_RETURN;
        rule.acts |= verdict == NF_DROP || verdict == NF_QUEUE ||
                     verdict == NFT_JUMP || verdict == NFT_GOTO;
      }
    } else if (name == "objref" || name == "flow_offload") {
      static_cast<Visit*>(data)->rules.can_be_put_back_ = false;
    }
    rule.acts |= kActs.contains(name);
    rule.takes_all &= name == "immediate" || kUnconditional.contains(name);
    return 0;
  };
  rule.takes_all = true;
  nftnl_expr_foreach(rule.rule.get(), each, &visit);
}

absl::Status NftRules::ReadAnonymousSets(NetlinkSocket& socket) {
  const std::set<std::string> used = Sets();
  absl::Status status =
      Dump(socket, NFT_MSG_GETSET, NFTA_SET_TABLE, table_,
           [&](const nlmsghdr& answer) {
             AnonymousSet set{.set = {nftnl_set_alloc(), nftnl_set_free}};
             nftnl_set* const one = set.set.get();
             if (nftnl_set_nlmsg_parse(&answer, one) < 0) return;
             set.name = Text(nftnl_set_get_str(one, NFTNL_SET_NAME));
             if (Text(nftnl_set_get_str(one, NFTNL_SET_TABLE)) != table_ ||
                 !used.contains(set.name) ||
                 (nftnl_set_get_u32(one, NFTNL_SET_FLAGS) &
                  NFT_SET_ANONYMOUS) == 0) {
               return;
             }
             nftnl_set_unset(one, NFTNL_SET_HANDLE);
             // Within a batch each has a number.
             nftnl_set_set_u32(one, NFTNL_SET_ID,
                               static_cast<uint32_t>(anonymous_.size() + 1));
             anonymous_.push_back(std::move(set));
           });
  for (AnonymousSet& set : anonymous_) {
    if (!status.ok()) break;
    alignas(nlmsghdr) char bytes[kLongestQuestion];
    nlmsghdr* message = nftnl_nlmsg_build_hdr(bytes, NFT_MSG_GETSETELEM,
                                              NFPROTO_INET, NLM_F_DUMP, 0);
    const SetHandle question(DescribeNftSet({table_, set.name}),
                             nftnl_set_free);
    nftnl_set_nlmsg_build_payload(message, question.get());
    status = socket.Query(message, [&](const nlmsghdr& answer) {
      can_be_put_back_ &=
          nftnl_set_elems_nlmsg_parse(&answer, set.set.get()) >= 0;
    });
    size_t count = 0;
    nftnl_set_elem_foreach(set.set.get(), CountElement, &count);
    can_be_put_back_ &= count <= kMostAnonymous;
  }
  return status;
}

std::set<std::string> NftRules::Sets() const {
  std::set<std::string> sets;
  for (const Rule& rule : rules_) {
    sets.insert(rule.lookups.begin(), rule.lookups.end());
    sets.insert(rule.changes.begin(), rule.changes.end());
  }
  for (const AnonymousSet& set : anonymous_) sets.erase(set.name);
  return sets;
}

// In this chain, those to which a packet can come.
std::vector<const NftRules::Rule*> NftRules::ReachableIn(
    const std::string& chain) const {
  std::vector<const Rule*> rules;
  for (const Rule& rule : rules_) {
    if (rule.chain != chain) continue;
    rules.push_back(&rule);
    if (rule.takes_all && rule.lets_pass) break;
  }
  return rules;
}

std::vector<const NftRules::Rule*> NftRules::Reachable() const {
  std::vector<const Rule*> rules;
  std::set<std::string> reached;
  std::vector<std::string> open;
  const auto reach = [&](const std::string& chain) {
    if (reached.insert(chain).second) open.push_back(chain);
  };
  for (const Chain& chain : chains_) {
    if (chain.is_base) reach(chain.name);
  }
  while (!open.empty()) {
    const std::string from = std::move(open.back());
    open.pop_back();
    for (const Rule* rule : ReachableIn(from)) {
      rules.push_back(rule);
      for (const std::string& chain : rule->leads_to) reach(chain);
      if (!rule->leads_anywhere) continue;
      for (const Chain& chain : chains_) reach(chain.name);
    }
  }
  return rules;
}

bool NftRules::LookInto(const std::string& set) const {
  if (is_dormant_) return false;
  return std::ranges::any_of(Reachable(), [&](const Rule* rule) {
    return (rule->acts || rule->leads_anywhere) &&
           std::ranges::find(rule->lookups, set) != rule->lookups.end();
  });
}

bool NftRules::SharesChainWith(const NftRules& other) const {
  return std::ranges::any_of(chains_, [&](const Chain& chain) {
    return std::ranges::find(other.chains_, chain.name, &Chain::name) !=
           other.chains_.end();
  });
}

// ---- Back ------------------------------------------------------------------

absl::Status NftRules::PutBack(
    NetlinkSocket& socket,
    absl::FunctionRef<bool(const std::string&)> has_set) const {
  std::vector<char> bytes;
  NftBatch batch(socket, bytes);
  batch.DeleteRules(table_);
  for (const Chain& chain : chains_) batch.NewChain(*chain.chain);
  for (const AnonymousSet& set : anonymous_) batch.NewFilledSet(*set.set);
  const auto is_there = [&](const std::string& set) {
    return std::ranges::find(anonymous_, set, &AnonymousSet::name) !=
               anonymous_.end() ||
           has_set(set);
  };
  for (const Rule& rule : rules_) {
    if (std::ranges::all_of(rule.lookups, is_there) &&
        std::ranges::all_of(rule.changes, is_there)) {
      batch.NewRule(*rule.rule);
    }
  }
  const absl::Status status = batch.Send();
  if (status.ok()) return status;
  return absl::Status(status.code(),
                      absl::StrCat("put the rules of table ", table_,
                                   " back: ", status.message()));
}

}  // namespace breakwater
