#include "core/screener/patience.h"

#include <utility>

#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "asio/experimental/as_tuple.hpp"
#include "asio/use_awaitable.hpp"

namespace breakwater {

Patience::Patience(asio::io_context& loop, Over over)
    : over_(std::move(over)), timer_(loop, Instant::max()) {
  asio::co_spawn(loop, Run(), asio::detached);
}

void Patience::Watch(const std::shared_ptr<Screening>& screening,
                     Duration patience) {
  watched_.push_back({.ends = Clock::now() + patience, .screening = screening});
  if (watched_.size() == 1) timer_.cancel();
}

asio::awaitable<void> Patience::Run() {
  for (;;) {
    timer_.expires_at(watched_.empty() ? Instant::max()
                                       : watched_.front().ends);
    co_await timer_.async_wait(
        asio::experimental::as_tuple(asio::use_awaitable));
    while (!watched_.empty() && watched_.front().ends <= Clock::now()) {
      const std::weak_ptr<Screening> first =
          std::move(watched_.front().screening);
      watched_.pop_front();
      if (const auto screening = first.lock()) over_(screening);
    }
  }
}

}  // namespace breakwater
