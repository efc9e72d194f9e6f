#include "core/clients/observed_sessions.h"

namespace breakwater {
namespace {

// Longer than from CONNECT, where the policy server answers, to MAIL, where the
// milter does, at the pace of a slow client.
constexpr Duration kSameSession = std::chrono::minutes(5);

}  // namespace

bool ObservedSessions::IsNews(const Client& client, const Verdict& verdict,
                              Instant now) {
  const Key key(client.address(), client.connection.client_port);
  if (key.second == 0) return true;  // no session is known by it
  const auto place = told_.find(key);
  if (place != told_.end()) {
    const Told& told = place->second;
    const bool is_same = told.socket != 0 && client.socket != 0
                             ? told.socket == client.socket
                             : now < told.at + kSameSession;
    if (is_same && (told.ended || told.label == verdict.label)) return false;
  }
  told_[key] = {.socket = client.socket,
                .at = now,
                .label = verdict.label,
                .ended = verdict.ban.has_value()};
  order_.emplace_back(key, now);
  while (order_.size() > most_) {
    const auto& [oldest, at] = order_.front();
    const auto last = told_.find(oldest);
    if (last != told_.end() && last->second.at == at) told_.erase(last);
    order_.pop_front();
  }
  return true;
}

}  // namespace breakwater
