#include "daemon/operator/control_server.h"

#include <unistd.h>

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "asio/experimental/as_tuple.hpp"
#include "asio/local/stream_protocol.hpp"
#include "asio/read_until.hpp"
#include "asio/steady_timer.hpp"
#include "asio/use_awaitable.hpp"
#include "asio/write.hpp"
#include "core/base/log.h"
#include "core/base/log_limit.h"
#include "core/net/listen_socket.h"
#include "core/net/socket_peer.h"
#include "daemon/protocol/breather.h"
#include "daemon/system/privileges.h"

namespace breakwater {
namespace {

using asio::local::stream_protocol;
constexpr auto kAsTuple = asio::experimental::as_tuple(asio::use_awaitable);

nlohmann::json Failure(absl::string_view message) {
  return {{"ok", false}, {"error", std::string(message)}};
}

std::string Text(const nlohmann::json& value) {
  // What strangers sent may be in it, in any encoding.
  return value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

// A list of thousands is written, and given up, bit by bit.
asio::awaitable<std::string> OneLine(nlohmann::json answer) {
  if (!answer.is_object() || answer.empty()) co_return Text(answer) + "\n";
  std::string line;
  Breather breather;
  const char* before = "{";
  for (auto& [key, value] : answer.items()) {
    absl::StrAppend(&line, std::exchange(before, ","),
                    Text(nlohmann::json(key)), ":");
    if (!value.is_array()) {
      line += Text(value);
      continue;
    }
    const char* between = "[";
    for (nlohmann::json& one : value) {
      absl::StrAppend(&line, std::exchange(between, ","), Text(one));
      one = nullptr;
      if (breather.IsDue()) co_await breather.Breathe();
    }
    absl::StrAppend(&line, value.empty() ? "[" : "", "]");
  }
  co_return line + "}\n";
}

// Closes the socket when its time is over: whatever waits on it then ends.
// Owned together with the socket, since an expired timer's handler may run
// after the coroutine has ended.
struct Peer {
  explicit Peer(stream_protocol::socket s)
      : socket(std::move(s)),
        timer(socket.get_executor()),
        uid(PeerUser(socket.native_handle())) {}

  stream_protocol::socket socket;
  asio::steady_timer timer;
  std::optional<uid_t> uid;
  std::string unread;  // behind the last request
};

void CloseAfter(const std::shared_ptr<Peer>& peer, Duration time) {
  peer->timer.expires_after(time);
  peer->timer.async_wait([peer](const asio::error_code& error) {
    asio::error_code ignored;
    if (!error) peer->socket.close(ignored);
  });
}

}  // namespace

struct ControlServer::State : std::enable_shared_from_this<State> {
  State(asio::io_context& loop, int listener, Handler h, Options o)
      : acceptor(loop, stream_protocol(), listener),
        pause(loop),
        handler(std::move(h)),
        options(std::move(o)) {}

  asio::awaitable<void> Accept();
  asio::awaitable<void> Serve(std::shared_ptr<Peer> peer);
  asio::awaitable<absl::StatusOr<std::string>> ReadLine(
      std::shared_ptr<Peer> peer);
  // `more`: whether another request may follow.
  asio::awaitable<nlohmann::json> Answer(std::shared_ptr<Peer> peer, uid_t uid,
                                         bool& more);
  bool IsAllowed(uid_t uid) const;
  // Whether a newcomer's place is one that it may have.
  bool HasRoomFor(const Peer& peer) const;
  void Close();

  stream_protocol::acceptor acceptor;
  asio::steady_timer pause;  // cancelled when a connection ends
  Handler handler;
  Options options;
  LogLimit refused_lines{10, std::chrono::seconds(10)};  // anybody may connect
  std::vector<std::shared_ptr<Peer>> peers;
};

bool ControlServer::State::IsAllowed(uid_t uid) const {
  return uid == 0 || uid == getuid() ||
         std::ranges::find(options.users, uid) != options.users.end();
}

bool ControlServer::State::HasRoomFor(const Peer& peer) const {
  if (peer.uid == uid_t{0}) return true;
  const auto of_one = std::ranges::count_if(
      peers, [&](const auto& other) { return other->uid == peer.uid; });
  return static_cast<size_t>(of_one) <= options.most_of_one &&
         peers.size() + options.for_root <= options.most_connections;
}

void ControlServer::State::Close() {
  asio::error_code ignored;
  acceptor.close(ignored);
  pause.cancel();
  for (const std::shared_ptr<Peer>& peer : peers) peer->socket.close(ignored);
}

asio::awaitable<void> ControlServer::State::Accept() {
  const auto self = shared_from_this();
  while (acceptor.is_open()) {
    if (peers.size() >= options.most_connections) {
      pause.expires_at(asio::steady_timer::time_point::max());
      co_await pause.async_wait(kAsTuple);
      continue;
    }
    auto [error, socket] = co_await acceptor.async_accept(kAsTuple);
    if (!acceptor.is_open()) break;
    if (error) {
      // Out of descriptors, most likely; trying at once would spin.
      Log(Severity::kWarning, "control-accept-failed")
          .Add("error", error.message());
      pause.expires_after(std::chrono::seconds(1));
      co_await pause.async_wait(kAsTuple);
      continue;
    }
    auto peer = std::make_shared<Peer>(std::move(socket));
    peers.push_back(peer);
    asio::co_spawn(acceptor.get_executor(), Serve(peer), asio::detached);
  }
}

asio::awaitable<void> ControlServer::State::Serve(std::shared_ptr<Peer> peer) {
  const auto self = shared_from_this();
  const std::optional<uid_t> uid = peer->uid;
  const bool allowed = uid && IsAllowed(*uid);
  const bool has_room = HasRoomFor(*peer);
  bool more = true;
  Duration deadline = options.request_deadline;
  while (more) {
    CloseAfter(peer, std::exchange(deadline, options.next_deadline));
    nlohmann::json answer;
    more = false;
    if (allowed && !has_room) {
      answer = Failure(
          "the control socket has no room for more connections of users other "
          "than root; end some of yours, or use sudo");
    } else if (allowed) {
      answer = co_await Answer(peer, *uid, more);
    } else {
      if (const auto held_back = refused_lines.Admit()) {
        Log(Severity::kWarning, "control-refused")
            .Add("uid", uid ? std::to_string(*uid) : "unknown")
            .Add("held_back", *held_back);
      }
      answer = Failure(
          "you may not command the daemon; use sudo, or have your user added "
          "to control.users");
    }
    // Nobody waits for an answer to nothing.
    if (answer.is_null()) break;
    CloseAfter(peer, options.answer_deadline);
    const std::string line = co_await OneLine(std::move(answer));
    const auto [error, sent] =
        co_await asio::async_write(peer->socket, asio::buffer(line), kAsTuple);
    if (error) break;
  }
  peer->timer.cancel();
  asio::error_code ignored;
  peer->socket.close(ignored);
  std::erase(peers, peer);
  pause.cancel();
}

// Nothing if none comes.
asio::awaitable<absl::StatusOr<std::string>> ControlServer::State::ReadLine(
    std::shared_ptr<Peer> peer) {
  std::string& unread = peer->unread;
  auto [error, length] = co_await asio::async_read_until(
      peer->socket, asio::dynamic_buffer(unread, kLongestControlLine + 1), '\n',
      kAsTuple);
  if (error == asio::error::not_found && unread.starts_with(kImportBegin)) {
    std::tie(error, length) = co_await asio::async_read_until(
        peer->socket, asio::dynamic_buffer(unread, kLongestImportLine + 1),
        '\n', kAsTuple);
  }
  if (error == asio::error::not_found) {
    co_return absl::InvalidArgumentError("line: is longer than 4096 bytes");
  }
  if (error) co_return absl::CancelledError(error.message());
  std::string line = unread.substr(0, length - 1);
  unread.erase(0, length);
  // "\r\n" is what somebody types who tries it by hand.
  if (line.ends_with('\r')) line.pop_back();
  co_return line;
}

asio::awaitable<nlohmann::json> ControlServer::State::Answer(
    std::shared_ptr<Peer> peer, uid_t uid, bool& more) {
  const absl::StatusOr<std::string> line = co_await ReadLine(peer);
  if (absl::IsCancelled(line.status())) co_return nullptr;
  if (!line.ok()) co_return Failure(line.status().message());

  absl::StatusOr<ControlRequest> request = ParseControlRequest(*line);
  if (!request.ok()) {
    Log(Severity::kWarning, "control-bad-request")
        .Add("uid", uid)
        .Add("line", line->substr(0, 100))
        .Add("error", std::string(request.status().message()));
    co_return Failure(request.status().message());
  }
  Log(Severity::kDebug, "control-request")
      .Add("uid", uid)
      .Add("verb", VerbName(request->verb));
  peer->timer.cancel();
  more = request->verb == Verb::kExport || request->verb == Verb::kImport;
  co_return co_await handler(*std::move(request), uid);
}

absl::StatusOr<int> ControlServer::Listen(const std::string& path,
                                          std::optional<uid_t> owner) {
  return breakwater::Listen(absl::StrCat("unix:", path), "", 0666, owner);
}

ControlServer::ControlServer(asio::io_context& loop, int listener,
                             Handler handler, Options options)
    : state_(std::make_shared<State>(loop, listener, std::move(handler),
                                     std::move(options))) {
  asio::co_spawn(loop, state_->Accept(), asio::detached);
}

ControlServer::~ControlServer() { state_->Close(); }

void ControlServer::SetUsers(std::vector<uid_t> users) {
  state_->options.users = std::move(users);
}

absl::StatusOr<std::vector<uid_t>> FindUsers(
    const std::vector<std::string>& names, std::string_view key) {
  std::vector<uid_t> users;
  for (const std::string& name : names) {
    const absl::StatusOr<UserIds> ids = FindUser(name);
    if (!ids.ok()) {
      return absl::NotFoundError(
          absl::StrCat(std::string(key), ": ", ids.status().message()));
    }
    users.push_back(ids->user);
  }
  return users;
}

}  // namespace breakwater
