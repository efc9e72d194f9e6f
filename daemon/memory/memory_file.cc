#include "daemon/memory/memory_file.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iterator>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "asio/experimental/as_tuple.hpp"
#include "asio/post.hpp"
#include "asio/steady_timer.hpp"
#include "asio/use_awaitable.hpp"
#include "core/base/log.h"
#include "core/net/width.h"
#include "daemon/memory/memory_copy.h"

namespace breakwater {
namespace {

using asio::experimental::as_tuple;
using std::chrono::seconds;

constexpr Duration kPrunePeriod = std::chrono::minutes(5);
constexpr Duration kLossTold = std::chrono::hours(24);
constexpr Duration kPatienceAtTheEnd = seconds(2);
constexpr Duration kPatienceForHistory = seconds(20);
// What a stranger has written into an event.
constexpr size_t kLongestDetail = 512;
// By so many the thread may lag behind.
constexpr size_t kMostBatchesWaiting = 80;
// Of what is read late, so many at a time.
constexpr size_t kLearnedAtOnce = 256;

void Tell(const std::string& file, const Remembered& known) {
  Log(Severity::kInfo, "memory")
      .Add("file", file)
      .Add("bans", known.bans.size())
      .Add("growth", known.growth.size())
      .Add("offences", known.offences.size())
      .Add("history", known.history.size())
      .Add("allowances", known.allowances.size());
}

}  // namespace

MemoryFile::MemoryFile(asio::io_context& loop, Metrics& metrics,
                       MemoryOptions options)
    : loop_(loop),
      metrics_(metrics),
      file_(std::move(options.file)),
      retry_(options.retry),
      retention_(options.retention) {}

MemoryFile::~MemoryFile() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    wake_.notify_all();
  }
  thread_.join();
}

Remembered MemoryFile::Start() {
  Remembered known;
  absl::Status status = Open();
  if (status.ok()) status = Load(known);
  // What is broken comes back no better.
  all_known_ = status.ok() || absl::IsDataLoss(status);
  if (!all_known_ && !absl::IsAborted(status)) {
    known = {};
    all_known_ = LoadWithoutWriting(file_, ClockReading::Now(), known).ok();
  }
  if (!all_known_) known = {};
  nothing_read_late_ = all_known_;
  if (status.ok()) {
    Works();
  } else {
    store_.reset();
    Failed(status);
  }
  if (all_known_) Tell(file_, known);
  thread_ = std::thread([this] { Run(); });
  return known;
}

// ---- The loop's side --------------------------------------------------------

void MemoryFile::Changed(const Network& who) {
  if (changed_.size() < kMostChanged) changed_.insert(who);
}

void MemoryFile::Happened(Event event) {
  NoteEnded(event);
  if (event.detail.size() > kLongestDetail) {
    event.detail.resize(kLongestDetail);
  }
  Keep({.when = std::chrono::system_clock::now(), .event = std::move(event)});
}

void MemoryFile::NoteEnded(const Event& event) {
  if (nothing_read_late_) return;
  if (event.kind == EventKind::kDisallowed) disallowed_.insert(event.who);
  if (event.kind != EventKind::kUnban || unbanned_.size() >= kMostChanged) {
    return;
  }
  // Whoever lets a client in lets it out of the networks around it.
  const bool by_person = event.label == OriginName(Origin::kOperator);
  NoteUnbanned(event.who, by_person);
  for (const Width width : WidthsOf(event.who.address)) {
    if (LengthOf(width) >= event.who.length) continue;
    NoteUnbanned(Widened(event.who.address, width), by_person);
  }
}

void MemoryFile::NoteUnbanned(const Network& network, bool by_person) {
  bool& known = unbanned_[network];
  known = known || by_person;
}

void MemoryFile::LetIn(const Network& network) {
  if (nothing_read_late_ || let_in_.size() >= kMostChanged) return;
  let_in_.insert(network);
}

void MemoryFile::Finish(const Source& source) {
  const Instant until = Clock::now() + kPatienceAtTheEnd;
  // In batches: what of it fits into the time is there afterwards.
  do {
    HandOver(source);
  } while (WaitForRoom(until) && !changed_.empty());
  std::unique_lock lock(mutex_);
  stop_ = true;
  wake_.notify_all();
  wake_.wait_until(lock, until, [this] { return ended_; });
}

bool MemoryFile::WaitForRoom(Instant until) {
  std::unique_lock lock(mutex_);
  const bool is_room = wake_.wait_until(lock, until, [this] {
    // Whether what cannot be written can be by now, one batch finds out.
    return batches_waiting_ < (trouble_.empty() ? kMostBatchesWaiting : 1);
  });
  return is_room && all_known_ && trouble_.empty() && Clock::now() < until;
}

void MemoryFile::Tick(const Source& source) {
  const Instant now = Clock::now();
  const bool is_idle = changed_.empty() && events_.empty();
  // A disk that is full will not have room so soon.
  if (now < next_idle_ && (is_idle || !trouble().empty())) return;
  next_idle_ = now + seconds(1);
  HandOver(source);
}

void MemoryFile::HandOver(const Source& source) {
  if (!TakeBack(source)) return;
  bool wants_everybody = false;
  {
    const std::lock_guard lock(mutex_);
    if (batches_waiting_ >= kMostBatchesWaiting) return;
    wants_everybody = std::exchange(wants_everybody_, false);
  }
  if (wants_everybody) {
    for (const Network& network : source.everybody()) Changed(network);
  }
  auto batch = std::make_unique<MemoryStore::Batch>();
  auto next = changed_.begin();
  while (next != changed_.end() && batch->changed.size() < kMostABatch) {
    batch->changed.push_back(*next);
    changed_.erase(next++);
  }
  batch->known = source.recall(batch->changed);
  batch->events = std::exchange(events_, {});
  const std::lock_guard lock(mutex_);
  ++batches_waiting_;
  jobs_.push_back([this, batch = std::move(batch)] {
    Write(*batch);
    const std::lock_guard lock(mutex_);
    --batches_waiting_;
    wake_.notify_all();
  });
  wake_.notify_all();
}

bool MemoryFile::TakeBack(const Source& source) {
  std::vector<DatedEvent> events;
  std::unique_ptr<Remembered> late;
  bool may_write = false;
  {
    const std::lock_guard lock(mutex_);
    for (const Network& network : std::exchange(not_written_, {})) {
      Changed(network);
    }
    events = std::exchange(events_not_written_, {});
    late = std::move(late_);
    may_write = all_known_;
    if (!may_write && !late && !learning_ && jobs_.empty()) {
      jobs_.push_back([this] { Retry(); });
      wake_.notify_all();
    }
  }
  for (DatedEvent& event : std::exchange(events_, std::move(events))) {
    Keep(std::move(event));
  }
  if (late) {
    learning_ = true;
    asio::co_spawn(loop_, Learn(source, *std::move(late)), asio::detached);
  }
  return may_write;
}

void MemoryFile::Keep(DatedEvent event) {
  if (events_.size() >= kMostEvents) {
    metrics_.memory_lost_events.Increment();
    return;
  }
  events_.push_back(std::move(event));
}

// ---- What is read late ------------------------------------------------------

asio::awaitable<void> MemoryFile::Learn(Source source, Remembered late) {
  Tell(file_, late);
  // First what a person has said.
  co_await LearnEach(source, &Remembered::allowances, late);
  co_await LearnEach(source, &Remembered::liftings, late);
  co_await LearnEach(source, &Remembered::zones, late);
  co_await LearnEach(source, &Remembered::history, late);
  co_await LearnEach(source, &Remembered::growth, late);
  co_await LearnEach(source, &Remembered::offences, late);
  co_await LearnEach(source, &Remembered::bans, late);
  co_await LearnEach(source, &Remembered::proofs, late);
  source.learned();
  learning_ = false;
  nothing_read_late_ = true;
  unbanned_ = {};
  let_in_ = {};
  disallowed_ = {};
  const std::lock_guard lock(mutex_);
  all_known_ = true;
}

const Network* MemoryFile::Ended(const RememberedBan& ban) const {
  const bool is_over = unbanned_.contains(ban.network) || IsLetIn(ban.network);
  return is_over ? &ban.network : nullptr;
}

bool MemoryFile::IsLetIn(const Network& who) const {
  return std::ranges::any_of(WidthsOf(who.address), [&](Width width) {
    return LengthOf(width) <= who.length &&
           let_in_.contains(Widened(who.address, width));
  });
}

bool MemoryFile::WasMistake(const RememberedBan& ban) const {
  const auto unbanned = unbanned_.find(ban.network);
  return IsLetIn(ban.network) ||
         (unbanned != unbanned_.end() && unbanned->second);
}

const Network* MemoryFile::Ended(const Allowance& allowance) const {
  return disallowed_.contains(allowance.network) ? &allowance.network : nullptr;
}

template <typename Item>
asio::awaitable<void> MemoryFile::LearnEach(
    const Source& source, std::vector<Item> Remembered::*which,
    Remembered& late) {
  const std::vector<Item> items = std::move(late.*which);
  auto next = items.begin();
  while (next != items.end()) {
    Remembered some;
    for (size_t i = 0; i < kLearnedAtOnce && next != items.end(); ++i, ++next) {
      if (const Network* ended = Ended(*next)) {
        Changed(*ended);  // else a restart would find it
        if constexpr (std::is_same_v<Item, RememberedBan>) {
          if (WasMistake(*next)) some.mistakes.push_back(*next);
        }
      } else {
        (some.*which).push_back(*next);
      }
    }
    source.learn(std::move(some));
    // Everybody else has a turn.
    co_await asio::post(loop_, asio::use_awaitable);
  }
}

asio::awaitable<bool> MemoryFile::Written(Source source,
                                          std::vector<Network> who,
                                          Duration longest) {
  if (who.empty()) co_return trouble().empty();
  const Instant until = Clock::now() + longest;
  std::optional<bool> written;
  do {
    HandOver(source);
    absl::AnyInvocable<bool()> question = [this, who] {
      const std::lock_guard lock(mutex_);
      // What was handed over before may have failed, and this not.
      return trouble_.empty() && std::ranges::find_first_of(
                                     not_written_, who) == not_written_.end();
    };
    written = co_await Ask<bool>(until, std::move(question));
  } while (written == true && IsToBeHandedOver(who));
  co_return written == true;
}

bool MemoryFile::IsToBeHandedOver(absl::Span<const Network> who) const {
  const std::lock_guard lock(mutex_);
  // A file that was begun anew meanwhile holds nobody yet.
  return wants_everybody_ ||
         std::ranges::any_of(who, [this](const Network& one) {
           return changed_.contains(one);
         });
}

asio::awaitable<absl::StatusOr<std::vector<PastEvent>>> MemoryFile::History(
    std::vector<Network> networks, size_t most, bool with_members) {
  using Events = absl::StatusOr<std::vector<PastEvent>>;
  absl::AnyInvocable<Events()> ask = [this, most, with_members,
                                      networks = std::move(networks)]() {
    return store_ ? store_->History(networks, most, with_members)
                  : absl::UnavailableError(trouble());
  };
  std::optional<Events> events =
      co_await Ask<Events>(Clock::now() + kPatienceForHistory, std::move(ask));
  if (!events) {
    co_return absl::UnavailableError(file_ + " is slow: it does not answer");
  }
  co_return *std::move(events);
}

template <typename Answer>
asio::awaitable<std::optional<Answer>> MemoryFile::Ask(
    Instant until, absl::AnyInvocable<Answer()> ask) {
  struct Pending {
    Pending(asio::io_context& loop, Instant until) : ready(loop, until) {}
    asio::steady_timer ready;
    std::optional<Answer> answer;
  };
  // Shared, should this coroutine end before its answer is there.
  const auto pending = std::make_shared<Pending>(loop_, until);
  Hand([this, pending, ask = std::move(ask)]() mutable {
    asio::post(loop_, [pending, answer = ask()]() mutable {
      pending->answer = std::move(answer);
      pending->ready.cancel();
    });
  });
  co_await pending->ready.async_wait(as_tuple(asio::use_awaitable));
  co_return std::move(pending->answer);
}

void MemoryFile::SetRetention(const MemoryStore::Retention& retention) {
  const std::lock_guard lock(mutex_);
  retention_ = retention;
}

std::string MemoryFile::trouble() const {
  const std::lock_guard lock(mutex_);
  return trouble_;
}

bool MemoryFile::is_read() const {
  const std::lock_guard lock(mutex_);
  return all_known_;
}

void MemoryFile::Hand(Job job) {
  const std::lock_guard lock(mutex_);
  jobs_.push_back(std::move(job));
  wake_.notify_all();
}

// ---- The thread -------------------------------------------------------------

void MemoryFile::Run() {
  while (true) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stop_ || !jobs_.empty(); });
      if (jobs_.empty()) break;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job();
  }
  store_.reset();  // leaves one file, with all in it
  const std::lock_guard lock(mutex_);
  ended_ = true;
  wake_.notify_all();
}

void MemoryFile::Write(MemoryStore::Batch& batch) {
  absl::Status status = absl::OkStatus();
  if (store_ && store_->HasMoved()) LetGo();
  if (!store_) status = OpenAgain();
  if (status.ok()) status = store_->Write(batch, ClockReading::Now());
  if (status.ok()) {
    Works();
    PruneNowAndThen();
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    not_written_.insert(not_written_.end(), batch.changed.begin(),
                        batch.changed.end());
    const size_t room =
        kMostEvents - std::min(kMostEvents, events_not_written_.size());
    const size_t kept = std::min(room, batch.events.size());
    std::move(batch.events.begin(),
              batch.events.begin() + static_cast<ptrdiff_t>(kept),
              std::back_inserter(events_not_written_));
    metrics_.memory_lost_events.Increment(
        static_cast<double>(batch.events.size() - kept));
  }
  Failed(status);
}

void MemoryFile::Retry() {
  if (store_ || read_) return;
  if (const absl::Status status = OpenAgain(); !status.ok()) Failed(status);
}

void MemoryFile::PruneNowAndThen() {
  if (Clock::now() < next_prune_) return;
  next_prune_ = Clock::now() + kPrunePeriod;
  MemoryStore::Retention retention;
  {
    const std::lock_guard lock(mutex_);
    retention = retention_;
  }
  const absl::Status status = store_->Prune(retention, ClockReading::Now());
  if (!status.ok()) Failed(status);
}

absl::Status MemoryFile::Open() {
  next_try_ = Clock::now() + retry_;
  absl::StatusOr<std::unique_ptr<MemoryStore>> store = MemoryStore::Open(file_);
  if (!store.ok()) return store.status();
  store_ = *std::move(store);
  return absl::OkStatus();
}

absl::Status MemoryFile::Load(Remembered& known) {
  absl::Status status = store_->Load(ClockReading::Now(), known);
  if (const int rows = store_->unreadable(); rows > 0 && status.ok()) {
    NoteLoss(absl::StrCat(
        rows, rows == 1 ? " row" : " rows", " of ", file_,
        " said nothing sound: what they were about is not known any more"));
  }
  return status;
}

absl::Status MemoryFile::OpenAgain() {
  if (Clock::now() < next_try_) return absl::UnavailableError(trouble());
  absl::Status status = Open();
  if (!status.ok()) return status;
  bool is_known = false;
  {
    const std::lock_guard lock(mutex_);
    is_known = all_known_ || read_;
    wants_everybody_ |= store_->is_new();
  }
  if (is_known) {
    status = store_->FindClock(ClockReading::Now());
    if (status.ok() && drop_networks_) status = store_->DropNetworks();
    if (status.ok()) drop_networks_ = false;
  } else {
    auto late = std::make_unique<Remembered>();
    status = Load(*late);
    // What is broken comes back no better.
    if (status.ok() || absl::IsDataLoss(status)) {
      const std::lock_guard lock(mutex_);
      late_ = std::move(late);
      read_ = true;
    }
  }
  if (!status.ok()) store_.reset();
  return status;
}

void MemoryFile::LetGo() {
  Log(Severity::kError, "memory-replaced").Add("file", file_);
  NoteLoss(absl::StrCat(
      file_,
      " was moved, deleted or replaced while breakwaterd had it open: "
      "all that is known was written anew, but for what happened before"));
  store_.reset();
  next_try_ = Instant();
  drop_networks_ = true;
  const std::lock_guard lock(mutex_);
  wants_everybody_ = true;
}

void MemoryFile::NoteLoss(std::string what) {
  const std::lock_guard lock(mutex_);
  loss_ = std::move(what);
  lost_at_ = Clock::now();
}

std::string MemoryFile::loss() const {
  const std::lock_guard lock(mutex_);
  return Clock::now() < lost_at_ + kLossTold ? loss_ : "";
}

void MemoryFile::Failed(const absl::Status& why) {
  const std::string message(why.message());
  // A full disk may have room again, and who holds a lock gives it up; all else
  // is tried from the beginning.
  if (!absl::IsResourceExhausted(why) && !absl::IsAborted(why)) store_.reset();
  bool was_well = false;
  {
    // Before the loss is told: who sees that must not take the file for whole.
    const std::lock_guard lock(mutex_);
    was_well = std::exchange(trouble_, message).empty();
  }
  if (absl::IsDataLoss(why)) MoveAside(message);
  metrics_.memory_up.Set(0);
  if (was_well && !absl::IsDataLoss(why)) {
    Log(Severity::kError, "memory-failed").Add("why", message);
  }
}

void MemoryFile::MoveAside(const std::string& why) {
  const std::string aside = file_ + ".broken";
  const bool moved = rename(file_.c_str(), aside.c_str()) == 0;
  // What belongs to a file that is not there any more would break the next.
  if (rename((file_ + "-wal").c_str(), (aside + "-wal").c_str()) != 0) {
    std::remove((file_ + "-wal").c_str());
    std::remove((aside + "-wal").c_str());  // an earlier one's
  }
  std::remove((file_ + "-shm").c_str());
  NoteLoss(
      absl::StrCat("the memory was broken (", why, ")",
                   moved ? absl::StrCat(" and is in ", aside, " now") : "",
                   ": what could be read of it is known, the rest is not"));
  if (moved) next_try_ = Instant();
  Log(Severity::kError, "memory-broken")
      .Add("why", why)
      .Add("moved_to", moved ? aside : "");
}

void MemoryFile::Works() {
  std::string was;
  {
    const std::lock_guard lock(mutex_);
    was = std::exchange(trouble_, "");
  }
  metrics_.memory_up.Set(1);
  if (!was.empty()) Log(Severity::kInfo, "memory-works").Add("was", was);
}

}  // namespace breakwater
