#include "firewall/left_overs.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <unistd.h>
// Behind the above, which it else redefines.
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "firewall/nftables/nft_batch.h"
#include "firewall/nftables/nft_rules.h"
#include "firewall/sets/set_form.h"

extern "C" {
#include <libnftnl/common.h>
#include <libnftnl/set.h>
}

namespace breakwater {
namespace {

constexpr char kRecent[] = "/proc/thread-self/net/xt_recent/";
constexpr char kRecentShown[] = "/proc/net/xt_recent/";
constexpr size_t kHeader = sizeof(nfgenmsg);
constexpr size_t kLongestQuestion = 512;

// All that a prefix can have.
std::vector<std::string> SetNames(const std::string& prefix) {
  const FirewallNames names(prefix);
  std::vector<std::string> sets;
  for (size_t i = 0; i < kSetsOfBackend; ++i) sets.push_back(names.Set(i));
  return sets;
}

// In which of them a network can be.
std::vector<std::string> SetsFor(const Network& network,
                                 const std::string& prefix) {
  const FirewallNames names(prefix);
  if (const std::optional<Width> width = WidthOf(network)) {
    return {names.wide[static_cast<size_t>(*width)]};
  }
  const size_t family = network.IsV4() ? 0 : 1;
  return {names.sets[family], names.sets[2 + family]};
}

// Whether a set of nftables is one that holds a family's bans.
bool HoldsBans(NetlinkSocket& socket, const NftSetName& name, bool ipv6) {
  alignas(nlmsghdr) char bytes[kLongestQuestion];
  nlmsghdr* message =
      nftnl_nlmsg_build_hdr(bytes, NFT_MSG_GETSET, NFPROTO_INET, 0, 0);
  nftnl_set* const set = DescribeNftSet(name);
  nftnl_set_nlmsg_build_payload(message, set);
  nftnl_set_free(set);
  bool holds = false;
  const absl::Status status =
      socket.Query(message, [&](const nlmsghdr& answer) {
        const NetlinkAttributes found(answer, kHeader);
        const nlattr* const flags = found.Find(NFTA_SET_FLAGS, 4);
        const nlattr* const length = found.Find(NFTA_SET_KEY_LEN, 4);
        if (flags == nullptr || length == nullptr) return;
        holds = HoldsClients(
            NftSetForm{.key_bytes = ntohl(mnl_attr_get_u32(length)),
                       .has_timeout = (ntohl(mnl_attr_get_u32(flags)) &
                                       NFT_SET_TIMEOUT) != 0},
            ipv6);
      });
  return status.ok() && holds;
}

}  // namespace

absl::StatusOr<std::unique_ptr<LeftOvers>> LeftOvers::Open(
    const Options& options) {
  absl::StatusOr<IpSetReader> ipset = IpSetReader::Open();
  if (!ipset.ok()) return ipset.status();
  absl::StatusOr<NetlinkSocket> nft = NetlinkSocket::Open(NETLINK_NETFILTER);
  if (!nft.ok()) return nft.status();
  return std::unique_ptr<LeftOvers>(
      new LeftOvers(options, *std::move(ipset), *std::move(nft)));
}

LeftOvers::LeftOvers(Options options, IpSetReader ipset, NetlinkSocket nft)
    : options_(std::move(options)),
      names_(options_.prefix),
      ipset_(std::move(ipset)),
      nft_(std::move(nft)) {
  if (options_.xt_recent) return;
  for (size_t i = 0; i < recent_.size(); ++i) {
    recent_[i] = open((kRecent + names_.recent[i]).c_str(), O_RDWR | O_CLOEXEC);
  }
}

LeftOvers::~LeftOvers() {
  for (const int fd : recent_) {
    if (fd >= 0) close(fd);
  }
}

void LeftOvers::Look() {
  found_.clear();
  emptied_.clear();
  ipset_prefixes_.clear();
  nft_prefixes_.clear();
  LookAtIpset();
  LookAtNft();
  if (!options_.xt_recent) LookAtRecent();
}

// ---- ipset -----------------------------------------------------------------

bool LeftOvers::IsOurForm(const std::string& prefix) {
  const FirewallNames names(prefix);
  const auto v4 = ipset_.Header(names.sets[0]);
  const auto v6 = ipset_.Header(names.sets[1]);
  if (!v4.ok() || !*v4 || !v6.ok() || !*v6) return false;
  const auto holds = [&](const std::string& name, const auto& header,
                         bool ipv6) {
    const auto described = ipset_.Describe(name);
    return described.ok() &&
           HoldsClients(IpSetForm{.type = header.type,
                                  .ipv6 = header.family == AF_INET6,
                                  .has_timeout = described->has_timeout,
                                  .netmask = described->netmask},
                        ipv6);
  };
  return holds(names.sets[0], **v4, false) && holds(names.sets[1], **v6, true);
}

void LeftOvers::LookAtIpset() {
  const absl::StatusOr<std::vector<std::string>> names = ipset_.Names();
  if (!names.ok()) return;
  const auto is_there = [&](const std::string& name) {
    return std::ranges::find(*names, name) != names->end();
  };
  if (!options_.ipset) EmptyIpset();
  for (const std::string& name : *names) {
    const std::optional<std::string> prefix = PrefixOfSet(name);
    if (!prefix || *prefix == options_.prefix ||
        !is_there(FirewallNames(*prefix).sets[1]) || !IsOurForm(*prefix)) {
      continue;
    }
    Found found{.backend = "ipset"};
    for (const std::string& set : SetNames(*prefix)) {
      const absl::StatusOr<bool> seen = ipset_.IsReferenced(set);
      if (!seen.ok() || !*seen) continue;
      const auto description = ipset_.Describe(set);
      if (!description.ok() || description->entries == 0) continue;
      found.sets.push_back(set);
      found.addresses += description->entries;
    }
    if (found.sets.empty()) continue;
    found.remedy = absl::StrCat("ipset flush ",
                                absl::StrJoin(found.sets, "; ipset flush "));
    found_.push_back(std::move(found));
    ipset_prefixes_.push_back(*prefix);
  }
}

// Whatever else has such names is of another type, and left alone.
void LeftOvers::EmptyIpset() {
  Found emptied{.backend = "ipset"};
  for (const std::string& set : SetNames(options_.prefix)) {
    const auto header = ipset_.Header(set);
    if (!header.ok() || !*header || (*header)->type != "hash:ip") continue;
    const auto description = ipset_.Describe(set);
    if (!description.ok() || description->entries == 0) continue;
    const bool done = ipset_.Flush(set).ok();
    if (done) {
      emptied.sets.push_back(set);
      emptied.addresses += description->entries;
    } else {
      found_.push_back({.backend = "ipset",
                        .sets = {set},
                        .addresses = description->entries,
                        .remedy = "ipset flush " + set});
    }
  }
  if (!emptied.sets.empty()) emptied_.push_back(std::move(emptied));
}

// ---- nftables ---------------------------------------------------------------

void LeftOvers::LookAtNft() {
  alignas(nlmsghdr) char bytes[kLongestQuestion];
  nlmsghdr* message = nftnl_nlmsg_build_hdr(bytes, NFT_MSG_GETTABLE,
                                            NFPROTO_INET, NLM_F_DUMP, 0);
  std::vector<std::string> tables;
  const absl::Status status =
      nft_.Query(message, [&tables](const nlmsghdr& answer) {
        const NetlinkAttributes found(answer, kHeader);
        if (const nlattr* name = found.Find(NFTA_TABLE_NAME, 1)) {
          tables.emplace_back(mnl_attr_get_str(name));
        }
      });
  if (!status.ok()) return;
  for (const std::string& table : tables) LookAtNftTable(table);
}

void LeftOvers::LookAtNftTable(const std::string& table) {
  const bool ours = table == options_.prefix;
  if (ours && options_.nftables) return;
  const FirewallNames names(table);
  if (!HoldsBans(nft_, {table, names.sets[0]}, false) ||
      !HoldsBans(nft_, {table, names.sets[1]}, true)) {
    return;
  }
  const auto rules = NftRules::Read(nft_, table);
  if (!rules.ok() || !*rules) return;
  Found found{.backend = "nftables"};
  for (const std::string& set : SetNames(table)) {
    if ((*rules)->LookInto(set)) found.sets.push_back(set);
  }
  if (found.sets.empty()) return;
  found.remedy = absl::StrCat("nft delete table inet ", table);
  if (!ours) {
    found_.push_back(std::move(found));
    nft_prefixes_.push_back(table);
    return;
  }
  // How many are in only a list would tell, which takes the kernel minutes.
  std::vector<char> scratch;
  NftBatch batch(nft_, scratch);
  for (const std::string& set : found.sets) {
    batch.DeleteElements({table, set}, {});
  }
  (batch.Send().ok() ? emptied_ : found_).push_back(std::move(found));
}

// ---- xt_recent --------------------------------------------------------------

void LeftOvers::LookAtRecent() {
  for (size_t i = 0; i < recent_.size(); ++i) {
    const std::string& name = names_.recent[i];
    const std::string path = kRecent + name;
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    char first;
    // No more than one entry is written out for that.
    const bool filled = pread(fd, &first, 1, 0) > 0;
    close(fd);
    if (!filled) continue;
    Found found{.backend = "xt_recent",
                .sets = {name},
                .remedy = absl::StrCat("echo / >", kRecentShown, name)};
    const bool done = recent_[i] >= 0 && lseek(recent_[i], 0, SEEK_SET) == 0 &&
                      write(recent_[i], "/\n", 2) == 2;
    (done ? emptied_ : found_).push_back(std::move(found));
  }
}

// ---- Out --------------------------------------------------------------------

void LeftOvers::Remove(const std::vector<Network>& networks) {
  for (const Network& network : networks) {
    if (!IsCovered(network)) continue;
    for (const std::string& prefix : ipset_prefixes_) {
      for (const std::string& set : SetsFor(network, prefix)) {
        // What is not in is out.
        ipset_.Delete(set, network).IgnoreError();
      }
    }
    for (const std::string& prefix : nft_prefixes_) {
      for (const std::string& set : SetsFor(network, prefix)) {
        std::vector<char> scratch;
        NftBatch batch(nft_, scratch);
        const TimedNetwork element{network, {}};
        batch.DeleteElements({prefix, set}, {&element, 1});
        batch.Send().IgnoreError();
      }
    }
  }
}

}  // namespace breakwater
