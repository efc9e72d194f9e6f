// kill -9 of the daemon, of the enforcer and of both at random moments, while a
// wave comes: no ban that was acknowledged is lost, none lasts longer than it
// did. BREAKWATER_KILLS and BREAKWATER_SEED ask for another number of kills, at
// other moments.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/integration/ban_watch.h"
#include "tests/integration/breakwater_test.h"
#include "tests/integration/harness/temp_directory.h"
#include "tests/integration/harness/wait.h"

namespace breakwater::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::IsEmpty;

constexpr int kUsualKills = 25;  // with each backend
constexpr seconds kBan(10);
constexpr int kUsualSeed = 20261121;

int NumberFrom(const char* variable, int usual) {
  const char* const given = getenv(variable);
  return given == nullptr ? usual : atoi(given);
}

// Clients that come once each, all of them listed, asked about as Postfix asks.
// A server that is away is what they get used to.
class Wave {
 public:
  explicit Wave(std::string socket)
      : socket_(std::move(socket)), thread_([this] { Run(); }) {}
  ~Wave() { Stop(); }
  Wave(const Wave&) = delete;
  Wave& operator=(const Wave&) = delete;

  void Stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  int rejected() const { return rejected_; }

 private:
  static constexpr milliseconds kPause{3};  // between two clients

  void Run() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, socket_.c_str(),
                 sizeof address.sun_path - 1);
    const timeval patience{.tv_sec = 2, .tv_usec = 0};
    while (!stop_) {
      const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
      setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
      if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) ==
          0) {
        while (!stop_ && Ask(fd)) std::this_thread::sleep_for(kPause);
      }
      close(fd);
      std::this_thread::sleep_for(kPause);
    }
  }
  bool Ask(int fd) {
    const int number = next_++;
    const std::string request = absl::StrFormat(
        "request=smtpd_access_policy\nprotocol_state=CONNECT\n"
        "client_address=198.18.%d.%d\n\n",
        number / 250 % 250, 1 + number % 250);
    if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) <= 0) {
      return false;
    }
    char answer[1024];
    const ssize_t size = recv(fd, answer, sizeof answer, 0);
    if (size <= 0) return false;
    if (absl::StrContains(absl::string_view(answer, static_cast<size_t>(size)),
                          "521")) {
      ++rejected_;
    }
    return true;
  }

  const std::string socket_;
  std::atomic<bool> stop_ = false;
  std::atomic<int> rejected_ = 0;
  int next_ = 0;
  std::thread thread_;
};

class KillTest : public BreakwaterTest,
                 public ::testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    BreakwaterTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    BREAKWATER_ASSERT_OK_AND_ASSIGN(
        list_, DnsList::Start(mta(), {.entries = {{"198.18.0.0/15"}}}));
    BREAKWATER_ASSERT_OK_AND_ASSIGN(breakwater_, Breakwater::Make(mta()));
    chmod(breakwater_->directory().c_str(), 0777);
    socket_ = breakwater_->directory() + "/policy.sock";
    BREAKWATER_ASSERT_OK(breakwater_->WriteConfig(ConfigText(
        {.policy = {"unix:" + socket_},
         .config = absl::StrCat("[firewall]\nbackend = \"", GetParam(),
                                "\"\n[ban]\nneeds_socket = false\n"
                                "duration = \"",
                                kBan.count(), "s\"\n")})));
    Start(enforcer_);
    Start(daemon_);
    ASSERT_TRUE(WaitUntil([&] { return Connections() == 1; }));
    watch_ = std::make_unique<BanWatch>(
        mta(), std::string(GetParam()) == "ipset" ? BanWatch::Kind::kIpset
                                                  : BanWatch::Kind::kNftables);
  }

  // Each of the two on its own, and started again at once: the parent would
  // take its time for one that keeps dying.
  struct Program {
    const char* name;
    std::vector<std::string> more;
    std::unique_ptr<Process> process = nullptr;
    std::vector<absl::Time> starts = {};
  };
  void Start(Program& program) {
    InNamespace here(mta());
    program.starts.push_back(absl::Now());
    std::vector<std::string> words = {Breakwater::ProgramPath(program.name),
                                      "--config", breakwater_->config_path()};
    words.insert(words.end(), program.more.begin(), program.more.end());
    BREAKWATER_ASSERT_OK_AND_ASSIGN(
        program.process,
        Process::Start(words, absl::StrCat(breakwater_->directory(), "/",
                                           program.name, ".log")));
  }
  void Kill(const std::vector<Program*>& programs) {
    for (Program* program : programs) {
      EXPECT_TRUE(program->process->Running()) << program->process->Log();
      program->process->Signal(SIGKILL);
    }
    for (Program* program : programs) {
      ASSERT_TRUE(program->process->WaitForExit(seconds(5)));
      Start(*program);
    }
  }
  // From each start of the program to the daemon's next such event, if that
  // came before the program was started again.
  void PrintTimesTo(const char* event, const Program& program) const {
    std::vector<absl::Time> seen;
    for (absl::string_view line :
         absl::StrSplit(daemon_.process->Log(), '\n')) {
      absl::Time when;
      if (absl::StrContains(line, absl::StrCat("event=", event, " ")) &&
          absl::ParseTime("time=%Y-%m-%dT%H:%M:%E*SZ",
                          line.substr(0, line.find(' ')), &when, nullptr)) {
        seen.push_back(when);
      }
    }
    std::vector<int64_t> times;
    for (size_t i = 0; i < program.starts.size(); ++i) {
      const auto next = std::ranges::lower_bound(seen, program.starts[i]);
      if (next == seen.end()) break;
      if (i + 1 < program.starts.size() && *next > program.starts[i + 1]) {
        continue;
      }
      times.push_back(absl::ToInt64Milliseconds(*next - program.starts[i]));
    }
    if (times.empty()) return;
    std::ranges::sort(times);
    std::printf("%s -> %s: %zu of %zu, p50 %d ms, p99 %d ms\n", program.name,
                event, times.size(), program.starts.size(),
                static_cast<int>(times[times.size() / 2]),
                static_cast<int>(times[times.size() * 99 / 100]));
  }
  // How often the daemon has found its enforcer.
  int Connections() const {
    const std::string log = daemon_.process->Log();
    int count = 0;
    for (size_t at = 0;
         (at = log.find("event=enforcer-connected", at)) != std::string::npos;
         ++at) {
      ++count;
    }
    return count;
  }
  void LookFor(milliseconds time) {
    const auto end = BanWatch::Clock::now() + time;
    do {
      watch_->Look();
    } while (BanWatch::Clock::now() < end);
  }
  // Told by the operator; whether the daemon said that it is so.
  bool BanByOperator(const std::string& address, seconds length) {
    const std::string answer =
        Ask({"ban", address, "--for", absl::StrCat(length.count(), "s")});
    if (!absl::StrContains(answer, "\"ok\":true")) return false;
    return !absl::StrContains(answer, "\"note\"");
  }

  Program daemon_{"breakwaterd", {"--alone"}};
  Program enforcer_{"breakwater-enforcer", {}};
  std::string socket_;
  std::unique_ptr<BanWatch> watch_;
};

TEST_P(KillTest, NoAcknowledgedBanIsLostAndNoneGrows) {
  ASSERT_FALSE(HasFatalFailure());
  const int seed = NumberFrom("BREAKWATER_SEED", kUsualSeed);
  const int kills = NumberFrom("BREAKWATER_KILLS", kUsualKills);
  std::printf("BREAKWATER_SEED=%d\n", seed);
  std::mt19937 random(static_cast<uint32_t>(seed));
  const auto up_to = [&random](int most) {
    return std::uniform_int_distribution<int>(0, most)(random);
  };
  // Some that outlast it all.
  for (int i = 1; i <= 5; ++i) {
    ASSERT_TRUE(BanByOperator(absl::StrCat("203.0.113.", i), seconds(3600)));
  }
  Wave wave(socket_);
  int told = 0;
  const std::vector<std::vector<Program*>> victims = {
      {&daemon_}, {&enforcer_}, {&daemon_, &enforcer_}};
  for (int kill = 0; kill < kills; ++kill) {
    LookFor(milliseconds(up_to(600)));
    const std::vector<Program*>& victim = victims[up_to(2)];
    // Some die right after the operator was told that somebody is banned.
    const std::string address =
        absl::StrFormat("203.0.113.%d", 100 + kill % 150);
    if (kill % 3 == 0 && BanByOperator(address, kBan)) {
      ++told;
      watch_->Expect(address, kBan, BanWatch::Clock::now() + seconds(5));
    }
    Kill(victim);
    ASSERT_FALSE(HasFatalFailure());
    ASSERT_THAT(watch_->faults(), IsEmpty()) << "after kill " << kill;
  }
  LookFor(seconds(6));
  wave.Stop();
  PrintTimesTo("ready", daemon_);
  PrintTimesTo("enforcer-connected", enforcer_);
  EXPECT_GT(wave.rejected(), 20 * kills);
  EXPECT_GT(watch_->seen(), 20u * static_cast<size_t>(kills));
  EXPECT_GT(told, 0);
  EXPECT_THAT(watch_->faults(), IsEmpty());
  std::printf("%zu bans seen, %d refusals, %d told\n", watch_->seen(),
              wave.rejected(), told);
  // All but those that outlast it end.
  EXPECT_TRUE(WaitUntil(
      [&] {
        watch_->Look();
        return watch_->in_force() == 5;
      },
      kBan + seconds(4), milliseconds(100)));
  EXPECT_THAT(watch_->faults(), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(, KillTest, ::testing::Values("ipset", "nftables"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace breakwater::testing
