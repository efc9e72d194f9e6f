#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/clock.h"
#include "firewall/tarpit/tarpit_script.h"

namespace breakwater {

struct TarpitOptions {
  Duration interval = std::chrono::seconds(5);  // from byte to byte
  Duration longest = std::chrono::minutes(30);  // for one connection
  size_t most = 10'000;                         // connections held at once
  uint32_t most_per_client = 10;                // of them, of one client
};

// Since the start, but for `held`.
struct TarpitCounts {
  size_t held = 0;
  uint64_t accepted = 0;     // and held
  uint64_t told = 0;         // to whom everything was said
  uint64_t left = 0;         // who went before
  uint64_t expired = 0;      // whom we ended, their time being over
  uint64_t turned_away = 0;  // as their client had its share
  uint64_t paused = 0;       // how often nobody more was accepted
};

// Holds connections of banned clients for as long as they care to stay, and
// says one byte to each now and then.
//
// What a connection costs is the kernel's socket, 48 bytes here, and 20 to 40
// for each different address. Nothing that a client does costs more than to be
// quiet: it is looked at once in an interval, whatever it sends. Then what has
// come is thrown away, at most as much as fits into the small buffer of the
// socket, and until then its window is closed. Only the end of a connection is
// told by the kernel at once, so that its place is free for another.
//
// When all places are taken nobody more is accepted: the listener's queue fills
// and the kernel drops new connections as a DROP rule does. That holds also
// when the host has no descriptor or memory left.
//
// One thread. Step() does what is to be done, and waits.
class Tarpit {
 public:
  // Takes over the listening sockets.
  static absl::StatusOr<std::unique_ptr<Tarpit>> Make(
      const TarpitOptions& options, TarpitScript script,
      std::vector<int> listeners);
  ~Tarpit();
  Tarpit(const Tarpit&) = delete;
  Tarpit& operator=(const Tarpit&) = delete;

  // Returns when something was done, a signal came or the time is over.
  absl::Status Step(Duration at_most);

  const TarpitCounts& counts() const { return counts_; }

 private:
  // A connection; its descriptor is its place in connections_. All wait equally
  // long, so that those who wait stand in one queue.
  struct Connection {
    Instant due{};  // for the next byte
    Instant end{};  // of its time
    uint64_t client = 0;
    int before = -1;  // in the queue
    int behind = -1;
    uint16_t position = 0;  // in the script
    uint8_t lines = 0;      // said by the client, and not yet answered
  };
  static_assert(sizeof(Connection) <= 48);

  Tarpit(const TarpitOptions& options, TarpitScript script,
         std::vector<int> listeners, int epoll)
      : options_(options),
        script_(std::move(script)),
        listeners_(std::move(listeners)),
        epoll_(epoll) {}

  bool IsListener(int fd) const;
  absl::Status Listen(bool on);
  absl::Status Accept(int listener, Instant now);
  absl::Status Pause(Instant until);
  absl::Status ResumeIfPossible(Instant now);
  bool Admit(uint64_t client);
  void Hold(int fd, uint64_t client, Instant now);

  int Wait(Duration at_most, Instant now) const;
  void Serve(int fd, Instant now);
  // False if the client is gone.
  bool ThrowAwayInput(int fd, Connection& connection);
  bool SayByte(int fd, Connection& connection);

  void Queue(int fd, Instant due);
  void Unqueue(int fd);
  // Counts why.
  void Release(int fd, uint64_t& count);

  const TarpitOptions options_;
  const TarpitScript script_;
  const std::vector<int> listeners_;
  const int epoll_;

  std::vector<Connection> connections_;  // by descriptor
  int first_ = -1;                       // who is due next
  int last_ = -1;
  absl::flat_hash_map<uint64_t, uint32_t> held_of_;  // by client
  bool paused_ = false;
  Instant resume_{};
  TarpitCounts counts_;
};

// What one client is, as it is for a ban: an IPv4 address or an IPv6 /64.
uint64_t TarpitClientOf(const sockaddr* address);

}  // namespace breakwater
