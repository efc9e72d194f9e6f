#pragma once

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "core/base/clock.h"
#include "core/base/file_descriptor.h"
#include "daemon/protocol/control_request.h"

namespace breakwater {

// A connection to the daemon for one request after the other, as far as it
// takes them (control_request.h). Blocks, for at most `longest` at each step.
// The error says what is likely to be wrong: the daemon cannot be reached, or
// ended before it had answered; DeadlineExceeded: it is there and does not
// answer.
class DaemonConnection {
 public:
  static absl::StatusOr<DaemonConnection> Open(const std::string& socket_path,
                                               Duration longest);

  // Sends a line and returns the line that is answered, without the newline.
  absl::StatusOr<std::string> Ask(const std::string& line);

 private:
  DaemonConnection(std::string path, Duration longest, FileDescriptor socket)
      : path_(std::move(path)), longest_(longest), socket_(std::move(socket)) {}

  std::string path_;
  Duration longest_;
  FileDescriptor socket_;
};

// One line, one answer, on a connection of its own.
absl::StatusOr<std::string> AskDaemon(const std::string& socket_path,
                                      const std::string& line,
                                      Duration longest);

// How long to wait for it: what is answered from memory comes at once, or the
// daemon hangs; an explanation waits for the lists.
Duration PatienceFor(Verb verb);

}  // namespace breakwater
