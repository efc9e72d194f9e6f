// kill -9 of the daemon and of the enforcer at random moments, while a wave
// comes: no ban that was acknowledged is lost, none lasts longer than it did.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

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
#include "tests/integration/ban_watch.h"
#include "tests/integration/breakwater_test.h"
#include "tests/integration/harness/temp_directory.h"
#include "tests/integration/harness/wait.h"

namespace breakwater::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::IsEmpty;

constexpr int kKills = 25;  // with each backend
constexpr seconds kBan(10);
constexpr uint32_t kUsualSeed = 20261121;

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
  };
  void Start(Program& program) {
    InNamespace here(mta());
    std::vector<std::string> words = {Breakwater::ProgramPath(program.name),
                                      "--config", breakwater_->config_path()};
    words.insert(words.end(), program.more.begin(), program.more.end());
    BREAKWATER_ASSERT_OK_AND_ASSIGN(
        program.process,
        Process::Start(words, absl::StrCat(breakwater_->directory(), "/",
                                           program.name, ".log")));
  }
  void Kill(Program& program) {
    EXPECT_TRUE(program.process->Running()) << program.process->Log();
    program.process->Signal(SIGKILL);
    ASSERT_TRUE(program.process->WaitForExit(seconds(5)));
    Start(program);
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
  const char* const given = getenv("BREAKWATER_SEED");
  const auto seed =
      static_cast<uint32_t>(given == nullptr ? kUsualSeed : atoi(given));
  std::printf("BREAKWATER_SEED=%u\n", seed);
  std::mt19937 random(seed);
  const auto up_to = [&random](int most) {
    return std::uniform_int_distribution<int>(0, most)(random);
  };
  // Some that outlast it all.
  for (int i = 1; i <= 5; ++i) {
    ASSERT_TRUE(BanByOperator(absl::StrCat("203.0.113.", i), seconds(3600)));
  }
  Wave wave(socket_);
  int told = 0;
  for (int kill = 0; kill < kKills; ++kill) {
    LookFor(milliseconds(up_to(600)));
    Program& victim = up_to(1) == 0 ? daemon_ : enforcer_;
    // Some die right after the operator was told that somebody is banned.
    const std::string address = absl::StrCat("203.0.113.", 100 + kill);
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
  EXPECT_GT(wave.rejected(), 500);
  EXPECT_GT(watch_->seen(), 500u);
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
