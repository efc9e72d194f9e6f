// breakwater-tarpit(8): where banned clients can be sent to waste their time.
// Reads nothing but to throw it away, and needs no privilege.

#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/duration.h"
#include "core/base/log.h"
#include "firewall/tarpit/tarpit.h"
#include "firewall/tarpit/tarpit_listener.h"

namespace breakwater {
namespace {

// Descriptors that are not connections.
constexpr rlim_t kOwnDescriptors = 32;
// How long a client may acknowledge nothing. Longer than it is to wait.
constexpr Duration kSilence = std::chrono::minutes(1);
constexpr Duration kReportEvery = std::chrono::minutes(1);

struct Options {
  std::vector<std::string> listen;
  std::string interval = "5s";
  std::string longest = "30m";
  std::string reply = "521 5.7.1 This address is kept out for sending spam";
  std::string user = "breakwater-tarpit";
  TarpitOptions tarpit;
};

volatile sig_atomic_t g_stop = 0;
volatile sig_atomic_t g_report = 0;

extern "C" void OnStop(int) { g_stop = 1; }
extern "C" void OnReport(int) { g_report = 1; }

void HandleSignals() {
  std::signal(SIGTERM, OnStop);
  std::signal(SIGINT, OnStop);
  std::signal(SIGUSR1, OnReport);
  std::signal(SIGHUP, SIG_IGN);
}

absl::StatusOr<std::vector<int>> ListenOnAll(const Options& options) {
  const Duration silence = kSilence + 2 * options.tarpit.interval;
  std::vector<int> sockets;
  if (!options.listen.empty()) {
    for (const std::string& where : options.listen) {
      const absl::StatusOr<int> fd = ListenForTarpit(where, silence);
      if (!fd.ok()) return fd.status();
      sockets.push_back(*fd);
    }
    return sockets;
  }
  const absl::StatusOr<int> ipv4 = ListenForTarpit("0.0.0.0:2525", silence);
  if (!ipv4.ok()) return ipv4.status();
  sockets.push_back(*ipv4);
  const absl::StatusOr<int> ipv6 = ListenForTarpit("[::]:2525", silence);
  if (ipv6.ok()) {
    sockets.push_back(*ipv6);
  } else {
    Log(Severity::kWarning, "tarpit-smaller")
        .Add("why", std::string(ipv6.status().message()));
  }
  return sockets;
}

// As many descriptors as connections, or fewer connections.
void MakeRoom(size_t& most) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  const rlim_t wanted = most + kOwnDescriptors;
  if (limit.rlim_cur >= wanted) return;
  rlimit more{.rlim_cur = wanted, .rlim_max = std::max(limit.rlim_max, wanted)};
  if (setrlimit(RLIMIT_NOFILE, &more) == 0) return;
  more = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
  setrlimit(RLIMIT_NOFILE, &more);
  most =
      limit.rlim_max > kOwnDescriptors ? limit.rlim_max - kOwnDescriptors : 1;
  Log(Severity::kWarning, "tarpit-smaller")
      .Add("most", most)
      .Add("why", "the limit on open files (RLIMIT_NOFILE)");
}

// Not needed when a unit with User= has done it.
absl::Status DropRoot(const std::string& user) {
  if (geteuid() == 0) {
    const passwd* const entry = getpwnam(user.c_str());
    if (entry == nullptr || entry->pw_uid == 0) {
      return absl::NotFoundError(absl::StrCat(
          "there is no user \"", user,
          "\" but root; make it with systemd-sysusers or name one by --user"));
    }
    if (initgroups(user.c_str(), entry->pw_gid) != 0 ||
        setresgid(entry->pw_gid, entry->pw_gid, entry->pw_gid) != 0 ||
        setresuid(entry->pw_uid, entry->pw_uid, entry->pw_uid) != 0) {
      return absl::ErrnoToStatus(errno, absl::StrCat("becoming ", user));
    }
  }
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return absl::ErrnoToStatus(errno, "refusing new privileges");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Tarpit>> Start(Options& options) {
  std::string host(256, '\0');
  if (gethostname(host.data(), host.size() - 1) != 0) host = "localhost";
  absl::StatusOr<TarpitScript> script =
      TarpitScript::Make(host.c_str(), options.reply);
  if (!script.ok()) return script.status();
  absl::StatusOr<std::vector<int>> sockets = ListenOnAll(options);
  if (!sockets.ok()) return sockets.status();
  MakeRoom(options.tarpit.most);
  if (absl::Status status = DropRoot(options.user); !status.ok()) return status;
  return Tarpit::Make(options.tarpit, *std::move(script), *std::move(sockets));
}

void Report(const TarpitCounts& counts) {
  Log(Severity::kInfo, "tarpit")
      .Add("held", counts.held)
      .Add("accepted", counts.accepted)
      .Add("told", counts.told)
      .Add("left", counts.left)
      .Add("expired", counts.expired)
      .Add("turned-away", counts.turned_away)
      .Add("paused", counts.paused);
}

absl::Status Run(Tarpit& tarpit) {
  Instant next_report = Clock::now() + kReportEvery;
  uint64_t reported = 0;
  while (g_stop == 0) {
    // A signal that comes just before the wait is served after it.
    const absl::Status status = tarpit.Step(std::chrono::seconds(1));
    if (!status.ok()) return status;
    const TarpitCounts& counts = tarpit.counts();
    const Instant now = Clock::now();
    const bool is_quiet = counts.held == 0 && counts.accepted == reported;
    if (g_report != 0 || (now >= next_report && !is_quiet)) {
      g_report = 0;
      reported = counts.accepted;
      Report(counts);
    }
    if (now >= next_report) next_report = now + kReportEvery;
  }
  return absl::OkStatus();
}

int Fail(const absl::Status& status) {
  Log(Severity::kError, "tarpit-failed")
      .Add("why", std::string(status.message()));
  return 1;
}

int Main(Options& options) {
  OpenLog(LogTarget::kStderr, "breakwater-tarpit");
  HandleSignals();
  absl::StatusOr<std::unique_ptr<Tarpit>> tarpit = Start(options);
  if (!tarpit.ok()) return Fail(tarpit.status());
  Log(Severity::kInfo, "tarpit-started")
      .Add("listen", options.listen.empty()
                         ? "port 2525"
                         : absl::StrJoin(options.listen, ","))
      .Add("most", options.tarpit.most);
  if (absl::Status status = Run(**tarpit); !status.ok()) return Fail(status);
  Report((*tarpit)->counts());
  Log(Severity::kInfo, "tarpit-ended");
  return 0;
}

absl::Status ReadTimes(Options& options) {
  const absl::StatusOr<Duration> interval = ParseDuration(options.interval);
  if (!interval.ok()) return interval.status();
  const absl::StatusOr<Duration> longest = ParseDuration(options.longest);
  if (!longest.ok()) return longest.status();
  if (*interval < std::chrono::milliseconds(1) ||
      *interval > std::chrono::hours(1)) {
    return absl::InvalidArgumentError("--interval is 1ms to 1h");
  }
  if (*longest > std::chrono::hours(24 * 7)) {
    return absl::InvalidArgumentError("--longest is at most 7d");
  }
  options.tarpit.interval = *interval;
  options.tarpit.longest = *longest;
  return absl::OkStatus();
}

}  // namespace
}  // namespace breakwater

int main(int argc, char** argv) {
  breakwater::Options options;
  breakwater::TarpitOptions& tarpit = options.tarpit;
  CLI::App app("Holds connections of banned clients. See breakwater-tarpit(8).",
               "breakwater-tarpit");
  app.set_version_flag("--version", "breakwater-tarpit " BREAKWATER_VERSION);
  app.add_option("--listen", options.listen,
                 "Where, may be given again; else port 2525 of all addresses")
      ->type_name("ADDRESS:PORT")
      ->allow_extra_args(false);
  app.add_option("--interval", options.interval, "From byte to byte")
      ->type_name("TIME")
      ->capture_default_str();
  app.add_option("--longest", options.longest, "For one connection")
      ->type_name("TIME")
      ->capture_default_str();
  app.add_option("--max", tarpit.most, "Connections held at once")
      ->check(CLI::Range(size_t{1}, size_t{1'000'000}))
      ->capture_default_str();
  app.add_option("--max-per-client", tarpit.most_per_client,
                 "Of them, of one IPv4 address or IPv6 /64")
      ->check(CLI::Range(uint32_t{1}, uint32_t{1'000'000}))
      ->capture_default_str();
  app.add_option("--reply", options.reply, "The last reply")
      ->type_name("TEXT")
      ->capture_default_str();
  app.add_option("--user", options.user, "Who to become when started as root")
      ->type_name("USER")
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (const absl::Status status = breakwater::ReadTimes(options);
      !status.ok()) {
    app.exit(CLI::ValidationError(std::string(status.message())));
    return 2;
  }
  return breakwater::Main(options);
}
