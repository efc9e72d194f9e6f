#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "asio/awaitable.hpp"
#include "asio/io_context.hpp"
#include "core/base/clock.h"
#include "core/ports/metrics.h"
#include "daemon/protocol/report_request.h"

namespace breakwater {

struct ReportServerOptions {
  // Who may report besides root and the uid of this process.
  std::vector<uid_t> users;
  // Beyond it a connection is told so and closed.
  size_t most_connections = 256;
  // Reports of one connection of which the answers are awaited; no more is read
  // until there are fewer.
  size_t most_pending = 256;
  // All connections together; beyond it a line is answered "error too fast".
  double reports_per_second = 10'000;
  // For the rest of a line, and for taking an answer.
  Duration patience = std::chrono::seconds(30);
  // Without a report.
  Duration idle = std::chrono::hours(1);
};

// Takes reports (report_request.h) of other programs on a unix socket: a line
// each, a line for an answer, in order, for as long as the connection is kept.
// More may be sent before the answers come. Who may report is decided by the
// uid that the kernel vouches for (SO_PEERCRED).
//
// Loop thread only. The loop and what the handler refers to must outlive the
// last run of the loop.
class ReportServer {
 public:
  // The answer to a report, without a newline. Runs on the loop.
  using Handler = std::function<asio::awaitable<std::string>(ReportRequest)>;

  // Takes the listening socket.
  ReportServer(asio::io_context& loop, int listener, Handler handler,
               Metrics& metrics, ReportServerOptions options);
  ~ReportServer();  // closes everything

  // Who may report from now on; connections that are open stay.
  void SetUsers(std::vector<uid_t> users);
  size_t connections() const;

 private:
  struct Shared;
  struct Conversation;
  std::shared_ptr<Shared> shared_;  // with the conversations
};

}  // namespace breakwater
