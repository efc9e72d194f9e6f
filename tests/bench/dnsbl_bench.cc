// What the DNS lists cost: memory for a client, a cached answer, a question.

#include <benchmark/benchmark.h>
#include <malloc.h>

#include <fstream>
#include <string>

#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "core/base/log.h"
#include "core/dns/dns_answer.h"
#include "core/dnsbl/dnsbl.h"
#include "core/screener/screener.h"
#include "tests/fakes/dns_server.h"
#include "tests/fakes/fake_enforcer.h"

namespace breakwater {
namespace {

IpAddress Client(uint32_t number) {
  return IpAddress::FromV4(0x0b000000 + number);
}

// Resident memory, in bytes.
double Resident() {
  malloc_trim(0);
  std::ifstream statm("/proc/self/statm");
  size_t size = 0;
  size_t resident = 0;
  statm >> size >> resident;
  return static_cast<double>(resident) * 4096;
}

std::shared_ptr<const Rules> ThreeZones() {
  auto rules = std::make_shared<Rules>();
  for (const char* label : {"a", "b", "c"}) {
    rules->zones.push_back(
        {.name = std::string(label) + ".bench", .label = label, .ban = false});
  }
  return rules;
}

struct Fixture {
  explicit Fixture(FakeReply reply, size_t cache = 200'000) {
    server.Otherwise(std::move(reply));
    options.cache_capacity = cache;
    options.prove_zones = false;  // they list the world
    dnsbl.emplace(loop, *resolver, metrics, options);
    dnsbl->SetRules(ThreeZones());
  }

  // Looks clients first .. first + count up, `at_once` at a time.
  void LookUp(uint32_t first, uint32_t count, uint32_t at_once) {
    uint32_t next = first;
    uint32_t done = 0;
    for (uint32_t i = 0; i < at_once; ++i) {
      asio::co_spawn(
          loop,
          [](Fixture& self, uint32_t& number, uint32_t end,
             uint32_t& answered) -> asio::awaitable<void> {
            while (number < end) {
              const Answers answers =
                  co_await self.dnsbl->Lookup(Client(number++));
              ++answered;
              self.listed += !answers.listings.empty();
              self.failed += answers.errors > 0 || answers.overdue;
            }
          }(*this, next, first + count, done),
          asio::detached);
    }
    loop.restart();
    while (done < count) loop.run_one();
  }

  asio::io_context loop{1};
  FakeDnsServer server;
  Metrics metrics;
  DnsblOptions options;
  std::unique_ptr<Resolver> resolver =
      *Resolver::Make(loop, {.servers = {server.address()}});
  std::optional<Dnsbl> dnsbl;
  size_t listed = 0;
  size_t failed = 0;
};

// 100,000 clients with three zones each: what the cache says that it takes,
// and what the process grew by.
void BM_CacheMemory(benchmark::State& state) {
  const auto clients = static_cast<uint32_t>(state.range(0));
  for (auto _ : state) {
    const double before = Resident();
    ListingCache<IpAddress> cache(200'000, 3);
    const Instant expires = Clock::now() + std::chrono::minutes(10);
    for (uint32_t i = 0; i < clients; ++i) {
      for (size_t zone = 0; zone < 3; ++zone) {
        cache.Put(Client(i), zone, 0x7f000002, expires);
      }
    }
    state.counters["bytes_per_client"] =
        static_cast<double>(cache.bytes()) / clients;
    state.counters["resident_bytes_per_client"] =
        (Resident() - before) / clients;
    state.counters["resident_MB"] = (Resident() - before) / 1e6;
  }
}
BENCHMARK(BM_CacheMemory)->Arg(100'000)->Iterations(1);

// What a wave of new clients costs the full cache: each puts one out.
void BM_CachePutWhenFull(benchmark::State& state) {
  ListingCache<IpAddress> cache(100'000, 3);
  const Instant expires = Clock::now() + std::chrono::minutes(10);
  uint32_t number = 0;
  for (; number < 100'000; ++number) cache.Put(Client(number), 0, 0, expires);
  for (auto _ : state) cache.Put(Client(number++), 0, 0, expires);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_CachePutWhenFull);

// The answer about a client that is known, over all three zones.
void BM_Cached(benchmark::State& state) {
  const auto clients = static_cast<uint32_t>(state.range(0));
  Fixture fixture(NoSuchName());
  fixture.LookUp(0, clients, 100);
  uint32_t number = 0;
  for (auto _ : state) {
    const auto answers = fixture.dnsbl->Cached(Client(number));
    if (!answers) state.SkipWithError("a client is not in the cache");
    benchmark::DoNotOptimize(answers);
    // Strides over the clients, as the wave does not come in order.
    number = (number + 7919) % clients;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Cached)->Arg(1000)->Arg(100'000);

// New clients, three questions each, over a real socket to a server in this
// process: time is the loop's and the server's together, CPU the loop's alone.
void BM_LookupCold(benchmark::State& state) {
  constexpr uint32_t kClients = 1000;
  Fixture fixture(state.range(1) != 0 ? Says({"127.0.0.2"}) : NoSuchName(300));
  uint32_t first = 0;
  for (auto _ : state) {
    fixture.LookUp(first, kClients, static_cast<uint32_t>(state.range(0)));
    first += kClients;
  }
  if (fixture.failed > 0) state.SkipWithError("a question was not answered");
  state.SetItemsProcessed(first);
  state.counters["cpu_per_client"] = benchmark::Counter(
      first, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(BM_LookupCold)
    ->ArgNames({"at_once", "listed"})
    ->Args({10, 0})
    ->Args({100, 0})
    ->Args({100, 1})
    ->Args({1000, 1})
    ->Unit(benchmark::kMillisecond);

// A wave of 1000 connections, ten of each client one after another: how many
// questions the lists are asked. Answers are kept for no time at all, as they
// are when the next connection comes after their TTL and before the ban's end;
// a connection that the kernel drops would not even get here.
void BM_QuestionsOfAWave(benchmark::State& state) {
  constexpr uint32_t kConnections = 1000;
  constexpr uint32_t kClients = 100;
  for (auto _ : state) {
    Fixture fixture(Says({"127.0.0.2"}));
    fixture.options.ttl_floor = fixture.options.ttl_ceiling = {};
    fixture.dnsbl->SetOptions(fixture.options);
    auto rules = std::make_shared<Rules>(*ThreeZones());
    for (Zone& zone : rules->zones) zone.ban = state.range(0) != 0;
    BanTable bans{100'000};
    FakeEnforcer enforcer;
    Screener screener(fixture.loop, *fixture.dnsbl, bans, enforcer,
                      fixture.metrics, rules);
    bool over = false;
    asio::co_spawn(
        fixture.loop,
        [](Screener& screen, bool& done) -> asio::awaitable<void> {
          for (uint32_t i = 0; i < kConnections; ++i) {
            const class Client client {
              .connection = {.client = Client(i % kClients) }
            };
            const Verdict verdict = co_await screen.Screen(client);
            screen.Answered(client, verdict);
          }
          done = true;
        }(screener, over),
        asio::detached);
    while (!over) fixture.loop.run_one();
    state.counters["questions"] = static_cast<double>(fixture.server.queries());
    uint64_t avoided = 0;
    for (const ZoneLedger* ledger : fixture.dnsbl->Ledgers()) {
      avoided += ledger->total().of(Saving::kBan);
    }
    state.counters["avoided_by_bans"] = static_cast<double>(avoided);
  }
}
BENCHMARK(BM_QuestionsOfAWave)
    ->ArgName("bans")
    ->Arg(0)
    ->Arg(1)
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

// The process with everything about 100,000 clients in it.
void BM_ResidentWith100000Clients(benchmark::State& state) {
  for (auto _ : state) {
    Fixture fixture(Says({"127.0.0.2"}));
    const double before = Resident();
    fixture.LookUp(0, 100'000, 200);
    state.counters["grown_MB"] = (Resident() - before) / 1e6;
    state.counters["resident_MB"] = Resident() / 1e6;
    state.counters["failed"] = static_cast<double>(fixture.failed);
  }
}
BENCHMARK(BM_ResidentWith100000Clients)
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

// An answer of 64 KiB, which a list or who forges its answers may send.
void BM_ParseFourThousandRecords(benchmark::State& state) {
  DnsMessage message{.question = {.name = "5.2.0.192.list.test"}};
  message.answers.assign(4000, ARecord("5.2.0.192.list.test", "127.0.0.2"));
  const Bytes bytes = message.Encode();
  for (auto _ : state) {
    benchmark::DoNotOptimize(ParseDnsAnswer(bytes, DnsType::kA));
  }
}
BENCHMARK(BM_ParseFourThousandRecords)->Unit(benchmark::kMicrosecond);

void BM_CountAVerdict(benchmark::State& state) {
  Metrics metrics;
  const Verdict verdict{.action = Action::kReject, .reason = Reason::kListed};
  for (auto _ : state) metrics.Verdicts(Front::kPolicy, verdict).Increment();
}
BENCHMARK(BM_CountAVerdict);

}  // namespace
}  // namespace breakwater

BENCHMARK_MAIN();
