#include "core/clients/restraint.h"

#include <algorithm>

#include "absl/strings/str_join.h"
#include "core/base/log.h"

namespace breakwater {
namespace {

const char* GroundName(Ground ground) {
  return ground == Ground::kLists ? "lists" : "offences";
}

void AddNumbers(Log&& line, Ground ground, Clock::duration length,
                const Brake::State& state) {
  line.Add("of", GroundName(ground))
      .Add("for_s", std::chrono::round<std::chrono::seconds>(length).count())
      .Add("why", BrakeCauseName(state.cause))
      .Add("bans_per_minute", state.bans)
      .Add("ceiling", state.ceiling)
      .Add("condemned", state.condemned)
      .Add("good", state.good)
      .Add("zone", state.label);
}

void AddNumbers(Log&& line, const ProxyWatch::State& state, Instant now) {
  const auto length = now - state.since;
  line.Add("clients", absl::StrJoin(state.suspects, ",",
                                    [](std::string* text, const Network& one) {
                                      text->append(one.ToString());
                                    }))
      .Add("connections", state.connections)
      .Add("for_s", std::chrono::round<std::chrono::seconds>(length).count());
}

// That nobody but the client can commit, and no rule of ours makes of it.
bool IsOwnDoing(OffenceKind kind) {
  return kind == OffenceKind::kHelo || kind == OffenceKind::kAfterRefusal ||
         kind == OffenceKind::kVanish;
}

}  // namespace

Ground GroundOf(const Verdict& verdict) {
  if (verdict.reason != Reason::kOffence) {
    return BansByAddress(verdict.evidence) ? Ground::kLists : Ground::kOffences;
  }
  const std::optional<OffenceKind> kind = ParseOffence(verdict.label);
  return kind && IsOwnDoing(*kind) ? Ground::kOwnDoing : Ground::kOffences;
}

void Restraint::SetRules(const Rules& rules) {
  history_.SetRules(rules.history);
  for (Brake& brake : brakes_) brake.SetRules(rules.brake);
  proxy_.SetRules(rules.proxy);
  metrics_.proxy_suspected.Set(proxy_.is_on() ? 1 : 0);
}

void Restraint::Restore(const GoodHistory::Entry& entry) {
  history_.Restore(entry);
  proxy_.Knows(entry.client, entry.last);
}

bool Restraint::Connected(const IpAddress& client) {
  const Instant now = Clock::now();
  const ProxyWatch::State before = proxy_.state();
  if (!proxy_.Connected(client, now)) return false;
  metrics_.proxy_suspected.Set(proxy_.is_on() ? 1 : 0);
  if (proxy_.is_on()) {
    AddNumbers(Log(Severity::kWarning, "proxy-suspected"), proxy_.state(), now);
  } else {
    AddNumbers(Log(Severity::kInfo, "proxy-cleared"), before, now);
  }
  return proxy_.is_on();
}

void Restraint::Accept(const IpAddress& client) {
  history_.Accept(client, Clock::now());
  memory_->Changed(Network::OfClient(client));
}

void Restraint::AcceptUncleared(const IpAddress& client) {
  history_.AcceptUncleared(client, Clock::now());
  memory_->Changed(Network::OfClient(client));
}

std::optional<Withheld> Restraint::Against(const IpAddress& client,
                                           Ground ground, Instant now) const {
  // That a list holds its address is no sign of a proxy.
  if (ground != Ground::kLists && proxy_.Suspects(client)) {
    return Withheld::kProxy;
  }
  if (history_.IsGood(client, now) && !history_.IsWarned(client, now)) {
    return Withheld::kGoodHistory;
  }
  if (ground == Ground::kOwnDoing || !brake(ground).is_on()) {
    return std::nullopt;
  }
  return Withheld::kBrake;
}

Brake* Restraint::BrakeOf(const Verdict& verdict) {
  const Ground ground = GroundOf(verdict);
  return ground == Ground::kOwnDoing ? nullptr
                                     : &brakes_[static_cast<size_t>(ground)];
}

void Restraint::Consider(const IpAddress& client, Verdict& verdict) {
  if (!verdict.ban) return;
  const Instant now = Clock::now();
  if (Brake* brake = BrakeOf(verdict)) {
    // Whom the brake keeps from being banned could come again and again: only
    // the first time says something.
    const bool is_good =
        history_.IsGood(client, now) && !history_.IsWarned(client, now);
    brake->Condemned(client, verdict.label, is_good, now);
    UpdateBrakes(now);
  }
  verdict.withheld = Against(client, GroundOf(verdict), now);
  if (verdict.withheld) verdict.ban.reset();
}

void Restraint::NoteWithheld(const IpAddress& client, const Verdict& verdict,
                             Withheld why) {
  const Instant now = Clock::now();
  if (why == Withheld::kGoodHistory) history_.Warn(client, now);
  // Counted, though none was imposed: when there would be few again, the brake
  // comes off.
  Brake* brake = BrakeOf(verdict);
  if (why == Withheld::kBrake && brake != nullptr) brake->Banned(now);
  metrics_.BansWithheld(WithheldName(why)).Increment();
  const Network who = Network::OfClient(client);
  memory_->Changed(who);
  memory_->Happened({.who = who,
                     .kind = EventKind::kWithheld,
                     .label = WithheldName(why),
                     .id = verdict.id});
  const auto held_back = lines_[static_cast<size_t>(why)].Admit();
  if (!held_back) return;
  Log(Severity::kWarning, "ban-refused")
      .Add("client", client.ToString())
      .Add("why", WithheldName(why))
      .Add("zone", verdict.label)
      .Add("id", verdict.id)
      .Add("held_back", *held_back);
}

void Restraint::Imposed(const Verdict& verdict) {
  const Instant now = Clock::now();
  if (Brake* brake = BrakeOf(verdict)) brake->Banned(now);
  UpdateBrakes(now);
}

void Restraint::Tick() {
  const Instant now = Clock::now();
  history_.Expire(now);
  metrics_.good_clients.Set(static_cast<double>(history_.good()));
  UpdateBrakes(now);
}

void Restraint::UpdateBrakes(Instant now) {
  UpdateBrake(Ground::kLists, now);
  UpdateBrake(Ground::kOffences, now);
}

void Restraint::UpdateBrake(Ground ground, Instant now) {
  Brake& brake = brakes_[static_cast<size_t>(ground)];
  const Instant since = brake.on_since().value_or(now);
  if (!brake.Update(now)) return;
  metrics_.brake_on.Set(std::ranges::any_of(brakes_, &Brake::is_on) ? 1 : 0);
  if (brake.is_on()) {
    AddNumbers(Log(Severity::kError, "brake-on"), ground, now - since,
               brake.state());
  } else {
    AddNumbers(Log(Severity::kWarning, "brake-off"), ground, now - since,
               brake.state());
  }
}

}  // namespace breakwater
