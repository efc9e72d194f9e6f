#include "daemon/reports/report_server.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <deque>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "asio/buffer.hpp"
#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "asio/experimental/as_tuple.hpp"
#include "asio/local/stream_protocol.hpp"
#include "asio/steady_timer.hpp"
#include "asio/use_awaitable.hpp"
#include "asio/write.hpp"
#include "core/base/log.h"
#include "core/base/log_limit.h"
#include "core/base/token_bucket.h"
#include "core/net/socket_peer.h"

namespace breakwater {
namespace {

using asio::awaitable;
using asio::local::stream_protocol;
constexpr auto kAsTuple = asio::experimental::as_tuple(asio::use_awaitable);

// Before accept is tried again after it failed for want of descriptors: the
// socket stays readable, and without a pause the loop would spin.
constexpr Duration kAcceptPause = std::chrono::milliseconds(100);

// Who may not report, or not now, reads why before the socket goes. There is
// room for it in a new one; nobody is waited for.
void Refuse(stream_protocol::socket socket, std::string_view answer) {
  asio::error_code ignored;
  socket.non_blocking(true, ignored);
  socket.write_some(asio::buffer(answer.data(), answer.size()), ignored);
}

// One answer, once it is known.
using Slot = std::shared_ptr<std::optional<std::string>>;

}  // namespace

struct ReportServer::Shared {
  Shared(asio::io_context& l, int listener, Handler h, Metrics& m,
         ReportServerOptions o)
      : loop(l),
        acceptor(l, stream_protocol(), listener),
        sweep(l),
        handler(std::move(h)),
        metrics(m),
        options(std::move(o)),
        rate(options.reports_per_second, options.reports_per_second,
             Clock::now()) {}

  bool IsAllowed(uid_t uid) const {
    return uid == 0 || uid == getuid() ||
           std::ranges::find(options.users, uid) != options.users.end();
  }
  void BadInput(uid_t uid, absl::string_view error) {
    metrics.BadInput("report").Increment();
    if (const auto held_back = bad_input_lines.Admit()) {
      Log(Severity::kWarning, "bad-input")
          .Add("front", "report")
          .Add("peer", absl::StrCat("uid:", uid))
          .Add("error", std::string(error))
          .Add("held_back", *held_back);
    }
  }

  asio::io_context& loop;
  stream_protocol::acceptor acceptor;
  asio::steady_timer sweep;
  Handler handler;
  Metrics& metrics;
  ReportServerOptions options;
  TokenBucket rate;
  absl::flat_hash_set<Conversation*> open;
  bool stopped = false;
  LogLimit bad_input_lines{100, std::chrono::seconds(10)};
  LogLimit refused_lines{10, std::chrono::seconds(10)};
  LogLimit accept_lines{1, std::chrono::seconds(10)};
};

// A connection. Shared by the coroutines that read, that answer and that
// decide; each ends a moment after the socket was closed.
struct ReportServer::Conversation {
  Conversation(std::shared_ptr<Shared> s, stream_protocol::socket accepted,
               uid_t u)
      : server(std::move(s)),
        socket(std::move(accepted)),
        uid(u),
        room(server->loop),
        known(server->loop) {
    server->open.insert(this);
  }
  ~Conversation() { server->open.erase(this); }
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;

  void Close() {
    asio::error_code ignored;
    socket.close(ignored);
    ended = true;
    room.cancel();
    known.cancel();
  }

  static awaitable<void> Accept(std::shared_ptr<Shared> server);
  static awaitable<void> Sweep(std::shared_ptr<Shared> server);
  static awaitable<void> Read(std::shared_ptr<Conversation> self);
  static awaitable<void> Decide(std::shared_ptr<Conversation> self,
                                ReportRequest request, Slot slot);
  static awaitable<void> Write(std::shared_ptr<Conversation> self);
  void Take(const std::shared_ptr<Conversation>& self, std::string_view line);

  const std::shared_ptr<Shared> server;
  stream_protocol::socket socket;
  const uid_t uid;
  std::deque<Slot> answers;  // in the order of the reports
  asio::steady_timer room;   // cancelled when answers have gone
  asio::steady_timer known;  // cancelled when one has come
  bool ended = false;        // nothing more is read
  // Since when we wait for the rest of a line, or for the peer to take answers.
  std::optional<Instant> half_since;
  std::optional<Instant> untaken_since;
  Instant last = Clock::now();  // that something came or was answered
};

awaitable<void> ReportServer::Conversation::Read(
    std::shared_ptr<Conversation> self) {
  std::array<char, 4096> bytes;
  std::string text;
  while (!self->ended) {
    const auto [error, count] =
        co_await self->socket.async_read_some(asio::buffer(bytes), kAsTuple);
    if (error) break;
    self->last = Clock::now();
    text.append(bytes.data(), count);
    size_t begin = 0;
    for (size_t end; (end = text.find('\n', begin)) != std::string::npos;
         begin = end + 1) {
      while (!self->ended &&
             self->answers.size() >= self->server->options.most_pending) {
        self->room.expires_at(Instant::max());
        co_await self->room.async_wait(kAsTuple);
      }
      if (self->ended) break;
      self->Take(self, std::string_view(text).substr(begin, end - begin));
    }
    if (self->ended) break;
    text.erase(0, begin);
    if (text.size() > kLongestReport) {
      // Where the next one begins cannot be told.
      self->Take(self, text);
      break;
    }
    if (text.empty()) {
      self->half_since.reset();
    } else if (begin > 0 || !self->half_since) {
      self->half_since = Clock::now();
    }
  }
  self->half_since.reset();
  self->ended = true;
  self->known.cancel();
}

// One line, without its newline.
void ReportServer::Conversation::Take(const std::shared_ptr<Conversation>& self,
                                      std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  const Slot slot = std::make_shared<std::optional<std::string>>();
  answers.push_back(slot);
  if (!server->rate.Take(Clock::now())) {
    *slot = "error too fast";
    known.cancel();
    return;
  }
  absl::StatusOr<ReportRequest> request = ParseReport(line);
  if (!request.ok()) {
    server->BadInput(uid, request.status().message());
    *slot = absl::StrCat("error ", request.status().message());
    known.cancel();
    return;
  }
  asio::co_spawn(server->loop, Decide(self, *std::move(request), slot),
                 asio::detached);
}

awaitable<void> ReportServer::Conversation::Decide(
    std::shared_ptr<Conversation> self, ReportRequest request, Slot slot) {
  *slot = co_await self->server->handler(std::move(request));
  self->known.cancel();
}

// In order: an answer waits for those before it.
awaitable<void> ReportServer::Conversation::Write(
    std::shared_ptr<Conversation> self) {
  for (;;) {
    std::string text;
    while (!self->answers.empty() && self->answers.front()->has_value()) {
      absl::StrAppend(&text, **self->answers.front(), "\n");
      self->answers.pop_front();
    }
    if (text.empty()) {
      if (self->ended && self->answers.empty()) break;
      if (!self->socket.is_open()) break;
      self->known.expires_at(Instant::max());
      co_await self->known.async_wait(kAsTuple);
      continue;
    }
    self->room.cancel();
    self->untaken_since = Clock::now();
    const auto [error, count] =
        co_await asio::async_write(self->socket, asio::buffer(text), kAsTuple);
    self->untaken_since.reset();
    if (error) break;
    self->last = Clock::now();
  }
  self->Close();
}

awaitable<void> ReportServer::Conversation::Accept(
    std::shared_ptr<Shared> server) {
  asio::steady_timer pause(server->loop);
  while (!server->stopped) {
    auto [error, socket] = co_await server->acceptor.async_accept(kAsTuple);
    if (server->stopped) co_return;
    if (error == asio::error::connection_aborted) continue;
    if (error) {
      if (const auto held_back = server->accept_lines.Admit()) {
        Log(Severity::kError, "accept-failed")
            .Add("front", "report")
            .Add("error", error.message())
            .Add("connections", server->open.size())
            .Add("held_back", *held_back);
      }
      pause.expires_after(kAcceptPause);
      co_await pause.async_wait(kAsTuple);
      continue;
    }
    const std::optional<uid_t> uid = PeerUser(socket.native_handle());
    if (!uid || !server->IsAllowed(*uid)) {
      if (const auto held_back = server->refused_lines.Admit()) {
        Log(Severity::kWarning, "report-refused")
            .Add("uid", uid ? std::to_string(*uid) : "unknown")
            .Add("held_back", *held_back);
      }
      server->metrics.BadInput("report").Increment();
      Refuse(std::move(socket),
             "error you may not report; have your user added to "
             "report.users\n");
      continue;
    }
    if (server->open.size() >= server->options.most_connections) {
      if (const auto held_back = server->accept_lines.Admit()) {
        Log(Severity::kWarning, "too-many-connections")
            .Add("front", "report")
            .Add("peer", absl::StrCat("uid:", *uid))
            .Add("most", server->options.most_connections)
            .Add("held_back", *held_back);
      }
      Refuse(std::move(socket), "error too many connections\n");
      continue;
    }
    const auto conversation =
        std::make_shared<Conversation>(server, std::move(socket), *uid);
    asio::co_spawn(server->loop, Read(conversation), asio::detached);
    asio::co_spawn(server->loop, Write(conversation), asio::detached);
  }
}

// Closes connections of which nothing came for too long. One timer for all, so
// that a report costs none.
awaitable<void> ReportServer::Conversation::Sweep(
    std::shared_ptr<Shared> server) {
  const Duration patience = server->options.patience;
  const Duration idle = server->options.idle;
  while (!server->stopped) {
    server->sweep.expires_after(
        std::max(std::min(patience, idle) / 8, Duration(1)));
    co_await server->sweep.async_wait(kAsTuple);
    if (server->stopped) co_return;
    const Instant now = Clock::now();
    for (Conversation* each : server->open) {
      if (!each->socket.is_open()) continue;
      const bool is_late =
          (each->half_since && now - *each->half_since > patience) ||
          (each->untaken_since && now - *each->untaken_since > patience);
      const bool is_idle = each->answers.empty() && now - each->last > idle;
      if (is_late) {
        server->BadInput(each->uid,
                         "a report half sent, or an answer not taken, for too "
                         "long");
      }
      // Ends the coroutines when the loop comes to them, not now.
      if (is_late || is_idle) each->Close();
    }
  }
}

ReportServer::ReportServer(asio::io_context& loop, int listener,
                           Handler handler, Metrics& metrics,
                           ReportServerOptions options)
    : shared_(std::make_shared<Shared>(loop, listener, std::move(handler),
                                       metrics, std::move(options))) {
  asio::co_spawn(loop, Conversation::Accept(shared_), asio::detached);
  asio::co_spawn(loop, Conversation::Sweep(shared_), asio::detached);
}

ReportServer::~ReportServer() {
  shared_->stopped = true;
  asio::error_code ignored;
  shared_->acceptor.close(ignored);
  shared_->sweep.cancel();
  for (Conversation* each : shared_->open) each->Close();
}

void ReportServer::SetUsers(std::vector<uid_t> users) {
  shared_->options.users = std::move(users);
}

size_t ReportServer::connections() const { return shared_->open.size(); }

}  // namespace breakwater
