#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "asio/awaitable.hpp"
#include "asio/io_context.hpp"
#include "core/ports/memory.h"
#include "core/ports/metrics.h"
#include "core/screener/remembered.h"
#include "daemon/memory/memory_store.h"

namespace breakwater {

struct MemoryOptions {
  std::string file;
  MemoryStore::Retention retention;
  // After which a file that cannot be used is tried again.
  Duration retry = std::chrono::seconds(10);
};

// A memory that a thread of its own writes into a file (memory_store.h), twenty
// times a second what has changed. The loop never waits for it: while the disk
// is slow or full, what has changed is kept as names of networks, which are
// bounded, and written when it can be; of events those that find no room are
// lost, and counted.
//
// A file that cannot be written to when we begin is read all the same, where it
// can be. Where it cannot, and as long as it cannot, nothing in it is touched:
// what it holds is merged with what is known by then when it can be read, bit
// by bit while mail flows, and only then anything is written.
//
// A file that is broken is moved aside to FILE.broken and begun anew, with all
// that could be read of it and all that is known by then. So is one begun anew
// that somebody has moved or deleted meanwhile; into one that he has put there,
// all that is known is written in place of what it held.
//
// Loop thread only, except where it says otherwise.
class MemoryFile final : public Memory {
 public:
  MemoryFile(asio::io_context& loop, Metrics& metrics, MemoryOptions options);
  ~MemoryFile() override;

  // Reads what was known, in one go, and begins to write. Before the first
  // client comes: it takes a second or two for a million bans. Without a file
  // that can be read that is nothing, and trouble() says why.
  Remembered Start();

  void Changed(const Network& who) override;
  void Happened(Event event) override;
  // All in that network (width.h) was let in, so also whose ban is read late.
  void LetIn(const Network& network);

  // What the screener knows.
  struct Source {
    std::function<Remembered(absl::Span<const Network>)> recall;
    std::function<std::vector<Network>()> everybody;
    // Some of what was read late; and that this was all of it.
    std::function<void(Remembered)> learn;
    std::function<void()> learned;
  };
  // Twenty times a second: hands over what has changed; without that, once a
  // second what time it is.
  void Tick(const Source& source);
  // Hands over what has changed about these, and whatever else has, and waits
  // until it is written; false if it is not within the time. Of nobody: whether
  // anything can be written now.
  asio::awaitable<bool> Written(Source source, std::vector<Network> who,
                                Duration longest);
  // Hands over all that has, and waits until it is written, for two seconds at
  // most: a disk that hangs holds up nobody's end. What is written by then
  // stays. Nothing is called afterwards but the program's.
  void Finish(const Source& source);

  // As MemoryStore has it. Waits its turn
  // behind what is being written, for 20 seconds at most. The error says what
  // is wrong with the file.
  asio::awaitable<absl::StatusOr<std::vector<PastEvent>>> History(
      std::vector<Network> networks, size_t most, bool with_members = false);

  void SetRetention(const MemoryStore::Retention& retention);

  // Why nothing can be written now; empty if it can. Any thread.
  std::string trouble() const;
  // What became of the file that was begun anew last, on its own; empty if that
  // is longer ago than a day. Any thread.
  std::string loss() const;
  // Whether all that the file holds is known. Any thread.
  bool is_read() const;

  // Bounds. Networks beyond it are passed over until something happens to them
  // again.
  static constexpr size_t kMostChanged = 2'000'000;
  static constexpr size_t kMostEvents = 50'000;  // that wait
  static constexpr size_t kMostABatch = 1'000;   // networks

 private:
  using Job = absl::AnyInvocable<void()>;

  void HandOver(const Source& source);
  // Whether more may be handed over, before then.
  bool WaitForRoom(Instant until);
  // Takes back what could not be written, and what was read late. Whether
  // anything may be written.
  bool TakeBack(const Source& source);
  asio::awaitable<void> Learn(Source source, Remembered late);
  template <typename Item>
  asio::awaitable<void> LearnEach(const Source& source,
                                  std::vector<Item> Remembered::*which,
                                  Remembered& late);
  bool IsToBeHandedOver(absl::Span<const Network> who) const;
  void Keep(DatedEvent event);
  void NoteEnded(const Event& event);
  void NoteUnbanned(const Network& network, bool by_person);
  bool IsLetIn(const Network& who) const;
  // A ban that was ended since: a person says that it was a mistake.
  bool WasMistake(const RememberedBan& ban) const;
  // Whom it concerned, if it was ended since.
  const Network* Ended(const RememberedBan& ban) const;
  const Network* Ended(const Allowance& allowance) const;
  template <typename Item>
  const Network* Ended(const Item&) const {
    return nullptr;
  }
  // What `ask` tells, on the thread, behind all that waits there; nothing if it
  // has not by then.
  template <typename Answer>
  asio::awaitable<std::optional<Answer>> Ask(Instant until,
                                             absl::AnyInvocable<Answer()> ask);
  void Hand(Job job);  // to the thread
  void Run();
  // The thread's.
  void Write(MemoryStore::Batch& batch);
  void Retry();
  void PruneNowAndThen();
  absl::Status Open();
  absl::Status OpenAgain();
  absl::Status Load(Remembered& known);
  void Failed(const absl::Status& why);
  void MoveAside(const std::string& why);
  void LetGo();  // the file is not in its place any more
  void NoteLoss(std::string what);
  void Works();

  asio::io_context& loop_;
  Metrics& metrics_;
  const std::string file_;
  const Duration retry_;

  // The loop's.
  absl::flat_hash_set<Network> changed_;
  std::vector<DatedEvent> events_;
  Instant next_idle_;
  bool learning_ = false;
  bool nothing_read_late_ = false;  // is to come
  // Since the start, while it is not known what the file holds.
  absl::flat_hash_map<Network, bool> unbanned_;  // whether by a person
  absl::flat_hash_set<Network> let_in_;          // with all in them, by one
  absl::flat_hash_set<Network> disallowed_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  // All by mutex_.
  std::deque<Job> jobs_;
  size_t batches_waiting_ = 0;  // of the jobs, that one among them that runs
  bool stop_ = false;
  bool ended_ = false;
  std::string trouble_;
  std::string loss_;
  Instant lost_at_;
  std::vector<Network> not_written_;
  std::vector<DatedEvent> events_not_written_;
  bool wants_everybody_ = false;  // the file is a new one
  bool all_known_ = false;        // what is in the file; else in `late_`, or
  std::unique_ptr<Remembered> late_;  // nobody has been able to read it
  MemoryStore::Retention retention_;

  // The thread's, once it runs.
  std::unique_ptr<MemoryStore> store_;
  bool read_ = false;           // late: another try would find less
  bool drop_networks_ = false;  // somebody else has put the file there
  Instant next_try_;
  Instant next_prune_;
  std::thread thread_;
};

}  // namespace breakwater
