#include "policy/server.h"

#include <sys/socket.h>

#include <algorithm>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "asio/awaitable.hpp"
#include "asio/basic_socket_acceptor.hpp"
#include "asio/basic_stream_socket.hpp"
#include "asio/buffer.hpp"
#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "asio/experimental/as_tuple.hpp"
#include "asio/generic/stream_protocol.hpp"
#include "asio/ip/tcp.hpp"
#include "asio/steady_timer.hpp"
#include "asio/use_awaitable.hpp"
#include "asio/write.hpp"
#include "core/base/log.h"
#include "core/base/log_limit.h"
#include "core/net/peer_name.h"
#include "policy/policy_sessions.h"
#include "policy/request.h"
#include "policy/request_buffer.h"

namespace breakwater {
namespace {

using asio::awaitable;
using asio::use_awaitable;
using asio::experimental::as_tuple;

// Unix and TCP sockets alike.
using Protocol = asio::generic::stream_protocol;
using Acceptor = asio::basic_socket_acceptor<Protocol>;
using Socket = asio::basic_stream_socket<Protocol>;

// Before accept is tried again after it failed for want of descriptors or
// memory: the socket stays readable, and without a pause the loop would spin.
constexpr Duration kAcceptPause = std::chrono::milliseconds(100);

}  // namespace

// Connections by what they do; in each, who came to it first is first.
struct PolicyServer::Lists {
  std::list<Conversation*> silent;  // has never asked anything
  std::list<Conversation*> idle;    // waits for the next request
  std::list<Conversation*> busy;
};

struct PolicyServer::Shared {
  asio::io_context& loop;
  Screener& screener;
  Metrics& metrics;
  const PolicyServerOptions options;
  PolicySessions sessions;  // one answer for each
  asio::steady_timer sweep;
  std::list<Acceptor> acceptors;
  absl::flat_hash_set<Conversation*> open;
  Lists lists;
  uint64_t turned_away = 0;
  Instant last_turned_away{};
  std::optional<Instant> last_asked;
  bool stopped = false;
  LogLimit bad_input_lines{100, std::chrono::seconds(10)};
  LogLimit refused_lines{1, std::chrono::seconds(10)};
  LogLimit accept_lines{1, std::chrono::seconds(10)};

  void BadInput(Conversation& conversation, std::string_view error);
  void TurnAway(Socket& socket, const Protocol::endpoint& peer);
  // By closing who has been of no use longest. False if there is nobody.
  bool MakeRoom();
};

// What the server must know of a connection.
struct PolicyServer::Conversation {
  Conversation(Shared& server, Socket s, Protocol::endpoint p)
      : server(server), socket(std::move(s)), peer(std::move(p)) {
    server.open.insert(this);
    place = in->insert(in->end(), this);
  }
  ~Conversation() {
    server.open.erase(this);
    in->erase(place);
  }
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;

  void MoveTo(std::list<Conversation*>& list) {
    list.splice(list.end(), *in, place);
    in = &list;
    there_since = Clock::now();
  }
  // Closed by Stop, by Sweep for the peer's slowness, or to make room.
  void Close() {
    asio::error_code ignored;
    socket.close(ignored);
  }

  static awaitable<void> Converse(std::shared_ptr<Shared> server, Socket socket,
                                  Protocol::endpoint peer);
  static awaitable<void> Accept(std::shared_ptr<Shared> server,
                                Acceptor& acceptor);
  static awaitable<void> Sweep(std::shared_ptr<Shared> server);

  Shared& server;
  Socket socket;
  const Protocol::endpoint peer;
  // Since when we wait for the rest of a request, or for the peer to take an
  // answer. Not set between requests: Postfix keeps connections.
  std::optional<Instant> owes_since;
  std::list<Conversation*>* in = &server.lists.silent;
  std::list<Conversation*>::iterator place;
  Instant there_since = Clock::now();
};

void PolicyServer::Shared::BadInput(Conversation& conversation,
                                    std::string_view error) {
  metrics.BadInput("policy").Increment();
  if (const auto held_back = bad_input_lines.Admit()) {
    Log(Severity::kWarning, "bad-input")
        .Add("front", "policy")
        .Add("peer", PeerName(conversation.socket.native_handle(),
                              conversation.peer.data()))
        .Add("error", error)
        .Add("held_back", *held_back);
  }
}

void PolicyServer::Shared::TurnAway(Socket& socket,
                                    const Protocol::endpoint& peer) {
  ++turned_away;
  last_turned_away = Clock::now();
  if (const auto held_back = refused_lines.Admit()) {
    Log(Severity::kWarning, "too-many-connections")
        .Add("front", "policy")
        .Add("peer", PeerName(socket.native_handle(), peer.data()))
        .Add("most", options.most_connections)
        .Add("held_back", *held_back);
  }
}

bool PolicyServer::Shared::MakeRoom() {
  const Instant now = Clock::now();
  const auto close = [&](const std::list<Conversation*>& list, Duration least) {
    if (list.empty() || now - list.front()->there_since < least) return false;
    // Its coroutine ends when the loop comes to it.
    list.front()->Close();
    list.front()->MoveTo(lists.busy);
    return true;
  };
  return close(lists.silent, options.silence) ||
         close(lists.idle, options.idle);
}

awaitable<void> PolicyServer::Conversation::Converse(
    std::shared_ptr<Shared> server, Socket accepted, Protocol::endpoint peer) {
  Conversation self(*server, std::move(accepted), std::move(peer));
  Socket& socket = self.socket;
  RequestBuffer buffer;
  for (;;) {
    // A whole request.
    const std::optional<std::string_view> block = buffer.Next();
    if (!block) {
      if (buffer.IsFull()) {
        server->BadInput(self, "no end of the request within 64 KiB");
        co_return;
      }
      if (buffer.HasPart() && !self.owes_since) self.owes_since = Clock::now();
      if (self.in == &server->lists.busy) self.MoveTo(server->lists.idle);
      const std::span<char> space = buffer.Space();
      const auto [error, bytes] = co_await socket.async_read_some(
          asio::buffer(space.data(), space.size()), as_tuple(use_awaitable));
      if (error) {
        if (buffer.HasPart() && socket.is_open()) {
          server->BadInput(self, "the connection ended within a request");
        }
        co_return;
      }
      buffer.Filled(bytes);
      continue;
    }
    self.owes_since.reset();
    self.MoveTo(server->lists.busy);
    absl::StatusOr<PolicyRequest> request = ParsePolicyRequest(*block);
    if (!request.ok()) {
      const absl::string_view error = request.status().message();
      server->BadInput(self, {error.data(), error.size()});
      co_return;
    }

    server->last_asked = Clock::now();

    // Its verdict.
    PolicySessions::Answer judged = co_await server->sessions.Judge(*request);
    if (server->stopped) co_return;

    // The answer. There is nearly always room for it in the socket.
    const std::string answer =
        absl::StrCat("action=", PolicyAction(judged.verdict), "\n\n");
    asio::error_code error;
    const size_t sent = socket.write_some(asio::buffer(answer), error);
    if (error == asio::error::would_block || (!error && sent < answer.size())) {
      self.owes_since = Clock::now();
      const auto [late_error, rest] = co_await asio::async_write(
          socket, asio::buffer(answer) + sent, as_tuple(use_awaitable));
      error = late_error;
      self.owes_since.reset();
    }
    // The client was told nothing, so nothing is done to it.
    if (error) co_return;
    server->sessions.Answered(*request, std::move(judged));
  }
}

awaitable<void> PolicyServer::Conversation::Accept(
    std::shared_ptr<Shared> server, Acceptor& acceptor) {
  asio::steady_timer pause(server->loop);
  while (!server->stopped) {
    Protocol::endpoint peer;
    auto [error, socket] =
        co_await acceptor.async_accept(peer, as_tuple(use_awaitable));
    if (server->stopped) co_return;
    if (error == asio::error::connection_aborted) continue;
    if (error) {
      if (const auto held_back = server->accept_lines.Admit()) {
        Log(Severity::kError, "accept-failed")
            .Add("front", "policy")
            .Add("error", error.message())
            .Add("connections", server->open.size())
            .Add("held_back", *held_back);
      }
      pause.expires_after(kAcceptPause);
      co_await pause.async_wait(as_tuple(use_awaitable));
      continue;
    }
    if (server->open.size() >= server->options.most_connections &&
        !server->MakeRoom()) {
      server->TurnAway(socket, peer);
      continue;
    }
    asio::error_code ignored;
    socket.non_blocking(true, ignored);
    // Fails on unix sockets, which do not need it.
    socket.set_option(asio::ip::tcp::no_delay(true), ignored);
    asio::co_spawn(server->loop, Converse(server, std::move(socket), peer),
                   asio::detached);
  }
}

// Closes connections whose peer has owed us something for too long. One timer
// for all, so that a request costs none.
awaitable<void> PolicyServer::Conversation::Sweep(
    std::shared_ptr<Shared> server) {
  const Duration patience = server->options.patience;
  while (!server->stopped) {
    server->sweep.expires_after(std::max(patience / 8, Duration(1)));
    co_await server->sweep.async_wait(as_tuple(use_awaitable));
    if (server->stopped) co_return;
    const Instant longest_ago = Clock::now() - patience;
    for (Conversation* conversation : server->open) {
      if (!conversation->socket.is_open() || !conversation->owes_since ||
          *conversation->owes_since > longest_ago) {
        continue;
      }
      server->BadInput(*conversation,
                       "a request half sent, or an answer not "
                       "taken, for too long");
      // Ends the coroutine when the loop comes to it, not now.
      conversation->Close();
    }
  }
}

PolicyServer::PolicyServer(asio::io_context& loop, Screener& screener,
                           Metrics& metrics, PolicyServerOptions options)
    : shared_(std::shared_ptr<Shared>(
          new Shared{.loop = loop,
                     .screener = screener,
                     .metrics = metrics,
                     .options = options,
                     .sessions = PolicySessions(screener),
                     .sweep = asio::steady_timer(loop)})) {
  asio::co_spawn(loop, Conversation::Sweep(shared_), asio::detached);
}

PolicyServer::~PolicyServer() { Stop(); }

void PolicyServer::Serve(int listening) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  getsockname(listening, reinterpret_cast<sockaddr*>(&address), &size);
  Acceptor& acceptor = shared_->acceptors.emplace_back(shared_->loop);
  acceptor.assign(Protocol(address.ss_family, 0), listening);
  asio::co_spawn(shared_->loop, Conversation::Accept(shared_, acceptor),
                 asio::detached);
}

void PolicyServer::Stop() {
  if (shared_->stopped) return;
  shared_->stopped = true;
  shared_->sweep.cancel();
  for (Acceptor& acceptor : shared_->acceptors) {
    asio::error_code ignored;
    acceptor.close(ignored);
  }
  for (Conversation* conversation : shared_->open) conversation->Close();
}

size_t PolicyServer::connections() const { return shared_->open.size(); }

DoorLoad PolicyServer::load() const {
  return {.front = "policy",
          .connections = connections(),
          .most = shared_->options.most_connections,
          .turned_away = shared_->turned_away,
          .last_turned_away = shared_->last_turned_away,
          .last_asked = shared_->last_asked};
}

}  // namespace breakwater
