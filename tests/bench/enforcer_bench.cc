// What a ban costs, in a network namespace of its own: the sets beside bare
// netlink in the same run, alternating, as a busy machine slows both alike;
// and the way of a ban from the daemon's socket into the kernel and back.
// Needs root.

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/log.h"
#include "daemon/enforcer/enforcer_server.h"
#include "firewall/ipset/ip_sets.h"
#include "firewall/nftables/nft_sets.h"
#include "firewall/recent_lists.h"
#include "tests/bench/bare_netlink.h"
#include "tests/daemon/test_daemon.h"
#include "tests/fakes/net_namespace.h"
#include "tests/reaper/tcp_sockets.h"

namespace breakwater {
namespace {

using std::chrono::seconds;
using Microseconds = std::chrono::duration<double, std::micro>;

struct Times {
  std::vector<double> samples;  // microseconds

  void Measure(const std::function<void()>& work) {
    const Instant begin = Clock::now();
    work();
    samples.push_back(Microseconds(Clock::now() - begin).count());
  }
  double At(double quantile) {
    std::ranges::sort(samples);
    const auto last = static_cast<double>(samples.size() - 1);
    return samples[static_cast<size_t>(quantile * last)];
  }
};

void Print(const char* name, Times& times, size_t per_call = 1) {
  const double median = times.At(0.5);
  std::printf("%-44s p50 %8.2f us  p99 %8.2f us  max %8.1f us  %9.0f/s\n", name,
              median, times.At(0.99), times.At(1),
              1e6 * static_cast<double>(per_call) / median);
}

Network Address(uint32_t number) {
  return Network::OfClient(IpAddress::FromV4(0x0b000000 + number));
}

constexpr Duration kBare = seconds(kBareSeconds);

Record Ban(uint32_t number) {
  const Instant now = Clock::now();
  return TimedRecord(RecordKind::kBan, Address(number), now + kBare, now);
}

std::unique_ptr<IpSets> OpenSets() {
  auto sets = IpSets::Open({{}, 524'288});
  if (!sets.ok()) {
    std::fprintf(stderr, "%s\n", sets.status().ToString().c_str());
    std::exit(1);
  }
  return *std::move(sets);
}

std::unique_ptr<NftSets> OpenNft() {
  auto sets = NftSets::Open({});
  if (!sets.ok()) {
    std::fprintf(stderr, "%s\n", sets.status().ToString().c_str());
    std::exit(1);
  }
  return *std::move(sets);
}

// Ours and the limit take turns.
void Compare(const char* name, BanSets& sets,
             const std::function<void(uint32_t first, uint32_t count)>& bare) {
  uint32_t number = 0;
  for (const uint32_t batch : {1U, 100U}) {
    Times ours;
    Times limit;
    for (int i = 0; i < (batch == 1 ? 100'000 : 2'000); ++i) {
      std::vector<TimedNetwork> elements;
      for (uint32_t j = 0; j < batch; ++j) {
        elements.push_back({Address(number++), kBare});
      }
      ours.Measure([&] {
        if (!sets.Add(elements).empty()) std::abort();
      });
      limit.Measure([&] { bare(number, batch); });
      number += batch;
    }
    const std::string size = " " + std::to_string(batch);
    Print((std::string(name) + ": Add of" + size).c_str(), ours, batch);
    Print((std::string(name) + ": built by hand," + size).c_str(), limit,
          batch);
    std::printf("%-44s %.2f\n", "  of the limit", limit.At(0.5) / ours.At(0.5));
  }
}

void CompareIpset() {
  const std::unique_ptr<IpSets> sets = OpenSets();
  BareNetlink bare;
  Compare("ipset", *sets, [&bare](uint32_t first, uint32_t count) {
    bare.AddToIpset("breakwater4", first, count);
  });
}

void CompareNft() {
  const std::unique_ptr<NftSets> sets = OpenNft();
  BareNetlink bare;
  Compare("nftables", *sets, [&bare](uint32_t first, uint32_t count) {
    bare.AddToNft("breakwater", "breakwater4", first, count);
  });
}

void CompareRecent() {
  if (!NetNamespace::Run(
          "iptables -t raw -A PREROUTING -m recent --name breakwater --rcheck "
          "&& ip6tables -t raw -A PREROUTING -m recent --name breakwater6 "
          "--rcheck")) {
    std::exit(1);
  }
  const std::unique_ptr<RecentLists> lists = RecentLists::Open({});
  const int file = open("/proc/net/xt_recent/breakwater", O_WRONLY);
  Compare("xt_recent", *lists, [file](uint32_t first, uint32_t count) {
    for (uint32_t i = first; i < first + count; ++i) {
      char line[32];
      const int size = std::snprintf(line, sizeof line, "+10.%u.%u.%u\n",
                                     i >> 16 & 255, i >> 8 & 255, i & 255);
      lseek(file, 0, SEEK_SET);
      if (write(file, line, static_cast<size_t>(size)) != size) std::abort();
    }
  });
  close(file);
}

// What a program that calls ipset(8) for each ban has to pay.
void CompareWithExec() {
  const std::unique_ptr<IpSets> sets = OpenSets();
  Times ours;
  Times exec;
  for (uint32_t i = 0; i < 500; ++i) {
    ours.Measure([&] { sets->Add({{{Address(2 * i), kBare}}}); });
    const std::string address = Address(2 * i + 1).ToString();
    exec.Measure([&address] {
      const char* words[] = {"ipset",   "add", "breakwater4", address.c_str(),
                             "timeout", "600", nullptr};
      pid_t child = 0;
      int status = 1;
      if (posix_spawnp(&child, "ipset", nullptr, nullptr,
                       const_cast<char**>(words), environ) != 0 ||
          waitpid(child, &status, 0) < 0 || status != 0) {
        std::abort();
      }
    });
  }
  Print("ipset: Add of 1, now and then", ours);
  Print("fork and exec of ipset add", exec);
  std::printf("%-44s %.0f\n", "  times as fast", exec.At(0.5) / ours.At(0.5));
}

void FillTo(BanSets& sets, uint32_t count, Times& times) {
  constexpr uint32_t kBatch = 100;
  for (uint32_t first = 0; first < count; first += kBatch) {
    std::vector<TimedNetwork> elements;
    for (uint32_t i = 0; i < kBatch; ++i) {
      elements.push_back({Address(first + i), kBare + seconds(i)});
    }
    times.Measure([&] {
      if (!sets.Add(elements).empty()) std::abort();
    });
  }
}

// Beside a million, and then with no room for more.
void AMillion(const char* name, BanSets& sets) {
  Times fill;
  FillTo(sets, 900'000, fill);
  Print((std::string(name) + ": to 900,000, batch of 100").c_str(), fill, 100);
  uint32_t number = 1'000'000;
  const auto more = [&](const char* what, int count) {
    Times one;
    for (int i = 0; i < count; ++i) {
      const TimedNetwork element{Address(number++), kBare};
      one.Measure([&] {
        if (!sets.Add({&element, 1}).empty()) std::abort();
      });
    }
    Print((std::string(name) + what).c_str(), one);
  };
  more(": one more beside 900,000", 20'000);
  Times check;
  for (int i = 0; i < 1000; ++i) {
    check.Measure([&] { (void)sets.Check(); });
  }
  Print((std::string(name) + ": Check").c_str(), check);
  while (sets.evicted() == 0) {
    std::vector<TimedNetwork> elements;
    for (int i = 0; i < 100; ++i) {
      elements.push_back({Address(number++), kBare});
    }
    (void)sets.Add(elements);
  }
  more(": one more in a full set", 30'000);
  std::printf("%-44s %lu\n", "  evicted",
              static_cast<unsigned long>(sets.evicted()));
}

void IpsetMillion() {
  const std::unique_ptr<IpSets> sets = OpenSets();
  AMillion("ipset", *sets);
  Times list;
  size_t found = 0;
  list.Measure([&] { found = sets->List()->size(); });
  std::printf("%-44s %.0f ms for %zu elements\n", "IpSets::List",
              list.At(0.5) / 1000, found);
}

void NftMillion() {
  const std::unique_ptr<NftSets> sets = OpenNft();
  AMillion("nftables", *sets);
}

// Somebody empties the set that a million bans are in: until the enforcer says
// so, and until all are in again.
void Restore(const char* name, std::unique_ptr<BanSets> sets,
             const char* flush) {
  constexpr uint32_t kBans = 1'000'000;
  const TestDirectory directory;
  Config config;
  config.enforcer.ban_burst = 2 * kBans;
  TestEnforcer enforcer(directory.File("enforcer.sock"), std::move(sets),
                        nullptr, config);
  TestDaemon daemon(directory.File("enforcer.sock"));
  daemon.SayHello();
  daemon.ReadTo(RecordKind::kProtectedEnd);
  const auto say_all = [&daemon] {
    for (uint32_t first = 0; first < kBans; first += kMostRecords) {
      std::vector<Record> orders;
      for (uint32_t i = first; i < first + kMostRecords && i < kBans; ++i) {
        orders.push_back(Ban(i));
      }
      const std::vector<Record> answer = daemon.Order(std::move(orders));
      for (const Record& record : answer) {
        if (record.kind == RecordKind::kRefused) return false;
      }
    }
    return true;
  };
  Times fill;
  Times notice;
  Times restore;
  bool ok = true;
  fill.Measure([&] { ok &= say_all(); });
  enforcer.config().enforcer.ban_burst = 1;
  daemon.Send({{.kind = RecordKind::kReload}});
  ok &= NetNamespace::Run(flush);
  notice.Measure([&] {
    ok &= daemon.ReadTo(RecordKind::kSetsMade).back().kind ==
          RecordKind::kSetsMade;
  });
  restore.Measure([&] { ok &= say_all(); });
  std::printf(
      "%-44s filled in %.2f s, noticed in %.2f s, restored in %.2f s%s\n", name,
      fill.At(1) / 1e6, notice.At(1) / 1e6, restore.At(1) / 1e6,
      ok ? "" : "  FAILED");
}

// The daemon's side: one ban in each packet, so many a second.
void RoundTrip(const char* name, int per_second, int bans, bool with_sessions) {
  const TestDirectory directory;
  const std::string path = directory.File("enforcer.sock");
  Config config;
  config.ban_ports.listed = {25};
  auto reaper = Reaper::Start(ReaperOptionsOf(config.ban_ports));
  TestEnforcer enforcer(path, OpenSets(), *std::move(reaper), config);
  TestDaemon daemon(path);
  daemon.SayHello();
  daemon.ReadTo(RecordKind::kProtectedEnd);

  Times times;
  Instant next = Clock::now();
  for (int i = 0; i < bans; ++i) {
    std::this_thread::sleep_until(next);
    next += std::chrono::microseconds(1'000'000 / per_second);
    std::vector<Record> orders = {Ban(static_cast<uint32_t>(i))};
    if (with_sessions) {
      orders.push_back({.kind = RecordKind::kEndAfterReply,
                        .connection = {.client = orders[0].network.address,
                                       .client_port = 4711,
                                       .server = Address(0xffffff).address,
                                       .server_port = 25}});
    }
    times.Measure([&] { daemon.Order(orders); });
  }
  Print(name, times);
}

void EndSessions() {
  auto diag = SockDiag::Open();
  const TcpSocketFd listener = ListenOn("127.0.0.1", 25);
  Times find;
  Times destroy;
  for (int i = 0; i < 5'000; ++i) {
    const Session session = ConnectFrom("127.0.0.5", "127.0.0.1", 25, listener);
    std::optional<TcpSocket> socket;
    find.Measure([&] { socket = *diag->Find(session.connection); });
    destroy.Measure([&] { (void)diag->Destroy(*socket); });
  }
  Print("SockDiag::Find", find);
  Print("SockDiag::Destroy, by cookie", destroy);
  std::printf("%-44s %.2f\n", "  destroying alone, of both",
              destroy.At(0.5) / (find.At(0.5) + destroy.At(0.5)));
}

}  // namespace
}  // namespace breakwater

// `enforcer_bench restore` does only what has that in its name.
int main(int argc, char** argv) {
  using namespace breakwater;
  SetLeastSeverity(Severity::kError);
  const std::vector<std::pair<std::string, std::function<void()>>> parts = {
      {"ipset", CompareIpset},
      {"nftables", CompareNft},
      {"xt_recent", CompareRecent},
      {"exec", CompareWithExec},
      {"million ipset", IpsetMillion},
      {"million nftables", NftMillion},
      {"restore ipset",
       [] { Restore("ipset: a million", OpenSets(), "ipset flush"); }},
      {"restore nftables",
       [] {
         Restore("nftables: a million", OpenNft(),
                 "nft flush set inet breakwater breakwater4");
       }},
      {"sessions", EndSessions},
      {"ban", [] { RoundTrip("ban to kApplied, 500/s", 500, 5'000, false); }},
      {"ban and session", [] {
         RoundTrip("ban and session to kApplied, 500/s", 500, 5'000, true);
       }}};
  for (const auto& [name, part] : parts) {
    if (argc > 1 && name.find(argv[1]) == std::string::npos) continue;
    const NetNamespace name_space;
    if (!name_space.made()) {
      std::fprintf(stderr, "needs root, for a network namespace\n");
      return 1;
    }
    part();
  }
  return 0;
}
