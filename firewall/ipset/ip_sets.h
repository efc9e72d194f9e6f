#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "firewall/ipset/ip_set_reader.h"
#include "firewall/sets/timed_sets.h"

struct ipset_session;
struct ipset_type;

namespace breakwater {

struct IpSetOptions : TimedSetsOptions {
  uint32_t hash_size = 65'536;
};

// The kernel's ip sets (ipset(8)), written through libipset, which the rule
// files of etc/ name: TimedSets says which is for what. They are sized when
// they are made: one that grows stops the packet path for up to 100 ms.
//
// libipset keeps globals without locks: one thread in the whole program.
class IpSets final : public TimedSets {
 public:
  // Makes the sets that are missing. PermissionDenied if we may not; all else
  // that is wrong Check says, again and again.
  static absl::StatusOr<std::unique_ptr<IpSets>> Open(IpSetOptions options);
  ~IpSets() override;

  const char* name() const override { return "ipset"; }
  Capabilities capabilities() const override {
    return {.resolution = std::chrono::seconds(1),
            .capacity = options().most_entries};
  }
  absl::StatusOr<std::vector<TimedNetwork>> List() override;

 private:
  IpSets(IpSetOptions options, IpSetReader reader, ipset_session* session);

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

  absl::StatusOr<std::vector<TimedNetwork>> ElementsOf(const Set& set);
  absl::Status LearnType(const Set& set);
  const ipset_type*& TypeOf(const Set& set);

  // One command for all elements: together if that works, else one by one.
  std::vector<ElementFailure> Apply(int command, const Set& set,
                                    absl::Span<const TimedNetwork> elements);
  absl::Status Command(int command, const Set& set, const TimedNetwork& element,
                       uint32_t line);
  absl::Status Commit(const Set& set);
  absl::Status TakeError(absl::string_view what, const Set& set);

  const uint32_t hash_size_;
  IpSetReader reader_;
  ipset_session* const session_;
  std::array<const ipset_type*, kSets> types_{};  // as libipset describes them
};

}  // namespace breakwater
