#ifndef BREAKWATER_TESTS_INTEGRATION_HARNESS_IP_SET_H_
#define BREAKWATER_TESTS_INTEGRATION_HARNESS_IP_SET_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tests/integration/harness/network.h"

namespace breakwater::testing {

// What the kernel of a namespace holds, asked with the operator's own tools:
// a second opinion on what the enforcer says it did.
class IpSets {
 public:
  explicit IpSets(const Namespace& where) : where_(where) {}

  bool Exists(const std::string& set) const;
  bool Has(const std::string& set, const std::string& address) const;
  // What is left of the entry, which is named as ipset lists it (a /64 by its
  // network); nothing when there is none.
  std::optional<std::chrono::seconds> Timeout(const std::string& set,
                                              const std::string& entry) const;
  std::vector<std::string> Entries(const std::string& set) const;
  absl::Status Destroy(const std::string& set) const;

 private:
  std::string List(const std::string& set) const;

  const Namespace& where_;
};

// Loads a rules file as iptables-restore or ip6tables-restore reads it, with
// the old interface where the kernel knows only that.
absl::Status LoadRules(const Namespace& where, const std::string& path,
                       bool ipv6 = false);

// How many packets the rules with -j DROP of the raw tables, IPv4 and IPv6,
// have dropped.
uint64_t DroppedPackets(const Namespace& where);

}  // namespace breakwater::testing

#endif  // BREAKWATER_TESTS_INTEGRATION_HARNESS_IP_SET_H_
