#include "policy/policy_sessions.h"

#include <cstdint>
#include <string>

#include "absl/strings/numbers.h"
#include "core/clock.h"

namespace breakwater {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using Session = SessionMemory::Session;

// The lines of one restriction list are asked one after another.
constexpr Duration kSameConnect = seconds(30);
// Postfix waits as long as this for a client's next command (smtpd_timeout).
constexpr Duration kSameRefusal = minutes(5);

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
bool IsOf(const Session& session, const PolicyRequest& request, Instant now) {
  const Duration since =
      std::chrono::duration_cast<Duration>(now - session.asked);
  if (request.protocol_state == "CONNECT") {
    return session.protocol_state == "CONNECT" && since < kSameConnect;
  }
  if (session.verdict.action != Action::kPass && since > kSameRefusal) {
    return false;
  }
  return request.instance.empty() || session.instance.empty() ||
         request.instance == session.instance ||
         IsLaterMessage(session.instance, request.instance);
}

bool IsExemption(const Verdict& verdict) {
  return verdict.reason == Reason::kAuthenticated ||
         verdict.reason == Reason::kProtected ||
         verdict.reason == Reason::kSubmission;
}

bool IsRefusal(const Verdict& verdict) {
  return verdict.action != Action::kPass;
}

// Whether the two say the same to the client.
bool AreSame(const Verdict& a, const Verdict& b) {
  return a.action == b.action && a.id == b.id;
}

}  // namespace

PolicySessions::PolicySessions(Screener& screener, SessionMemory::Limits limits)
    : screener_(screener),
      answered_(limits),
      authenticated_(limits, [&screener](const SessionKey& key) {
        screener.Forget(key.connection);
      }) {}

std::optional<Verdict> PolicySessions::Known(const PolicyRequest& request) {
  const std::optional<Verdict> now = screener_.Known(request.client);
  const Verdict* before = Remembered(request);
  if (before == nullptr || (now && IsExemption(*now))) return now;
  const bool is_banned = now && IsRefusal(*now);
  if (IsRefusal(*before)) {
    // The ban is over, or was lifted: this begins anew.
    const bool was_banned = before->ban || before->reason == Reason::kBanned;
    return was_banned && !is_banned ? now : *before;
  }
  return is_banned ? now : *before;
}

void PolicySessions::Answered(const PolicyRequest& request,
                              const Verdict& verdict) {
  const Client& client = request.client;
  const Verdict* before = Remembered(request);
  if (before == nullptr || !AreSame(*before, verdict)) {
    screener_.Answered(client, verdict);
  }
  if (request.protocol_state == "DATA" ||
      request.protocol_state == "END-OF-MESSAGE") {
    screener_.Accepted(client, verdict);
  }
  Session session{.key = SessionKey::Of(request),
                  .verdict = verdict,
                  .asked = Clock::now(),
                  .protocol_state = request.protocol_state,
                  .instance = request.instance};
  if (client.authenticated && session.key.connection.IsComplete()) {
    if (authenticated_.Find(session.key, session.asked) == nullptr) {
      screener_.Spare(client.connection);
    }
    authenticated_.Remember(session);
  }
  if (session.key.IsValid()) answered_.Remember(std::move(session));
}

const Verdict* PolicySessions::Remembered(const PolicyRequest& request) {
  const Instant now = Clock::now();
  const Session* session = answered_.Find(SessionKey::Of(request), now);
  return session != nullptr && IsOf(*session, request, now) ? &session->verdict
                                                            : nullptr;
}

}  // namespace breakwater
