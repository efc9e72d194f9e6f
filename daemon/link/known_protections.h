#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/net/address.h"
#include "daemon/config/config.h"
#include "daemon/link/enforcer_link.h"

namespace breakwater {

// Whom the daemon neither judges nor bans: what the configuration names, and
// what the enforcer says. There may be 100,000, so that they are put together
// when one of both has changed, and not for each allowance. Loop thread only.
class KnownProtections {
 public:
  void SetConfig(const Config& config);
  // As EnforcerLink has it.
  void SetSaid(const NetworkSet& configured,
               const std::vector<EnforcerLink::Protection>& found);

  // All of them but AlwaysProtected().
  const NetworkSet& all() const { return all_; }
  // What the enforcer says and the configuration does not, and why in a few
  // words: "own address".
  const std::vector<std::pair<Network, std::string>>& derived() const {
    return derived_;
  }

 private:
  void PutTogether();

  NetworkSet configured_;
  bool special_ranges_ = false;
  NetworkSet said_;
  std::vector<EnforcerLink::Protection> found_;
  NetworkSet all_;
  std::vector<std::pair<Network, std::string>> derived_;
};

}  // namespace breakwater
