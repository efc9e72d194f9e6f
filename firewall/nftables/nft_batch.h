#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "core/net/netlink.h"
#include "firewall/sets/ban_sets.h"

struct nftnl_chain;
struct nftnl_rule;
struct nftnl_set;

namespace breakwater {

// A set in a table of the family inet.
struct NftSetName {
  const std::string& table;
  const std::string& set;
};

// libnftnl's description of it, for nftnl_set_free, and an element in that.
nftnl_set* DescribeNftSet(const NftSetName& name);
void AddNftElement(nftnl_set* set, const TimedNetwork& element,
                   bool refresh = false);

// Changes of nftables that take effect together or not at all, as libnftnl
// writes them. Of one use: begin, put messages in, send.
class NftBatch {
 public:
  // It is written into these bytes, which grow as needed. One at a time.
  NftBatch(NetlinkSocket& socket, std::vector<char>& bytes);

  void NewTable(const std::string& table);
  // A hash set with a timeout for each element, which rules may refresh.
  void NewSet(const NftSetName& name, bool v4, uint32_t most_entries);
  void DeleteSet(const NftSetName& name);
  // All that are in the table's chains.
  void DeleteRules(const std::string& table);
  // A chain that may be there, as it is to be; a rule behind all others of its
  // chain; a set with its elements.
  void NewChain(const nftnl_chain& chain);
  void NewRule(const nftnl_rule& rule);
  void NewFilledSet(const nftnl_set& set);
  // One message for these elements. `flags` are NLM_F_EXCL, or none: what is
  // in starts its time anew (since Linux 6.12). Returns the message's number.
  uint32_t NewElements(const NftSetName& name,
                       absl::Span<const TimedNetwork> elements, uint16_t flags);
  uint32_t DeleteElements(const NftSetName& name,
                          absl::Span<const TimedNetwork> elements);

  // The error that is returned is the first of all; `each` gets all that
  // belong to one message. Without a message nothing is sent.
  absl::Status Send(absl::FunctionRef<void(uint32_t number, int error)> each);
  absl::Status Send() {
    return Send([](uint32_t, int) {});
  }

 private:
  // Room for a message; its header is written.
  nlmsghdr* Begin(uint16_t type, uint16_t flags, size_t room);
  void End(nlmsghdr* message);
  uint32_t Elements(uint16_t type, const NftSetName& name,
                    absl::Span<const TimedNetwork> elements, uint16_t flags);
  void Grow(size_t room);

  NetlinkSocket& socket_;
  std::vector<char>& bytes_;
  size_t used_ = 0;
  size_t last_at_ = 0;  // where the last message stands
  uint32_t first_ = 0;
  uint32_t last_ = 0;
};

}  // namespace breakwater
