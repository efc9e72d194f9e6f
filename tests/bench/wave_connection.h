#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "asio/awaitable.hpp"
#include "asio/ip/tcp.hpp"
#include "asio/steady_timer.hpp"

namespace breakwater {

using WaveClock = std::chrono::steady_clock;
using Milliseconds = std::chrono::milliseconds;

// How a connection, or a step of it, ended for the client.
enum class Ending {
  kNone,     // it goes on
  kTimeout,  // nothing came within the time
  kClosed,   // the server closed it
  kReset,    // it was destroyed
  kRefused,  // nobody listens, or the address cannot be used
};

struct SmtpReply {
  int code = 0;
  std::string text;  // all lines as they came, without the last CRLF
};

// One SMTP connection from a given source address. One coroutine uses it; each
// wait has an end. After a step that gave nothing, ending() says why.
class SmtpConnection {
 public:
  SmtpConnection(const asio::any_io_executor& executor, asio::ip::address from);
  SmtpConnection(const SmtpConnection&) = delete;
  SmtpConnection& operator=(const SmtpConnection&) = delete;
  // A connection that is still open is closed.
  ~SmtpConnection();

  asio::awaitable<bool> Connect(asio::ip::tcp::endpoint to,
                                Milliseconds patience);
  asio::awaitable<std::optional<SmtpReply>> ReadReply(Milliseconds patience);
  // A line without its CRLF, and the reply to it.
  asio::awaitable<std::optional<SmtpReply>> Ask(std::string line,
                                                Milliseconds patience);
  // Throws away what comes, until the server ends it or the time is over.
  asio::awaitable<Ending> WaitForEnd(Milliseconds patience);

  bool connected() const { return connected_; }
  Ending ending() const { return ending_; }

 private:
  // A timer's handler may be on its way when its connection is gone already,
  // so it owns what it touches.
  struct Wire {
    explicit Wire(const asio::any_io_executor& executor)
        : socket(executor), timer(executor) {}
    asio::ip::tcp::socket socket;
    asio::steady_timer timer;
    int step = 0;
    bool late = false;
  };

  void StartStep(Milliseconds patience);
  void EndStep(const std::error_code& error);
  asio::awaitable<bool> Fill();

  std::shared_ptr<Wire> wire_;
  asio::ip::address from_;
  std::string buffer_;  // read, not yet a reply
  bool connected_ = false;
  Ending ending_ = Ending::kNone;
};

// The bytes of the first whole reply in a buffer, or 0: a line whose fourth
// character is not "-" ends it (RFC 5321, 4.2.1).
size_t ReplyLength(std::string_view buffer);

}  // namespace breakwater
