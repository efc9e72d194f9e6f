#include "daemon/link/known_protections.h"

namespace breakwater {
namespace {

const char* SourceName(ProtectionSource source) {
  switch (source) {
    case ProtectionSource::kConfigured:
      return "configured";
    case ProtectionSource::kOwnAddress:
      return "own address";
    case ProtectionSource::kGateway:
      return "gateway";
    case ProtectionSource::kResolver:
      return "resolver";
    case ProtectionSource::kMynetworks:
      return "mynetworks of Postfix";
    case ProtectionSource::kSshPeer:
      return "SSH peer";
    case ProtectionSource::kSpecialRange:
      return "special range";
  }
  return "unknown";
}

}  // namespace

void KnownProtections::SetConfig(const Config& config) {
  configured_ = config.rules.protected_networks;
  special_ranges_ = config.protect.special_ranges;
  PutTogether();
}

void KnownProtections::SetSaid(
    const NetworkSet& configured,
    const std::vector<EnforcerLink::Protection>& found) {
  said_ = configured;
  found_ = found;
  PutTogether();
}

void KnownProtections::PutTogether() {
  derived_.clear();
  std::vector<Network> more;
  const auto add = [&](const Network& network, ProtectionSource source) {
    derived_.emplace_back(network, SourceName(source));
    more.push_back(network);
  };
  // As a rule these are the same.
  const NetworkSet other = said_.Without(configured_);
  for (const Network& network : other.networks()) {
    add(network, ProtectionSource::kConfigured);
  }
  for (const auto& [network, source] : found_) add(network, source);
  // The enforcer says these too, but it may be away.
  if (special_ranges_) {
    const std::vector<Network>& ranges = SpecialRanges().networks();
    more.insert(more.end(), ranges.begin(), ranges.end());
  }
  all_ = configured_;
  all_.Add(std::move(more));
}

}  // namespace breakwater
