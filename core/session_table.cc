#include "core/session_table.h"

#include <utility>

namespace breakwater {
namespace {

Network KeyOf(const Screening& screening) {
  return Network::OfClient(screening.client().address());
}

}  // namespace

void SessionTable::Add(std::shared_ptr<Screening> screening) {
  const Screening* key = screening.get();
  by_network_[KeyOf(*key)].push_back(key);
  sessions_[key] = {.screening = std::move(screening)};
}

SessionTable::Session* SessionTable::Find(const Screening& screening) {
  const auto place = sessions_.find(&screening);
  return place == sessions_.end() ? nullptr : &place->second;
}

std::optional<SessionTable::Session> SessionTable::Remove(
    const Screening& screening) {
  const auto place = sessions_.find(&screening);
  if (place == sessions_.end()) return std::nullopt;
  Session session = std::move(place->second);
  sessions_.erase(place);
  const auto network = by_network_.find(KeyOf(screening));
  std::erase(network->second, &screening);
  if (network->second.empty()) by_network_.erase(network);
  return session;
}

std::vector<SessionTable::Session*> SessionTable::Of(const Network& network) {
  std::vector<Session*> result;
  const auto place = by_network_.find(network);
  if (place == by_network_.end()) return result;
  for (const Screening* key : place->second) {
    result.push_back(&sessions_.at(key));
  }
  return result;
}

}  // namespace breakwater
