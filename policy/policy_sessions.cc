#include "policy/policy_sessions.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/hash/hash.h"
#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "core/base/clock.h"
#include "core/judge/header_verdict.h"
#include "core/rules/trap_list.h"

namespace breakwater {
namespace {

using std::chrono::minutes;
using Session = SessionMemory::Session;

// Postfix waits as long as this for a client's next command (smtpd_timeout).
constexpr Duration kNextCommand = minutes(5);

// Postfix's instances are PID.SECOND.MICROSECOND.NUMBER in hexadecimal digits,
// and the number counts the messages of one session from 0.
bool IsLaterMessage(const std::string& before, const std::string& now) {
  uint32_t first = 0;
  uint32_t second = 0;
  return before.substr(0, before.find('.')) == now.substr(0, now.find('.')) &&
         absl::SimpleHexAtoi(before.substr(before.rfind('.') + 1), &first) &&
         absl::SimpleHexAtoi(now.substr(now.rfind('.') + 1), &second) &&
         first < second;
}

// Whether the request is of the session, and not of a later one from a port
// used again: else who takes care to use one port would be judged once only.
bool IsOf(const Session& session, const PolicyRequest& request, Instant now,
          Duration connect) {
  // The kernel knows. It says nothing where the client has gone or the mail
  // server's connections are not to be seen.
  const uint64_t socket = request.client.socket;
  if (socket != 0 && session.socket != 0) return socket == session.socket;
  if (request.protocol_state == "CONNECT") {
    return session.protocol_state == "CONNECT" && now < session.began + connect;
  }
  const bool is_late = now > session.asked + kNextCommand;
  if (session.verdict.IsRefusal() && is_late) return false;
  if (request.instance.empty() || session.instance.empty()) return !is_late;
  return request.instance == session.instance ||
         IsLaterMessage(session.instance, request.instance);
}

bool IsExemption(const Verdict& verdict) {
  return verdict.reason == Reason::kAuthenticated ||
         verdict.reason == Reason::kProtected ||
         verdict.reason == Reason::kMayBeProtected ||
         verdict.reason == Reason::kAllowed ||
         verdict.reason == Reason::kSpared ||
         verdict.reason == Reason::kSubmission;
}

size_t HashOf(std::string_view a, std::string_view b) {
  return absl::HashOf(absl::string_view(a.data(), a.size()),
                      absl::string_view(b.data(), b.size()));
}

// Mail for traps, by the request's recipient and those that an adapter knows.
std::vector<Offence> TrapsOf(const Rules& rules, const PolicyRequest& request) {
  std::vector<Offence> offences;
  const TrapList* traps = rules.conduct.traps.get();
  if (traps == nullptr) return offences;
  const auto look = [&](const std::string& recipient) {
    if (!traps->Holds(recipient)) return;
    offences.push_back({.kind = OffenceKind::kTrap,
                        .detail = recipient,
                        .bounce = request.client.sender.empty()});
  };
  if (request.protocol_state == "RCPT") look(request.client.recipient);
  for (const std::string& recipient : request.recipients) look(recipient);
  return offences;
}

std::optional<Offence> HeaderOffence(const Rules& rules,
                                     const PolicyRequest& request) {
  HeaderVerdict verdict(rules.conduct.headers);
  for (const std::string& field : request.header) {
    const size_t colon = field.find(':');
    if (colon == field.npos) continue;
    const absl::string_view text = field;
    verdict.Add(text.substr(0, colon), text.substr(colon + 1));
  }
  return verdict.Result();
}

}  // namespace

PolicySessions::PolicySessions(Screener& screener, SessionMemory::Limits limits)
    : screener_(screener),
      answered_(limits),
      authenticated_(limits, [&screener](const SessionKey& key) {
        screener.Forget(key.connection);
      }) {}

asio::awaitable<PolicySessions::Answer> PolicySessions::Judge(
    PolicyRequest& request) {
  Client& client = request.client;
  screener_.LookAt(client);
  if (request.protocol_state == "RCPT" || !request.recipients.empty()) {
    screener_.SeenRecipient();
  }
  Answer answer{.session = {.key = SessionKey::Of(request),
                            .socket = client.socket,
                            .began = Clock::now()}};
  OffenceKinds strikes;
  const Session* before = Remembered(request);
  if (before != nullptr) {
    answer.session = *before;
    // It was there, and has gone while Postfix read what it had said.
    if (client.presence == Presence::kClaimed && before->socket != 0) {
      client.presence = Presence::kSeen;
    }
  } else if (answer.session.key.IsValid()) {
    strikes = screener_.Connected(client);
  }
  if (std::optional<Verdict> known = Known(request, before, strikes)) {
    // A session is decided once, however often Postfix asks about it.
    if (before == nullptr || known->id != before->verdict.id) {
      screener_.DecidedByKnown(client, *known);
    }
    answer.verdict = *std::move(known);
  } else {
    answer.verdict = co_await screener_.Screen(client, std::move(strikes));
  }
  answer.session.verdict = answer.verdict;
  if (!answer.verdict.IsRefusal() && !answer.verdict.would &&
      !IsExemption(answer.verdict)) {
    co_await Further(request, answer);
  }
  co_return answer;
}

std::optional<Verdict> PolicySessions::Known(const PolicyRequest& request,
                                             const Session* before,
                                             const OffenceKinds& strikes) {
  const std::optional<Verdict> now = screener_.Known(request.client, strikes);
  if (before == nullptr || (now && IsExemption(*now))) return now;
  const Verdict& then = before->verdict;
  const bool is_banned = now && now->IsRefusal();
  if (then.IsRefusal()) {
    // The ban is over, or was lifted: this begins anew.
    const bool was_banned = then.ban || then.reason == Reason::kBanned;
    return was_banned && !is_banned ? now : then;
  }
  return is_banned ? now : then;
}

// One after the other, so that it is known what a refusal is for.
asio::awaitable<void> PolicySessions::Further(const PolicyRequest& request,
                                              Answer& answer) {
  const std::shared_ptr<const Rules> rules = screener_.rules();
  const Client& client = request.client;
  Session& session = answer.session;

  const size_t names = HashOf(client.helo, client.reverse_name);
  if (session.names != names) {
    session.names = names;
    const Told told{.names = true};
    if (co_await Refuses(request, told, answer)) {
      session.verdict = answer.verdict;
      co_return;
    }
  }

  const size_t sender = HashOf(request.instance, client.sender);
  if (request.instance.empty() && client.sender.empty()) {
    // Not told yet.
  } else if (session.sender.what != sender) {
    session.sender = {.what = sender};
    const Told told{.sender = true};
    if (co_await Refuses(request, told, answer)) {
      session.sender.refusal = answer.verdict;
      co_return;
    }
  } else if (session.sender.refusal) {
    answer.verdict = *session.sender.refusal;
    co_return;
  }

  Told told{.offences = TrapsOf(*rules, request)};
  if (const auto offence = HeaderOffence(*rules, request)) {
    told.offences.push_back(*offence);
  }
  if (told.offences.empty()) co_return;
  const size_t recipient =
      HashOf(request.protocol_state, client.recipient) ^ sender;
  if (session.recipient.what == recipient) {
    // Asked again about the same, by another check_policy_service.
    if (session.recipient.refusal) answer.verdict = *session.recipient.refusal;
    co_return;
  }
  session.recipient = {.what = recipient};
  if (co_await Refuses(request, std::move(told), answer)) {
    session.recipient.refusal = answer.verdict;
  }
}

asio::awaitable<bool> PolicySessions::Refuses(const PolicyRequest& request,
                                              Told told, Answer& answer) {
  if (!screener_.IsOfInterest(*screener_.rules(), request.client, told)) {
    co_return false;
  }
  Verdict verdict = co_await screener_.ScreenFurther(
      request.client, std::move(told), answer.session.verdict);
  if (!verdict.IsRefusal()) {
    // What is said of its names counts for its mail, too.
    if (!verdict.cleared) {
      answer.session.verdict.cleared = answer.verdict.cleared = false;
    }
    co_return false;
  }
  answer.verdict = std::move(verdict);
  co_return true;
}

void PolicySessions::Answered(const PolicyRequest& request, Answer answer) {
  const Client& client = request.client;
  const Verdict& verdict = answer.verdict;
  Session& session = answer.session;
  const bool is_new = Remembered(request) == nullptr;
  if (is_new || session.answered != verdict.action ||
      session.answered_id != verdict.id) {
    screener_.Answered(client, verdict);
  }
  if (request.protocol_state == "DATA" ||
      request.protocol_state == "END-OF-MESSAGE") {
    screener_.Accepted(client, verdict);
  }
  session.answered = verdict.action;
  session.answered_id = verdict.id;
  session.asked = Clock::now();
  if (session.socket == 0) session.socket = client.socket;
  session.protocol_state = request.protocol_state;
  session.instance = request.instance;
  if (client.authenticated && session.key.connection.IsComplete()) {
    if (authenticated_.Find(session.key, session.asked) == nullptr) {
      screener_.Spare(client.connection);
    }
    authenticated_.Remember(session);
  }
  if (session.key.IsValid()) answered_.Remember(std::move(session));
}

const PolicySessions::Session* PolicySessions::Remembered(
    const PolicyRequest& request) {
  const Instant now = Clock::now();
  const Session* session = answered_.Find(SessionKey::Of(request), now);
  const bool is_known = session != nullptr && IsOf(*session, request, now,
                                                   answered_.limits().connect);
  return is_known ? session : nullptr;
}

}  // namespace breakwater
