#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "core/net/netlink.h"

struct nftnl_chain;
struct nftnl_rule;
struct nftnl_set;

namespace breakwater {

// The chains and rules of one table of the family inet, as the kernel has them:
// to see what they look into, and to put them back as they were. Sets with a
// name are no part of it, and their elements are never asked for.
class NftRules {
 public:
  // Nothing if the ruleset was changed meanwhile. A table that is not there has
  // no rules.
  static absl::StatusOr<std::optional<NftRules>> Read(NetlinkSocket& socket,
                                                      const std::string& table);

  NftRules(NftRules&&) noexcept;
  NftRules& operator=(NftRules&&) noexcept;
  ~NftRules();

  // Whether a packet can come to a rule that looks into the set and does
  // something against who is in it: one that only counts, or accepts, is none,
  // nor is one behind another that lets everything through.
  bool LookInto(const std::string& set) const;
  // Nothing in it sees a packet (nft(8), flags dormant).
  bool is_dormant() const { return is_dormant_; }
  // The sets with a name that rules refer to, wherever they stand.
  std::set<std::string> Sets() const;
  bool SharesChainWith(const NftRules& other) const;

  // Whether they can be put back: not what refers to objects or flow tables.
  bool can_be_put_back() const { return can_be_put_back_; }
  // All of them, instead of those that are in the table, which must be there;
  // but those rules that refer to a set that is not. All or nothing.
  absl::Status PutBack(
      NetlinkSocket& socket,
      absl::FunctionRef<bool(const std::string& set)> has_set) const;

 private:
  struct Chain;
  struct Rule;
  struct AnonymousSet;

  explicit NftRules(std::string table);
  absl::Status ReadAll(NetlinkSocket& socket);
  absl::Status ReadFlags(NetlinkSocket& socket);
  absl::Status ReadAnonymousSets(NetlinkSocket& socket);
  void Describe(Rule& rule);
  std::vector<const Rule*> ReachableIn(const std::string& chain) const;
  std::vector<const Rule*> Reachable() const;

  std::string table_;
  std::vector<Chain> chains_;
  std::vector<Rule> rules_;
  std::vector<AnonymousSet> anonymous_;
  bool can_be_put_back_ = true;
  bool is_dormant_ = false;
};

}  // namespace breakwater
