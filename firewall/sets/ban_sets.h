#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "core/base/clock.h"
#include "core/net/address.h"
#include "core/net/width.h"
#include "core/types/record.h"

namespace breakwater {

// A network that is kept out for so long from now.
struct TimedNetwork {
  Network network;
  Duration left{};

  bool operator==(const TimedNetwork&) const = default;
};

// Which element of a batch could not be put in or taken out, and why:
//   kNotFound            the set is gone: Check, then try again
//   kResourceExhausted   the set is full, and nothing in it can make room
//   kInvalidArgument     the network is not one that a ban covers
//   kFailedPrecondition  the set is not as it must be; Check says how
//   else                 the kernel refused
struct ElementFailure {
  size_t index = 0;
  absl::Status status;
};

// What a backend can and cannot do.
struct Capabilities {
  // Each ban ends when it says. Else the firewall's rule says how long all of
  // them last.
  bool own_timeout_per_ban = true;
  // Check makes sets that are missing. Else the firewall's rule must.
  bool makes_sets = true;
  // List tells all that is in. Else only what was put in since we have begun:
  // to ask the kernel would take it minutes.
  bool lists = true;
  // Whole networks of the Widths can be put in, too. Else clients only.
  bool prefixes = true;
  // A ban ends within so long of its end, never before.
  Duration resolution{1};
  // It evicts without a word when it is full. Else an add fails, and we have
  // what ends first make room.
  bool evicts_unasked = false;
  // Clients of each family that it holds, where that is known.
  std::optional<size_t> capacity;
};

// Some of a backend's sets, by their numbers (FirewallNames::Set; 0 and 1 for
// xt_recent's lists of IPv4 and IPv6).
using SetNumbers = std::bitset<kSetsOfBackend>;

// What a look at the sets has found.
struct SetsCheck {
  int made = 0;     // were missing, and are there again, empty
  int flushed = 0;  // are there, but what had been put in is not
  // The rules that looked into them were gone with them, and are there again.
  bool restored_rules = false;
  // Sets that are not as they must be, and what to do about each. They are
  // left as they are, and looked at again by the next Check.
  std::vector<absl::Status> wrong;
};

// Where bans take effect. The kernel owns the expiry of what is put in. One
// thread; calls may block for as long as the kernel works.
class BanSets {
 public:
  virtual ~BanSets() = default;

  virtual const char* name() const = 0;  // as in firewall.backend
  virtual Capabilities capabilities() const = 0;

  // Networks of which widths will be put in, from now on: where that takes sets
  // of their own, they are made. Those of before stay as they are.
  virtual void SetWidening(const WideningRules& /*rules*/) {}

  // As the rules of the firewall name it.
  virtual std::string SetName(size_t number) const {
    return absl::StrCat(name(), " ", number);
  }

  // Makes the sets that are missing, and looks whether the others are as they
  // must be. Cheap, however much is in them: for every second. What was put
  // into a set that is reported must be put in again.
  virtual SetsCheck Check() = 0;

  // Those that bans go into and that no rule of the firewall looks into, so
  // that nobody in them is kept out. Rules of our own that somebody has taken
  // out of the kernel are put back first; `restored` says so. Cheap, for every
  // second.
  virtual absl::StatusOr<SetNumbers> WithoutRule(bool& /*restored*/) {
    return SetNumbers();
  }

  // Puts each network in, or has it stay longer; never shortens what is there.
  virtual std::vector<ElementFailure> Add(
      absl::Span<const TimedNetwork> elements) = 0;
  // Taking out what is not there is no failure.
  virtual std::vector<ElementFailure> Remove(
      absl::Span<const Network> networks) = 0;

  // What is in, each network once, in no order.
  virtual absl::StatusOr<std::vector<TimedNetwork>> List() = 0;

  // Elements that were taken out before their end to make room.
  virtual uint64_t evicted() const { return 0; }
};

// What a ban can cover: nothing else goes into a set.
inline bool IsCovered(const Network& network) {
  return IsClient(network) || WidthOf(network).has_value();
}
absl::Status NotCovered(const Network& network);

}  // namespace breakwater
