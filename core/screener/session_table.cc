#include "core/screener/session_table.h"

#include <algorithm>
#include <utility>

#include "core/net/width.h"
#include "core/rules/conduct_rules.h"

namespace breakwater {
namespace {

Network KeyOf(const Screening& screening) {
  return Network::OfClient(screening.client().address());
}

std::pair<Network, bool> NeighboursKey(const Client& client) {
  return {NeighboursOf(client.address()), IsProven(client.presence)};
}

}  // namespace

void SessionTable::Add(std::shared_ptr<Screening> screening) {
  const Screening* key = screening.get();
  by_network_[KeyOf(*key)].push_back(key);
  ++by_neighbours_[NeighboursKey(key->client())];
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
  const auto neighbours =
      by_neighbours_.find(NeighboursKey(screening.client()));
  if (--neighbours->second == 0) by_neighbours_.erase(neighbours);
  return session;
}

bool SessionTable::Holds(const Connection& connection) const {
  const auto place = by_network_.find(Network::OfClient(connection.client));
  return connection.client_port != 0 && place != by_network_.end() &&
         std::ranges::any_of(place->second, [&](const Screening* key) {
           const Connection& open = key->client().connection;
           return open.client == connection.client &&
                  open.client_port == connection.client_port;
         });
}

size_t SessionTable::CountOf(const Client& client) const {
  const auto place = by_network_.find(Network::OfClient(client.address()));
  if (place == by_network_.end()) return 0;
  const auto count =
      std::ranges::count_if(place->second, [&](const Screening* session) {
        return IsProven(session->client().presence) ==
               IsProven(client.presence);
      });
  return static_cast<size_t>(count);
}

size_t SessionTable::CountAround(const Client& client) const {
  const auto place = by_neighbours_.find(NeighboursKey(client));
  return place == by_neighbours_.end() ? 0 : place->second;
}

std::vector<SessionTable::Session*> SessionTable::Of(const Network& network) {
  std::vector<Session*> result;
  if (!IsClient(network)) {
    for (auto& [key, session] : sessions_) {
      if (network.Contains(key->client().address())) result.push_back(&session);
    }
    return result;
  }
  const auto place = by_network_.find(network);
  if (place == by_network_.end()) return result;
  for (const Screening* key : place->second) {
    result.push_back(&sessions_.at(key));
  }
  return result;
}

}  // namespace breakwater
