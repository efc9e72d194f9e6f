#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/address.h"

namespace breakwater {

// A network that is kept out for so long from now.
struct TimedNetwork {
  Network network;
  uint32_t seconds = 0;

  bool operator==(const TimedNetwork&) const = default;
};

// Which element of a batch could not be put in or taken out, and why:
//   kNotFound          the set is gone: MakeMissing, then try again
//   kResourceExhausted the set is full
//   kInvalidArgument   the network is not one that a ban covers
//   else               the kernel refused
struct ElementFailure {
  size_t index = 0;
  absl::Status status;
};

// Where bans take effect. The kernel owns the expiry of what is put in. One
// thread; calls may block for as long as the kernel works.
class BanSets {
 public:
  virtual ~BanSets() = default;

  // Makes the sets that are missing, and returns how many were. The error says
  // what is wrong with one that exists. Cheap when none is missing.
  virtual absl::StatusOr<int> MakeMissing() = 0;

  // Puts each network in, or has it stay longer; never shortens what is there.
  virtual std::vector<ElementFailure> Add(
      absl::Span<const TimedNetwork> elements) = 0;
  // Taking out what is not there is no failure.
  virtual std::vector<ElementFailure> Remove(
      absl::Span<const Network> networks) = 0;

  // All that is in, each network once, in no order.
  virtual absl::StatusOr<std::vector<TimedNetwork>> List() = 0;
};

}  // namespace breakwater
