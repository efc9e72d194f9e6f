#include "daemon/known_protections.h"

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
    const std::vector<EnforcerLink::Protection>& said) {
  said_ = said;
  PutTogether();
}

void KnownProtections::PutTogether() {
  std::vector<Network> networks;
  networks.reserve(said_.size());
  for (const EnforcerLink::Protection& protection : said_) {
    networks.push_back(protection.network);
  }
  const NetworkSet more = NetworkSet(std::move(networks)).Without(configured_);
  derived_.clear();
  for (const EnforcerLink::Protection& protection : said_) {
    const std::optional<Network> found = more.FindOverlap(protection.network);
    if (found != protection.network) continue;
    derived_.emplace_back(protection.network, SourceName(protection.source));
  }
  all_ = configured_;
  all_.Add(more.networks());
  // The enforcer says these too, but it may be away.
  if (special_ranges_) all_.Add(SpecialRanges().networks());
}

}  // namespace breakwater
