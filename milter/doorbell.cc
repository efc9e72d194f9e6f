#include "milter/doorbell.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "core/base/log.h"

namespace breakwater {
namespace {

// After a ring that failed.
constexpr auto kPause = std::chrono::milliseconds(20);

}  // namespace

Doorbell::Doorbell(Endpoint endpoint)
    : endpoint_(std::move(endpoint)), thread_([this] { Run(); }) {}

Doorbell::~Doorbell() {
  {
    const std::lock_guard lock(mutex_);
    end_ = true;
  }
  wanted_.notify_one();
  thread_.join();
}

void Doorbell::Ring() {
  {
    const std::lock_guard lock(mutex_);
    ring_ = true;
  }
  wanted_.notify_one();
}

bool Doorbell::TakeRing() {
  int unseen = unseen_;
  while (unseen > 0 && !unseen_.compare_exchange_weak(unseen, unseen - 1)) {
  }
  return unseen > 0;
}

void Doorbell::Run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wanted_.wait(lock, [this] { return ring_ || end_; });
    if (end_) return;
    ring_ = false;
    lock.unlock();
    const int error = Connect();
    if (error != 0) {
      if (const auto held_back = failure_lines_.Admit()) {
        Log(Severity::kError, "milter-doorbell")
            .Add("error", std::strerror(error))
            .Add("held_back", *held_back);
      }
    }
    lock.lock();
    if (error != 0) {
      ring_ = true;
      wanted_.wait_for(lock, kPause, [this] { return end_; });
    }
  }
}

int Doorbell::Connect() {
  const int fd =
      socket(endpoint_.protocol().family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  // Bounds the connecting: a unix socket waits for a place in the backlog.
  const timeval patience{.tv_sec = 1, .tv_usec = 0};
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  ++unseen_;  // before libmilter can see it
  const int error = connect(fd, endpoint_.data(),
                            static_cast<socklen_t>(endpoint_.size())) == 0
                        ? 0
                        : errno;
  if (error != 0) --unseen_;
  close(fd);
  return error;
}

}  // namespace breakwater
