#pragma once

#include <deque>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "asio/awaitable.hpp"
#include "asio/io_context.hpp"
#include "asio/steady_timer.hpp"
#include "core/base/clock.h"
#include "core/screener/screening.h"

namespace breakwater {

// How long a client may be silent once its verdict is known: it should come to
// the point at which it is answered. One timer for all, so that a session costs
// none. Loop thread only.
class Patience {
 public:
  using Over = absl::AnyInvocable<void(const std::shared_ptr<Screening>&)>;

  // `over` is called for each whose patience is over and that is still there.
  Patience(asio::io_context& loop, Over over);

  // From now on. A longer one than that of the last call may end late.
  void Watch(const std::shared_ptr<Screening>& screening, Duration patience);

 private:
  struct Watched {
    Instant ends;
    std::weak_ptr<Screening> screening;
  };

  asio::awaitable<void> Run();

  Over over_;
  std::deque<Watched> watched_;  // soonest first
  asio::steady_timer timer_;
};

}  // namespace breakwater
