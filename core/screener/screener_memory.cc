// What the screener knows of clients, for and from a memory.

#include <utility>

#include "core/judge/ban_basis.h"
#include "core/screener/screener.h"

namespace breakwater {
namespace {

// So that other threads that ask need not wait.
constexpr size_t kLookedAtOnce = 4096;

}  // namespace

void Screener::SetMemory(Memory& memory) {
  memory_ = &memory;
  restraint_.SetMemory(memory);
  conduct_.SetMemory(memory);
  keeper_.SetMemory(memory);
}

Remembered Screener::Recall(absl::Span<const Network> networks) const {
  const Instant now = Clock::now();
  Remembered known;
  for (const Network& network : networks) {
    if (auto ban = bans_.Find(network, now)) {
      std::string basis = BasisOf(*ban);
      ban->evidence = {};
      known.bans.emplace_back(*std::move(ban), std::move(basis));
    }
    if (const auto growth = keeper_.growth().Find(network)) {
      known.growth.push_back(*growth);
    }
    for (const auto& offence : conduct_.book().Entries(network)) {
      known.offences.push_back(offence);
    }
    if (const auto history = restraint_.history().Find(network)) {
      known.history.push_back(*history);
    }
  }
  return known;
}

void Screener::Restore(Remembered remembered) {
  for (const Lifting& lifting : remembered.liftings) keeper_.Restore(lifting);
  // Of a ban that is not to be any more they are taken back.
  for (const auto& entry : remembered.growth) keeper_.Restore(entry);
  for (const Ban& ban : remembered.mistakes) keeper_.TakeBack(ban);
  for (RememberedBan& ban : remembered.bans) keeper_.Restore(std::move(ban));
  for (const auto& entry : remembered.offences) conduct_.Restore(entry);
  for (const auto& entry : remembered.history) restraint_.Restore(entry);
}

std::vector<Network> Screener::KnownNetworks() const {
  std::vector<Network> networks;
  const auto add = [&networks](const std::vector<Network>& more) {
    networks.insert(networks.end(), more.begin(), more.end());
  };
  BanTable::Cursor cursor;
  const auto note = [&networks](const BanTable::Glance& ban) {
    networks.push_back(ban.network);
    return false;
  };
  while (bans_.Look(cursor, kLookedAtOnce, note)) {
  }
  add(keeper_.growth().Networks());
  add(conduct_.book().Networks());
  add(restraint_.history().Networks());
  return networks;
}

}  // namespace breakwater
