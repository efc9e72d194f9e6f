#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "firewall/ban_sets.h"
#include "firewall/ip_set_reader.h"
#include "firewall/set_endings.h"

struct ipset_session;
struct ipset_type;

namespace breakwater {

struct IpSetOptions {
  std::string prefix = "breakwater";
  // Whether bans of the usual length go into the sets that a hit prolongs.
  bool extend = false;
  uint32_t usual_seconds = 600;
  uint32_t hash_size = 65'536;
  uint32_t most_entries = 1'000'000;
};

// The kernel's ip sets (ipset(8)), written through libipset, which the rule
// files of etc/ name:
//
//   breakwater4, breakwater6                bans that end when they say
//   breakwater4-extend, breakwater6-extend  bans that a hit starts again
//
// The packet path knows one timeout only, so a hit on a longer ban would
// shorten it: only bans of exactly the usual length go into the -extend sets,
// where now plus the usual length is never earlier than what a hit can have
// made of it. All else, and what is left of a ban after a restart, goes into
// the fixed sets. An address may be in both: the later end counts, and Remove
// takes it out of both.
//
// An element is one IPv4 address or one IPv6 /64. The sets are sized when they
// are made: one that grows stops the packet path for up to 100 ms.
//
// libipset keeps globals without locks: one thread in the whole program.
class IpSets final : public BanSets {
 public:
  // Makes the sets, or checks those that exist. The error says which is wrong
  // and how to put it right.
  static absl::StatusOr<std::unique_ptr<IpSets>> Open(IpSetOptions options);
  ~IpSets() override;

  absl::StatusOr<int> MakeMissing() override;
  std::vector<ElementFailure> Add(
      absl::Span<const TimedNetwork> elements) override;
  std::vector<ElementFailure> Remove(
      absl::Span<const Network> networks) override;
  absl::StatusOr<std::vector<TimedNetwork>> List() override;

 private:
  struct Set {
    std::string name;
    uint8_t family;
    bool extends;
    bool in_use = true;
    bool checked = false;  // that it is as we need it
    const ipset_type* type = nullptr;
    SetEndings endings;
  };
  static constexpr size_t kSets = 4;
  struct Element {
    size_t index;  // in the caller's batch
    Network network;
    uint32_t seconds;
  };

  IpSets(IpSetOptions options, IpSetReader reader, ipset_session* session);

  absl::Status Create(Set& set);
  absl::Status Check(Set& set);
  absl::Status LearnType(Set& set);
  // Which of sets_ a ban goes into.
  size_t SetFor(const TimedNetwork& element) const;

  // One command for all elements: together if that works, else one by one.
  void Apply(int command, const Set& set, absl::Span<const Element> elements,
             std::vector<ElementFailure>& failures);
  absl::Status Command(int command, const Set& set, const Element& element,
                       uint32_t line);
  absl::Status Commit(const Set& set);
  absl::Status TakeError(absl::string_view what, const Set& set);

  const IpSetOptions options_;
  IpSetReader reader_;
  ipset_session* const session_;
  // In this order: 4, 6, 4-extend, 6-extend.
  std::array<Set, kSets> sets_;
};

}  // namespace breakwater
