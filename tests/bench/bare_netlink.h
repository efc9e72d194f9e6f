#pragma once

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <cstdio>
#include <cstdlib>

#include "core/net/netlink.h"

extern "C" {
#include <libipset/linux_ip_set.h>
}

namespace breakwater {

inline constexpr uint32_t kBareSeconds = 600;

// The limit that the backends are measured by: the elements 10.0.0.0 plus
// `first` and on, in messages built by hand.
class BareNetlink {
 public:
  BareNetlink() : socket_(*NetlinkSocket::Open(NETLINK_NETFILTER)) {}

  void AddToIpset(const char* set, uint32_t first, uint32_t count) {
    nlmsghdr* message = mnl_nlmsg_put_header(buffer_);
    message->nlmsg_type = (NFNL_SUBSYS_IPSET << 8) | IPSET_CMD_ADD;
    message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    auto* family = static_cast<nfgenmsg*>(
        mnl_nlmsg_put_extra_header(message, sizeof(nfgenmsg)));
    *family = {.nfgen_family = AF_INET, .version = NFNETLINK_V0, .res_id = 0};
    mnl_attr_put_u8(message, IPSET_ATTR_PROTOCOL, IPSET_PROTOCOL);
    mnl_attr_put_strz(message, IPSET_ATTR_SETNAME, set);
    if (count == 1) {
      PutElement(message, first);
    } else {
      mnl_attr_put_u32(message, IPSET_ATTR_LINENO, 1);
      nlattr* all = mnl_attr_nest_start(message, IPSET_ATTR_ADT);
      for (uint32_t i = 0; i < count; ++i) PutElement(message, first + i);
      mnl_attr_nest_end(message, all);
    }
    Check(socket_.Query(message, [](const nlmsghdr&) {}));
  }

  // A batch: begin, one message of elements, end.
  void AddToNft(const char* table, const char* set, uint32_t first,
                uint32_t count) {
    const uint32_t begin = socket_.NextSequence();
    char* at = buffer_;
    at += Envelope(at, NFNL_MSG_BATCH_BEGIN, begin)->nlmsg_len;
    nlmsghdr* message = mnl_nlmsg_put_header(at);
    message->nlmsg_type = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_NEWSETELEM;
    message->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_ACK;
    const uint32_t number = message->nlmsg_seq = socket_.NextSequence();
    auto* family = static_cast<nfgenmsg*>(
        mnl_nlmsg_put_extra_header(message, sizeof(nfgenmsg)));
    *family = {.nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0};
    mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, table);
    mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, set);
    nlattr* all = mnl_attr_nest_start(message, NFTA_SET_ELEM_LIST_ELEMENTS);
    for (uint32_t i = first; i < first + count; ++i) {
      nlattr* element = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
      nlattr* key = mnl_attr_nest_start(message, NFTA_SET_ELEM_KEY);
      mnl_attr_put_u32(message, NFTA_DATA_VALUE, htonl(0x0a000000 + i));
      mnl_attr_nest_end(message, key);
      mnl_attr_put_u64(message, NFTA_SET_ELEM_TIMEOUT,
                       htobe64(uint64_t{kBareSeconds} * 1000));
      mnl_attr_nest_end(message, element);
    }
    mnl_attr_nest_end(message, all);
    at += message->nlmsg_len;
    at += Envelope(at, NFNL_MSG_BATCH_END, socket_.NextSequence())->nlmsg_len;
    Check(socket_.QueryBatch(buffer_, static_cast<size_t>(at - buffer_), begin,
                             number, [](uint32_t, int) { std::abort(); }));
  }

 private:
  static nlmsghdr* Envelope(char* at, uint16_t type, uint32_t number) {
    nlmsghdr* message = mnl_nlmsg_put_header(at);
    message->nlmsg_type = type;
    message->nlmsg_flags = NLM_F_REQUEST;
    message->nlmsg_seq = number;
    auto* family = static_cast<nfgenmsg*>(
        mnl_nlmsg_put_extra_header(message, sizeof(nfgenmsg)));
    *family = {.nfgen_family = AF_UNSPEC,
               .version = NFNETLINK_V0,
               .res_id = htons(NFNL_SUBSYS_NFTABLES)};
    return message;
  }
  static void Check(const absl::Status& status) {
    if (status.ok()) return;
    std::fprintf(stderr, "bare netlink: %s\n", status.ToString().c_str());
    std::exit(1);
  }
  static void PutElement(nlmsghdr* message, uint32_t number) {
    nlattr* data = mnl_attr_nest_start(message, IPSET_ATTR_DATA);
    nlattr* ip = mnl_attr_nest_start(message, IPSET_ATTR_IP);
    mnl_attr_put_u32(message, IPSET_ATTR_IPADDR_IPV4 | NLA_F_NET_BYTEORDER,
                     htonl(0x0a000000 + number));
    mnl_attr_nest_end(message, ip);
    mnl_attr_put_u32(message, IPSET_ATTR_TIMEOUT | NLA_F_NET_BYTEORDER,
                     htonl(kBareSeconds));
    mnl_attr_nest_end(message, data);
  }

  NetlinkSocket socket_;
  char buffer_[16384];
};

}  // namespace breakwater
