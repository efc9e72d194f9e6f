#include "daemon/enforcer_link.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "asio/experimental/as_tuple.hpp"
#include "asio/experimental/awaitable_operators.hpp"
#include "asio/use_awaitable.hpp"
#include "core/log.h"
#include "daemon/socket_peer.h"

namespace breakwater {
namespace {

using asio::experimental::as_tuple;
using std::chrono::seconds;

constexpr Duration kShortestRetry = std::chrono::milliseconds(100);
constexpr Duration kLongestRetry = seconds(5);
// An enforcer that takes longer than this over one packet hangs.
constexpr Duration kPatience = seconds(15);
// Spared sessions.
constexpr size_t kMostSpared = 100'000;
// Orders that wait. A ban that is dropped here is in the table, and is told at
// the next comparison.
constexpr size_t kMostQueued = 1'200'000;
// Lifted bans that the enforcer may not know of: nothing else tells them.
constexpr size_t kMostLifted = kMostQueued;
// Kernel and table count in different units.
constexpr uint32_t kSameSeconds = 3;

uint32_t ToSeconds(Duration length) {
  const auto whole = std::chrono::ceil<seconds>(length).count();
  return static_cast<uint32_t>(
      std::clamp<int64_t>(whole, 1, kLongestBanSeconds));
}

bool IsAboutNetwork(const Record& record) {
  return record.kind == RecordKind::kBan || record.kind == RecordKind::kUnban;
}

bool MayPass(Refusal refusal) {
  return refusal == Refusal::kTooFast || refusal == Refusal::kKernel ||
         refusal == Refusal::kTooWide;
}

// Rounded down: rounded up, a ban that is said again and again would grow.
uint32_t SecondsUntil(Instant end, Instant now) {
  const auto whole = std::chrono::floor<seconds>(end - now);
  return whole < seconds(1) ? 0 : ToSeconds(whole);
}

}  // namespace

const char* EnforcerCounterName(EnforcerCounter counter) {
  switch (counter) {
    case EnforcerCounter::kAdded:
      return "added";
    case EnforcerCounter::kRemoved:
      return "removed";
    case EnforcerCounter::kRefused:
      return "refused";
    case EnforcerCounter::kDestroyed:
      return "destroyed";
    case EnforcerCounter::kDumps:
      return "dumps";
    case EnforcerCounter::kSetsMade:
      return "sets_made";
    case EnforcerCounter::kKernelErrors:
      return "kernel_errors";
    case EnforcerCounter::kSetsFlushed:
      return "sets_flushed";
    case EnforcerCounter::kEvicted:
      return "evicted";
    case EnforcerCounter::kSetsWrong:
      return "sets_wrong";
    case EnforcerCounter::kUnprotected:
      return "unprotected";
  }
  return "unknown";
}

EnforcerLink::EnforcerLink(asio::io_context& loop, Metrics& metrics,
                           Options options)
    : loop_(loop),
      metrics_(metrics),
      options_(std::move(options)),
      socket_(loop),
      retry_(loop),
      wake_(loop, Instant::max()),
      since_(Clock::now()),
      postponed_(options_.first_repeat) {}

void EnforcerLink::Start(Callbacks callbacks) {
  callbacks_ = std::move(callbacks);
  asio::co_spawn(loop_, Run(), asio::detached);
}

// ---- Orders ----------------------------------------------------------------

void EnforcerLink::Ban(const Network& network, Duration length) {
  Queue({.kind = RecordKind::kBan,
         .network = network,
         .seconds = ToSeconds(length)});
}

void EnforcerLink::Unban(const Network& network) {
  if (!ready_) RememberLifted(network);
  if (!backlog_.empty()) lifted_from_backlog_.insert(network);
  Queue({.kind = RecordKind::kUnban, .network = network});
}

// A ban of the same network that comes behind is in the table, and is said
// anew behind the lifting: so the kernel's longer one does not stay.
void EnforcerLink::RememberLifted(const Network& network) {
  if (lifted_.size() < kMostLifted) lifted_.insert(network);
}

void EnforcerLink::EndAfterReply(const Connection& connection) {
  Queue({.kind = RecordKind::kEndAfterReply, .connection = connection});
}

void EnforcerLink::Destroy(const Connection& connection) {
  Queue({.kind = RecordKind::kDestroy, .connection = connection});
}

void EnforcerLink::Spare(const Connection& connection) {
  if (spared_.size() < kMostSpared) spared_.insert(connection);
  Queue({.kind = RecordKind::kSpare, .connection = connection});
}

void EnforcerLink::Forget(const Connection& connection) {
  spared_.erase(connection);
  Queue({.kind = RecordKind::kForget, .connection = connection});
}

void EnforcerLink::Reload() { Queue({.kind = RecordKind::kReload}); }

void EnforcerLink::Queue(const Record& record) {
  if (!ready_ || queue_.size() >= kMostQueued) return;
  queue_.push_back({.record = record, .queued = Clock::now()});
  ++ordered_;
  wake_.cancel();
}

asio::awaitable<bool> EnforcerLink::Settled(Duration longest) {
  const uint64_t conversation = conversation_;
  const uint64_t wanted = ordered_;
  const uint64_t refusals = refusals_;
  const Instant end = Clock::now() + longest;
  asio::steady_timer timer(loop_);
  waiting_.push_back(&timer);
  while (ready_ && conversation == conversation_ && carried_out_ < wanted &&
         Clock::now() < end) {
    timer.expires_at(end);
    co_await timer.async_wait(as_tuple(asio::use_awaitable));
  }
  std::erase(waiting_, &timer);
  const bool same = ready_ && conversation == conversation_;
  const bool all = carried_out_ >= wanted && refusals == refusals_;
  co_return same&& all;
}

void EnforcerLink::WakeWaiting() {
  for (asio::steady_timer* timer : waiting_) timer->cancel();
}

std::vector<EnforcerLink::Order> EnforcerLink::TakeOrders() {
  std::vector<Order> orders;
  while (!queue_.empty() && orders.size() < kMostRecords) {
    orders.push_back(queue_.front());
    queue_.pop_front();
  }
  while (!backlog_.empty() && orders.size() < kMostRecords) {
    const Record record = backlog_.front();
    backlog_.pop_front();
    if (lifted_from_backlog_.contains(record.network)) continue;
    orders.push_back({.record = record, .queued = {}, .again = true});
  }
  if (backlog_.empty()) lifted_from_backlog_.clear();
  for (const Order& order : orders) {
    if (IsAboutNetwork(order.record)) postponed_.Forget(order.record.network);
  }
  return orders;
}

// ---- The conversation ------------------------------------------------------

asio::awaitable<void> EnforcerLink::Run() {
  Duration pause = kShortestRetry;
  for (;;) {
    const absl::Status status = co_await Connect();
    if (status.ok()) {
      pause = kShortestRetry;
      co_await Converse();
    } else {
      Lost(std::string(status.message()));
    }
    retry_.expires_after(pause);
    co_await retry_.async_wait(as_tuple(asio::use_awaitable));
    pause = std::min(2 * pause, kLongestRetry);
  }
}

asio::awaitable<absl::Status> EnforcerLink::Connect() {
  sockaddr_un address{.sun_family = AF_UNIX};
  if (options_.socket.size() >= sizeof address.sun_path) {
    co_return absl::InvalidArgumentError("the socket's path is too long");
  }
  std::memcpy(address.sun_path, options_.socket.data(), options_.socket.size());

  asio::error_code error;
  socket_.close(error);
  socket_ = asio::generic::seq_packet_protocol::socket(loop_);
  const auto [failure] = co_await socket_.async_connect(
      asio::generic::seq_packet_protocol::endpoint(&address, sizeof address),
      as_tuple(asio::use_awaitable));
  if (failure) {
    co_return absl::UnavailableError(absl::StrCat(
        "cannot connect to ", options_.socket, ": ", failure.message()));
  }
  const std::optional<ucred> peer = PeerOf(socket_.native_handle());
  if (!peer || std::ranges::find(options_.accepted, peer->uid) ==
                   options_.accepted.end()) {
    co_return absl::PermissionDeniedError(absl::StrCat(
        "who listens at ", options_.socket, " has ",
        peer ? absl::StrCat("uid ", peer->uid) : "no uid that can be told",
        ", which is not the enforcer's"));
  }
  co_return absl::OkStatus();
}

asio::awaitable<void> EnforcerLink::Converse() {
  using asio::experimental::awaitable_operators::operator||;
  entries_.clear();
  say_all_ = false;
  incoming_protections_.clear();
  queue_.clear();
  backlog_.clear();
  lifted_from_backlog_.clear();

  const std::vector<Record> opening = {
      {.kind = RecordKind::kHello, .number = kProtocolVersion},
      {.kind = RecordKind::kList}};
  absl::Status status = co_await Send(opening);
  if (status.ok()) {
    const std::variant<absl::Status, absl::Status> ended =
        co_await (Read() || Write());
    status = std::visit([](const absl::Status& s) { return s; }, ended);
  }
  asio::error_code ignored;
  socket_.close(ignored);
  Lost(std::string(status.message()));
}

asio::awaitable<absl::Status> EnforcerLink::Read() {
  std::array<uint8_t, kMostRecords * kRecordSize> packet;
  for (;;) {
    asio::socket_base::message_flags flags = 0;
    const auto [error, size] = co_await socket_.async_receive(
        asio::buffer(packet), flags, as_tuple(asio::use_awaitable));
    if (error) {
      co_return absl::UnavailableError(
          absl::StrCat("the enforcer went away: ", error.message()));
    }
    if (size == 0 || size % kRecordSize != 0) {
      co_return absl::UnavailableError("the enforcer closed the conversation");
    }
    for (size_t at = 0; at < size; at += kRecordSize) {
      const absl::StatusOr<Record> record =
          DecodeRecord(absl::MakeConstSpan(packet.data() + at, kRecordSize));
      if (!record.ok()) co_return record.status();
      if (absl::Status status = Handle(*record); !status.ok()) {
        co_return status;
      }
    }
  }
}

asio::awaitable<absl::Status> EnforcerLink::Write() {
  for (;;) {
    if (on_its_way_.empty()) QueuePostponed();
    if (!on_its_way_.empty() || (queue_.empty() && backlog_.empty())) {
      wake_.expires_at(on_its_way_.empty() ? postponed_.next()
                                           : sent_ + kPatience);
      co_await wake_.async_wait(as_tuple(asio::use_awaitable));
      if (!socket_.is_open()) {
        co_return absl::UnavailableError("the enforcer went away");
      }
      const auto cancelled = co_await asio::this_coro::cancellation_state;
      if (cancelled.cancelled() != asio::cancellation_type::none) {
        co_return absl::CancelledError("the conversation is over");
      }
      if (!on_its_way_.empty() && sent_ + kPatience <= Clock::now()) {
        co_return absl::DeadlineExceededError("the enforcer does not answer");
      }
      continue;
    }
    on_its_way_ = TakeOrders();
    // All that was left may have been lifted.
    if (on_its_way_.empty()) continue;
    ++serial_;
    sent_ = Clock::now();
    std::vector<Record> packet;
    packet.reserve(on_its_way_.size());
    for (Order& order : on_its_way_) {
      order.record.serial = serial_;
      packet.push_back(order.record);
    }
    if (absl::Status status = co_await Send(packet); !status.ok()) {
      co_return status;
    }
  }
}

asio::awaitable<absl::Status> EnforcerLink::Send(
    absl::Span<const Record> records) {
  std::vector<uint8_t> packet;
  packet.reserve(records.size() * kRecordSize);
  for (const Record& record : records) {
    const RecordBytes bytes = EncodeRecord(record);
    packet.insert(packet.end(), bytes.begin(), bytes.end());
  }
  const auto [error, size] = co_await socket_.async_send(
      asio::buffer(packet), 0, as_tuple(asio::use_awaitable));
  if (error) {
    co_return absl::UnavailableError(
        absl::StrCat("cannot write to the enforcer: ", error.message()));
  }
  co_return absl::OkStatus();
}

absl::Status EnforcerLink::Handle(const Record& record) {
  switch (record.kind) {
    case RecordKind::kHello:
      if (record.number != kProtocolVersion) {
        return absl::FailedPreconditionError(absl::StrCat(
            "the enforcer speaks protocol ", record.number, ", not ",
            kProtocolVersion, "; both must be of the same version"));
      }
      return absl::OkStatus();
    case RecordKind::kProtected:
      incoming_protections_.push_back(
          {.network = record.network,
           .source = static_cast<ProtectionSource>(record.detail)});
      return absl::OkStatus();
    case RecordKind::kProtectedEnd:
      protections_ = std::exchange(incoming_protections_, {});
      has_told_protections_ = true;
      callbacks_.protect(protections_);
      return absl::OkStatus();
    case RecordKind::kApplied:
      Applied(record.serial);
      return absl::OkStatus();
    case RecordKind::kRefused:
      Refused(record);
      return absl::OkStatus();
    case RecordKind::kEntry: {
      uint32_t& left = entries_[record.network];
      left = std::max(left, record.seconds);
      return absl::OkStatus();
    }
    case RecordKind::kEntriesEnd:
      CompareWithKernel();
      return absl::OkStatus();
    case RecordKind::kSetsMade:
      Log(Severity::kWarning, "sets-made");
      if (ready_) {
        SendAllBans();
      } else {
        say_all_ = true;
      }
      return absl::OkStatus();
    case RecordKind::kCounter: {
      const auto counter = static_cast<EnforcerCounter>(record.detail);
      counters_[counter] = record.number;
      // What goes up and down is for `breakwater status`.
      if (counter == EnforcerCounter::kSetsWrong ||
          counter == EnforcerCounter::kUnprotected) {
        return absl::OkStatus();
      }
      metrics_.SetEnforcerCount(EnforcerCounterName(counter),
                                static_cast<double>(record.number));
      return absl::OkStatus();
    }
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("the enforcer sent a record of kind ",
                       static_cast<int>(record.kind)));
  }
}

void EnforcerLink::Applied(uint32_t serial) {
  if (on_its_way_.empty() || serial != serial_) return;
  const Instant now = Clock::now();
  for (const Order& order : on_its_way_) {
    if (!order.again) ++carried_out_;
    if (order.record.kind != RecordKind::kBan || order.again) continue;
    metrics_.ban_applied_seconds.Observe(
        std::chrono::duration<double>(now - order.queued).count());
  }
  on_its_way_.clear();
  wake_.cancel();
  WakeWaiting();
}

void EnforcerLink::Refused(const Record& record) {
  ++refusals_;
  const auto refusal = static_cast<Refusal>(record.detail);
  if (const auto held_back = refusal_lines_.Admit()) {
    Log(Severity::kWarning, "ban-refused")
        .Add("client", record.network.ToString())
        .Add("why", RefusalName(refusal))
        .Add("held_back", *held_back);
  }
  if (refusal == Refusal::kProtected) callbacks_.withdraw(record.network);
  if (MayPass(refusal)) Postpone(record);
}

void EnforcerLink::Postpone(const Record& refused) {
  if (on_its_way_.empty() || refused.serial != serial_) return;
  // Of several orders about one network the last one counts.
  const auto order = std::find_if(
      on_its_way_.rbegin(), on_its_way_.rend(), [&](const Order& order) {
        return IsAboutNetwork(order.record) &&
               order.record.network == refused.network;
      });
  if (order == on_its_way_.rend()) return;
  postponed_.Add({.kind = order->record.kind,
                  .network = refused.network,
                  .ends = sent_ + seconds(order->record.seconds),
                  .pause = order->pause},
                 Clock::now());
}

// What waits in the queue is newer, and must stay the last word.
void EnforcerLink::QueuePostponed() {
  const Instant now = Clock::now();
  for (const PostponedOrders::Order& due : postponed_.Take(now)) {
    Order order = {.record = {.kind = due.kind, .network = due.network},
                   .queued = now,
                   .again = true,
                   .pause = due.pause};
    if (due.kind == RecordKind::kBan) {
      order.record.seconds = SecondsUntil(due.ends, now);
      if (order.record.seconds == 0) continue;
    }
    queue_.push_front(order);
  }
}

// The kernel has kept its bans over our restart, the table has kept its own
// over the enforcer's: afterwards both hold both.
void EnforcerLink::CompareWithKernel() {
  ready_ = true;
  since_ = Clock::now();
  trouble_.clear();
  metrics_.enforcer_up.Set(1);
  for (const Network& network : std::exchange(lifted_, {})) {
    entries_.erase(network);
    Queue({.kind = RecordKind::kUnban, .network = network});
  }
  for (const Connection& connection : spared_) {
    Queue({.kind = RecordKind::kSpare, .connection = connection});
  }
  for (const auto& [network, left] : entries_) {
    callbacks_.adopt(network, seconds(left));
  }
  const size_t found = entries_.size();
  if (std::exchange(say_all_, false)) entries_.clear();
  SendAllBans();
  Log(Severity::kInfo, "enforcer-connected")
      .Add("entries", found)
      .Add("orders", queue_.size() + backlog_.size());
  entries_.clear();
}

void EnforcerLink::SendAllBans() {
  const Instant now = Clock::now();
  backlog_.clear();
  lifted_from_backlog_.clear();
  for (const breakwater::Ban& ban : callbacks_.bans()) {
    const uint32_t left = SecondsUntil(ban.expires, now);
    if (left == 0) continue;
    const auto entry = entries_.find(ban.network);
    if (entry != entries_.end() && entry->second + kSameSeconds >= left) {
      continue;
    }
    backlog_.push_back(
        {.kind = RecordKind::kBan, .network = ban.network, .seconds = left});
  }
  wake_.cancel();
}

void EnforcerLink::Lost(const std::string& why) {
  ++conversation_;
  ordered_ = carried_out_ = 0;
  WakeWaiting();
  // Nobody knows how much of it was carried out.
  const auto remember = [this](RecordKind kind, const Network& network) {
    if (kind == RecordKind::kUnban) RememberLifted(network);
  };
  for (const auto& order : postponed_.TakeAll()) {
    remember(order.kind, order.network);
  }
  for (const Order& order : on_its_way_) {
    remember(order.record.kind, order.record.network);
  }
  for (const Order& order : queue_) {
    remember(order.record.kind, order.record.network);
  }
  on_its_way_.clear();
  queue_.clear();
  backlog_.clear();
  lifted_from_backlog_.clear();
  if (ready_) since_ = Clock::now();
  ready_ = false;
  metrics_.enforcer_up.Set(0);
  // Said once for each trouble, not once for each attempt.
  if (trouble_ == why) return;
  trouble_ = why;
  Log(Severity::kError, "enforcer-lost").Add("why", why);
}

}  // namespace breakwater
