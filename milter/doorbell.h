#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "asio/generic/stream_protocol.hpp"
#include "core/base/log_limit.h"

namespace breakwater {

// Rings at our own milter socket, so that libmilter sends somebody to look.
//
// libmilter (8.17, worker.c) gives a session that has something to say to an
// idle worker, and counts as idle also those that it has called already and
// that have not woken yet. So in a burst two sessions are given to one worker,
// and the second waits until that has finished with the first; if the first
// waits for a slow DNS list, the second waits with it, however fast its own
// list is. Nobody else looks after it: a worker looks for sessions left over
// only when it comes back.
//
// Whoever is about to wait in a callback, or for a peer that has sent half of a
// frame or takes no answer, therefore rings first. A ring is a
// connection to our socket that ends at once: a session of its own, for which
// libmilter wakes an idle worker, or makes one when all are busy; and having
// found nothing to do there, that worker looks for sessions left over. Rings
// that come while one is on its way are one: the last one to wait is always
// followed by a ring, and then no session is left that nobody looks after.
//
// Any thread, but for the constructor and the destructor.
class Doorbell {
 public:
  using Endpoint = asio::generic::stream_protocol::endpoint;

  // Of a socket that listens. Whom the process becomes later must be allowed
  // to connect to it.
  explicit Doorbell(Endpoint endpoint);
  ~Doorbell();
  Doorbell(const Doorbell&) = delete;
  Doorbell& operator=(const Doorbell&) = delete;

  // Returns at once. If a connection is not to be had (descriptors have run
  // out), it is tried again until it is.
  void Ring();

  // Whether a session that ended without having said anything was one of ours;
  // counts it as seen. (Among several such it does not matter which.)
  bool TakeRing();

 private:
  void Run();
  // 0, or why not.
  int Connect();

  const Endpoint endpoint_;
  LogLimit failure_lines_{1, std::chrono::seconds(10)};
  std::atomic<int> unseen_ = 0;  // rings that libmilter has not ended yet
  std::mutex mutex_;
  std::condition_variable wanted_;
  bool ring_ = false;  // by mutex_
  bool end_ = false;   // by mutex_
  std::thread thread_;
};

}  // namespace breakwater
