#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "core/net/address.h"
#include "core/screener/screening.h"

namespace breakwater {

// The sessions that the milter knows to be open, by screening and by what a
// ban of their client would cover. As many as the MTA has slots: it bounds
// them. Loop thread only.
class SessionTable {
 public:
  struct Session {
    std::shared_ptr<Screening> screening;
    bool authenticated = false;
    bool answered = false;  // or ended: nothing more is to be said to it
  };

  void Add(std::shared_ptr<Screening> screening);
  // Null if the session is over. Good until the next Add or Remove.
  Session* Find(const Screening& screening);
  // What was known of it, if anything was.
  std::optional<Session> Remove(const Screening& screening);
  // The sessions of the clients in a network: found at once if it is that of
  // one, else looked for. Good as those of Find.
  std::vector<Session*> Of(const Network& network);

  // Whether a session is open of that client from that port. The MTA does not
  // tell its own address and port at every door.
  bool Holds(const Connection& connection) const;

  // How many that client has, and how many all of its neighbours
  // (conduct_rules.h) with it: of those who are there, or, for one who is only
  // said to be, of those like it.
  size_t CountOf(const Client& client) const;
  size_t CountAround(const Client& client) const;

  size_t size() const { return sessions_.size(); }

 private:
  absl::flat_hash_map<const Screening*, Session> sessions_;
  absl::flat_hash_map<Network, std::vector<const Screening*>> by_network_;
  // And whether they are there.
  absl::flat_hash_map<std::pair<Network, bool>, size_t> by_neighbours_;
};

}  // namespace breakwater
