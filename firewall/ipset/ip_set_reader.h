#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/net/netlink.h"
#include "firewall/sets/ban_sets.h"

namespace breakwater {

// What the kernel says of a set, without its elements.
struct IpSetDescription {
  std::string type;     // "hash:ip"
  uint8_t family = 0;   // AF_INET or AF_INET6
  uint8_t netmask = 0;  // 0: the elements are whole addresses
  bool has_timeout = false;
  uint32_t most_entries = 0;
  uint32_t entries = 0;
};

struct IpSetElement {
  IpAddress address;     // the first, if the set has a netmask
  uint32_t seconds = 0;  // that are left
};

// Questions about the kernel's ip sets, and what is done to sets that are not
// in use, asked over netlink as linux/netfilter/ipset/ip_set.h defines it:
// libipset answers them in text only, and a list of a million elements as text
// takes five times as long. One thread.
class IpSetReader {
 public:
  static absl::StatusOr<IpSetReader> Open();

  // Of all sets.
  absl::StatusOr<std::vector<std::string>> Names();
  // Type and family, or nothing if there is no such set. A few microseconds.
  absl::StatusOr<std::optional<IpSetDescription>> Header(
      const std::string& name);
  // All fields. The kernel walks the whole set to count it: not for every
  // second. NotFound if there is no such set.
  absl::StatusOr<IpSetDescription> Describe(const std::string& name);
  // NotFound likewise.
  absl::StatusOr<std::vector<IpSetElement>> Elements(const std::string& name);
  // Whether something of the kernel's refers to it: a rule, or another set. A
  // few microseconds. NotFound likewise.
  absl::StatusOr<bool> IsReferenced(const std::string& name);
  // Takes everything out of it, or a network, which need not be in.
  absl::Status Flush(const std::string& name);
  absl::Status Delete(const std::string& name, const Network& network);
  // Whether the network is in it. A few microseconds.
  absl::StatusOr<bool> Holds(const std::string& name, const Network& network);

 private:
  explicit IpSetReader(NetlinkSocket socket) : socket_(std::move(socket)) {}

  NetlinkSocket socket_;
};

}  // namespace breakwater
