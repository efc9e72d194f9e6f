// Requests per second of the policy server with the lists' cache warm, beside
// an empty asio server of the same shape: a coroutine for each connection that
// reads until an empty line and writes a constant. Both are asked in one run,
// in turns, over unix sockets, by connections that each have one request under
// way, as Postfix has.
//
//   policy_bench [ROUNDS [SECONDS]]

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "asio/awaitable.hpp"
#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "asio/experimental/as_tuple.hpp"
#include "asio/io_context.hpp"
#include "asio/local/stream_protocol.hpp"
#include "asio/post.hpp"
#include "asio/use_awaitable.hpp"
#include "asio/write.hpp"
#include "core/dnsbl/dnsbl.h"
#include "core/net/listen_socket.h"
#include "policy/server.h"
#include "tests/fakes/fake_enforcer.h"

namespace breakwater {
namespace {

using asio::experimental::as_tuple;

constexpr size_t kClients = 10'000;  // different addresses, all in the cache

std::string Address(size_t number) {
  return absl::StrCat("192.0.", 2 + number / 250 % 100, ".", 1 + number % 250);
}

// As Postfix 3.7 asks with smtpd_delay_reject=no.
std::string Request(const std::string& address) {
  return absl::StrCat(
      "request=smtpd_access_policy\nprotocol_state=CONNECT\n"
      "protocol_name=SMTP\nclient_address=",
      address,
      "\nclient_name=unknown\nclient_port=37779\n"
      "reverse_client_name=unknown\nserver_address=192.0.2.25\n"
      "server_port=25\nhelo_name=\nsender=\nrecipient=\nrecipient_count=0\n"
      "queue_id=\ninstance=\nsize=0\netrn_domain=\nstress=\nsasl_method=\n"
      "sasl_username=\nsasl_sender=\nccert_subject=\nccert_issuer=\n"
      "ccert_fingerprint=\nccert_pubkey_fingerprint=\n"
      "encryption_protocol=\nencryption_cipher=\nencryption_keysize=0\n"
      "policy_context=\n\n");
}

// ---- The empty server

asio::awaitable<void> Echo(asio::local::stream_protocol::socket socket) {
  std::string buffer(4096, '\0');
  size_t filled = 0;
  for (;;) {
    const auto [error, bytes] = co_await socket.async_read_some(
        asio::buffer(buffer.data() + filled, buffer.size() - filled),
        as_tuple(asio::use_awaitable));
    if (error) co_return;
    filled += bytes;
    if (!std::string_view(buffer.data(), filled).ends_with("\n\n")) continue;
    filled = 0;
    static constexpr std::string_view kAnswer = "action=DUNNO\n\n";
    const auto [write_error, written] = co_await asio::async_write(
        socket, asio::buffer(kAnswer), as_tuple(asio::use_awaitable));
    if (write_error) co_return;
  }
}

asio::awaitable<void> Accept(asio::io_context& loop,
                             asio::local::stream_protocol::acceptor& acceptor) {
  for (;;) {
    auto [error, socket] =
        co_await acceptor.async_accept(as_tuple(asio::use_awaitable));
    if (error) co_return;
    asio::co_spawn(loop, Echo(std::move(socket)), asio::detached);
  }
}

// A DNS in which nobody is listed.
class NobodyListed : public Resolver {
 public:
  explicit NobodyListed(asio::io_context& loop) : loop_(loop) {}
  void Query(const std::string&, DnsType, Done done) override {
    asio::post(loop_, [done = std::move(done)]() mutable {
      done({.outcome = DnsOutcome::kNone});
    });
  }
  size_t in_flight() const override { return 0; }

 private:
  asio::io_context& loop_;
};

// ---- The load

double Seconds(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) +
         1e-9 * static_cast<double>(now.tv_nsec);
}

int ConnectTo(const std::string& path) {
  sockaddr_un address{.sun_family = AF_UNIX};
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    std::perror(path.c_str());
    std::exit(1);
  }
  return fd;
}

void Send(int fd, const std::string& request) {
  if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size())) {
    std::perror("send");
    std::exit(1);
  }
}

// How many answers came. Each is short, and arrives whole.
size_t Load(const std::string& path, size_t connections, double seconds,
            const std::vector<std::string>& requests) {
  const int poller = epoll_create1(EPOLL_CLOEXEC);
  std::vector<int> sockets;
  size_t next = 0;
  for (size_t i = 0; i < connections; ++i) {
    sockets.push_back(ConnectTo(path));
    epoll_event event{.events = EPOLLIN, .data = {.fd = sockets.back()}};
    epoll_ctl(poller, EPOLL_CTL_ADD, sockets.back(), &event);
    Send(sockets.back(), requests[next++ % requests.size()]);
  }
  size_t answers = 0;
  const double end = Seconds(CLOCK_MONOTONIC) + seconds;
  while (Seconds(CLOCK_MONOTONIC) < end) {
    epoll_event events[64];
    const int ready = epoll_wait(poller, events, 64, 1000);
    for (int i = 0; i < ready; ++i) {
      const int fd = events[i].data.fd;
      char answer[1024];
      const ssize_t bytes = recv(fd, answer, sizeof answer, 0);
      if (bytes < 2 || std::memcmp(answer + bytes - 2, "\n\n", 2) != 0) {
        std::fprintf(stderr, "not an answer\n");
        std::exit(1);
      }
      ++answers;
      Send(fd, requests[next++ % requests.size()]);
    }
  }
  for (const int fd : sockets) close(fd);
  close(poller);
  return answers;
}

// A loop in a thread of its own, whose use of the processor can be asked for.
class LoopThread {
 public:
  explicit LoopThread(asio::io_context& loop)
      : work_(loop.get_executor()),
        loop_(loop),
        thread_([&loop] { loop.run(); }) {
    pthread_getcpuclockid(thread_.native_handle(), &clock_);
  }
  ~LoopThread() {
    loop_.stop();
    thread_.join();
  }
  double CpuSeconds() const { return Seconds(clock_); }

 private:
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  asio::io_context& loop_;
  std::thread thread_;
  clockid_t clock_;
};

struct Figure {
  std::vector<double> rates;  // requests/s
  std::vector<double> costs;  // microseconds of the server's processor time
};

double Median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

void Measure(const std::string& path, const LoopThread& server,
             size_t connections, double seconds,
             const std::vector<std::string>& requests, Figure& figure) {
  const double before = server.CpuSeconds();
  const auto answers =
      static_cast<double>(Load(path, connections, seconds, requests));
  figure.rates.push_back(answers / seconds);
  figure.costs.push_back(1e6 * (server.CpuSeconds() - before) / answers);
}

int Run(int rounds, double seconds) {
  const std::string directory = absl::StrCat("/tmp/policy-bench-", getpid());
  const std::string empty_path = directory + "/empty";
  const std::string policy_path = directory + "/policy";

  asio::io_context empty_loop(1);
  asio::local::stream_protocol::acceptor acceptor(empty_loop);
  acceptor.assign(asio::local::stream_protocol(),
                  Listen("unix:" + empty_path, "", 0600).value());
  asio::co_spawn(empty_loop, Accept(empty_loop, acceptor), asio::detached);
  const LoopThread empty_thread(empty_loop);

  asio::io_context policy_loop(1);
  BanTable bans(1'000'000);
  FakeEnforcer enforcer;
  Metrics metrics;
  Rules rules;
  rules.zones.push_back({.name = "list.test", .label = "list.test"});
  NobodyListed resolver(policy_loop);
  Dnsbl lists(policy_loop, resolver, metrics, {});
  Screener screener(policy_loop, lists, bans, enforcer, metrics,
                    std::make_shared<const Rules>(rules));
  PolicyServer server(policy_loop, screener, metrics, {});
  server.Serve(Listen("unix:" + policy_path, "", 0600).value());
  const LoopThread policy_thread(policy_loop);

  std::vector<std::string> requests;
  for (size_t i = 0; i < kClients; ++i) requests.push_back(Request(Address(i)));
  const size_t warming = Load(policy_path, 16, 0.5, requests);
  if (warming < kClients) std::printf("the cache is not warm\n");

  std::printf("connections  server  requests/s  cpu_us/request   ratio\n");
  for (const size_t connections : {16, 300}) {
    Figure empty, policy;
    for (int round = 0; round < rounds; ++round) {
      Measure(empty_path, empty_thread, connections, seconds, requests, empty);
      Measure(policy_path, policy_thread, connections, seconds, requests,
              policy);
    }
    std::printf("%11zu  empty   %10.0f  %14.2f\n", connections,
                Median(empty.rates), Median(empty.costs));
    std::printf("%11zu  policy  %10.0f  %14.2f  %6.2f\n", connections,
                Median(policy.rates), Median(policy.costs),
                Median(policy.rates) / Median(empty.rates));
  }
  std::filesystem::remove_all(directory);
  return 0;
}

}  // namespace
}  // namespace breakwater

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 5;
  const double seconds = argc > 2 ? std::atof(argv[2]) : 1.0;
  return breakwater::Run(rounds, seconds);
}
