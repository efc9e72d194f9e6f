#pragma once

#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"

namespace breakwater::testing {

// What programs say to syslog(3), for those that know no log file: the socket
// /dev/log, best inside of a root directory, and a file with a line for each
// message. There is no daemon behind it that could be slow or lose lines.
class Syslog {
 public:
  static absl::StatusOr<std::unique_ptr<Syslog>> Start(
      const std::string& socket_path, const std::string& log_path);

  Syslog(const Syslog&) = delete;
  Syslog& operator=(const Syslog&) = delete;
  ~Syslog();

 private:
  Syslog(int socket, int log, int stop);
  void Run() const;

  const int socket_;
  const int log_;
  const int stop_;  // an eventfd
  std::thread thread_;
};

}  // namespace breakwater::testing
