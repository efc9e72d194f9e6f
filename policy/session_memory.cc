#include "policy/session_memory.h"

#include <utility>

namespace breakwater {

SessionKey SessionKey::Of(const PolicyRequest& request) {
  SessionKey key{.connection = request.client.connection};
  if (!key.connection.IsComplete()) key.instance = request.instance;
  return key;
}

const SessionMemory::Session* SessionMemory::Find(const SessionKey& key,
                                                  Instant now) {
  while (!sessions_.empty() && sessions_.back().asked + limits_.idle <= now) {
    DropOldest();
  }
  const auto place = places_.find(key);
  return place == places_.end() ? nullptr : &*place->second;
}

void SessionMemory::Remember(Session session) {
  Forget(session.key);
  if (sessions_.size() >= limits_.most) DropOldest();
  sessions_.push_front(std::move(session));
  places_[sessions_.front().key] = sessions_.begin();
}

void SessionMemory::Forget(const SessionKey& key) {
  const auto place = places_.find(key);
  if (place == places_.end()) return;
  sessions_.erase(place->second);
  places_.erase(place);
}

void SessionMemory::DropOldest() {
  const SessionKey key = sessions_.back().key;
  Forget(key);
  if (forgotten_) forgotten_(key);
}

}  // namespace breakwater
