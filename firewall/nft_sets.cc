#include "firewall/nft_sets.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "firewall/nft_batch.h"

extern "C" {
#include <libnftnl/common.h>
#include <libnftnl/set.h>
}

namespace breakwater {
namespace {

// Elements of one message: all of its attributes must fit into 64 KiB.
constexpr size_t kTogether = 1000;
// Messages whose errors fit into the socket's buffer, should all have one.
constexpr size_t kSingly = 64;
// What is refused as new may be in, and may have ended when it is replaced.
constexpr int kMostAttempts = 5;
constexpr uint32_t kOtherKinds = NFT_SET_ANONYMOUS | NFT_SET_CONSTANT |
                                 NFT_SET_INTERVAL | NFT_SET_MAP |
                                 NFT_SET_OBJECT | NFT_SET_CONCAT;
constexpr size_t kHeader = sizeof(nfgenmsg);
constexpr size_t kLongestQuestion = 512;

absl::Status StatusOf(int error, absl::string_view what) {
  switch (error) {
    case ENOENT:
      return absl::NotFoundError(absl::StrCat(what, ": it does not exist"));
    case ENFILE:
      return absl::ResourceExhaustedError(absl::StrCat(what, ": it is full"));
    case EPERM:
      return absl::PermissionDeniedError(absl::StrCat(what, ": not permitted"));
    default:
      return absl::InternalError(absl::StrCat(
          what, ": ", absl::ErrnoToStatus(error, "netlink").message()));
  }
}

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
    : FourSets(options),
      table_(FirewallNames(options.prefix).nft_table),
      socket_(std::move(socket)),
      readd_refreshes_(false) {}

NftSets::~NftSets() = default;

absl::StatusOr<bool> NftSets::ProbeReadd() {
  const Set probe{.name = absl::StrCat(table_, "-probe"), .family = AF_INET};
  const NftSetName name{table_, probe.name};
  TimedNetwork element{Network::OfClient(IpAddress::FromV4(0xc0000201)), 100};
  const auto failed = [](const absl::Status& status) {
    return absl::Status(status.code(),
                        absl::StrCat("try out nftables: ", status.message()));
  };
  NftBatch make(socket_);
  make.NewTable(table_);
  make.NewSet(name, /*v4=*/true, 16);
  make.NewElements(name, {&element, 1}, 0);
  if (absl::Status status = make.Send(); !status.ok()) return failed(status);
  element.seconds = 1000;
  NftBatch again(socket_);
  again.NewElements(name, {&element, 1}, 0);
  absl::Status status = again.Send();
  const auto left = Left(probe, element.network);
  NftBatch clean(socket_);
  clean.DeleteSet(name);
  status.Update(clean.Send());
  status.Update(left.status());
  if (!status.ok()) return failed(status);
  return left->value_or(0) > 100;
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

absl::StatusOr<FourSets::Look> NftSets::LookFor(const Set& set) {
  const absl::StatusOr<Description> found = Describe(set);
  if (absl::IsNotFound(found.status())) return Look::kMissing;
  if (!found.ok()) return found.status();
  const bool right =
      Wrong(found->flags, found->key_length, set.family, set.extends).empty();
  return right ? Look::kRight : Look::kUnclear;
}

absl::Status NftSets::Create(Set& set) {
  NftBatch batch(socket_);
  batch.NewTable(table_);
  batch.NewSet({table_, set.name}, set.family == AF_INET,
               options().most_entries);
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

absl::StatusOr<std::vector<TimedNetwork>> NftSets::List() {
  const Instant now = Clock::now();
  std::vector<TimedNetwork> result;
  for (size_t i = 0; i < kSets / 2; ++i) {
    const std::vector<TimedNetwork> family = MergeLater(
        sets()[i].endings.List(now), sets()[i + kSets / 2].endings.List(now));
    result.insert(result.end(), family.begin(), family.end());
  }
  return result;
}

// ---- The elements -----------------------------------------------------------

absl::StatusOr<std::optional<uint32_t>> NftSets::Left(const Set& set,
                                                      const Network& network) {
  alignas(nlmsghdr) char bytes[kLongestQuestion];
  nlmsghdr* message =
      nftnl_nlmsg_build_hdr(bytes, NFT_MSG_GETSETELEM, NFPROTO_INET, 0, 0);
  nftnl_set* question = DescribeNftSet({table_, set.name});
  AddNftElement(question, {network, 0});
  nftnl_set_elems_nlmsg_build_payload(message, question);
  nftnl_set_free(question);
  uint32_t left = 0;
  const auto read = [&left](const nlattr& element) {
    const NetlinkAttributes data(element);
    if (const nlattr* milliseconds = data.Find(NFTA_SET_ELEM_EXPIRATION, 8)) {
      left =
          static_cast<uint32_t>(be64toh(mnl_attr_get_u64(milliseconds)) / 1000);
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

std::vector<ElementFailure> NftSets::Put(
    Set& set, absl::Span<const TimedNetwork> elements) {
  const Manner known = readd_refreshes_ ? Manner::kRefresh : Manner::kReplace;
  const Instant now = Clock::now();
  std::vector<Draft> drafts;
  drafts.reserve(elements.size());
  for (size_t i = 0; i < elements.size(); ++i) {
    const bool is_in = set.endings.Holds(elements[i].network, now);
    drafts.push_back({i, elements[i], is_in ? known : Manner::kNew});
  }
  std::vector<ElementFailure> failures;
  for (size_t at = 0; at < drafts.size(); at += kTogether) {
    const auto chunk = absl::MakeSpan(drafts).subspan(at, kTogether);
    if (PutTogether(set, chunk)) continue;
    for (size_t part = 0; part < chunk.size(); part += kSingly) {
      PutSingly(set, chunk.subspan(part, kSingly));
    }
  }
  for (const Draft& draft : drafts) {
    if (draft.error != 0) {
      failures.push_back(
          {draft.index,
           StatusOf(draft.error,
                    absl::StrCat("add ", draft.element.network.ToString(),
                                 ": set ", set.name))});
    } else {
      // It may have been in for longer than we knew.
      set.endings.Note(draft.element.network, draft.element.seconds, now);
    }
  }
  return failures;
}

bool NftSets::PutTogether(const Set& set, absl::Span<const Draft> drafts) {
  const NftSetName name{table_, set.name};
  std::vector<TimedNetwork> news;
  std::vector<TimedNetwork> refreshes;
  std::vector<TimedNetwork> replaces;
  for (const Draft& draft : drafts) {
    (draft.manner == Manner::kNew       ? news
     : draft.manner == Manner::kRefresh ? refreshes
                                        : replaces)
        .push_back(draft.element);
  }
  NftBatch batch(socket_);
  if (!news.empty()) batch.NewElements(name, news, NLM_F_EXCL);
  if (!refreshes.empty()) batch.NewElements(name, refreshes, 0);
  if (!replaces.empty()) {
    batch.DeleteElements(name, replaces);
    batch.NewElements(name, replaces, NLM_F_EXCL);
  }
  return batch.Send().ok();
}

void NftSets::PutSingly(const Set& set, absl::Span<Draft> drafts) {
  std::vector<Draft*> pending;
  for (Draft& draft : drafts) pending.push_back(&draft);
  for (int attempt = 0; attempt < kMostAttempts && !pending.empty();
       ++attempt) {
    const absl::Status status = SendSingly(set, absl::MakeSpan(pending));
    if (status.ok()) return;
    bool any = false;
    for (const Draft* draft : pending) any |= draft->error != 0;
    // Refused as a whole.
    if (!any) {
      for (Draft* draft : pending) {
        draft->error = absl::IsPermissionDenied(status) ? EPERM : EIO;
      }
      return;
    }
    std::erase_if(pending, [&](Draft* draft) {
      return draft->error != 0 && !TryAnotherManner(set, *draft);
    });
  }
  // Others of their batch were refused, again and again.
  for (Draft* draft : pending) draft->error = EAGAIN;
}

absl::Status NftSets::SendSingly(const Set& set, absl::Span<Draft*> drafts) {
  const NftSetName name{table_, set.name};
  NftBatch batch(socket_);
  // The number of each message, and whose it is.
  std::vector<std::pair<uint32_t, Draft*>> messages;
  for (Draft* draft : drafts) {
    draft->error = 0;
    const absl::Span<const TimedNetwork> element(&draft->element, 1);
    if (draft->manner == Manner::kReplace) {
      messages.emplace_back(batch.DeleteElements(name, element), draft);
    }
    const uint16_t flags = draft->manner == Manner::kRefresh ? 0 : NLM_F_EXCL;
    messages.emplace_back(batch.NewElements(name, element, flags), draft);
  }
  return batch.Send([&messages](uint32_t number, int error) {
    for (const auto& [own, draft] : messages) {
      // Of a replacement that is refused twice, the second: if there is no
      // set, both say that something is not there.
      if (own == number) draft->error = error;
    }
  });
}

bool NftSets::TryAnotherManner(const Set& set, Draft& draft) {
  if (draft.manner == Manner::kNew && draft.error == EEXIST) {
    const auto left = Left(set, draft.element.network);
    if (left.ok() && left->has_value()) {
      draft.element.seconds = std::max(draft.element.seconds, **left);
      draft.manner = readd_refreshes_ ? Manner::kRefresh : Manner::kReplace;
    }
    return left.ok();
  }
  if (draft.manner == Manner::kReplace && draft.error == ENOENT) {
    draft.manner = Manner::kNew;
    return true;
  }
  return false;
}

std::vector<ElementFailure> NftSets::TakeOut(
    Set& set, absl::Span<const Network> networks) {
  const NftSetName name{table_, set.name};
  std::vector<ElementFailure> failures;
  for (size_t at = 0; at < networks.size(); at += kTogether) {
    const auto chunk = networks.subspan(at, kTogether);
    std::vector<TimedNetwork> elements;
    for (const Network& network : chunk) elements.push_back({network, 0});
    NftBatch together(socket_);
    together.DeleteElements(name, elements);
    if (together.Send().ok()) continue;
    // One that is not in keeps all others in: each gets its own batch.
    for (size_t i = 0; i < elements.size(); ++i) {
      NftBatch alone(socket_);
      alone.DeleteElements(name, {&elements[i], 1});
      const absl::Status status = alone.Send();
      if (status.ok() || absl::IsNotFound(status)) continue;
      failures.push_back(
          {at + i,
           About(status, absl::StrCat("remove ", chunk[i].ToString(), ":"),
                 set.name)});
    }
  }
  return failures;
}

}  // namespace breakwater
