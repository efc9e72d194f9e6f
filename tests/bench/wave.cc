// breakwater-wave: a spam wave against one mail server, and honest senders
// beside it. It speaks from any address that is routed to where it runs, so
// that is a network namespace of its own:
//
//   ip route add local 198.18.0.0/15 dev lo
//
// One line of JSON per interval, and a summary at the end or on SIGINT.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <string>

#include "asio/awaitable.hpp"
#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "asio/io_context.hpp"
#include "asio/signal_set.hpp"
#include "asio/steady_timer.hpp"
#include "asio/use_awaitable.hpp"
#include "tests/bench/wave_clients.h"
#include "tests/bench/wave_report.h"

namespace breakwater {
namespace {

using Seconds = std::chrono::duration<double>;

// The options as texts and seconds, as the command line has them.
struct CommandLine {
  std::string server = "192.0.2.25";
  uint16_t port = 25;
  std::string zombie_from = "198.18.0.1";
  std::string honest_from = "203.0.113.10";
  double interval = 1;
};

void AddSeconds(CLI::App& app, const std::string& name, Milliseconds& value,
                const std::string& description) {
  app.add_option_function<double>(
         name,
         [&value](double seconds) {
           value = std::chrono::duration_cast<Milliseconds>(Seconds(seconds));
         },
         description + " (s)")
      ->check(CLI::Range(0.0, 3600.0))
      ->default_str(std::to_string(Seconds(value).count()).substr(0, 4));
}

void AddOptions(CLI::App& app, CommandLine& line, WaveOptions& wave) {
  app.option_defaults()->always_capture_default();
  app.add_option("--server", line.server, "The mail server's address");
  app.add_option("--port", line.port, "Its port");
  app.add_option("--interval", line.interval, "Seconds between two lines")
      ->check(CLI::Range(0.1, 3600.0));
  AddSeconds(app, "--time", wave.time, "How long it lasts");
  app.add_option("--max-open", wave.max_open, "Sessions at once")
      ->check(CLI::Range(1, 1000000));

  app.add_option("--zombie-from", line.zombie_from, "Their first address");
  app.add_option("--zombies", wave.zombies, "Addresses that come back")
      ->check(CLI::Range(0, 131072));
  app.add_option("--sessions", wave.zombie_sessions, "Sessions of each")
      ->check(CLI::Range(1, 64));
  AddSeconds(app, "--ramp", wave.zombie_ramp, "Until all have arrived");
  AddSeconds(app, "--pace", wave.zombie_pace, "Before each of their lines");
  AddSeconds(app, "--sit", wave.zombie_sit, "How long they sit");
  AddSeconds(app, "--pause", wave.zombie_pause, "Until they come back");
  AddSeconds(app, "--connect-patience", wave.zombie_connect_patience,
             "How long they wait for a connection");
  app.add_option("--arrivals", wave.arrivals, "New addresses a second, once")
      ->check(CLI::Range(0.0, 100000.0));
  app.add_flag("--leave", wave.leave, "They leave when they were answered");

  app.add_option("--honest-from", line.honest_from, "Their first address");
  app.add_option("--honest", wave.honest, "Their addresses")
      ->check(CLI::Range(1, 1000));
  app.add_option("--mails", wave.mails, "Their mails a second, together")
      ->check(CLI::Range(0.0, 10000.0));
  app.add_option("--recipient", wave.recipient, "Whom they write to");
  app.add_option("--tries", wave.honest_tries, "How often they try")
      ->check(CLI::Range(1, 100));
  AddSeconds(app, "--patience", wave.honest_patience,
             "How long they wait for a connection or a reply");
}

void PrintLine(const std::string& line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

double Since(WaveClock::time_point start) {
  return Seconds(WaveClock::now() - start).count();
}

asio::awaitable<void> TellIntervals(Report& report, Seconds interval,
                                    WaveClock::time_point start) {
  asio::steady_timer timer(co_await asio::this_coro::executor, start);
  while (true) {
    timer.expires_at(timer.expiry() +
                     std::chrono::duration_cast<WaveClock::duration>(interval));
    co_await timer.async_wait(asio::use_awaitable);
    PrintLine(report.IntervalLine(Since(start)));
  }
}

// Each client is a descriptor.
void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

void RunWave(const WaveOptions& options, double interval) {
  Report report;
  const WaveClock::time_point start = WaveClock::now();
  {
    asio::io_context loop(1);
    asio::signal_set signals(loop, SIGINT, SIGTERM);
    signals.async_wait([&](auto, auto) { loop.stop(); });
    asio::steady_timer end(loop, options.time);
    end.async_wait([&](auto) { loop.stop(); });

    co_spawn(loop, TellIntervals(report, Seconds(interval), start),
             asio::detached);
    WaveClients clients(loop, options, report);
    clients.StartZombies();
    clients.StartHonestSenders();
    loop.run();
    PrintLine(report.SummaryLine(Since(start)));
    // The loop's end takes all clients with it.
  }
}

}  // namespace
}  // namespace breakwater

int main(int argc, char** argv) {
  using namespace breakwater;
  CLI::App app("A spam wave against one mail server, from a namespace");
  CommandLine line;
  WaveOptions wave;
  AddOptions(app, line, wave);
  CLI11_PARSE(app, argc, argv);

  std::error_code error;
  const auto server = asio::ip::make_address(line.server, error);
  if (!error)
    wave.zombie_from = asio::ip::make_address(line.zombie_from, error);
  if (!error)
    wave.honest_from = asio::ip::make_address(line.honest_from, error);
  if (error) {
    std::fprintf(stderr, "breakwater-wave: %s is needed as an address\n",
                 "each of --server, --zombie-from and --honest-from");
    return 2;
  }
  wave.server = asio::ip::tcp::endpoint(server, line.port);
  std::signal(SIGPIPE, SIG_IGN);
  RaiseDescriptorLimit();
  RunWave(wave, line.interval);
  return 0;
}
