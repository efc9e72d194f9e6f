#include "core/restraint.h"

#include "absl/strings/str_join.h"
#include "core/log.h"

namespace breakwater {
namespace {

void AddNumbers(Log& line, const Brake::State& state) {
  line.Add("why", BrakeCauseName(state.cause))
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

}  // namespace

void Restraint::SetRules(const Rules& rules) {
  history_.SetRules(rules.history);
  brake_.SetRules(rules.brake);
  proxy_.SetRules(rules.proxy);
  metrics_.proxy_suspected.Set(proxy_.is_on() ? 1 : 0);
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

std::optional<Withheld> Restraint::Against(const IpAddress& client,
                                           Instant now) const {
  if (proxy_.Suspects(client)) return Withheld::kProxy;
  if (history_.IsGood(client, now) && !history_.IsWarned(client, now)) {
    return Withheld::kGoodHistory;
  }
  return brake_.is_on() ? std::optional(Withheld::kBrake) : std::nullopt;
}

void Restraint::Consider(const IpAddress& client, Verdict& verdict) {
  if (!verdict.ban) return;
  const Instant now = Clock::now();
  const bool is_good = history_.IsGood(client, now);
  brake_.Condemned(Network::OfClient(client), verdict.label, is_good, now);
  UpdateBrake(now);
  verdict.withheld = Against(client, now);
  if (verdict.withheld) verdict.ban.reset();
}

void Restraint::NoteWithheld(const IpAddress& client, const Verdict& verdict,
                             Withheld why) {
  const Instant now = Clock::now();
  if (why == Withheld::kGoodHistory) history_.Warn(client, now);
  // Counted, though none was imposed: when there would be few again, the brake
  // comes off.
  if (why == Withheld::kBrake) brake_.Banned(now);
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

void Restraint::Imposed() {
  const Instant now = Clock::now();
  brake_.Banned(now);
  UpdateBrake(now);
}

void Restraint::Tick() {
  const Instant now = Clock::now();
  history_.Expire(now);
  metrics_.good_clients.Set(static_cast<double>(history_.good()));
  UpdateBrake(now);
}

void Restraint::UpdateBrake(Instant now) {
  const Instant since = brake_.on_since().value_or(now);
  if (!brake_.Update(now)) return;
  metrics_.brake_on.Set(brake_.is_on() ? 1 : 0);
  if (brake_.is_on()) {
    AddNumbers(Log(Severity::kError, "brake-on").Add("for_s", 0),
               brake_.state());
  } else {
    AddNumbers(
        Log(Severity::kWarning, "brake-off")
            .Add("for_s",
                 std::chrono::round<std::chrono::seconds>(now - since).count()),
        brake_.state());
  }
}

}  // namespace breakwater
