// The sessions that the milter knows to be open.

#include "asio/post.hpp"
#include "core/base/log.h"
#include "core/screener/screener.h"

namespace breakwater {

void Screener::Authenticated(std::shared_ptr<Screening> screening) {
  asio::post(loop_, [this, screening] {
    SessionTable::Session* session = sessions_.Find(*screening);
    if (session == nullptr || session->authenticated) return;
    session->authenticated = true;
    screening->Complete({.reason = Reason::kAuthenticated});
    const Connection& connection = screening->client().connection;
    if (connection.IsComplete()) enforcer_.Spare(connection);
  });
}

void Screener::Accepted(std::shared_ptr<Screening> screening) {
  asio::post(loop_, [this, screening] {
    if (std::optional<Verdict> verdict = screening->verdict()) {
      verdict->cleared = verdict->cleared && screening->cleared();
      Accepted(screening->client(), *verdict);
    }
  });
}

// Only of whom the lists have said nothing: who passes because they were late,
// or were not asked, or in observe mode, has proved nothing by it. Nor has
// anybody of whom a proxy only claims that it came.
void Screener::Accepted(const Client& client, const Verdict& verdict) {
  if (!IsProven(client.presence)) return;
  if (verdict.action != Action::kPass || verdict.reason != Reason::kClean) {
    return;
  }
  if (verdict.cleared) {
    restraint_.Accept(client.address());
  } else {
    restraint_.AcceptUncleared(client.address());
  }
}

void Screener::Closed(std::shared_ptr<Screening> screening) {
  asio::post(loop_, [this, screening] { ForgetSession(*screening); });
}

void Screener::MarkAnswered(const Screening& screening) {
  SessionTable::Session* session = sessions_.Find(screening);
  if (session != nullptr) session->answered = true;
}

void Screener::ForgetSession(const Screening& screening) {
  const std::optional<SessionTable::Session> session =
      sessions_.Remove(screening);
  metrics_.sessions.Set(static_cast<double>(sessions_.size()));
  const Connection& connection = screening.client().connection;
  if (session && session->authenticated && connection.IsComplete()) {
    enforcer_.Forget(connection);
  }
}

void Screener::EndIfSilent(const Screening& screening) {
  SessionTable::Session* session = sessions_.Find(screening);
  if (session == nullptr || session->answered || session->authenticated) return;
  session->answered = true;
  const Client& client = screening.client();
  const std::optional<Verdict> verdict = screening.verdict();
  if (verdict->would) return Tell(client, *verdict);
  Log(Severity::kInfo, "silent")
      .Add("client", client.address().ToString())
      .Add("port", client.connection.client_port)
      .Add("zone", verdict->label)
      .Add("id", verdict->id);
  Impose(client, *verdict);
  // Nothing is being said to this one, so there is no reply to wait for.
  if (client.connection.IsComplete()) enforcer_.Destroy(client.connection);
}

}  // namespace breakwater
