// What the engine adds to a lookup: from the question to its answers, with a
// resolver that has every answer at hand.

#include <algorithm>
#include <cstdio>
#include <vector>

#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "asio/post.hpp"
#include "core/dnsbl/dnsbl.h"

namespace breakwater {
namespace {

constexpr uint32_t kClients = 150'000;

class AnswersAtOnce : public Resolver {
 public:
  AnswersAtOnce(asio::io_context& loop, bool listed)
      : loop_(loop), listed_(listed) {}

  void Query(const std::string&, DnsType, Done done) override {
    DnsAnswer answer{.outcome = DnsOutcome::kNone};
    if (listed_) {
      answer.outcome = DnsOutcome::kRecords;
      answer.addresses = {0x7f000002};
    }
    answer.ttl = std::chrono::seconds(300);
    asio::post(loop_, [answer, done = std::move(done)]() mutable {
      done(std::move(answer));
    });
  }
  size_t in_flight() const override { return 0; }

 private:
  asio::io_context& loop_;
  const bool listed_;
};

// Three zones, all at once or one after the other. It takes all three listings
// to reject, so one that does not list the client settles it.
std::shared_ptr<const Rules> ThreeZones(bool in_stages) {
  auto rules = std::make_shared<Rules>();
  for (const int stage : {0, 1, 2}) {
    const std::string label(1, static_cast<char>('a' + stage));
    rules->zones.push_back({.name = label + ".test",
                            .label = label,
                            .ban = false,
                            .after = in_stages ? stage : 0});
  }
  rules->reject_score = 3;
  return rules;
}

asio::awaitable<void> LookUpAll(Dnsbl& dnsbl, std::vector<double>& took) {
  using Microseconds = std::chrono::duration<double, std::micro>;
  for (uint32_t i = 0; i < kClients; ++i) {
    const auto start = std::chrono::steady_clock::now();
    co_await dnsbl.Lookup(IpAddress::FromV4(0x0b000000 + i));
    took.push_back(
        Microseconds(std::chrono::steady_clock::now() - start).count());
  }
}

void Measure(bool listed, bool in_stages) {
  asio::io_context loop(1);
  AnswersAtOnce resolver(loop, listed);
  Metrics metrics;
  Dnsbl dnsbl(loop, resolver, metrics, {.prove_zones = false});
  dnsbl.SetRules(ThreeZones(in_stages));
  std::vector<double> took;
  asio::co_spawn(loop, LookUpAll(dnsbl, took),
                 [&](const std::exception_ptr&) { loop.stop(); });
  loop.run();
  std::sort(took.begin(), took.end());
  std::printf("%s, %d stage(s): p50 %.1f us, p99 %.1f us, p99.9 %.1f us\n",
              listed ? "listed" : "not listed", in_stages ? 3 : 1,
              took[took.size() / 2], took[took.size() * 99 / 100],
              took[took.size() * 999 / 1000]);
}

}  // namespace
}  // namespace breakwater

int main() {
  for (const bool listed : {false, true}) {
    for (const bool in_stages : {false, true}) {
      breakwater::Measure(listed, in_stages);
    }
  }
}
