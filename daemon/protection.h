#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "core/address.h"
#include "core/asked_address.h"
#include "daemon/host_networks.h"

namespace breakwater {

// What the enforcer never bans, whoever asks for it: AlwaysProtected(), what
// the root-owned configuration names, and what HostProtection finds out.
class Protection {
 public:
  void SetConfigured(std::vector<Network> networks) {
    configured_ = std::move(networks);
    Rebuild();
  }
  // In order. Whether it holds what it did not.
  bool SetDerived(std::vector<ProtectedNetwork> networks) {
    const bool has_more = !std::ranges::includes(derived_, networks);
    derived_ = std::move(networks);
    Rebuild();
    return has_more;
  }

  const std::vector<ProtectedNetwork>& derived() const { return derived_; }

  // Whether a ban of this network would hit something protected, or stand for
  // too many.
  bool Holds(const Network& network) const {
    if (AlwaysProtected().FindOverlap(network) ||
        SharedRanges().FindOverlap(network) || all_.FindOverlap(network)) {
      return true;
    }
    // The host of a 6to4 address has an IPv4 one.
    const std::optional<Network> carried = CarriedNetwork(network);
    return carried && Holds(*carried);
  }
  bool Holds(const IpAddress& address) const {
    return AlwaysProtected().Find(address) || all_.Find(address);
  }

  // All of it but AlwaysProtected(), for the daemon.
  std::vector<ProtectedNetwork> List() const {
    std::vector<ProtectedNetwork> list;
    for (const Network& network : configured_) {
      list.push_back({network, ProtectionSource::kConfigured});
    }
    list.insert(list.end(), derived_.begin(), derived_.end());
    return list;
  }

 private:
  void Rebuild() {
    std::vector<Network> networks = configured_;
    for (const ProtectedNetwork& derived : derived_) {
      networks.push_back(derived.network);
    }
    all_ = NetworkSet(std::move(networks));
  }

  std::vector<Network> configured_;
  std::vector<ProtectedNetwork> derived_;
  NetworkSet all_;
};

}  // namespace breakwater
