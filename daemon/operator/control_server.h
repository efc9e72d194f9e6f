#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "asio/awaitable.hpp"
#include "asio/io_context.hpp"
#include "core/base/clock.h"
#include "daemon/protocol/control_request.h"

namespace breakwater {

// Serves breakwater(8) on a unix socket: one request, one answer for each
// connection, and many of those that carry bans (control_request.h). The socket
// file is open to all; who may command is decided by the uid that the kernel
// vouches for (SO_PEERCRED), and everybody else is turned away before a byte of
// theirs is read. Nobody but root can take all places, so that root can always
// ask.
//
// Loop thread only. Connections that are open when it goes are closed.
class ControlServer {
 public:
  // Answers a request of that user. Runs on the loop.
  using Handler =
      std::function<asio::awaitable<nlohmann::json>(ControlRequest, uid_t)>;

  struct Options {
    // Besides root and the uid of this process.
    std::vector<uid_t> users;
    Duration request_deadline = std::chrono::seconds(5);
    // For one that follows another: what is imported may come out of a pipe.
    Duration next_deadline = std::chrono::seconds(60);
    Duration answer_deadline = std::chrono::seconds(30);
    size_t most_connections = 32;
    // Of them, of one user other than root, so that nobody takes all; and those
    // that nobody but root gets.
    size_t most_of_one = 8;
    size_t for_root = 4;
  };

  // Makes the socket; an error if another daemon answers there. To be done
  // before privileges are dropped. The descriptor is the caller's.
  static absl::StatusOr<int> Listen(const std::string& path,
                                    std::optional<uid_t> owner = std::nullopt);

  // Takes the descriptor, and serves from the loop's next run.
  ControlServer(asio::io_context& loop, int listener, Handler handler,
                Options options);
  ~ControlServer();

  // Who may command from now on; a reload changes it.
  void SetUsers(std::vector<uid_t> users);

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with the connections' coroutines
};

// The uids of users given as names or numbers. May block: at start and at a
// reload only. The error names the user that does not exist, and the key.
absl::StatusOr<std::vector<uid_t>> FindUsers(
    const std::vector<std::string>& names,
    std::string_view key = "control.users");

}  // namespace breakwater
