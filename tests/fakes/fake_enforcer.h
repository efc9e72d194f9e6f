#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/ports/enforcer.h"

namespace breakwater {

// Takes down what it is told, and touches nothing:
//
//   ban 192.0.2.5 600s
//   unban 192.0.2.5
//   end 192.0.2.5:4711>192.0.2.25:25
//   destroy [2001:db8::5]:4711>[2001:db8::25]:25
//   spare ...    forget ...
//
// Orders come from the loop; tests may ask from any thread.
class FakeEnforcer : public Enforcer {
 public:
  void Ban(const Network& network, Duration length) override {
    Note(absl::StrCat("ban ", network.ToString(), " ", Text(length)));
  }
  void Unban(const Network& network) override {
    Note(absl::StrCat("unban ", network.ToString()));
  }
  void EndAfterReply(const Connection& connection) override {
    Note(absl::StrCat("end ", Text(connection)));
  }
  void Destroy(const Connection& connection) override {
    Note(absl::StrCat("destroy ", Text(connection)));
  }
  void Spare(const Connection& connection) override {
    Note(absl::StrCat("spare ", Text(connection)));
  }
  void Forget(const Connection& connection) override {
    Note(absl::StrCat("forget ", Text(connection)));
  }

  std::vector<std::string> orders() const {
    const std::lock_guard lock(mutex_);
    return orders_;
  }
  // The orders so far, which are then forgotten.
  std::vector<std::string> Take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(orders_, {});
  }
  // Waits until there are `count` orders or five seconds have passed, and
  // returns what there is.
  std::vector<std::string> WaitFor(size_t count) const {
    std::unique_lock lock(mutex_);
    noted_.wait_for(lock, std::chrono::seconds(5),
                    [&] { return orders_.size() >= count; });
    return orders_;
  }

 private:
  static std::string Text(const IpAddress& address, uint16_t port) {
    return address.IsV4() ? absl::StrCat(address.ToString(), ":", port)
                          : absl::StrCat("[", address.ToString(), "]:", port);
  }
  static std::string Text(const Connection& c) {
    return absl::StrCat(Text(c.client, c.client_port), ">",
                        Text(c.server, c.server_port));
  }
  static std::string Text(Duration length) {
    // To the nearest tenth of a second: clocks go on while orders are made.
    const auto ms = (length.count() + 50) / 100 * 100;
    return ms % 1000 == 0 ? absl::StrCat(ms / 1000, "s")
                          : absl::StrCat(ms, "ms");
  }
  void Note(std::string order) {
    const std::lock_guard lock(mutex_);
    orders_.push_back(std::move(order));
    noted_.notify_all();
  }

  mutable std::mutex mutex_;
  mutable std::condition_variable noted_;
  std::vector<std::string> orders_;  // guarded by mutex_
};

}  // namespace breakwater
