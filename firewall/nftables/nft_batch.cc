#include "firewall/nftables/nft_batch.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <memory>

extern "C" {
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
}

namespace breakwater {
namespace {

constexpr size_t kHeaderRoom = 64;
// Two names of up to 64 bytes, and what else stands before the elements.
constexpr size_t kNamesRoom = 512;
// More than an attribute can hold: what is in a rule is not ours to say.
constexpr size_t kAnyRoom = size_t{128} * 1024;
// A key of 16 bytes and a timeout, each in their attributes.
constexpr size_t kElementRoom = 64;
// As nft shows the keys: TYPE_IPADDR and TYPE_IP6ADDR of its datatype.h.
constexpr uint32_t kTypeV4 = 7;
constexpr uint32_t kTypeV6 = 8;

using SetHandle = std::unique_ptr<nftnl_set, void (*)(const nftnl_set*)>;
using TableHandle = std::unique_ptr<nftnl_table, void (*)(const nftnl_table*)>;

}  // namespace

nftnl_set* DescribeNftSet(const NftSetName& name) {
  nftnl_set* set = nftnl_set_alloc();
  nftnl_set_set_str(set, NFTNL_SET_TABLE, name.table.c_str());
  nftnl_set_set_str(set, NFTNL_SET_NAME, name.set.c_str());
  return set;
}

void AddNftElement(nftnl_set* set, const TimedNetwork& element, bool refresh) {
  nftnl_set_elem* entry = nftnl_set_elem_alloc();
  const uint8_t* bytes = element.network.address.bytes.data();
  if (element.network.IsV4()) {
    nftnl_set_elem_set(entry, NFTNL_SET_ELEM_KEY, bytes + 12, 4);
  } else {
    nftnl_set_elem_set(entry, NFTNL_SET_ELEM_KEY, bytes, 16);
  }
  const auto left = static_cast<uint64_t>(element.left.count());
  if (left > 0) {
    nftnl_set_elem_set_u64(entry, NFTNL_SET_ELEM_TIMEOUT, left);
  }
  // Linux since 6.12 takes the same timeout as before for no change, unless it
  // is told when the element ends, too.
  if (refresh) {
    nftnl_set_elem_set_u64(entry, NFTNL_SET_ELEM_EXPIRATION, left);
  }
  nftnl_set_elem_add(set, entry);
}

NftBatch::NftBatch(NetlinkSocket& socket, std::vector<char>& bytes)
    : socket_(socket), bytes_(bytes) {
  Grow(kHeaderRoom);
  first_ = socket_.NextSequence();
  used_ += nftnl_batch_begin(bytes_.data(), first_)->nlmsg_len;
}

void NftBatch::Grow(size_t room) {
  if (bytes_.size() < used_ + room) bytes_.resize(used_ + room);
}

nlmsghdr* NftBatch::Begin(uint16_t type, uint16_t flags, size_t room) {
  Grow(room);
  last_ = socket_.NextSequence();
  last_at_ = used_;
  return nftnl_nlmsg_build_hdr(bytes_.data() + used_, type, NFPROTO_INET, flags,
                               last_);
}

void NftBatch::End(nlmsghdr* message) { used_ += message->nlmsg_len; }

void NftBatch::NewTable(const std::string& table) {
  const TableHandle description(nftnl_table_alloc(), nftnl_table_free);
  nftnl_table_set_str(description.get(), NFTNL_TABLE_NAME, table.c_str());
  nlmsghdr* message = Begin(NFT_MSG_NEWTABLE, NLM_F_CREATE, kNamesRoom);
  nftnl_table_nlmsg_build_payload(message, description.get());
  End(message);
}

void NftBatch::NewSet(const NftSetName& name, bool v4, uint32_t most_entries) {
  const SetHandle set(DescribeNftSet(name), nftnl_set_free);
  nftnl_set_set_u32(set.get(), NFTNL_SET_ID, 1);
  nftnl_set_set_u32(set.get(), NFTNL_SET_FLAGS, NFT_SET_TIMEOUT | NFT_SET_EVAL);
  nftnl_set_set_u32(set.get(), NFTNL_SET_KEY_TYPE, v4 ? kTypeV4 : kTypeV6);
  nftnl_set_set_u32(set.get(), NFTNL_SET_KEY_LEN, v4 ? 4 : 16);
  nftnl_set_set_u32(set.get(), NFTNL_SET_DESC_SIZE, most_entries);
  nlmsghdr* message = Begin(NFT_MSG_NEWSET, NLM_F_CREATE, kNamesRoom);
  nftnl_set_nlmsg_build_payload(message, set.get());
  End(message);
}

void NftBatch::DeleteSet(const NftSetName& name) {
  const SetHandle set(DescribeNftSet(name), nftnl_set_free);
  nlmsghdr* message = Begin(NFT_MSG_DELSET, 0, kNamesRoom);
  nftnl_set_nlmsg_build_payload(message, set.get());
  End(message);
}

void NftBatch::DeleteRules(const std::string& table) {
  nlmsghdr* message = Begin(NFT_MSG_DELRULE, 0, kNamesRoom);
  mnl_attr_put_strz(message, NFTA_RULE_TABLE, table.c_str());
  End(message);
}

void NftBatch::NewChain(const nftnl_chain& chain) {
  nlmsghdr* message = Begin(NFT_MSG_NEWCHAIN, NLM_F_CREATE, kAnyRoom);
  nftnl_chain_nlmsg_build_payload(message, &chain);
  End(message);
}

// libnftnl changes nothing of what it writes, but does not say so.
void NftBatch::NewRule(const nftnl_rule& rule) {
  nlmsghdr* message =
      Begin(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, kAnyRoom);
  nftnl_rule_nlmsg_build_payload(message, const_cast<nftnl_rule*>(&rule));
  End(message);
}

void NftBatch::NewFilledSet(const nftnl_set& set) {
  nlmsghdr* message = Begin(NFT_MSG_NEWSET, NLM_F_CREATE, kAnyRoom);
  nftnl_set_nlmsg_build_payload(message, const_cast<nftnl_set*>(&set));
  End(message);
  message = Begin(NFT_MSG_NEWSETELEM, NLM_F_CREATE, kAnyRoom);
  nftnl_set_elems_nlmsg_build_payload(message, const_cast<nftnl_set*>(&set));
  End(message);
}

uint32_t NftBatch::NewElements(const NftSetName& name,
                               absl::Span<const TimedNetwork> elements,
                               uint16_t flags) {
  return Elements(NFT_MSG_NEWSETELEM, name, elements,
                  static_cast<uint16_t>(NLM_F_CREATE | flags));
}

uint32_t NftBatch::DeleteElements(const NftSetName& name,
                                  absl::Span<const TimedNetwork> elements) {
  return Elements(NFT_MSG_DELSETELEM, name, elements, 0);
}

uint32_t NftBatch::Elements(uint16_t type, const NftSetName& name,
                            absl::Span<const TimedNetwork> elements,
                            uint16_t flags) {
  const SetHandle set(DescribeNftSet(name), nftnl_set_free);
  const bool refresh = type == NFT_MSG_NEWSETELEM && (flags & NLM_F_EXCL) == 0;
  for (TimedNetwork element : elements) {
    if (type == NFT_MSG_DELSETELEM) element.left = {};
    AddNftElement(set.get(), element, refresh);
  }
  nlmsghdr* message =
      Begin(type, flags, kNamesRoom + kElementRoom * elements.size());
  nftnl_set_elems_nlmsg_build_payload(message, set.get());
  End(message);
  return last_;
}

absl::Status NftBatch::Send(
    absl::FunctionRef<void(uint32_t number, int error)> each) {
  // Of none there is no answer to wait for.
  if (last_at_ == 0) return absl::OkStatus();
  // The kernel answers to the last one when all of them have been looked at.
  reinterpret_cast<nlmsghdr*>(bytes_.data() + last_at_)->nlmsg_flags |=
      NLM_F_ACK;
  Grow(kHeaderRoom);
  used_ +=
      nftnl_batch_end(bytes_.data() + used_, socket_.NextSequence())->nlmsg_len;
  absl::Status first;
  const absl::Status whole = socket_.QueryBatch(
      bytes_.data(), used_, first_, last_, [&](uint32_t number, int error) {
        first.Update(absl::ErrnoToStatus(error, "netlink"));
        each(number, error);
      });
  return whole.ok() ? first : whole;
}

}  // namespace breakwater
