#pragma once

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>
#include <vector>

#include "absl/types/span.h"
#include "core/net/address.h"
#include "core/net/width.h"

namespace breakwater {

// How much of a property is tried. Sanitizers make it ten times as slow.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr int kProposals = 50'000;
#else
inline constexpr int kProposals = 1'000'000;
#endif

// Addresses and networks of both families, most of them in or just beside those
// that a test protects. The same each time; BREAKWATER_SEED=... tries others.
class RandomNetworks {
 public:
  RandomNetworks() : seed_(SeedFromEnvironment()), random_(seed_) {
    std::cout << "BREAKWATER_SEED=" << seed_ << "\n";
  }

  // Networks to protect: few are wide, so that not all is protected.
  std::vector<Network> Protections() {
    std::vector<Network> networks;
    for (int i = 0; i < 20; ++i) {
      const IpAddress address = Anywhere();
      const int longest = 128;
      const int shortest = address.IsV4() ? 96 + 7 : 16;
      const int length =
          Below(2) == 0 ? longest : shortest + Below(longest - shortest + 1);
      networks.push_back(Network::Of(address, static_cast<uint8_t>(length)));
    }
    return networks;
  }
  // From now on these are what addresses are in or near of.
  void SetNear(std::vector<Network> networks) {
    near_ = std::move(networks);
    for (const NetworkSet* set :
         {&AlwaysProtected(), &SpecialRanges(), &SharedRanges()}) {
      near_.insert(near_.end(), set->networks().begin(), set->networks().end());
    }
  }

  IpAddress Address() {
    if (near_.empty() || Below(4) == 0) return Anywhere();
    const Network& base = near_[Below(static_cast<int>(near_.size()))];
    IpAddress address = base.address;
    for (int bit = base.length; bit < 128; ++bit) Flip(address, bit, Below(2));
    // The network beside it, as often as not.
    const int first = base.IsV4() ? 96 : 0;
    if (Below(2) == 0 && base.length > first) Flip(address, base.length - 1, 1);
    return address;
  }
  // Of a client, of a width that bans may have, or of whatever length.
  Network AnyNetwork() {
    const IpAddress address = Address();
    const int kind = Below(4);
    if (kind < 2) return Network::OfClient(address);
    const absl::Span<const Width> widths = WidthsOf(address);
    if (kind == 2) {
      return Widened(address, widths[Below(static_cast<int>(widths.size()))]);
    }
    return Network::Of(address, static_cast<uint8_t>(Below(129)));
  }
  int Below(int limit) {
    return std::uniform_int_distribution<int>(0, limit - 1)(random_);
  }

 private:
  static uint64_t SeedFromEnvironment() {
    const char* seed = std::getenv("BREAKWATER_SEED");
    return seed != nullptr ? std::strtoull(seed, nullptr, 10) : 20261121;
  }
  static void Flip(IpAddress& address, int bit, int by) {
    address.bytes[bit / 8] ^= static_cast<uint8_t>(by << (7 - bit % 8));
  }
  IpAddress Anywhere() {
    if (Below(2) == 0)
      return IpAddress::FromV4(static_cast<uint32_t>(random_()));
    IpAddress address;
    for (uint8_t& byte : address.bytes) byte = static_cast<uint8_t>(random_());
    return address;
  }

  const uint64_t seed_;
  std::mt19937_64 random_;
  std::vector<Network> near_;
};

}  // namespace breakwater
