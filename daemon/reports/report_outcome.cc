#include "daemon/reports/report_outcome.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace breakwater {
namespace {

using Effect = ReportOutcome::Effect;

int64_t SecondsLeft(const Ban& ban, Instant now) {
  const auto left = std::chrono::round<std::chrono::seconds>(ban.expires - now);
  return std::max<int64_t>(left.count(), 0);
}

// What was done, by what the screener decided and what is in force now.
Effect EffectOf(const Verdict& verdict, const OffenceRule& rule,
                const ReportOutcome& outcome, bool observe) {
  if (verdict.reason == Reason::kBanned) return Effect::kBanned;
  const bool enough = outcome.count >= outcome.after;
  if (verdict.reason == Reason::kOffence && verdict.IsRefusal()) {
    // The first mails for a trap are refused, whatever its rule says.
    if (verdict.withheld) return Effect::kWithheld;
    if (!verdict.ban) return enough ? Effect::kStruck : Effect::kCounted;
    return outcome.ban ? Effect::kStruck : Effect::kWithheld;
  }
  if (!enough) return Effect::kCounted;
  return observe || rule.mode == OffenceMode::kObserve ? Effect::kObserved
                                                       : Effect::kCounted;
}

std::string CountOf(const ReportOutcome& outcome) {
  return absl::StrCat(outcome.count, "/", outcome.after);
}

}  // namespace

const char* EffectName(Effect effect) {
  switch (effect) {
    case Effect::kCounted:
      return "counted";
    case Effect::kObserved:
      return "observed";
    case Effect::kStruck:
      return "struck";
    case Effect::kWithheld:
      return "withheld";
    case Effect::kBanned:
      return "banned";
  }
  return "?";
}

asio::awaitable<absl::StatusOr<ReportOutcome>> TakeReport(
    Screener& screener, const BanTable& bans, ReportRequest request) {
  const std::shared_ptr<const Rules> rules = screener.rules();
  const OffenceRule& rule = rules->offences[request.kind];
  if (!request.word.empty() && rule.mode == OffenceMode::kOff) {
    co_return absl::InvalidArgumentError(
        absl::StrCat("kind: \"", request.word, "\" is none of ",
                     absl::StrJoin(OffenceNames(), ", "),
                     "; other words are counted where offence reported is on"));
  }
  const absl::StatusOr<Verdict> verdict =
      co_await screener.ReportOffence(request.address, request.ToOffence());
  if (!verdict.ok()) co_return verdict.status();
  const Instant now = Clock::now();
  ReportOutcome outcome{.kind = request.kind,
                        .after = rule.after,
                        .id = verdict->id,
                        .ban = bans.Find(request.address, now)};
  outcome.count = screener.conduct().book().Count(
      Network::OfClient(request.address), request.kind, rule.window, now);
  outcome.effect = EffectOf(*verdict, rule, outcome, rules->observe);
  if (outcome.effect == Effect::kWithheld) {
    // Decided to be banned, and then its list turned out not to be trusted.
    outcome.withheld =
        WithheldName(verdict->withheld.value_or(Withheld::kZoneInDoubt));
  }
  co_return outcome;
}

std::string ReportAnswer(const absl::StatusOr<ReportOutcome>& outcome,
                         Instant now) {
  if (!outcome.ok()) {
    return absl::StrCat("error ", outcome.status().message());
  }
  std::string answer = absl::StrCat("ok ", EffectName(outcome->effect));
  switch (outcome->effect) {
    case Effect::kCounted:
    case Effect::kObserved:
      absl::StrAppend(&answer, " ", CountOf(*outcome));
      break;
    case Effect::kStruck:
      if (outcome->ban) {
        absl::StrAppend(&answer, " banned ", SecondsLeft(*outcome->ban, now));
      }
      break;
    case Effect::kWithheld:
      absl::StrAppend(&answer, " ", outcome->withheld);
      break;
    case Effect::kBanned:
      if (outcome->ban) {
        absl::StrAppend(&answer, " ", SecondsLeft(*outcome->ban, now));
      }
      break;
  }
  if (!outcome->id.empty()) absl::StrAppend(&answer, " id=", outcome->id);
  return answer;
}

}  // namespace breakwater
