#include "firewall/nftables/nft_sets.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "firewall/nftables/nft_batch.h"

extern "C" {
#include <libnftnl/common.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
}

namespace breakwater {
namespace {

constexpr uint32_t kOtherKinds = NFT_SET_ANONYMOUS | NFT_SET_CONSTANT |
                                 NFT_SET_INTERVAL | NFT_SET_MAP |
                                 NFT_SET_OBJECT | NFT_SET_CONCAT;
constexpr size_t kHeader = sizeof(nfgenmsg);
constexpr size_t kLongestQuestion = 512;

absl::Status About(const absl::Status& status, absl::string_view what,
                   const std::string& name) {
  return absl::Status(
      status.code(), absl::StrCat(what, " set ", name, ": ", status.message()));
}

// What the set would have to be, if it is not; empty if it is right.
std::string Wrong(uint32_t flags, uint32_t key_length, uint8_t family,
                  bool extends) {
  if ((flags & kOtherKinds) != 0) return "is no plain set of single addresses";
  if ((flags & NFT_SET_TIMEOUT) == 0) return "was made without a timeout";
  if (key_length != (family == AF_INET ? 4 : 16)) {
    return absl::StrCat("does not hold ",
                        family == AF_INET ? "ipv4_addr" : "ipv6_addr");
  }
  if (extends && (flags & NFT_SET_EVAL) == 0) {
    return "was made without the flag dynamic";
  }
  return "";
}

}  // namespace

absl::StatusOr<std::unique_ptr<NftSets>> NftSets::Open(NftSetOptions options) {
  absl::StatusOr<NetlinkSocket> socket = NetlinkSocket::Open(NETLINK_NETFILTER);
  if (!socket.ok()) return socket.status();
  const bool may_refresh = options.readd_refreshes;
  auto sets = std::unique_ptr<NftSets>(
      new NftSets(std::move(options), *std::move(socket)));
  const absl::StatusOr<bool> refreshes = sets->ProbeReadd();
  if (!refreshes.ok()) return refreshes.status();
  sets->readd_refreshes_ = may_refresh && *refreshes;
  for (const absl::Status& wrong : sets->Check().wrong) {
    if (absl::IsPermissionDenied(wrong)) return wrong;
  }
  return sets;
}

NftSets::NftSets(NftSetOptions options, NetlinkSocket socket)
    : TimedSets(options),
      table_(FirewallNames(options.prefix).nft_table),
      socket_(std::move(socket)),
      readd_refreshes_(false) {}

NftSets::~NftSets() = default;

absl::StatusOr<bool> NftSets::ProbeReadd() {
  constexpr Duration kShort = std::chrono::seconds(100);
  const Set probe{.name = absl::StrCat(table_, "-probe"), .family = AF_INET};
  const NftSetName name{table_, probe.name};
  TimedNetwork element{Network::OfClient(IpAddress::FromV4(0xc0000201)),
                       kShort};
  const auto failed = [](const absl::Status& status) {
    return absl::Status(status.code(),
                        absl::StrCat("try out nftables: ", status.message()));
  };
  NftBatch make(socket_, scratch_);
  make.NewTable(table_);
  make.NewSet(name, /*v4=*/true, 16);
  make.NewElements(name, {&element, 1}, 0);
  if (absl::Status status = make.Send(); !status.ok()) return failed(status);
  element.left = 10 * kShort;
  NftBatch again(socket_, scratch_);
  again.NewElements(name, {&element, 1}, 0);
  absl::Status status = again.Send();
  const auto left = Left(probe, element.network);
  NftBatch clean(socket_, scratch_);
  clean.DeleteSet(name);
  status.Update(clean.Send());
  status.Update(left.status());
  if (!status.ok()) return failed(status);
  return left->value_or(Duration()) > kShort;
}

// ---- The sets ---------------------------------------------------------------

absl::StatusOr<NftSets::Description> NftSets::Describe(const Set& set) {
  alignas(nlmsghdr) char bytes[kLongestQuestion];
  nlmsghdr* message =
      nftnl_nlmsg_build_hdr(bytes, NFT_MSG_GETSET, NFPROTO_INET, 0, 0);
  nftnl_set* description = DescribeNftSet({table_, set.name});
  nftnl_set_nlmsg_build_payload(message, description);
  nftnl_set_free(description);
  Description result;
  const absl::Status status =
      socket_.Query(message, [&result](const nlmsghdr& answer) {
        const NetlinkAttributes found(answer, kHeader);
        if (const nlattr* flags = found.Find(NFTA_SET_FLAGS, 4)) {
          result.flags = ntohl(mnl_attr_get_u32(flags));
        }
        if (const nlattr* length = found.Find(NFTA_SET_KEY_LEN, 4)) {
          result.key_length = ntohl(mnl_attr_get_u32(length));
        }
      });
  if (!status.ok()) return About(status, "look for", set.name);
  return result;
}

absl::StatusOr<TimedSets::Look> NftSets::LookFor(const Set& set) {
  const absl::StatusOr<Description> found = Describe(set);
  if (absl::IsNotFound(found.status())) return Look::kMissing;
  if (!found.ok()) return found.status();
  const bool right =
      Wrong(found->flags, found->key_length, set.family, set.extends).empty();
  return right ? Look::kRight : Look::kUnclear;
}

absl::Status NftSets::Create(Set& set) {
  NftBatch batch(socket_, scratch_);
  batch.NewTable(table_);
  batch.NewSet({table_, set.name}, set.family == AF_INET, set.most_entries);
  const absl::Status status = batch.Send();
  return status.ok() ? status : About(status, "make", set.name);
}

absl::Status NftSets::Inspect(Set& set) {
  const absl::StatusOr<Description> found = Describe(set);
  if (!found.ok()) return found.status();
  const std::string wrong =
      Wrong(found->flags, found->key_length, set.family, set.extends);
  if (wrong.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "set ", set.name, " of the table inet ", table_, " exists, but ", wrong,
      "; remove it with \"nft delete set inet ", table_, " ", set.name,
      "\" (and the rules that name it), or choose another "
      "firewall.set_prefix"));
}

// ---- The rules ------------------------------------------------------------

bool NftSets::TableIsMissing() {
  alignas(nlmsghdr) char bytes[kLongestQuestion];
  nlmsghdr* message =
      nftnl_nlmsg_build_hdr(bytes, NFT_MSG_GETTABLE, NFPROTO_INET, 0, 0);
  mnl_attr_put_strz(message, NFTA_TABLE_NAME, table_.c_str());
  return absl::IsNotFound(socket_.Query(message, [](const nlmsghdr&) {}));
}

SetsCheck NftSets::Check() {
  const bool lost = rules_ && TableIsMissing();
  SetsCheck check = TimedSets::Check();
  if (!lost) return check;
  if (absl::Status status = PutRulesBack(); status.ok()) {
    check.restored_rules = true;
  } else {
    check.wrong.push_back(std::move(status));
  }
  return check;
}

SetNumbers NftSets::LookedInto(const NftRules& rules,
                               const SetNumbers& wanted) {
  SetNumbers with;
  for (size_t i = 0; i < kSets; ++i) {
    with[i] = wanted[i] && rules.LookInto(sets()[i].name);
  }
  return with;
}

bool NftSets::AreAboutOurSets(const NftRules& rules) {
  return std::ranges::all_of(rules.Sets(), [this](const std::string& name) {
    return std::ranges::find(sets(), name, &Set::name) != sets().end();
  });
}

absl::StatusOr<SetNumbers> NftSets::WithRule(const SetNumbers& wanted,
                                             bool& restored) {
  absl::StatusOr<std::optional<NftRules>> rules =
      NftRules::Read(socket_, table_);
  if (!rules.ok()) return rules.status();
  if (!rules->has_value()) return with_rule_;
  with_rule_ = LookedInto(**rules, wanted);
  // Who has put other rules there, which look into some of them, meant it.
  if (with_rule_.any()) {
    const bool ours = (*rules)->can_be_put_back() && AreAboutOurSets(**rules);
    rules_ = ours ? *std::move(rules) : std::nullopt;
    return with_rule_;
  }
  // Who has put it to sleep meant that, too.
  if (!rules_ || (*rules)->is_dormant()) return with_rule_;
  if (!(*rules)->SharesChainWith(*rules_)) {
    rules_.reset();
    return with_rule_;
  }
  const SetNumbers had = LookedInto(*rules_, wanted);
  if (absl::Status status = PutRulesBack(); !status.ok()) return status;
  restored = had.any();
  return with_rule_ = had;
}

absl::Status NftSets::PutRulesBack() {
  absl::Status status =
      rules_->PutBack(socket_, [this](const std::string& name) {
        const auto set = std::ranges::find(sets(), name, &Set::name);
        return set != sets().end() && set->in_use && set->trouble.ok();
      });
  // Not again and again.
  if (!status.ok()) rules_.reset();
  return status;
}

absl::StatusOr<std::vector<TimedNetwork>> NftSets::List() {
  const Instant now = Clock::now();
  return ListEach([now](const Set& set) { return set.endings.List(now); });
}

// ---- The elements -----------------------------------------------------------

absl::StatusOr<std::optional<Duration>> NftSets::Left(const Set& set,
                                                      const Network& network) {
  alignas(nlmsghdr) char bytes[kLongestQuestion];
  nlmsghdr* message =
      nftnl_nlmsg_build_hdr(bytes, NFT_MSG_GETSETELEM, NFPROTO_INET, 0, 0);
  nftnl_set* question = DescribeNftSet({table_, set.name});
  AddNftElement(question, {network, {}});
  nftnl_set_elems_nlmsg_build_payload(message, question);
  nftnl_set_free(question);
  Duration left{};
  const auto read = [&left](const nlattr& element) {
    const NetlinkAttributes data(element);
    if (const nlattr* milliseconds = data.Find(NFTA_SET_ELEM_EXPIRATION, 8)) {
      left = Duration(be64toh(mnl_attr_get_u64(milliseconds)));
    }
  };
  const absl::Status status =
      socket_.Query(message, [&read](const nlmsghdr& answer) {
        const NetlinkAttributes found(answer, kHeader);
        if (const nlattr* all = found.Find(NFTA_SET_ELEM_LIST_ELEMENTS)) {
          ForEachNested(*all, read);
        }
      });
  if (absl::IsNotFound(status)) return std::nullopt;
  if (!status.ok()) return About(status, "ask", set.name);
  return left;
}

absl::StatusOr<bool> NftSets::Holds(const Set& set, const Network& network) {
  const auto left = Left(set, network);
  if (!left.ok()) return left.status();
  return left->has_value();
}

}  // namespace breakwater
