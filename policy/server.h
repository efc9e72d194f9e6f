#pragma once

#include <cstddef>
#include <memory>

#include "asio/io_context.hpp"
#include "core/base/clock.h"
#include "core/ports/metrics.h"
#include "core/screener/screener.h"
#include "core/types/door_load.h"

namespace breakwater {

struct PolicyServerOptions {
  // Beyond it a connection is closed at once, unless another can be closed for
  // it. An smtpd holds one for each check_policy_service line that differs from
  // the others.
  size_t most_connections = 4096;
  // For how long one must have asked nothing to be closed for a new one: since
  // it connected, and since its last answer.
  Duration silence = std::chrono::seconds(1);
  Duration idle = std::chrono::seconds(10);
  // For the rest of a request, and for taking the answer to it.
  Duration patience = std::chrono::seconds(30);
};

// The Postfix policy-delegation front: reads requests, answers actions. Each
// connection is one coroutine, `Converse` in server.cc.
//
// Never closes first: Postfix waits a second before it tries again when a
// server closed on it within a session. Only input that is no request ends a
// connection, with a line in the log; and where there are too many, one that
// has asked nothing for a while makes room for a new one, for behind that is a
// client to be judged. (Postfix notices between two sessions.)
//
// Loop thread only. The loop, the screener and the metrics must outlive the
// last run of the loop, for a conversation may be waiting for its verdict.
class PolicyServer {
 public:
  PolicyServer(asio::io_context& loop, Screener& screener, Metrics& metrics,
               PolicyServerOptions options);
  ~PolicyServer();  // stops
  PolicyServer(const PolicyServer&) = delete;
  PolicyServer& operator=(const PolicyServer&) = delete;

  // Takes over a listening stream socket, as Listen makes it. For each socket
  // once.
  void Serve(int listening);

  // Closes everything. Requests whose verdict is awaited get no answer.
  void Stop();

  size_t connections() const;
  DoorLoad load() const;

 private:
  struct Shared;
  struct Lists;
  struct Conversation;

  // With the conversations, which end a moment after Stop.
  std::shared_ptr<Shared> shared_;
};

}  // namespace breakwater
