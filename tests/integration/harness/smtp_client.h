#ifndef BREAKWATER_TESTS_INTEGRATION_HARNESS_SMTP_CLIENT_H_
#define BREAKWATER_TESTS_INTEGRATION_HARNESS_SMTP_CLIENT_H_

#include <chrono>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/integration/harness/network.h"

namespace breakwater::testing {

struct SmtpReply {
  int code = 0;
  std::string text;  // without code; the lines of a longer reply by '\n'

  bool Positive() const { return code >= 200 && code < 400; }
};

// How a connection ended, as the client sees it.
enum class Ending { kOpen, kClosed, kReset };

// A blocking SMTP client that speaks from whatever address it is told to.
// Every wait has an end; what then comes back says DeadlineExceeded. Errors of
// the peer: Aborted for a reset, OutOfRange for a close.
class SmtpClient {
 public:
  using Milliseconds = std::chrono::milliseconds;
  static constexpr Milliseconds kPatience = std::chrono::seconds(10);

  // `from` and `to` are of the same family. Port 0: any.
  struct Route {
    std::string from;
    std::string to = Network::kMtaAddress;
    uint16_t port = 25;
    uint16_t from_port = 0;
  };

  // Only the TCP connection; the banner is the first ReadReply. A dropped SYN
  // is a DeadlineExceeded, so give less patience where one is expected.
  static absl::StatusOr<SmtpClient> Connect(const Namespace& world,
                                            const Route& route,
                                            Milliseconds patience = kPatience);

  SmtpClient(SmtpClient&& other) noexcept;
  SmtpClient& operator=(SmtpClient&& other) noexcept;
  ~SmtpClient();

  absl::StatusOr<SmtpReply> ReadReply(Milliseconds patience = kPatience);
  // A line, its CRLF added, and the reply to it.
  absl::StatusOr<SmtpReply> Command(const std::string& line,
                                    Milliseconds patience = kPatience);
  absl::Status Send(const std::string& bytes);

  // One whole mail after the banner: EHLO to the reply to its end. Returns the
  // first reply that is not positive, else the last one.
  absl::StatusOr<SmtpReply> SendMessage(const std::string& from,
                                        const std::string& to,
                                        const std::string& body);

  // Reads, and throws away, until the peer ends the connection or the time is
  // over.
  Ending WaitForEnd(Milliseconds patience);
  // Ends it ourselves; a reset tells the peer the hard way.
  void Close();
  void Reset();

  uint16_t local_port() const { return local_port_; }
  int fd() const { return fd_; }

 private:
  explicit SmtpClient(int fd) : fd_(fd) {}
  absl::StatusOr<std::string> ReadLine(
      std::chrono::steady_clock::time_point deadline);
  absl::Status Fill(std::chrono::steady_clock::time_point deadline);

  int fd_ = -1;
  uint16_t local_port_ = 0;
  bool was_reset_ = false;
  std::string buffer_;  // read, not yet a reply
};

}  // namespace breakwater::testing

#endif  // BREAKWATER_TESTS_INTEGRATION_HARNESS_SMTP_CLIENT_H_
