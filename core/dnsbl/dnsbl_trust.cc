// How far zones are believed, and what is told of them.

#include <algorithm>
#include <utility>

#include "core/dnsbl/dnsbl.h"
#include "core/dnsbl/dnsbl_parts.h"
#include "core/net/asked_address.h"

namespace breakwater {

ZoneProber::Subject Dnsbl::SubjectOf(const std::shared_ptr<ZoneState>& state) {
  const std::weak_ptr<Dnsbl> weak = self_;
  return {.name = state->name,
          .type = state->type,
          .trust = {state, &state->trust},
          .count =
              [weak, state](ZoneOutcome outcome) {
                if (const auto self = weak.lock()) {
                  self->Count(*state, Question::kProbe, outcome, std::nullopt);
                }
              },
          .probed =
              [weak, state](const std::vector<ZoneTrust::Lie>& lies) {
                const auto self = weak.lock();
                if (self == nullptr) return;
                self->ShowTrust(*state);
                for (const auto& lie : lies) self->TellLie(*state, lie);
              }};
}

void Dnsbl::NoteTrust(ZoneState& state, const ZoneStates& states,
                      const ZoneAnswer& read, Instant now) {
  absl::InlinedVector<const HitRate*, 8> others;
  for (const auto& other : states) {
    // Clients and names are not listed alike.
    if (other.get() == &state || other->type != state.type) continue;
    others.push_back(&other->trust.rate());
  }
  state.trust.Note(read, others, now);
  ShowTrust(state);
  prober_.Wake();
}

void Dnsbl::ShowTrust(ZoneState& state) {
  for (const Family family : FamiliesOf(state.type)) {
    std::optional<ZoneStanding>& shown =
        state.shown[static_cast<size_t>(family)];
    const ZoneStanding now = state.trust.standing(family);
    if (shown == now) continue;
    shown = now;
    for (size_t i = 0; i < kZoneStandings; ++i) {
      const auto standing = static_cast<ZoneStanding>(i);
      metrics_
          .ZoneState(state.label, FamilyName(family),
                     ZoneStandingName(standing))
          .Set(standing == now ? 1 : 0);
    }
  }
}

void Dnsbl::TellLie(const ZoneState& state, const ZoneTrust::Lie& lie) {
  ZoneLie told{.label = state.label,
               .family = lie.family,
               .proven_at = lie.proven_at,
               .was_believed = lie.was_believed};
  for (size_t zone = 0; zone < states_->size(); ++zone) {
    if ((*states_)[zone].get() != &state) continue;
    told.listings = cache_.DropListings(zone, lie.family);
  }
  if (lie_listener_) lie_listener_(told);
}

bool Dnsbl::MayBan(const std::string& label, const IpAddress& client) {
  const auto state = std::ranges::find_if(*states_, [&](const auto& candidate) {
    return candidate->label == label;
  });
  // A zone that is not asked any more was trusted when it was.
  if (state == states_->end()) return true;
  const bool is_domain = (*state)->type == ZoneType::kDomain;
  return (*state)->trust.MayBan(
      is_domain ? Family::kDomain
                : FamilyOf(AskedAddress(client).value_or(client)));
}

void Dnsbl::SetLieListener(LieListener listener) {
  lie_listener_ = std::move(listener);
}

std::vector<const ZoneLedger*> Dnsbl::Ledgers() const {
  std::vector<const ZoneLedger*> result;
  for (const auto& state : *states_) {
    result.push_back(&state->account.ledger());
  }
  return result;
}

std::vector<ZoneDay> Dnsbl::Days() const {
  std::vector<ZoneDay> result;
  for (const ZoneLedger* ledger : Ledgers()) result.push_back(ledger->day());
  return result;
}

void Dnsbl::Restore(const std::vector<ZoneDay>& earlier) {
  for (const ZoneDay& day : earlier) {
    for (const auto& state : *states_) {
      if (state->label == day.label) state->account.Restore(day);
    }
  }
}

std::vector<ZoneProven> Dnsbl::Proofs() const {
  std::vector<ZoneProven> proofs;
  for (const auto& state : *states_) {
    for (const Family family : FamiliesOf(state->type)) {
      const ZoneTrust::Proven& proven = state->trust.proven(family);
      proofs.push_back({.label = state->label,
                        .family = family,
                        .since = proven.since,
                        .at = proven.at});
    }
  }
  return proofs;
}

void Dnsbl::Restore(const std::vector<ZoneProven>& proofs) {
  const Instant now = Clock::now();  // whatever the file says
  for (const ZoneProven& proof : proofs) {
    ZoneTrust::Proven earlier{.since = std::min(proof.since, now)};
    if (proof.at) earlier.at = std::min(*proof.at, now);
    for (const auto& state : *states_) {
      if (state->label != proof.label) continue;
      state->trust.RestoreProof(proof.family, earlier);
      // Its bans of before have only come now.
      if (state->trust.IsLiar(proof.family)) {
        TellLie(*state, {.family = proof.family,
                         .proven_at = earlier.at.value_or(Instant::min()),
                         .was_believed = false});
      }
    }
  }
}

void Dnsbl::UpdateGauges() {
  for (const auto& state : *states_) state->account.UpdateGauges();
}

std::vector<ZoneHealth> Dnsbl::Health() const {
  std::vector<ZoneHealth> result;
  for (const auto& state : *states_) {
    ZoneHealth health = state->watch.health();
    health.type = state->type;
    health.ipv4 = state->trust.Proof(Family::kIpv4);
    health.ipv6 = state->trust.Proof(Family::kIpv6);
    health.domain = state->trust.Proof(Family::kDomain);
    health.in_doubt = state->trust.is_in_doubt();
    health.daily_budget = state->account.ledger().budget();
    health.is_spent = state->account.ledger().allowance(Today()) ==
                      ZoneLedger::Allowance::kSpent;
    health.held = state->account.held(Clock::now());
    health.listed_share = state->trust.rate().recent();
    result.push_back(std::move(health));
  }
  return result;
}

}  // namespace breakwater
