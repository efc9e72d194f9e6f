#pragma once

#include <chrono>

#include "asio/awaitable.hpp"
#include "asio/post.hpp"
#include "asio/this_coro.hpp"
#include "asio/use_awaitable.hpp"
#include "core/base/clock.h"

namespace breakwater {

// Gives everybody else on the loop a turn between the pieces of long work:
//
//   Breather breather;
//   for (...) {
//     ...
//     if (breather.IsDue()) co_await breather.Breathe();
//   }
class Breather {
 public:
  bool IsDue() const { return Clock::now() >= due_; }
  asio::awaitable<void> Breathe() {
    co_await asio::post(co_await asio::this_coro::executor,
                        asio::use_awaitable);
    due_ = Clock::now() + kLongest;
  }

 private:
  static constexpr Duration kLongest = std::chrono::milliseconds(1);
  Instant due_ = Clock::now() + kLongest;
};

}  // namespace breakwater
