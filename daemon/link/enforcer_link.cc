#include "daemon/link/enforcer_link.h"

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
#include "core/base/log.h"
#include "core/net/socket_peer.h"

namespace breakwater {
namespace {

using asio::experimental::as_tuple;
using std::chrono::seconds;

constexpr Duration kShortestRetry = std::chrono::milliseconds(100);
constexpr Duration kLongestRetry = seconds(5);
// An enforcer that takes longer than this over one packet hangs.
constexpr Duration kPatience = seconds(15);
// How long a restart may take it.
constexpr Duration kRestart = seconds(10);

}  // namespace

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
  excused_until_ = Clock::now() + kRestart;
  asio::co_spawn(loop_, Run(), asio::detached);
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
      Lost(status);
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
  incoming_configured_.clear();
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
  Lost(status);
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
    if (on_its_way_.empty() && backlog_.empty()) QueueBeat();
    if (!on_its_way_.empty() || (queue_.empty() && backlog_.empty())) {
      wake_.expires_at(!on_its_way_.empty() ? sent_ + kPatience
                       : ready_
                           ? std::min(postponed_.next(), sent_ + options_.beat)
                           : postponed_.next());
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
      NoteProtection(record.network,
                     static_cast<ProtectionSource>(record.detail));
      return absl::OkStatus();
    case RecordKind::kProtectedEnd:
      TakeProtections(/*configured_stay=*/record.number != 0);
      has_told_protections_ = true;
      callbacks_.protect();
      return absl::OkStatus();
    case RecordKind::kApplied:
      Applied(record.serial);
      return absl::OkStatus();
    case RecordKind::kRefused:
      Refused(record);
      return absl::OkStatus();
    case RecordKind::kEntry: {
      Duration& left = entries_[record.network];
      left = std::max(left, LeftOf(record, Clock::now()));
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
          counter == EnforcerCounter::kUnprotected ||
          counter == EnforcerCounter::kSetsLeftOver ||
          counter == EnforcerCounter::kAddressesLeftOver) {
        return absl::OkStatus();
      }
      metrics_.SetEnforcerCount(EnforcerCounterName(counter),
                                static_cast<double>(record.number));
      return absl::OkStatus();
    }
    case RecordKind::kGoodbye:
      excused_until_ = Clock::now() + kRestart;
      return absl::OkStatus();
    case RecordKind::kNoRule:
      without_rule_[static_cast<SetsOf>(record.detail)] = record.number;
      ShowSetsWithoutRule();
      return absl::OkStatus();
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("the enforcer sent a record of kind ",
                       static_cast<int>(record.kind)));
  }
}

void EnforcerLink::NoteProtection(const Network& network,
                                  ProtectionSource source) {
  if (source == ProtectionSource::kConfigured) {
    incoming_configured_.push_back(network);
  } else {
    incoming_protections_.push_back({.network = network, .source = source});
  }
}

void EnforcerLink::TakeProtections(bool configured_stay) {
  protections_ = std::exchange(incoming_protections_, {});
  NetworkSet configured(std::exchange(incoming_configured_, {}));
  if (!configured_stay) configured_ = std::move(configured);
}

void EnforcerLink::ShowSetsWithoutRule() {
  size_t sets = 0;
  for (const auto& [backend, numbers] : without_rule_) sets += numbers.count();
  metrics_.sets_without_rule.Set(static_cast<double>(sets));
}

void EnforcerLink::Lost(const absl::Status& why) {
  ++conversation_;
  ordered_ = carried_out_ = 0;
  WakeWaiting();
  // Nobody knows how much of it was carried out: what was lifted is in lifted_.
  postponed_.Clear();
  on_its_way_.clear();
  queue_.clear();
  backlog_.clear();
  lifted_from_backlog_.clear();
  if (ready_) since_ = Clock::now();
  ready_ = false;
  metrics_.enforcer_up.Set(0);
  has_tried_ = true;
  trouble_ = std::string(why.message());
  without_rule_.clear();
  ShowSetsWithoutRule();
  // Said once for each trouble, not once for each attempt.
  if (told_trouble_ == trouble_) return;
  // One that is there, but not as it must be, is no restart's.
  if (absl::IsUnavailable(why) && Clock::now() < excused_until_) return;
  told_trouble_ = trouble_;
  Log(Severity::kError, "enforcer-lost").Add("why", trouble_);
}

}  // namespace breakwater
