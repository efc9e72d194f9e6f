#include <linux/netlink.h>

#include <algorithm>
#include <cerrno>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "firewall/nftables/nft_batch.h"
#include "firewall/nftables/nft_sets.h"

// How NftSets gets elements in and out.

namespace breakwater {
namespace {

// Elements of one message: all of its attributes must fit into 64 KiB.
constexpr size_t kTogether = 1000;
// Messages whose errors fit into the socket's buffer, should all have one.
constexpr size_t kSingly = 64;
// What is refused as new may be in, and may have ended when it is replaced.
constexpr int kMostAttempts = 5;

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

}  // namespace

std::vector<ElementFailure> NftSets::Put(
    Set& set, absl::Span<const TimedNetwork> elements) {
  const Instant now = Clock::now();
  std::vector<ElementFailure> failures;
  for (size_t at = 0; at < elements.size(); at += kTogether) {
    const auto chunk = elements.subspan(at, kTogether);
    const bool all_new =
        std::ranges::none_of(chunk, [&](const TimedNetwork& element) {
          return set.endings.Holds(element.network, now);
        });
    if (all_new) {
      NftBatch batch(socket_, scratch_);
      batch.NewElements({table_, set.name}, chunk, NLM_F_EXCL);
      if (batch.Send().ok()) continue;
    }
    PutDrafts(set, MakeDrafts(set, chunk, at), now, failures);
  }
  return failures;
}

std::vector<NftSets::Draft> NftSets::MakeDrafts(
    const Set& set, absl::Span<const TimedNetwork> elements,
    size_t first) const {
  const Manner known = readd_refreshes_ ? Manner::kRefresh : Manner::kReplace;
  const Instant now = Clock::now();
  std::vector<Draft> drafts;
  drafts.reserve(elements.size());
  for (const TimedNetwork& element : elements) {
    const bool is_in = set.endings.Holds(element.network, now);
    drafts.push_back(
        {first + drafts.size(), element, is_in ? known : Manner::kNew});
  }
  return drafts;
}

void NftSets::PutDrafts(Set& set, std::vector<Draft> drafts, Instant now,
                        std::vector<ElementFailure>& failures) {
  if (!PutTogether(set, drafts)) {
    for (size_t part = 0; part < drafts.size(); part += kSingly) {
      PutSingly(set, absl::MakeSpan(drafts).subspan(part, kSingly));
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
      set.endings.Note(draft.element.network, draft.element.left, now);
    }
  }
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
  NftBatch batch(socket_, scratch_);
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
  NftBatch batch(socket_, scratch_);
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
    if (!left.ok() || !left->has_value()) return left.ok();
    if (**left >= draft.element.left) {
      draft.element.left = **left;
      draft.error = 0;
      return false;
    }
    draft.manner = readd_refreshes_ ? Manner::kRefresh : Manner::kReplace;
    return true;
  }
  if (draft.manner == Manner::kReplace && draft.error == ENOENT) {
    draft.manner = Manner::kNew;
    return true;
  }
  return false;
}

// One that is not in keeps all others in, and each batch that fails waits for
// all packets that are under way, as each that succeeds: to ask first costs a
// thousandth of that.
std::vector<ElementFailure> NftSets::TakeOut(
    Set& set, absl::Span<const Network> networks) {
  std::vector<ElementFailure> failures;
  for (size_t at = 0; at < networks.size(); at += kTogether) {
    const auto chunk = networks.subspan(at, kTogether);
    absl::StatusOr<std::vector<size_t>> held;
    absl::Status status;
    // One of them may end while they are taken out.
    for (int attempt = 0; attempt < kMostAttempts; ++attempt) {
      held = HeldOf(set, chunk);
      status = held.ok() ? TakeOutTogether(set, chunk, *held) : held.status();
      if (!absl::IsNotFound(status)) break;
    }
    if (status.ok() || absl::IsNotFound(status)) continue;
    if (!held.ok()) {
      held.emplace(chunk.size());
      std::iota(held->begin(), held->end(), size_t{0});
    }
    for (const size_t i : *held) {
      failures.push_back(
          {at + i,
           absl::Status(status.code(),
                        absl::StrCat("remove ", chunk[i].ToString(), ": set ",
                                     set.name, ": ", status.message()))});
    }
  }
  return failures;
}

absl::StatusOr<std::vector<size_t>> NftSets::HeldOf(
    const Set& set, absl::Span<const Network> networks) {
  std::vector<size_t> held;
  for (size_t i = 0; i < networks.size(); ++i) {
    const absl::StatusOr<bool> holds = Holds(set, networks[i]);
    if (!holds.ok()) return holds.status();
    if (*holds) held.push_back(i);
  }
  return held;
}

absl::Status NftSets::TakeOutTogether(const Set& set,
                                      absl::Span<const Network> networks,
                                      absl::Span<const size_t> which) {
  if (which.empty()) return absl::OkStatus();
  std::vector<TimedNetwork> elements;
  for (const size_t i : which) elements.push_back({networks[i], {}});
  NftBatch batch(socket_, scratch_);
  batch.DeleteElements({table_, set.name}, elements);
  return batch.Send();
}

}  // namespace breakwater
