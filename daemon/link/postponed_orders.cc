#include "daemon/link/postponed_orders.h"

#include <algorithm>
#include <utility>

namespace breakwater {

void PostponedOrders::Add(const Order& refused, Instant now) {
  if (waiting_.size() >= kMost) return;
  Waiting waiting{.order = refused};
  waiting.order.pause = refused.pause == Duration::zero()
                            ? first_pause_
                            : std::min(2 * refused.pause, kLongestPause);
  waiting.due = now + waiting.order.pause;
  next_ = std::min(next_, waiting.due);
  waiting_.insert_or_assign(refused.network, waiting);
}

std::vector<PostponedOrders::Order> PostponedOrders::Take(Instant now) {
  std::vector<Order> due;
  if (now < next_) return due;
  next_ = Instant::max();
  for (const auto& [network, waiting] : waiting_) {
    if (waiting.due > now || due.size() >= kMostAtOnce) {
      next_ = std::min(next_, waiting.due);
    } else {
      due.push_back(waiting.order);
    }
  }
  // Those that found no room wait until these had their turn.
  next_ = std::max(next_, now + first_pause_);
  for (const Order& order : due) waiting_.erase(order.network);
  std::erase_if(due, [now](const Order& order) {
    return order.kind == RecordKind::kBan && order.ends <= now;
  });
  return due;
}

void PostponedOrders::Clear() {
  waiting_.clear();
  next_ = Instant::max();
}

}  // namespace breakwater
