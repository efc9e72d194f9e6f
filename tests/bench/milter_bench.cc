// The milter front beside the least that libmilter can do, in one run:
//
//   bursts      fast clients beside some whose list is slow: how long the fast
//               ones wait for their verdict at MAIL
//   throughput  sessions per second, all clients known; and with all offences
//               watched for
//   memory      of thousands of idle sessions
//
// Each server is a process of its own: libmilter can be started once in one.

#include <libmilter/mfapi.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "core/base/log.h"
#include "core/rules/header_rule.h"
#include "core/rules/trap_list.h"
#include "milter/milter_front.h"
#include "tests/bench/milter_load.h"
#include "tests/fakes/fake_world.h"

namespace breakwater {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr size_t kFast = 100;
constexpr size_t kSlow = 10;
constexpr auto kSlowList = seconds(1);

std::string Path() {
  return absl::StrCat("/tmp/breakwater-milter-bench-", getppid());
}

std::string SlowAddress(size_t i) { return absl::StrCat("198.18.255.", i); }
std::string FastAddress(size_t i) {
  return absl::StrCat("198.18.", i / 250 % 250, ".", i % 250);
}

// ---- The servers -----------------------------------------------------------

// Every offence, none of which is committed; a list of domains as well.
Rules AllOffences() {
  Rules rules = FakeWorld::DefaultRules();
  for (size_t i = 0; i < kOffenceKinds; ++i) {
    const auto kind = static_cast<OffenceKind>(i);
    rules.offences[kind] = DefaultRule(kind);
    rules.offences[kind].after = 1'000'000;
  }
  rules.conduct.own_names = {"mail.example.org"};
  rules.conduct.traps = std::make_shared<const TrapList>(
      *TrapList::Parse({"trap@mail.test", "@never.test", "info-*@mail.test"}));
  rules.conduct.headers = {
      *ParseHeaderRule("X-Spam-Flag = YES", OffenceKind::kSpam)};
  return rules;
}

void ServeWith(Rules rules) {
  SetLeastSeverity(Severity::kError);
  static FakeWorld world(std::move(rules));
  static auto front = MilterFront::Open(world.screener, world.metrics,
                                        {.socket = "unix:" + Path(),
                                         .verdict_deadline = seconds(20)})
                          .value();
  for (size_t i = 0; i < kSlow; ++i) world.lists.Hold(SlowAddress(i));
  front->Start([] { _exit(1); });
  while (world.lists.lookups(SlowAddress(0)) == 0) {
    std::this_thread::sleep_for(milliseconds(1));
  }
  std::this_thread::sleep_for(kSlowList);
  world.lists.Release();
  pause();
}
void ServeFront() { ServeWith(FakeWorld::DefaultRules()); }
void ServeOffences() { ServeWith(AllOffences()); }

// Waits where we wait, and does nothing else.
sfsistat PlainConnect(SMFICTX* context, char*, sockaddr* address) {
  const auto ip = IpAddress::From(address);
  const bool slow = ip && ip->ToString().starts_with("198.18.255.");
  smfi_setpriv(context, slow ? context : nullptr);
  return SMFIS_CONTINUE;
}
sfsistat PlainMail(SMFICTX* context, char**) {
  if (smfi_getpriv(context) != nullptr) std::this_thread::sleep_for(kSlowList);
  return SMFIS_CONTINUE;
}
sfsistat PlainRecipient(SMFICTX*, char**) { return SMFIS_CONTINUE; }
sfsistat PlainClose(SMFICTX* context) {
  smfi_setpriv(context, nullptr);
  return SMFIS_CONTINUE;
}
sfsistat PlainNegotiate(SMFICTX*, unsigned long, unsigned long protocol,
                        unsigned long, unsigned long, unsigned long* actions,
                        unsigned long* wanted, unsigned long* two,
                        unsigned long* three) {
  *wanted = protocol & (SMFIP_NOHELO | SMFIP_NOUNKNOWN | SMFIP_NOHDRS |
                        SMFIP_NOEOH | SMFIP_NOBODY);
  *actions = *two = *three = 0;
  return SMFIS_CONTINUE;
}

void ServePlain() {
  static char name[] = "plain";
  smfiDesc description{};
  description.xxfi_name = name;
  description.xxfi_version = SMFI_VERSION;
  description.xxfi_connect = PlainConnect;
  description.xxfi_envfrom = PlainMail;
  description.xxfi_envrcpt = PlainRecipient;
  description.xxfi_close = PlainClose;
  description.xxfi_negotiate = PlainNegotiate;
  std::string spec = "unix:" + Path();
  smfi_register(description);
  smfi_setconn(spec.data());
  smfi_opensocket(true);
  smfi_main();
}

class Server {
 public:
  explicit Server(void (*serve)()) : pid_(fork()) {
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      serve();
      _exit(0);
    }
    while (MilterClient(path()).fd() < 0) {
      std::this_thread::sleep_for(milliseconds(5));
    }
  }
  ~Server() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    unlink(path().c_str());
  }
  std::string path() const {
    return absl::StrCat("/tmp/breakwater-milter-bench-", getpid());
  }
  // In MB.
  double Resident() const {
    std::ifstream statm(absl::StrCat("/proc/", pid_, "/statm"));
    long total = 0, resident = 0;
    statm >> total >> resident;
    return static_cast<double>(resident * getpagesize()) / 1e6;
  }

 private:
  pid_t pid_;
};

// ---- What is measured ------------------------------------------------------

double Milliseconds(microseconds time) {
  return static_cast<double>(time.count()) / 1e3;
}

void Bursts(const char* name, void (*serve)(), int rounds) {
  std::vector<microseconds> waits;
  for (int round = 0; round < rounds; ++round) {
    const Server server(serve);
    const auto idle = OpenIdle(server.path(), 500);
    std::vector<MilterSession> sessions;
    for (size_t i = 0; i < kFast + kSlow; ++i) {
      const size_t every = (kFast + kSlow) / kSlow;
      sessions.push_back(
          {i % every == 0 ? SlowAddress(i / every) : FastAddress(i)});
    }
    RunBurst(server.path(), sessions);
    for (const MilterSession& session : sessions) {
      if (session.address.starts_with("198.18.255.")) continue;
      waits.push_back(session.verdict == '!' ? seconds(10) : session.mail);
    }
  }
  std::sort(waits.begin(), waits.end());
  const auto late = std::count_if(waits.begin(), waits.end(), [](auto wait) {
    return wait > milliseconds(50);
  });
  std::printf(
      "%-8s %zu verdicts at MAIL: p50 %.1f ms, p99 %.1f ms, worst %.1f "
      "ms; later than 50 ms: %ld\n",
      name, waits.size(), Milliseconds(waits[waits.size() / 2]),
      Milliseconds(waits[waits.size() * 99 / 100]), Milliseconds(waits.back()),
      static_cast<long>(late));
}

double Throughput(const Server& server, size_t count, size_t at_once,
                  const std::string& helo = "") {
  std::vector<MilterSession> sessions;
  for (size_t i = 0; i < count; ++i) {
    sessions.push_back({.address = FastAddress(i % 500), .helo = helo});
  }
  const auto start = std::chrono::steady_clock::now();
  RunSessions(server.path(), sessions, at_once);
  const std::chrono::duration<double> took =
      std::chrono::steady_clock::now() - start;
  return static_cast<double>(count) / took.count();
}

struct Contender {
  const char* name;
  void (*serve)();
  std::string helo = "";
};

void CompareThroughput(const Contender& a, const Contender& b, size_t at_once) {
  std::vector<double> ratios;
  double of_a = 0, of_b = 0;
  const auto run = [at_once](const Contender& contender) {
    const Server server(contender.serve);
    // The cache is warm then.
    Throughput(server, 1000, at_once, contender.helo);
    return Throughput(server, 20'000, at_once, contender.helo);
  };
  for (int round = 0; round < 5; ++round) {
    of_a = run(a);
    of_b = run(b);
    ratios.push_back(of_b / of_a);
  }
  std::sort(ratios.begin(), ratios.end());
  std::printf(
      "%zu at once: %s %.0f/s, %s %.0f/s; ratio of five: median "
      "%.2f (%.2f to %.2f)\n",
      at_once, a.name, of_a, b.name, of_b, ratios[2], ratios.front(),
      ratios.back());
}

void MemoryOfIdle(const char* name, void (*serve)(), size_t count) {
  const Server server(serve);
  const double before = server.Resident();
  const auto idle = OpenIdle(server.path(), count);
  std::printf("%-8s %zu idle sessions: %.1f MB, %.1f before\n", name, count,
              server.Resident(), before);
}

}  // namespace
}  // namespace breakwater

int main(int count, char** words) {
  using namespace breakwater;
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  signal(SIGPIPE, SIG_IGN);
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const auto compare_offences = [] {
    for (const size_t at_once : {1, 16, 100}) {
      CompareThroughput({"front", ServeFront},
                        {"all offences", ServeOffences, "client.test"},
                        at_once);
    }
  };
  // "offences": these alone.
  if (count > 1 && std::string(words[1]) == "offences") {
    compare_offences();
    return 0;
  }
  Bursts("plain", ServePlain, 10);
  Bursts("front", ServeFront, 10);
  for (const size_t at_once : {1, 16, 100}) {
    CompareThroughput({"plain", ServePlain}, {"front", ServeFront}, at_once);
  }
  compare_offences();
  MemoryOfIdle("plain", ServePlain, 10'000);
  MemoryOfIdle("front", ServeFront, 10'000);
}
