// What a ban costs the daemon: memory, putting it in force, looking it up.

#include <benchmark/benchmark.h>
#include <malloc.h>

#include "core/bans/ban_table.h"
#include "core/judge/reply.h"
#include "core/net/width.h"

namespace breakwater {
namespace {

IpAddress Client(uint32_t number) {
  return IpAddress::FromV4(0x0b000000 + number);
}

// As the screener makes them for a client of a DNS list.
Ban BanOf(uint32_t number, Instant now) {
  const IpAddress address = Client(number);
  return {
      .network = Network::OfClient(address),
      .expires = now + std::chrono::minutes(10),
      .id = "5d0c7f3a",
      .label = "zen.spamhaus.org",
      .text = RenderReply(
          "Client {client} is listed by {list}{reason} [id {id}]",
          {.client = address,
           .list = "zen.spamhaus.org",
           .reason = "https://www.spamhaus.org/query/ip/" + address.ToString(),
           .id = "5d0c7f3a"})};
}

double Allocated() {
  const auto now = mallinfo2();
  return static_cast<double>(now.uordblks + now.hblkhd);
}

void BytesPerBan(benchmark::State& state) {
  const auto count = static_cast<uint32_t>(state.range(0));
  double bytes = 0;
  for (auto _ : state) {
    const Instant now = Clock::now();
    const double before = Allocated();
    BanTable bans(2 * count);
    for (uint32_t i = 0; i < count; ++i) bans.Add(BanOf(i, now), now);
    bytes = (Allocated() - before) / count;
  }
  state.counters["bytes_per_ban"] = bytes;
  state.counters["MiB"] = bytes * count / (1 << 20);
}
BENCHMARK(BytesPerBan)->Arg(100'000)->Arg(1'000'000)->Iterations(1);

void FindAmong(benchmark::State& state) {
  const auto count = static_cast<uint32_t>(state.range(0));
  const Instant now = Clock::now();
  BanTable bans(2 * count);
  for (uint32_t i = 0; i < count; ++i) bans.Add(BanOf(i, now), now);
  uint32_t next = 0;
  for (auto _ : state) {
    next = (next + 7919) % count;
    benchmark::DoNotOptimize(bans.Find(Client(next), now));
  }
}
BENCHMARK(FindAmong)->Arg(1'000)->Arg(100'000);

// Most clients are not banned: each costs a look for its /64 and, while there
// are such bans, for its /56 and /48.
void FindNobodyAmong(benchmark::State& state) {
  const auto wide = static_cast<uint32_t>(state.range(0));
  constexpr uint32_t kClients = 100'000;
  const auto client = [](uint32_t number) {
    IpAddress address = *IpAddress::Parse("2001:db8::1");
    for (size_t i = 0; i < 4; ++i) {
      address.bytes[4 + i] = static_cast<uint8_t>(number >> (24 - 8 * i));
    }
    return address;
  };
  const Instant now = Clock::now();
  BanTable bans(2 * kClients);
  const auto add = [&](const Network& network) {
    bans.Add({.network = network, .expires = now + std::chrono::minutes(10)},
             now);
  };
  for (uint32_t i = 0; i < kClients; ++i) add(Network::OfClient(client(i)));
  for (uint32_t i = 0; i < wide; ++i) {
    add(Widened(client(0x1000'0000 + (i << 16)), Width::kV6By56));
    add(Widened(client(0x2000'0000 + (i << 16)), Width::kV6By48));
  }
  uint32_t next = 0;
  for (auto _ : state) {
    next = (next + 7919) % kClients;
    benchmark::DoNotOptimize(bans.Find(client(0x4000'0000 + next), now));
  }
}
BENCHMARK(FindNobodyAmong)->Arg(0)->Arg(1'000);

}  // namespace
}  // namespace breakwater

BENCHMARK_MAIN();
