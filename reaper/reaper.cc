#include "reaper/reaper.h"

#include <time.h>

#include <algorithm>
#include <string>
#include <utility>

#include "core/base/log.h"
#include "core/net/width.h"

namespace breakwater {
namespace {

using std::chrono::milliseconds;

constexpr size_t kMostQueued = 100'000;
constexpr size_t kMostEndings = 65'536;
constexpr size_t kMostSpared = 65'536;

// Bans that come within this time share a dump; and an order that spares a
// session, or has it ended after its reply, overtakes the dump of its ban.
constexpr Duration kCollect = milliseconds(20);
// Dumps take at most one part in so many of a processor. One of a host with
// many connections just closed takes 3 to 4 ms, so in a wave they are 0.2 s
// apart. Waiting for the processor does not count: on a busy host the next dump
// would come a second later, just when it is needed.
constexpr int kDumpShare = 50;

// How soon a connection whose reply is awaited is looked at again: at first
// often, as MTAs answer within a millisecond, then more rarely.
constexpr Duration kFirstLook = milliseconds(5);
constexpr Duration kLongestPause = milliseconds(50);

// Of this thread, so far.
std::chrono::nanoseconds ProcessorTime() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) +
         std::chrono::nanoseconds(time.tv_nsec);
}

// The addresses and ports on which this host is listening.
using Listeners = absl::flat_hash_set<std::pair<IpAddress, uint16_t>>;

// Whether a client has made the connection, and not we: then somebody listens
// where it ends.
bool IsServers(const Listeners& listeners, const Connection& connection) {
  static const IpAddress any4 = IpAddress::FromV4(0);
  static const IpAddress any6;
  const uint16_t port = connection.server_port;
  return listeners.contains({connection.server, port}) ||
         listeners.contains({any6, port}) ||
         (connection.server.IsV4() && listeners.contains({any4, port}));
}

template <typename T>
void Append(std::vector<T>& to, const std::vector<T>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

}  // namespace

absl::StatusOr<std::unique_ptr<Reaper>> Reaper::Start(ReaperOptions options) {
  absl::StatusOr<SockDiag> diag = SockDiag::Open();
  if (!diag.ok()) return diag.status();
  auto reaper =
      std::unique_ptr<Reaper>(new Reaper(std::move(options), *std::move(diag)));
  reaper->thread_ = std::thread([raw = reaper.get()] { raw->Run(); });
  return reaper;
}

Reaper::Reaper(ReaperOptions options, SockDiag diag)
    : options_(std::move(options)),
      diag_(std::move(diag)),
      next_covers_(options_.covers),
      next_only_port_(options_.only_port) {}

Reaper::~Reaper() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Reaper::Add(const Work& work) {
  if (work.size() == 0) return;
  bool dropped = false;
  {
    const std::lock_guard lock(mutex_);
    dropped = queue_.size() + work.size() > kMostQueued;
    // What protects is never dropped: it is bounded where it is kept.
    Append(queue_.sparings, work.sparings);
    Append(queue_.lifted, work.lifted);
    for (const Network& network : work.lifted) {
      std::erase(queue_.sweep, network);
    }
    if (!dropped) {
      Append(queue_.destroy, work.destroy);
      Append(queue_.end_after_reply, work.end_after_reply);
      Append(queue_.sweep, work.sweep);
    }
  }
  wake_.notify_one();
  if (dropped) {
    Log(Severity::kWarning, "reaper-overload").Add("orders", work.size());
  }
}

void Reaper::SetPorts(std::function<bool(uint16_t port)> covers,
                      uint16_t only_port) {
  const std::lock_guard lock(mutex_);
  next_covers_ = std::move(covers);
  next_only_port_ = only_port;
}

// ---- The thread -------------------------------------------------------------

void Reaper::Run() {
  for (Work work; Take(work);) {
    Begin(work);
    const Instant now = Clock::now();
    ContinueEndings(now);
    if (!to_sweep_.empty() && next_sweep_ <= now) Sweep();
  }
}

bool Reaper::Take(Work& work) {
  const Instant next = NextInstant();
  std::unique_lock lock(mutex_);
  const auto has_work = [this] { return ending_ || queue_.size() > 0; };
  if (next == Instant::max()) {
    wake_.wait(lock, has_work);
  } else {
    wake_.wait_until(lock, next, has_work);
  }
  work = std::exchange(queue_, {});
  covers_ = next_covers_;
  only_port_ = next_only_port_;
  return !ending_;
}

Instant Reaper::NextInstant() const {
  Instant next = to_sweep_.empty() ? Instant::max() : next_sweep_;
  for (const auto& [connection, ending] : endings_) {
    next = std::min(next, ending.next_look);
  }
  return next;
}

void Reaper::Begin(const Work& work) {
  const Instant now = Clock::now();
  for (const Work::Sparing& sparing : work.sparings) Spare(sparing);
  for (const Connection& connection : work.end_after_reply) {
    if (!covers_(connection.server_port) || spared_.contains(connection) ||
        endings_.size() >= kMostEndings) {
      continue;
    }
    endings_.try_emplace(connection, Ending{.ordered = now, .next_look = now});
  }
  for (const Connection& connection : work.destroy) DestroyKnown(connection);

  for (const Network& network : work.lifted) to_sweep_.erase(network);
  if (work.sweep.empty()) return;
  if (to_sweep_.empty()) next_sweep_ = std::max(next_sweep_, now + kCollect);
  to_sweep_.insert(work.sweep.begin(), work.sweep.end());
}

void Reaper::Spare(const Work::Sparing& sparing) {
  if (!sparing.spared) {
    spared_.erase(sparing.connection);
    return;
  }
  if (spared_.size() >= kMostSpared) DropSparedThatAreOver();
  if (spared_.size() >= kMostSpared) {
    Log(Severity::kWarning, "too-many-spared").Add("most", kMostSpared);
    return;
  }
  spared_.insert(sparing.connection);
  endings_.erase(sparing.connection);
}

// A daemon that died has not told us of their end.
void Reaper::DropSparedThatAreOver() {
  absl::erase_if(spared_, [this](const Connection& connection) {
    const absl::StatusOr<std::optional<TcpSocket>> socket =
        diag_.Find(connection);
    return socket.ok() && !(socket->has_value() && (*socket)->IsOpen());
  });
}

void Reaper::DestroyKnown(const Connection& connection) {
  if (!covers_(connection.server_port) || spared_.contains(connection)) return;
  endings_.erase(connection);
  const absl::StatusOr<std::optional<TcpSocket>> socket =
      diag_.Find(connection);
  if (!socket.ok()) return Failed(socket.status());
  if (socket->has_value()) Destroy(**socket, "known");
}

// ---- After the reply --------------------------------------------------------

void Reaper::ContinueEndings(Instant now) {
  for (auto it = endings_.begin(); it != endings_.end();) {
    auto& [connection, ending] = *it;
    if (ending.next_look <= now && LookAt(connection, ending, now)) {
      endings_.erase(it++);
    } else {
      ++it;
    }
  }
}

bool Reaper::LookAt(const Connection& connection, Ending& ending, Instant now) {
  Traffic traffic;
  const absl::StatusOr<std::optional<TcpSocket>> socket =
      diag_.Find(connection, &traffic);
  if (!socket.ok()) {
    Failed(socket.status());
    return true;
  }
  // Gone, or being closed by the MTA, which is best.
  if (!socket->has_value() || !(*socket)->IsOpen()) return true;

  const auto waited =
      std::chrono::duration_cast<Duration>(now - ending.ordered);
  if (ending.answered) {
    Destroy(**socket, "answered");
    return true;
  }
  if (waited >= options_.limit) {
    Destroy(**socket, "silent");
    return true;
  }
  if (ending.watch.IsAnswered(**socket, traffic, waited)) {
    ending.answered = true;
    ending.next_look = now + options_.grace;
  } else {
    const Duration pause = std::clamp(waited / 2, kFirstLook, kLongestPause);
    ending.next_look = std::min(now + pause, ending.ordered + options_.limit);
  }
  return false;
}

// ---- The dump ---------------------------------------------------------------

bool Reaper::IsToSweep(const IpAddress& client) const {
  return to_sweep_.contains(Network::OfClient(client)) ||
         std::ranges::any_of(WidthsOf(client), [&](Width width) {
           return to_sweep_.contains(Widened(client, width));
         });
}

void Reaper::Sweep() {
  const auto before = ProcessorTime();
  const absl::Status status = SweepOnce();
  ++counts_.dumps;
  to_sweep_.clear();
  if (!status.ok()) Failed(status);
  next_sweep_ = Clock::now() + kDumpShare * (ProcessorTime() - before);
}

absl::Status Reaper::SweepOnce() {
  std::optional<Listeners> listeners;
  if (only_port_ == 0) {
    listeners.emplace();
    const absl::Status status =
        diag_.ForEachListener([&](const IpAddress& address, uint16_t port) {
          listeners->insert({address, port});
        });
    // Nobody knows who called whom.
    if (!status.ok()) return status;
  }
  std::vector<TcpSocket> found;
  const absl::Status status =
      diag_.ForEachOpen(only_port_, [&](const TcpSocket& socket) {
        const Connection& connection = socket.connection;
        if (covers_(connection.server_port) && IsToSweep(connection.client) &&
            (!listeners || IsServers(*listeners, connection)) &&
            !spared_.contains(connection) && !endings_.contains(connection)) {
          found.push_back(socket);
        }
      });
  for (const TcpSocket& socket : found) Destroy(socket, "swept");
  return status;
}

void Reaper::Destroy(const TcpSocket& socket, const char* why) {
  const absl::Status status = diag_.Destroy(socket);
  // It has gone by itself, or is no connection any more.
  if (absl::IsNotFound(status) || absl::IsFailedPrecondition(status)) return;
  if (!status.ok()) return Failed(status);
  ++counts_.destroyed;
  Log(Severity::kInfo, "reap")
      .Add("client", socket.connection.client.ToString())
      .Add("port", socket.connection.client_port)
      .Add("server_port", socket.connection.server_port)
      .Add("why", why);
}

void Reaper::Failed(const absl::Status& status) {
  ++counts_.errors;
  if (const std::optional<uint64_t> held_back = complaints_.Admit()) {
    Log(Severity::kError, "reap-failed")
        .Add("why", std::string(status.message()))
        .Add("held_back", *held_back);
  }
}

}  // namespace breakwater
