#pragma once

#include <sys/types.h>

#include <atomic>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "core/base/clock.h"
#include "core/ports/metrics.h"
#include "core/screener/screener.h"
#include "core/types/door_load.h"

namespace breakwater {

struct MilterOptions {
  std::string socket;  // as ParseMilterSocket takes it
  std::string group;   // of a unix socket; empty: as created
  // Of a unix socket: whom the process becomes after it was made, for the front
  // connects to its own socket (doorbell.h). Nothing: the process stays as it
  // is.
  std::optional<uid_t> owner;
  mode_t mode = 0660;  // of a unix socket
  // How long MAIL waits for the verdict: the lists' deadline and a little more.
  Duration verdict_deadline = std::chrono::seconds(2);
  // Beyond it a connection is closed at once, unless one that has not said a
  // word can be closed for it.
  size_t most_sessions = std::numeric_limits<size_t>::max();
  // For the rest of a frame, and for taking an answer.
  Duration patience = std::chrono::seconds(30);
};

// The milter front: sessions of Postfix and Sendmail, by way of libmilter.
//
// libmilter keeps everything in globals, so there can be one front in a
// process, and it can be started once. It has threads of its own: a listener,
// and a pool of workers that call back; a callback that waits for a verdict
// holds its worker, and rings first for another (doorbell.h). Signals are the
// program's, and no frame reaches libmilter that is not as an MTA makes it: it
// ends that session and no other (libmilter_calls.h).
class MilterFront {
 public:
  // Makes the socket; before privileges are dropped. A unix socket that nobody
  // answers on any more is replaced. The screener and the metrics must outlive
  // the front.
  static absl::StatusOr<std::unique_ptr<MilterFront>> Open(
      Screener& screener, Metrics& metrics, const MilterOptions& options);

  ~MilterFront();  // stops
  MilterFront(const MilterFront&) = delete;
  MilterFront& operator=(const MilterFront&) = delete;

  // Begins to serve. `ended` is called, on a thread of the front's, if
  // libmilter gives up of its own accord; it must not stop the front itself.
  void Start(std::function<void()> ended);

  DoorLoad load() const;  // any thread

  // For sessions that begin from now on. Any thread.
  void SetVerdictDeadline(Duration deadline);

  // From now on every callback is told to continue. Returns when none uses the
  // screener any more and libmilter has stopped listening. libmilter does not
  // join its workers: leave the process by _exit. A program that is going to
  // end anyway need not stop it first.
  void Stop();

 private:
  MilterFront() = default;

  std::thread thread_;
  std::atomic<bool> has_left_ = false;  // thread_ is done with libmilter
};

}  // namespace breakwater
