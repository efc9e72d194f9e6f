#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "core/rules/names.h"
#include "firewall/sets/ban_sets.h"
#include "firewall/sets/set_endings.h"

namespace breakwater {

struct TimedSetsOptions {
  std::string prefix = kUsualPrefix;
  // Whether bans of the usual length go into the sets that a hit prolongs.
  bool extend = false;
  uint32_t usual_seconds = 600;
  uint32_t most_entries = 1'000'000;
  WideningRules widening = {};
};

// What the backends whose elements have a timeout each have in common:
//
//   breakwater4, breakwater6                bans that end when they say
//   breakwater4-extend, breakwater6-extend  bans that a hit starts again
//   breakwater4-24, breakwater6-56 ...      bans of whole networks, by Width
//
// The packet path knows one timeout only, so a hit on a longer ban would
// shorten it: only bans of exactly the usual length go into the -extend sets,
// where now plus the usual length is never earlier than what a hit can have
// made of it. All else, and what is left of a ban after a restart, goes into
// the fixed sets. An address may be in both: the later end counts, and Remove
// takes it out of both.
//
// An element of those is one IPv4 address or one IPv6 /64, of the others a
// network of their width. Sets that nothing needs are not made, and used if
// they are there. In a set that is full, what ends first (as far as we have put
// it there) makes room.
class TimedSets : public BanSets {
 public:
  void SetWidening(const WideningRules& rules) final;
  std::string SetName(size_t number) const final { return sets_[number].name; }
  SetsCheck Check() override;
  absl::StatusOr<SetNumbers> WithoutRule(bool& restored) final;
  std::vector<ElementFailure> Add(
      absl::Span<const TimedNetwork> elements) final;
  std::vector<ElementFailure> Remove(absl::Span<const Network> networks) final;
  uint64_t evicted() const final { return evicted_; }

 protected:
  static constexpr size_t kClientSets = 4;
  static constexpr size_t kSets = kClientSets + kWidths;
  struct Set {
    std::string name;
    uint8_t family;                   // AF_INET or AF_INET6
    bool extends = false;             // a hit starts its bans again
    std::optional<Width> width = {};  // of its elements; none: clients
    bool in_use = true;
    uint32_t most_entries = 1'000'000;
    // Why nothing can be put in, as Check found it; OK: it is there and right.
    absl::Status trouble = absl::NotFoundError("not looked at yet");
    bool seen = false;  // Check has looked at it
    bool suspect =
        false;  // something was refused: the next Check looks closely
    SetEndings endings;

    // As the kernel writes it: 24, 32, 48, 56 or 64.
    uint8_t Bits() const;
    // The element that begins so.
    Network ElementAt(const IpAddress& address) const;
  };
  enum class Look { kMissing, kRight, kUnclear };
  static_assert(kSets == kSetsOfBackend);

  explicit TimedSets(const TimedSetsOptions& options);

  // ---- The kernel's side. Each is about one set.
  // A quick look. kUnclear: Inspect it.
  virtual absl::StatusOr<Look> LookFor(const Set& set) = 0;
  virtual absl::Status Create(Set& set) = 0;
  // A thorough look at one that somebody else has made, or we in an earlier
  // life. FailedPrecondition if it is not as it must be. Notes the endings of
  // what is in where the kernel tells them.
  virtual absl::Status Inspect(Set& set) = 0;
  virtual absl::StatusOr<bool> Holds(const Set& set,
                                     const Network& network) = 0;
  // Those of the `wanted` that rules look into; puts rules of ours back.
  virtual absl::StatusOr<SetNumbers> WithRule(const SetNumbers& wanted,
                                              bool& restored) = 0;
  // The failures' indices are into these elements. What stands in `endings`
  // the set is believed to hold.
  virtual std::vector<ElementFailure> Put(
      Set& set, absl::Span<const TimedNetwork> elements) = 0;
  virtual std::vector<ElementFailure> TakeOut(
      Set& set, absl::Span<const Network> networks) = 0;

  // By number: 4, 6, 4-extend, 6-extend, then by Width.
  std::array<Set, kSets>& sets() { return sets_; }
  const TimedSetsOptions& options() const { return options_; }
  // Asks for the elements of each set that is in use and right, and puts
  // together what both sets of a family hold.
  absl::StatusOr<std::vector<TimedNetwork>> ListEach(
      absl::FunctionRef<absl::StatusOr<std::vector<TimedNetwork>>(const Set&)>
          elements);

 private:
  struct Share {  // of a batch
    std::vector<size_t> indices;
    std::vector<TimedNetwork> elements;
  };

  void CheckOne(Set& set, SetsCheck& check);
  // Whether something may go into it, as we are configured.
  bool IsWanted(const Set& set) const;
  // Whether somebody has taken out what we have put in.
  bool IsFlushed(Set& set);
  // Which of sets_ a ban goes into.
  size_t SetFor(const TimedNetwork& element) const;
  std::vector<ElementFailure> AddTo(Set& set,
                                    absl::Span<const TimedNetwork> elements);
  // Those that are not in for as long, and what to give the kernel for them.
  Share NotYetIn(Set& set, absl::Span<const TimedNetwork> elements,
                 Instant now);
  std::vector<ElementFailure> PutMakingRoom(
      Set& set, absl::Span<const TimedNetwork> elements, Instant now);
  // Those for whom there was no room.
  static Share CrowdedOf(absl::Span<const ElementFailure> failures,
                         absl::Span<const TimedNetwork> elements);
  std::vector<ElementFailure> PutAndNote(
      Set& set, absl::Span<const TimedNetwork> elements, Instant now);
  // How many have made room.
  size_t MakeRoom(Set& set, size_t wanted);

  TimedSetsOptions options_;
  std::array<Set, kSets> sets_;
  uint64_t evicted_ = 0;
};

// Of what is in both of a family's sets, the later end.
std::vector<TimedNetwork> MergeLater(std::vector<TimedNetwork> elements,
                                     absl::Span<const TimedNetwork> others);

}  // namespace breakwater
