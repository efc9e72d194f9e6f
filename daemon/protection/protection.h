#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "core/net/address.h"
#include "core/net/asked_address.h"
#include "daemon/protection/host_networks.h"

namespace breakwater {

// What the enforcer never bans, whoever asks for it: AlwaysProtected(), what
// the root-owned configuration names, and what HostProtection finds out.
class Protection {
 public:
  // Whether they are others than before.
  bool SetConfigured(const NetworkSet& networks) {
    const bool changed = networks.networks() != configured_.networks();
    configured_ = networks;
    Rebuild();
    return changed;
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

  // All of it is configured(), derived() and AlwaysProtected().
  const NetworkSet& configured_and_derived() const { return all_; }
  const std::vector<Network>& configured() const {
    return configured_.networks();
  }

 private:
  void Rebuild() {
    std::vector<Network> networks;
    for (const ProtectedNetwork& derived : derived_) {
      networks.push_back(derived.network);
    }
    all_ = configured_;
    all_.Add(std::move(networks));
  }

  NetworkSet configured_;
  std::vector<ProtectedNetwork> derived_;
  NetworkSet all_;
};

}  // namespace breakwater
