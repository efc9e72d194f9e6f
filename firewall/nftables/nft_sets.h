#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/net/netlink.h"
#include "firewall/nftables/nft_rules.h"
#include "firewall/sets/timed_sets.h"

namespace breakwater {

class NftBatch;

struct NftSetOptions : TimedSetsOptions {
  // For tests: treat this kernel as one from before Linux 6.12.
  bool readd_refreshes = true;
};

// The sets of nftables (nft(8)), written through libnftnl: a table of our own,
// `inet breakwater`, with the sets that TimedSets names in it, and nothing
// else of ours. The rules that name them must stand in this table, too:
// `breakwater firewall print --for nftables --apply` puts them there. As they
// were seen last they are put back if somebody takes the table out of the
// kernel (`nft flush ruleset`), empties a chain, or puts a rule before them
// that accepts everything; where all of their chains were deleted and the table
// was left, as `breakwater firewall remove` does, they are to be gone, and
// where it was put to sleep it is left asleep.
//
// Each change is a batch, which the kernel carries out as a whole or not at
// all. An add of what is already in refreshes its timeout only since Linux
// 6.12; before, the element goes and comes in one batch. What is in is asked
// one by one: a dump of a million takes the kernel a minute.
//
// One thread.
class NftSets final : public TimedSets {
 public:
  // Makes the table and the sets that are missing. PermissionDenied if we may
  // not; all else that is wrong Check says, again and again.
  static absl::StatusOr<std::unique_ptr<NftSets>> Open(NftSetOptions options);
  ~NftSets() override;

  const char* name() const override { return "nftables"; }
  Capabilities capabilities() const override {
    return {.lists = false, .capacity = options().most_entries};
  }
  SetsCheck Check() override;
  absl::StatusOr<std::vector<TimedNetwork>> List() override;

  // Whether an add refreshes what is in, as this kernel does it.
  bool readd_refreshes() const { return readd_refreshes_; }

 private:
  // How an element goes in.
  enum class Manner : uint8_t {
    kNew,      // the kernel refuses it if it is in
    kRefresh,  // it is in, as far as we know
    kReplace,  // out and in again
  };
  struct Draft {
    size_t index;
    TimedNetwork element;
    Manner manner;
    int error = 0;  // of the last attempt
  };

  NftSets(NftSetOptions options, NetlinkSocket socket);

  absl::StatusOr<Look> LookFor(const Set& set) override;
  absl::Status Create(Set& set) override;
  absl::Status Inspect(Set& set) override;
  absl::StatusOr<bool> Holds(const Set& set, const Network& network) override;
  absl::StatusOr<SetNumbers> WithRule(const SetNumbers& wanted,
                                      bool& restored) override;
  std::vector<ElementFailure> Put(
      Set& set, absl::Span<const TimedNetwork> elements) override;
  std::vector<ElementFailure> TakeOut(
      Set& set, absl::Span<const Network> networks) override;

  // What GETSET says; NotFound if there is no such set.
  struct Description {
    uint32_t flags = 0;
    uint32_t key_length = 0;
  };
  absl::StatusOr<Description> Describe(const Set& set);
  bool TableIsMissing();
  SetNumbers LookedInto(const NftRules& rules, const SetNumbers& wanted);
  // Whether no set but ours is referred to.
  bool AreAboutOurSets(const NftRules& rules);
  absl::Status PutRulesBack();
  // What an element has left; nothing if it is not in.
  absl::StatusOr<std::optional<Duration>> Left(const Set& set,
                                               const Network& network);
  // Finds out whether an add refreshes.
  absl::StatusOr<bool> ProbeReadd();

  std::vector<Draft> MakeDrafts(const Set& set,
                                absl::Span<const TimedNetwork> elements,
                                size_t first) const;
  void PutDrafts(Set& set, std::vector<Draft> drafts, Instant now,
                 std::vector<ElementFailure>& failures);
  // All together; whether it worked.
  bool PutTogether(const Set& set, absl::Span<const Draft> drafts);
  // A few, each with its own message, so that each has its own error; those
  // that the kernel refuses are tried in another manner.
  void PutSingly(const Set& set, absl::Span<Draft> drafts);
  absl::Status SendSingly(const Set& set, absl::Span<Draft*> drafts);
  // Whether there is something else to try.
  bool TryAnotherManner(const Set& set, Draft& draft);
  // Which of these are in.
  absl::StatusOr<std::vector<size_t>> HeldOf(
      const Set& set, absl::Span<const Network> networks);
  // NotFound if one of them is not in any more: then all stay.
  absl::Status TakeOutTogether(const Set& set,
                               absl::Span<const Network> networks,
                               absl::Span<const size_t> which);

  const std::string table_;
  NetlinkSocket socket_;
  std::vector<char> scratch_;  // in which batches are written
  bool readd_refreshes_;
  // The table's rules, the last time that they looked into a set of ours.
  std::optional<NftRules> rules_;
  SetNumbers with_rule_;  // as of the last look
};

}  // namespace breakwater
