#include "tests/bench/wave_connection.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <charconv>
#include <utility>

#include "asio/buffer.hpp"
#include "asio/experimental/as_tuple.hpp"
#include "asio/use_awaitable.hpp"
#include "asio/write.hpp"

namespace breakwater {
namespace {

using asio::awaitable;
using asio::ip::tcp;

constexpr auto kAwait = asio::experimental::as_tuple(asio::use_awaitable);
constexpr size_t kLongestReply = 16384;

// Any address of a range that is routed here, and no port before connect: the
// kernel then only needs the four-tuple to be free.
bool BindTo(tcp::socket& socket, const asio::ip::address& from) {
  std::error_code error;
  socket.open(from.is_v4() ? tcp::v4() : tcp::v6(), error);
  if (error) return false;
  const int on = 1;
  const int fd = socket.native_handle();
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof on);
  if (from.is_v6()) {
    setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof on);
  }
  socket.bind(tcp::endpoint(from, 0), error);
  return !error;
}

Ending EndingOf(const std::error_code& error) {
  if (!error) return Ending::kNone;
  if (error == asio::error::eof) return Ending::kClosed;
  if (error == asio::error::timed_out) return Ending::kTimeout;
  if (error == asio::error::connection_reset ||
      error == asio::error::broken_pipe) {
    return Ending::kReset;
  }
  return Ending::kRefused;
}

}  // namespace

size_t ReplyLength(std::string_view buffer) {
  size_t start = 0;
  while (true) {
    const size_t end = buffer.find("\r\n", start);
    if (end == std::string_view::npos) return 0;
    if (end - start < 4 || buffer[start + 3] != '-') return end + 2;
    start = end + 2;
  }
}

SmtpConnection::SmtpConnection(const asio::any_io_executor& executor,
                               asio::ip::address from)
    : wire_(std::make_shared<Wire>(executor)), from_(std::move(from)) {}

SmtpConnection::~SmtpConnection() {
  std::error_code ignored;
  wire_->socket.close(ignored);
  wire_->timer.cancel();
}

void SmtpConnection::StartStep(Milliseconds patience) {
  wire_->late = false;
  wire_->timer.expires_after(patience);
  wire_->timer.async_wait(
      [wire = wire_, step = ++wire_->step](const std::error_code& error) {
        if (error || wire->step != step) return;
        wire->late = true;
        std::error_code ignored;
        wire->socket.cancel(ignored);
      });
}

void SmtpConnection::EndStep(const std::error_code& error) {
  ++wire_->step;
  wire_->timer.cancel();
  ending_ = wire_->late ? Ending::kTimeout : EndingOf(error);
}

awaitable<bool> SmtpConnection::Connect(tcp::endpoint to,
                                        Milliseconds patience) {
  if (!BindTo(wire_->socket, from_)) {
    ending_ = Ending::kRefused;
    co_return false;
  }
  StartStep(patience);
  const auto [error] = co_await wire_->socket.async_connect(to, kAwait);
  EndStep(error);
  connected_ = ending_ == Ending::kNone;
  co_return connected_;
}

awaitable<bool> SmtpConnection::Fill() {
  std::array<char, 2048> bytes;
  const auto [error, size] =
      co_await wire_->socket.async_read_some(asio::buffer(bytes), kAwait);
  if (error) {
    EndStep(error);
    co_return false;
  }
  buffer_.append(bytes.data(), size);
  co_return true;
}

awaitable<std::optional<SmtpReply>> SmtpConnection::ReadReply(
    Milliseconds patience) {
  StartStep(patience);
  while (ReplyLength(buffer_) == 0) {
    if (buffer_.size() > kLongestReply) co_return std::nullopt;
    const bool more = co_await Fill();
    if (!more) co_return std::nullopt;
  }
  EndStep({});
  SmtpReply reply;
  const size_t length = ReplyLength(buffer_);
  reply.text = buffer_.substr(0, length - 2);
  buffer_.erase(0, length);
  std::from_chars(reply.text.data(), reply.text.data() + reply.text.size(),
                  reply.code);
  co_return reply;
}

awaitable<std::optional<SmtpReply>> SmtpConnection::Ask(std::string line,
                                                        Milliseconds patience) {
  line += "\r\n";
  StartStep(patience);
  const auto [error, size] =
      co_await asio::async_write(wire_->socket, asio::buffer(line), kAwait);
  EndStep(error);
  if (ending_ != Ending::kNone) co_return std::nullopt;
  co_return co_await ReadReply(patience);
}

awaitable<Ending> SmtpConnection::WaitForEnd(Milliseconds patience) {
  if (ending_ != Ending::kNone) co_return ending_;
  StartStep(patience);
  // Not in the loop's condition: g++ 12 makes a trap of that.
  bool more = true;
  while (more) {
    buffer_.clear();
    more = co_await Fill();
  }
  co_return ending_;
}

}  // namespace breakwater
