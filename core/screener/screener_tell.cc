// What is told of verdicts: to the log, the metrics and the memory.

#include "core/base/log.h"
#include "core/screener/screener.h"

namespace breakwater {

void Screener::Tell(const Client& client, const Verdict& verdict) {
  if (verdict.would) return TellOfWould(client, verdict);
  metrics_.Verdicts(client.front, verdict).Increment();
  if (verdict.IsRefusal()) {
    TellOfRefusal(client, verdict);
  } else if (verdict.reason == Reason::kClean) {
    ++passed_;
  }
}

void Screener::TellOfRefusal(const Client& client, const Verdict& verdict) {
  Log(Severity::kInfo, ActionName(verdict.action))
      .Add("client", client.address().ToString())
      .Add("port", client.connection.client_port)
      .Add("front", FrontName(client.front))
      .Add("reason", ReasonName(verdict.reason))
      .Add("zone", verdict.label)
      .Add("id", verdict.id)
      .Add("code", verdict.code)
      .Add("verdict_us", verdict.took.count());
  // Who is banned already has that in its past.
  if (verdict.reason == Reason::kBanned) return;
  memory_->Happened({.who = Network::OfClient(client.address()),
                     .kind = verdict.action == Action::kReject
                                 ? EventKind::kRejected
                                 : EventKind::kDeferred,
                     .label = verdict.label,
                     .id = verdict.id,
                     .detail = verdict.text});
}

void Screener::TellOfWould(const Client& client, const Verdict& verdict) {
  if (!observed_.IsNews(client, verdict, Clock::now())) return;
  metrics_.Verdicts(client.front, verdict).Increment();
  Log(Severity::kInfo, WouldName(*verdict.would))
      .Add("client", client.address().ToString())
      .Add("port", client.connection.client_port)
      .Add("front", FrontName(client.front))
      .Add("reason", ReasonName(verdict.reason))
      .Add("zone", verdict.label)
      .Add("id", verdict.id)
      .Add("code", verdict.code)
      .Add("ban_s", verdict.ban ? verdict.ban->count() / 1000 : 0)
      .Add("withheld", verdict.withheld ? WithheldName(*verdict.withheld) : "")
      .Add("verdict_us", verdict.took.count());
  const Network who = Network::OfClient(client.address());
  memory_->Happened({.who = who,
                     .kind = *verdict.would == Action::kReject
                                 ? EventKind::kWouldReject
                                 : EventKind::kWouldDefer,
                     .label = verdict.label,
                     .id = verdict.id,
                     .detail = verdict.text});
  if (!verdict.ban) return;
  memory_->Happened({.who = who,
                     .kind = EventKind::kWouldBan,
                     .label = verdict.label,
                     .id = verdict.id,
                     .length = *verdict.ban});
}

bool Screener::SeesNoRecipients() const {
  // None of a thousand came to RCPT: not likely.
  constexpr size_t kSessions = 1000;
  return passed_ >= kSessions && !has_seen_recipient_;
}

}  // namespace breakwater
