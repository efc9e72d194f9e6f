// What the enforcer is told, what comes of it, and what is said again.

#include <algorithm>
#include <chrono>
#include <utility>

#include "asio/experimental/as_tuple.hpp"
#include "asio/use_awaitable.hpp"
#include "core/base/log.h"
#include "daemon/link/enforcer_link.h"

namespace breakwater {
namespace {

using asio::experimental::as_tuple;
using std::chrono::seconds;

// Spared sessions.
constexpr size_t kMostSpared = 100'000;
// Orders that wait. A ban that is dropped here is in the table, and is told at
// the next comparison.
constexpr size_t kMostQueued = 1'200'000;
// Lifted bans that the enforcer may not know of: nothing else tells them.
constexpr size_t kMostLifted = kMostQueued;
// Some backends count in whole seconds.
constexpr Duration kSame = seconds(3);

bool IsAboutNetwork(const Record& record) {
  return record.kind == RecordKind::kBan || record.kind == RecordKind::kUnban;
}

bool MayPass(Refusal refusal) {
  return refusal == Refusal::kTooFast || refusal == Refusal::kKernel ||
         refusal == Refusal::kTooWide;
}

}  // namespace

void EnforcerLink::Ban(const Network& network, Duration length) {
  const Instant now = Clock::now();
  Queue(TimedRecord(RecordKind::kBan, network, now + length, now));
}

void EnforcerLink::Unban(const Network& network) {
  if (!backlog_.empty()) lifted_from_backlog_.insert(network);
  Queue({.kind = RecordKind::kUnban, .network = network});
  NoteLifted(network);
}

// A ban of the same network that comes behind is in the table, and is said
// anew behind the lifting: so the kernel's longer one does not stay.
void EnforcerLink::NoteLifted(const Network& network) {
  if (lifted_.size() >= kMostLifted && !lifted_.contains(network)) return;
  lifted_[network].stamp = last_stamp_;
  if (callbacks_.lifting) callbacks_.lifting(network);
}

// A ban that was said behind it has taken a lifting's place.
void EnforcerLink::NoteCarriedOut(const Order& order) {
  if (!IsAboutNetwork(order.record)) return;
  const auto lifted = lifted_.find(order.record.network);
  if (lifted == lifted_.end() || order.stamp < lifted->second.stamp) return;
  const bool remembered = lifted->second.remembered;
  lifted_.erase(lifted);
  if (remembered) callbacks_.lifting(order.record.network);
}

std::vector<Lifting> EnforcerLink::Liftings(
    absl::Span<const Network> networks) {
  std::vector<Lifting> liftings;
  if (lifted_.empty()) return liftings;
  const Instant now = Clock::now();
  for (const Network& network : networks) {
    const auto lifted = lifted_.find(network);
    if (lifted == lifted_.end()) continue;
    lifted->second.remembered = true;
    liftings.push_back({.network = network, .given = now});
  }
  return liftings;
}

std::vector<Network> EnforcerLink::LiftedNetworks() const {
  std::vector<Network> networks;
  networks.reserve(lifted_.size());
  for (const auto& [network, lifted] : lifted_) networks.push_back(network);
  return networks;
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

void EnforcerLink::Queue(const Record& record, uint64_t stamp) {
  if (!ready_ || queue_.size() >= kMostQueued) return;
  queue_.push_back({.record = record, .queued = Clock::now(), .stamp = stamp});
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

// ---- What came of them -----------------------------------------------------

void EnforcerLink::Applied(uint32_t serial) {
  if (on_its_way_.empty() || serial != serial_) return;
  const Instant now = Clock::now();
  for (const Order& order : on_its_way_) {
    if (!order.again) ++carried_out_;
    NoteCarriedOut(order);
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
  Order* const order = FindOnItsWay(record);
  if (order == nullptr) return;
  order->stamp = 0;
  if (MayPass(refusal)) Postpone(*order);
}

// Of several orders about one network the last one counts.
EnforcerLink::Order* EnforcerLink::FindOnItsWay(const Record& refused) {
  if (on_its_way_.empty() || refused.serial != serial_) return nullptr;
  const auto order = std::find_if(
      on_its_way_.rbegin(), on_its_way_.rend(), [&](const Order& order) {
        return IsAboutNetwork(order.record) &&
               order.record.network == refused.network;
      });
  return order == on_its_way_.rend() ? nullptr : &*order;
}

void EnforcerLink::Postpone(const Order& refused) {
  postponed_.Add({.kind = refused.record.kind,
                  .network = refused.record.network,
                  .ends = sent_ + LeftOf(refused.record, sent_),
                  .pause = refused.pause},
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
      order.record = TimedRecord(RecordKind::kBan, due.network, due.ends, now);
    } else if (const auto lifted = lifted_.find(due.network);
               lifted != lifted_.end()) {
      order.stamp = lifted->second.stamp;
    }
    queue_.push_front(order);
  }
}

// One that hangs is known by that, though nobody is banned for hours.
void EnforcerLink::QueueBeat() {
  if (!queue_.empty() || Clock::now() < sent_ + options_.beat) return;
  Queue({.kind = RecordKind::kHello, .number = kProtocolVersion}, 0);
}

// ---- What is said again ----------------------------------------------------

// The kernel has kept its bans over our restart, the table has kept its own
// over the enforcer's: afterwards both hold both.
void EnforcerLink::CompareWithKernel() {
  ready_ = true;
  since_ = Clock::now();
  sent_ = since_;
  trouble_.clear();
  told_trouble_.clear();
  has_tried_ = true;
  excused_until_ = {};
  metrics_.enforcer_up.Set(1);
  for (const auto& [network, lifted] : lifted_) {
    entries_.erase(network);
    Queue({.kind = RecordKind::kUnban, .network = network}, lifted.stamp);
  }
  for (const Connection& connection : spared_) {
    Queue({.kind = RecordKind::kSpare, .connection = connection});
  }
  for (const auto& [network, left] : entries_) {
    callbacks_.adopt(network, left);
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
  for (const InForce& ban : callbacks_.bans()) {
    if (ban.expires <= now) continue;
    const auto entry = entries_.find(ban.network);
    if (entry != entries_.end() && now + entry->second + kSame >= ban.expires) {
      continue;
    }
    backlog_.push_back(
        TimedRecord(RecordKind::kBan, ban.network, ban.expires, now));
  }
  wake_.cancel();
}

}  // namespace breakwater
