// breakwater-tarpit as it is run: a program of its own, with a crowd that is
// redirected to it.

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "tests/integration/harness/breakwater.h"
#include "tests/integration/harness/integration_test.h"
#include "tests/integration/harness/ip_set.h"
#include "tests/integration/harness/smtp_client.h"
#include "tests/integration/harness/temp_directory.h"
#include "tests/integration/harness/wait.h"

namespace breakwater::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

constexpr uint16_t kPort = 2525;

int64_t Number(absl::string_view text) {
  int64_t number = -1;
  return absl::SimpleAtoi(text, &number) ? number : -1;
}

// What stands behind `key` up to a blank.
int64_t NumberBehind(const std::string& text, const std::string& key) {
  const size_t at = text.rfind(key);
  if (at == std::string::npos) return -1;
  const size_t begin = text.find_first_not_of(" \t", at + key.size());
  return Number(
      text.substr(begin, text.find_first_not_of("0123456789", begin) - begin));
}

// Connections of so many addresses of 198.18.0.0/15, held by processes of
// their own: one alone may not have as many descriptors. What each connection
// does once it is made is up to the test.
class Crowd {
 public:
  using Deed = std::function<void(int fd)>;

  // Returns when all have tried to connect.
  Crowd(
      const Namespace& world, int processes, int each, uint16_t port,
      const Deed& deed = [](int) {}) {
    if (pipe(ready_) != 0 || pipe(end_) != 0) abort();
    InNamespace here(world);
    for (int i = 0; i < processes; ++i) {
      const pid_t pid = fork();
      if (pid == 0) Hold(static_cast<uint32_t>(i * each), each, port, deed);
      pids_.push_back(pid);
    }
    close(end_[0]);
    int connected = 0;
    for (const pid_t pid : pids_) {
      static_cast<void>(pid);
      if (read(ready_[0], &connected, sizeof connected) == sizeof connected) {
        connected_ += connected;
      }
    }
  }
  ~Crowd() {
    close(end_[1]);
    for (const pid_t pid : pids_) waitpid(pid, nullptr, 0);
    close(ready_[0]);
    close(ready_[1]);
  }
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  int connected() const { return connected_; }

 private:
  [[noreturn]] void Hold(uint32_t first, int count, uint16_t port,
                         const Deed& deed) {
    close(end_[1]);
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    int connected = 0;
    for (int i = 0; i < count; ++i) {
      const int fd =
          Connect(0xc6120001 + first + static_cast<uint32_t>(i), port);
      if (fd < 0) continue;
      ++connected;
      deed(fd);
    }
    (void)!write(ready_[1], &connected, sizeof connected);
    // Until the test closes its end.
    char nothing;
    (void)!read(end_[0], &nothing, 1);
    _exit(0);
  }
  static int Connect(uint32_t from, uint16_t port) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    const timeval patience{.tv_sec = 5};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    sockaddr_in address{.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(from);
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    if (bind(fd, generic, sizeof address) == 0) {
      address.sin_port = htons(port);
      address.sin_addr.s_addr = htonl(0xc0000219);  // Network::kMtaAddress
      if (connect(fd, generic, sizeof address) == 0) return fd;
    }
    close(fd);
    return -1;
  }

  int ready_[2];
  int end_[2];
  std::vector<pid_t> pids_;
  int connected_ = 0;
};

class TarpitProgramTest : public IntegrationTest {
 protected:
  void StartTarpit(std::vector<std::string> options) {
    BREAKWATER_ASSERT_OK_AND_ASSIGN(TempDirectory made, TempDirectory::Make());
    directory_.emplace(std::move(made));
    options.insert(
        options.begin(),
        {Breakwater::ProgramPath("breakwater-tarpit"), "--user", "nobody"});
    InNamespace here(mta());
    BREAKWATER_ASSERT_OK_AND_ASSIGN(
        tarpit_, Process::Start(options, directory_->path() + "/log"));
    ASSERT_TRUE(tarpit_->WaitForLog("event=tarpit-started")) << tarpit_->Log();
  }

  // As its log says after a signal.
  int64_t Count(const std::string& key) {
    const std::string before = tarpit_->Log();
    tarpit_->Signal(SIGUSR1);
    EXPECT_TRUE(
        WaitUntil([&] { return tarpit_->Log().size() > before.size(); }));
    return NumberBehind(tarpit_->Log(), " " + key + "=");
  }
  int64_t ResidentKilobytes() const {
    return NumberBehind(
        ReadFile(absl::StrCat("/proc/", tarpit_->pid(), "/status")), "VmRSS:");
  }
  int64_t CpuTicks() const {
    const std::vector<std::string> words = absl::StrSplit(
        ReadFile(absl::StrCat("/proc/", tarpit_->pid(), "/stat")), ' ');
    return Number(words.at(13)) + Number(words.at(14));
  }
  // What the kernel keeps for each of its connections in buffers, in bytes: the
  // greatest. r: received, t: being sent, w: to be sent, f: taken ahead.
  int64_t GreatestBuffers() {
    const CommandResult listed =
        RunIn(mta(), {"ss", "-Htnm", "sport", "=", absl::StrCat(":", kPort)});
    int64_t greatest = -1;
    for (const auto& line : absl::StrSplit(listed.out, '\n')) {
      const size_t at = line.find("skmem:(");
      if (at == std::string::npos) continue;
      int64_t sum = 0;
      for (const auto& field : absl::StrSplit(line.substr(at + 7), ',')) {
        if (absl::StartsWith(field, "r") && !absl::StartsWith(field, "rb")) {
          sum += Number(field.substr(1));
        }
        if (absl::StartsWith(field, "w")) sum += Number(field.substr(1));
      }
      greatest = std::max(greatest, sum);
    }
    return greatest;
  }

  std::optional<TempDirectory> directory_;
  std::unique_ptr<Process> tarpit_;
};

TEST_F(TarpitProgramTest, HoldsFifteenThousandInLittleMemory) {
  StartTarpit({"--max", "15000", "--interval", "1s"});
  const int64_t before = ResidentKilobytes();
  const Crowd crowd(world(), 3, 5000, kPort);
  ASSERT_EQ(crowd.connected(), 15000);
  ASSERT_TRUE(WaitUntil([&] { return Count("held") == 15000; }));
  // 48 bytes, doubled while the table grows, and 20 to 40 for the address.
  EXPECT_LT(ResidentKilobytes() - before, 15000 * 200 / 1024);
  // Bytes are said to all of them. On a free machine this takes 0.15 s.
  const int64_t cpu = CpuTicks();
  const int64_t own = ResidentKilobytes();
  std::this_thread::sleep_for(seconds(3));
  EXPECT_LT(CpuTicks() - cpu, 200);
  EXPECT_EQ(Count("held"), 15000);
  EXPECT_LT(ResidentKilobytes() - own, 200);
}

TEST_F(TarpitProgramTest, BeyondTheCapTheKernelDropsTheRest) {
  StartTarpit({"--max", "2000", "--interval", "1s"});
  const Crowd crowd(world(), 2, 1000, kPort);
  ASSERT_TRUE(WaitUntil([&] { return Count("held") == 2000; }));
  // The queue takes 1024 and one more; they do not hear a thing.
  const Crowd queued(world(), 1, 1025, kPort);
  const auto dropped = SmtpClient::Connect(
      world(), {.from = "198.51.100.9", .port = kPort}, milliseconds(1500));
  EXPECT_TRUE(absl::IsDeadlineExceeded(dropped.status())) << dropped.status();
  EXPECT_EQ(Count("held"), 2000);
  EXPECT_EQ(Count("accepted"), 2000);
}

TEST_F(TarpitProgramTest, TheHostileParkLittleAndCostLittle) {
  StartTarpit({"--interval", "100ms", "--max-per-client", "1000"});
  // Never reads, and sends for as long as anything is taken.
  const auto send_forever = [](int fd) {
    const std::string flood(1 << 20, '\n');
    while (send(fd, flood.data(), flood.size(), MSG_DONTWAIT) > 0) {
    }
  };
  const Crowd senders(world(), 1, 500, kPort, send_forever);
  const auto reset = [](int fd) {
    const linger none{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    close(fd);
  };
  const Crowd resetting(world(), 1, 2000, kPort, reset);
  const auto hang_up = [](int fd) { close(fd); };
  const Crowd leaving(world(), 1, 2000, kPort, hang_up);
  EXPECT_GE(Count("accepted"), 500);
  const int64_t buffers = GreatestBuffers();
  EXPECT_GT(buffers, 1000);
  EXPECT_LT(buffers, 16 * 1024);
  // All went or were told.
  EXPECT_TRUE(WaitUntil([&] { return Count("held") == 0; }, seconds(60)));
  EXPECT_GE(Count("told"), 500);
  EXPECT_TRUE(tarpit_->Running());
}

TEST_F(TarpitProgramTest, ABannedClientIsSentToItAndAnotherIsNot) {
  StartTarpit({"--interval", "10ms", "--reply", "554 5.7.1 Go away"});
  const CommandResult rules =
      RunIn(mta(), {"sh", "-ec",
                    "ipset create banned hash:ip; ipset add banned 198.18.0.5;"
                    "rule='-t nat -A PREROUTING -p tcp --syn --dport 25 -m set "
                    "--match-set banned src -j REDIRECT --to-ports 2525';"
                    "iptables $rule || iptables-legacy $rule"});
  ASSERT_TRUE(rules.ok()) << rules.err;
  auto banned = SmtpClient::Connect(world(), {.from = "198.18.0.5"});
  BREAKWATER_ASSERT_OK(banned);
  BREAKWATER_ASSERT_OK_AND_ASSIGN(const SmtpReply banner, banned->ReadReply());
  EXPECT_EQ(banner.code, 220);
  BREAKWATER_ASSERT_OK_AND_ASSIGN(const SmtpReply hello,
                                  banned->Command("EHLO a"));
  EXPECT_EQ(hello.code, 250);
  BREAKWATER_ASSERT_OK_AND_ASSIGN(const SmtpReply last,
                                  banned->Command("MAIL FROM:<a@b>"));
  EXPECT_EQ(last.code, 554);
  EXPECT_THAT(last.text, HasSubstr("Go away"));
  EXPECT_EQ(banned->WaitForEnd(seconds(10)), Ending::kClosed);
  // Nobody listens on port 25 here.
  const auto clean = SmtpClient::Connect(world(), {.from = "203.0.113.9"});
  EXPECT_FALSE(clean.ok());
  EXPECT_FALSE(absl::IsDeadlineExceeded(clean.status())) << clean.status();
}

TEST_F(TarpitProgramTest, IPv6ClientsAreHeldByTheirNetwork) {
  StartTarpit({"--interval", "10ms", "--max-per-client", "1"});
  const auto connect = [&](const char* from) {
    return SmtpClient::Connect(
        world(), {.from = from, .to = Network::kMtaAddress6, .port = kPort});
  };
  auto first = connect("2001:db8:bad1::5");
  BREAKWATER_ASSERT_OK(first);
  BREAKWATER_ASSERT_OK(first->ReadReply());
  auto second = connect("2001:db8:bad1::6");
  if (second.ok()) {
    EXPECT_EQ(second->WaitForEnd(seconds(5)), Ending::kReset);
  }
  auto other = connect("2001:db8:bad2::5");
  BREAKWATER_ASSERT_OK(other);
  EXPECT_TRUE(other->ReadReply().ok());
}

TEST_F(TarpitProgramTest, RunsWithoutPrivilegeAndEndsWhenTold) {
  StartTarpit({"--listen", "127.0.0.1:2600", "--listen", "[::1]:2600"});
  const std::string status =
      ReadFile(absl::StrCat("/proc/", tarpit_->pid(), "/status"));
  EXPECT_THAT(status, HasSubstr("Uid:\t65534\t65534\t65534\t65534"));
  EXPECT_THAT(status, HasSubstr("CapEff:\t0000000000000000"));
  EXPECT_THAT(status, HasSubstr("NoNewPrivs:\t1"));
  EXPECT_TRUE(tarpit_->Stop());
  EXPECT_THAT(tarpit_->Log(), HasSubstr("event=tarpit-ended"));
}

TEST_F(TarpitProgramTest, SaysWhatIsWrongWithItsOptions) {
  const std::string program = Breakwater::ProgramPath("breakwater-tarpit");
  const struct {
    std::vector<std::string> options;
    const char* complaint;
  } cases[] = {
      {{"--interval", "5"}, "5"},
      {{"--interval", "0s"}, "--interval is 1ms to 1h"},
      {{"--longest", "99d"}, "--longest is at most 7d"},
      {{"--reply", "250 ok"}, "is no reply"},
      {{"--listen", "25"}, "is not a socket"},
      {{"--listen", "127.0.0.1:0", "--user", "nobody-such"}, "nobody-such"},
      {{"--max", "0"}, "--max"},
  };
  for (const auto& c : cases) {
    std::vector<std::string> line = {program};
    line.insert(line.end(), c.options.begin(), c.options.end());
    const CommandResult result = RunIn(mta(), line, seconds(5));
    EXPECT_GT(result.exit_code, 0) << c.complaint;
    EXPECT_THAT(result.out + result.err, HasSubstr(c.complaint));
  }
}

}  // namespace
}  // namespace breakwater::testing
