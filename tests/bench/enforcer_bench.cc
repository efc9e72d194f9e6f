// What a ban costs, in a network namespace of its own: the sets beside bare
// netlink in the same run, alternating, as a busy machine slows both alike;
// and the way of a ban from the daemon's socket into the kernel and back.
// Needs root.

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "core/log.h"
#include "daemon/enforcer_server.h"
#include "firewall/ip_sets.h"
#include "tests/daemon/test_daemon.h"
#include "tests/fakes/net_namespace.h"
#include "tests/reaper/tcp_sockets.h"

extern "C" {
#include <libipset/linux_ip_set.h>
}

namespace breakwater {
namespace {

using Microseconds = std::chrono::duration<double, std::micro>;

constexpr uint32_t kSeconds = 600;

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
  return Network::OfClient(IpAddress::FromV4(0x0a000000 + number));
}

// The limit: the same elements in a message built by hand.
class BareNetlink {
 public:
  BareNetlink() : socket_(*NetlinkSocket::Open(NETLINK_NETFILTER)) {}

  void Add(const char* set, uint32_t first, uint32_t count) {
    nlmsghdr* message = mnl_nlmsg_put_header(buffer_);
    message->nlmsg_type = (NFNL_SUBSYS_IPSET << 8) | IPSET_CMD_ADD;
    message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    auto* family = static_cast<nfgenmsg*>(
        mnl_nlmsg_put_extra_header(message, sizeof(nfgenmsg)));
    *family = {.nfgen_family = AF_INET, .version = NFNETLINK_V0, .res_id = 0};
    mnl_attr_put_u8(message, IPSET_ATTR_PROTOCOL, IPSET_PROTOCOL);
    mnl_attr_put_strz(message, IPSET_ATTR_SETNAME, set);
    if (count == 1) {
      PutElement(message, first);
    } else {
      mnl_attr_put_u32(message, IPSET_ATTR_LINENO, 1);
      nlattr* all = mnl_attr_nest_start(message, IPSET_ATTR_ADT);
      for (uint32_t i = 0; i < count; ++i) PutElement(message, first + i);
      mnl_attr_nest_end(message, all);
    }
    const absl::Status status = socket_.Query(message, [](const nlmsghdr&) {});
    if (!status.ok()) {
      std::fprintf(stderr, "bare netlink: %s\n", status.ToString().c_str());
      std::exit(1);
    }
  }

 private:
  static void PutElement(nlmsghdr* message, uint32_t number) {
    nlattr* data = mnl_attr_nest_start(message, IPSET_ATTR_DATA);
    nlattr* ip = mnl_attr_nest_start(message, IPSET_ATTR_IP);
    mnl_attr_put_u32(message, IPSET_ATTR_IPADDR_IPV4 | NLA_F_NET_BYTEORDER,
                     htonl(0x0a000000 + number));
    mnl_attr_nest_end(message, ip);
    mnl_attr_put_u32(message, IPSET_ATTR_TIMEOUT | NLA_F_NET_BYTEORDER,
                     htonl(kSeconds));
    mnl_attr_nest_end(message, data);
  }

  NetlinkSocket socket_;
  char buffer_[16384];
};

std::unique_ptr<IpSets> OpenSets() {
  auto sets = IpSets::Open({{}, 524'288});
  if (!sets.ok()) {
    std::fprintf(stderr, "%s\n", sets.status().ToString().c_str());
    std::exit(1);
  }
  return *std::move(sets);
}

void CompareWithBareNetlink() {
  const std::unique_ptr<IpSets> sets = OpenSets();
  BareNetlink bare;
  uint32_t number = 0;
  for (const uint32_t batch : {1U, 100U}) {
    Times ours;
    Times limit;
    for (int i = 0; i < (batch == 1 ? 100'000 : 2'000); ++i) {
      std::vector<TimedNetwork> elements;
      for (uint32_t j = 0; j < batch; ++j) {
        elements.push_back({Address(number++), kSeconds});
      }
      ours.Measure([&] { sets->Add(elements); });
      limit.Measure([&] { bare.Add("breakwater4", number, batch); });
      number += batch;
    }
    const std::string size = std::to_string(batch);
    Print(("IpSets::Add, batch of " + size).c_str(), ours, batch);
    Print(("bare netlink, " + size + " in a message").c_str(), limit, batch);
    std::printf("%-44s %.2f\n", "  of the limit", limit.At(0.5) / ours.At(0.5));
  }
}

void FillAndList() {
  const std::unique_ptr<IpSets> sets = OpenSets();
  Times adds;
  for (uint32_t first = 0; first < 900'000; first += 100) {
    std::vector<TimedNetwork> elements;
    for (uint32_t i = 0; i < 100; ++i) {
      elements.push_back({Address(first + i), kSeconds});
    }
    adds.Measure([&] { sets->Add(elements); });
  }
  Print("to 900,000 elements, batch of 100", adds, 100);
  Times one;
  for (uint32_t i = 0; i < 20'000; ++i) {
    const TimedNetwork element{Address(1'000'000 + i), kSeconds};
    one.Measure([&] { sets->Add({element}); });
  }
  Print("one more, beside 900,000", one);
  Times list;
  size_t found = 0;
  list.Measure([&] { found = sets->List()->size(); });
  std::printf("%-44s %.0f ms for %zu elements\n", "IpSets::List",
              list.At(0.5) / 1000, found);
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
    std::vector<Record> orders = {{.kind = RecordKind::kBan,
                                   .network = Address(static_cast<uint32_t>(i)),
                                   .seconds = kSeconds}};
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

int main() {
  using namespace breakwater;
  SetLeastSeverity(Severity::kError);
  for (const auto& part : std::vector<std::function<void()>>{
           CompareWithBareNetlink, FillAndList, EndSessions,
           [] { RoundTrip("ban to kApplied, 500/s", 500, 5'000, false); },
           [] {
             RoundTrip("ban and session to kApplied, 500/s", 500, 5'000, true);
           }}) {
    const NetNamespace name_space;
    if (!name_space.made()) {
      std::fprintf(stderr, "needs root, for a network namespace\n");
      return 1;
    }
    part();
  }
  return 0;
}
