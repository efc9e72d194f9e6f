#pragma once

#include <future>
#include <memory>
#include <thread>
#include <utility>

#include "asio/executor_work_guard.hpp"
#include "asio/io_context.hpp"
#include "asio/post.hpp"
#include "core/bans/ban_table.h"
#include "core/ports/metrics.h"
#include "core/screener/screener.h"
#include "tests/fakes/fake_enforcer.h"
#include "tests/fakes/fake_lists.h"

namespace breakwater {

// What a front needs around it: a real screener over fake lists and a fake
// enforcer, on a loop in a thread of its own.
class FakeWorld {
 public:
  // One zone, "list.test", whose listings are answered with 521 and a ban of
  // ten minutes.
  static Rules DefaultRules() {
    Rules rules;
    rules.zones.push_back({.name = "list.test", .label = "list.test"});
    return rules;
  }

  explicit FakeWorld(Rules rules = DefaultRules())
      : screener(loop, lists, bans, enforcer, metrics,
                 std::make_shared<const Rules>(std::move(rules))),
        thread_([this] { loop.run(); }) {}
  // Whatever uses the screener must have ended on the loop by now.
  ~FakeWorld() {
    loop.stop();
    thread_.join();
  }

  // Runs it on the loop and waits for it.
  template <typename Work>
  auto OnLoop(Work work) {
    std::packaged_task<decltype(work())()> task(std::move(work));
    auto result = task.get_future();
    asio::post(loop, [&task] { task(); });
    return result.get();
  }
  void Ban(std::string_view address) {
    OnLoop([&] {
      return screener.BanByOperator(IpAddress::Parse(address).value(),
                                    std::chrono::minutes(1), "by the test");
    }).value();
  }

  asio::io_context loop;
  FakeLists lists{loop};
  BanTable bans{100'000};
  FakeEnforcer enforcer;
  Metrics metrics;
  Screener screener;

 private:
  asio::executor_work_guard<asio::io_context::executor_type> work_{
      loop.get_executor()};
  std::thread thread_;  // last: begins when all else is there
};

}  // namespace breakwater
