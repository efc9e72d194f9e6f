#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "core/base/clock.h"
#include "core/types/client.h"
#include "core/types/verdict.h"
#include "policy/request.h"

namespace breakwater {

// What Postfix's requests about one SMTP session have in common: its
// connection. Of who does not tell the ports one knows at most which requests
// are about one message.
struct SessionKey {
  Connection connection;
  std::string instance;  // empty if the connection is complete

  static SessionKey Of(const PolicyRequest& request);
  // Whether there is anything to know the session by.
  bool IsValid() const { return connection.IsComplete() || !instance.empty(); }

  bool operator==(const SessionKey&) const = default;

  template <typename H>
  friend H AbslHashValue(H h, const SessionKey& key) {
    return H::combine(std::move(h), key.connection, key.instance);
  }
};

// The verdict that was given in each session. The protocol knows no end of a
// session, so one is forgotten when nothing has been asked in it for a time,
// or, beyond a number, as the one in which nothing was asked for longest.
class SessionMemory {
 public:
  struct Limits {
    // An smtpd has one session at a time, and a site some hundred smtpd; the
    // rest is for sessions that are over.
    size_t most = 32'768;
    // Nothing is asked while a message arrives.
    Duration idle = std::chrono::hours(1);
    // Of requests at CONNECT, where the kernel does not tell one connection
    // from the next of the same port: the lines of one restriction list are
    // asked one after another.
    Duration connect = std::chrono::seconds(5);
  };
  // Something that the client told, and the refusal that came of it.
  struct Said {
    size_t what = 0;
    std::optional<Verdict> refusal = {};
  };
  struct Session {
    SessionKey key;
    Verdict verdict;
    uint64_t socket = 0;  // Client::socket, once it was seen
    Instant began;
    // The last that was asked in it.
    Instant asked;
    std::string protocol_state;
    std::string instance;  // empty before the first message
    // What was looked at after that.
    size_t names = 0;  // a hash of them; so are the others
    Said sender = {};
    Said recipient = {};
    // The last answer.
    Action answered = Action::kPass;
    std::string answered_id;
  };
  using Forgotten = absl::AnyInvocable<void(const SessionKey&)>;

  explicit SessionMemory(Limits limits) : limits_(limits) {}
  // `forgotten` is called for each that is forgotten by itself.
  SessionMemory(Limits limits, Forgotten forgotten)
      : limits_(limits), forgotten_(std::move(forgotten)) {}

  // Null if nothing is known. Good until the next call.
  const Session* Find(const SessionKey& key, Instant now);
  // In place of what was there.
  void Remember(Session session);
  void Forget(const SessionKey& key);

  size_t size() const { return sessions_.size(); }
  const Limits& limits() const { return limits_; }

 private:
  void DropOldest();

  const Limits limits_;
  Forgotten forgotten_;
  std::list<Session> sessions_;  // asked about last first
  absl::flat_hash_map<SessionKey, std::list<Session>::iterator> places_;
};

}  // namespace breakwater
