#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "core/base/clock.h"
#include "core/base/log_limit.h"
#include "reaper/answer.h"
#include "reaper/sock_diag.h"

namespace breakwater {

struct ReaperOptions {
  // Whether a ban holds on this port; sessions on others are left alone. Any
  // thread may call it.
  std::function<bool(uint16_t port)> covers;
  // The only port that `covers`, if there is one: the kernel then filters the
  // dump. 0 if there are more: then it is only of use where somebody listens,
  // for our own connections to others may come from any port.
  uint16_t only_port = 0;
  // The longest that a session lives on after its reply was handed over.
  Duration limit = std::chrono::seconds(1);
  // From when the reply was acknowledged until the connection is destroyed: a
  // reset can overtake what the client's kernel has but its program has not
  // read.
  Duration grace = std::chrono::milliseconds(100);
};

// Ends sessions that a banned client already has. What to end is queued; a
// thread of its own does it, so that a dump of all sockets never delays a ban.
//
// Only sessions on the ban's ports, never spared ones, and never anything but
// an open connection: see SockDiag::Destroy. Where the ports are many a sweep
// takes only those where this host is listening: from all others it is we who
// have called, and what is destroyed might be our own delivery. Each destroyed
// socket is a line event=reap with why=
//   known     named by its four parts (Destroy)
//   swept     found in the dump after a ban
//   answered  the client has acknowledged its reply
//   silent    it has not, within the limit
class Reaper {
 public:
  struct Work {
    struct Sparing {
      Connection connection;
      bool spared = true;  // or is over, and forgotten
    };
    std::vector<Sparing> sparings;  // in their order, before all else
    // Whose ban was lifted: what was to be swept before is not any more.
    std::vector<Network> lifted;
    std::vector<Connection> destroy;
    std::vector<Connection> end_after_reply;
    std::vector<Network> sweep;  // of clients, or of one of the Widths

    size_t size() const {
      return sparings.size() + lifted.size() + destroy.size() +
             end_after_reply.size() + sweep.size();
    }
  };
  struct Counts {
    std::atomic<uint64_t> destroyed = 0;
    std::atomic<uint64_t> dumps = 0;
    std::atomic<uint64_t> errors = 0;
  };

  // Starts the thread; the destructor ends it, and what waits for a reply
  // then stays as it is.
  static absl::StatusOr<std::unique_ptr<Reaper>> Start(ReaperOptions options);
  ~Reaper();

  // Never waits for the kernel. Bounded: beyond 100,000 orders that wait, the
  // new ones are dropped, with a line in the log. Any thread.
  void Add(const Work& work);
  const Counts& counts() const { return counts_; }
  // After a reload. Any thread.
  void SetPorts(std::function<bool(uint16_t port)> covers, uint16_t only_port);

 private:
  struct Ending {
    Instant ordered;
    Instant next_look;
    AnswerWatch watch;
    bool answered = false;  // and in its grace
  };

  Reaper(ReaperOptions options, SockDiag diag);
  void Run();
  bool Take(Work& work);  // false: it is time to end
  void Begin(const Work& work);
  void Spare(const Work::Sparing& sparing);
  void ContinueEndings(Instant now);
  // Whether nothing remains to be done for the connection.
  bool LookAt(const Connection& connection, Ending& ending, Instant now);
  void Sweep();
  absl::Status SweepOnce();
  bool IsToSweep(const IpAddress& client) const;
  void DestroyKnown(const Connection& connection);
  void Destroy(const TcpSocket& socket, const char* why);
  void Failed(const absl::Status& status);
  void DropSparedThatAreOver();
  Instant NextInstant() const;

  // The thread's own.
  const ReaperOptions options_;
  SockDiag diag_;
  absl::flat_hash_set<Connection> spared_;
  absl::flat_hash_map<Connection, Ending> endings_;
  absl::flat_hash_set<Network> to_sweep_;
  Instant next_sweep_;
  LogLimit complaints_{5, std::chrono::seconds(10)};
  // Copied from below for one round of work.
  std::function<bool(uint16_t port)> covers_;
  uint16_t only_port_ = 0;

  Counts counts_;

  std::mutex mutex_;
  std::condition_variable wake_;
  Work queue_;                                      // guarded by mutex_
  bool ending_ = false;                             // guarded by mutex_
  std::function<bool(uint16_t port)> next_covers_;  // guarded by mutex_
  uint16_t next_only_port_;                         // guarded by mutex_

  std::thread thread_;
};

}  // namespace breakwater
