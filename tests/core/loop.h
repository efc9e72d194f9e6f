#pragma once

#include <functional>
#include <optional>
#include <utility>

#include "asio/awaitable.hpp"
#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "asio/io_context.hpp"
#include "core/base/clock.h"

namespace breakwater {

// Longer than anything here takes, even under a sanitizer on a busy machine.
inline constexpr auto kPatience = std::chrono::seconds(20);

// Runs the loop until `done` says so. False if it never did.
inline bool RunUntil(asio::io_context& loop,
                     const std::function<bool()>& done) {
  const Instant end = Clock::now() + kPatience;
  while (!done() && Clock::now() < end) {
    if (loop.stopped()) loop.restart();
    loop.run_one_for(std::chrono::milliseconds(10));
  }
  return done();
}

// Runs the loop until the coroutine has returned, and returns its value.
// Aborts if it never does.
template <typename T>
T Await(asio::io_context& loop, asio::awaitable<T> coroutine) {
  std::optional<T> result;
  asio::co_spawn(
      loop,
      [](asio::awaitable<T> c, std::optional<T>& r) -> asio::awaitable<void> {
        r = co_await std::move(c);
      }(std::move(coroutine), result),
      asio::detached);
  RunUntil(loop, [&] { return result.has_value(); });
  return std::move(result.value());
}

}  // namespace breakwater
