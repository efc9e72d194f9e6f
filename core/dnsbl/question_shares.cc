#include "core/dnsbl/question_shares.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "absl/hash/hash.h"

namespace breakwater {
namespace {

constexpr uint64_t kFewestBits = 1 << 13;
constexpr uint64_t kMostBits = 1 << 25;  // 4 MiB

// The networks around a client whose questions are counted.
struct Around {
  explicit Around(const IpAddress& client)
      : client(Network::OfClient(client)),
        network(Network::Of(client, client.IsV4() ? 96 + 24 : 48)),
        wide(Network::Of(client, client.IsV4() ? 96 + 16 : 32)) {}

  Network client;
  Network network;
  Network wide;
};

uint64_t BitsFor(uint64_t budget) {
  return std::bit_ceil(
      std::clamp(std::min(budget, kMostBits) * 8, kFewestBits, kMostBits));
}

}  // namespace

QuestionShares::QuestionShares(uint64_t budget, uint64_t seed)
    : budget_(budget),
      seed_(seed),
      counts_(kRows * kColumns),
      seen_(BitsFor(budget) / 64) {}

std::optional<QuestionShares::Spent> QuestionShares::FindSpent(
    const IpAddress& client) const {
  const Around around(client);
  const struct {
    const Network& network;
    uint64_t share;
  } kShares[] = {
      {around.client, std::max(budget_ / kClient, kLeastClient)},
      {around.network, std::max(budget_ / kNetwork, kLeastNetwork)},
      {around.wide, std::max(budget_ / kWide, kLeastWide)},
  };
  for (const auto& [network, share] : kShares) {
    if (CountOf(network) >= share) return Spent{network, share};
  }
  return std::nullopt;
}

bool QuestionShares::IsForReserve(const IpAddress& client) const {
  const Around around(client);
  for (size_t row = 0; row < kRows; ++row) {
    const size_t bit = BitOf(around.network, row);
    if ((seen_[bit / 64] >> bit % 64 & 1) != 0) continue;
    return CountOf(around.wide) <
           std::max(budget_ / kWideOfReserve, kLeastClient);
  }
  return false;
}

void QuestionShares::Note(const IpAddress& client) {
  const Around around(client);
  for (const Network* network :
       {&around.client, &around.network, &around.wide}) {
    // Only what is too low is raised, which keeps collisions small.
    const uint64_t count = std::min<uint64_t>(
        CountOf(*network) + 1, std::numeric_limits<uint32_t>::max());
    for (size_t row = 0; row < kRows; ++row) {
      uint32_t& kept = At(*network, row);
      kept = std::max(kept, static_cast<uint32_t>(count));
    }
  }
  for (size_t row = 0; row < kRows; ++row) {
    const size_t bit = BitOf(around.network, row);
    seen_[bit / 64] |= uint64_t{1} << bit % 64;
  }
}

void QuestionShares::Clear() {
  std::ranges::fill(counts_, 0);
  std::ranges::fill(seen_, 0);
}

size_t QuestionShares::bytes() const {
  return counts_.size() * sizeof counts_[0] + seen_.size() * sizeof seen_[0];
}

uint64_t QuestionShares::CountOf(const Network& network) const {
  uint32_t count = std::numeric_limits<uint32_t>::max();
  for (size_t row = 0; row < kRows; ++row) {
    count = std::min(count, counts_[ColumnOf(network, row)]);
  }
  return count;
}

uint32_t& QuestionShares::At(const Network& network, size_t row) {
  return counts_[ColumnOf(network, row)];
}

size_t QuestionShares::ColumnOf(const Network& network, size_t row) const {
  return row * kColumns + absl::HashOf(seed_, row, network) % kColumns;
}

size_t QuestionShares::BitOf(const Network& network, size_t row) const {
  return absl::HashOf(seed_, kRows + row, network) % (seen_.size() * 64);
}

}  // namespace breakwater
