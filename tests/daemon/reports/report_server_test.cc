#include "daemon/reports/report_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <deque>
#include <filesystem>
#include <thread>

#include "asio/executor_work_guard.hpp"
#include "asio/post.hpp"
#include "asio/steady_timer.hpp"
#include "asio/use_awaitable.hpp"
#include "core/net/listen_socket.h"
#include "tests/daemon/test_daemon.h"

namespace breakwater {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

// A connection of blocking calls.
class Client {
 public:
  explicit Client(const std::string& path)
      : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    EXPECT_EQ(
        connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0)
        << std::strerror(errno);
    const timeval patience{.tv_sec = 20, .tv_usec = 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  ~Client() { close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void Send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      text.remove_prefix(static_cast<size_t>(sent));
    }
  }
  void EndSending() { shutdown(fd_, SHUT_WR); }
  // The next line without its newline; what there is of it if the server
  // closes first.
  std::string ReadLine() {
    for (;;) {
      const size_t end = text_.find('\n');
      if (end != std::string::npos) {
        const std::string line = text_.substr(0, end);
        text_.erase(0, end + 1);
        return line;
      }
      char bytes[4096];
      const ssize_t n = recv(fd_, bytes, sizeof bytes, 0);
      if (n <= 0) {
        is_closed_ = n == 0 || errno == ECONNRESET;
        return std::exchange(text_, "");
      }
      text_.append(bytes, static_cast<size_t>(n));
    }
  }
  std::string Ask(std::string_view line) {
    Send(std::string(line) + "\n");
    return ReadLine();
  }
  bool IsClosed() {
    const std::string rest = ReadLine();
    EXPECT_EQ(rest, "");
    return is_closed_;
  }

 private:
  const int fd_;
  std::string text_;
  bool is_closed_ = false;
};

// A server on a loop in a thread of its own.
class ReportServerTest : public ::testing::Test {
 protected:
  ~ReportServerTest() override { Stop(); }

  // Answers with the report, as it was understood.
  asio::awaitable<std::string> Echo(ReportRequest request) {
    ++handled_;
    co_return "ok " + FormatReport(request);
  }
  void Start(ReportServerOptions options = {},
             ReportServer::Handler handler = nullptr) {
    if (!handler) {
      handler = [this](ReportRequest r) { return Echo(std::move(r)); };
    }
    const absl::StatusOr<int> listener = Listen("unix:" + path_, "", 0666);
    ASSERT_TRUE(listener.ok()) << listener.status();
    server_ = std::make_unique<ReportServer>(
        loop_, *listener, std::move(handler), metrics_, std::move(options));
    thread_ = std::thread([this] { loop_.run(); });
  }
  void Stop() {
    if (!thread_.joinable()) return;
    asio::post(loop_, [this] {
      server_.reset();
      guard_.reset();
    });
    thread_.join();
  }
  double BadInputs() { return metrics_.BadInput("report").Value(); }

  TestDirectory directory_;
  const std::string path_ = directory_.File("report.sock");
  asio::io_context loop_;
  asio::executor_work_guard<asio::io_context::executor_type> guard_{
      loop_.get_executor()};
  Metrics metrics_;
  std::atomic<int> handled_ = 0;
  std::unique_ptr<ReportServer> server_;
  std::thread thread_;
};

TEST_F(ReportServerTest, AnswersEachLineAndKeepsTheConnection) {
  Start();
  Client client(path_);
  EXPECT_EQ(client.Ask("report 192.0.2.1 virus 12h Eicar-Test"),
            "ok report 192.0.2.1 virus 12h Eicar-Test");
  EXPECT_EQ(client.Ask("report 2001:db8::5 spam\r"),
            "ok report 2001:db8::5 spam");
}

TEST_F(ReportServerTest, ReadsALineThatComesInPieces) {
  Start();
  Client client(path_);
  for (const char c : std::string_view("report 192.0.2.1 spam\n")) {
    client.Send(std::string_view(&c, 1));
  }
  EXPECT_EQ(client.ReadLine(), "ok report 192.0.2.1 spam");
}

TEST_F(ReportServerTest, AThousandReportsAtOnceAreAnsweredInTheirOrder) {
  Start();
  Client client(path_);
  std::string all;
  const auto line = [](int i) {
    return "report 198.18." + std::to_string(i / 250) + "." +
           std::to_string(i % 250 + 1) + " spam";
  };
  for (int i = 0; i < 1000; ++i) all += line(i) + "\n";
  std::thread sender([&] { client.Send(all); });
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(client.ReadLine(), "ok " + line(i));
  sender.join();
  EXPECT_EQ(handled_, 1000);
}

TEST_F(ReportServerTest, ASlowAnswerDoesNotHoldUpTheWorkOnTheNext) {
  // The first is answered only once the second has been seen.
  Start({}, [this](ReportRequest request) -> asio::awaitable<std::string> {
    ++handled_;
    asio::steady_timer pause(loop_);
    while (request.kind == OffenceKind::kVirus && handled_ < 2) {
      pause.expires_after(1ms);
      co_await pause.async_wait(asio::use_awaitable);
    }
    co_return OffenceName(request.kind);
  });
  Client client(path_);
  client.Send("report 192.0.2.1 virus\nreport 192.0.2.2 spam\n");
  EXPECT_EQ(client.ReadLine(), "virus");
  EXPECT_EQ(client.ReadLine(), "spam");
}

TEST_F(ReportServerTest, NoMoreIsTakenThanMayBePending) {
  std::atomic<bool> go = false;
  std::atomic<int> most = 0;
  std::atomic<int> pending = 0;
  Start({.most_pending = 4},
        [&](ReportRequest) -> asio::awaitable<std::string> {
          most = std::max<int>(most, ++pending);
          asio::steady_timer pause(loop_);
          while (!go) {
            pause.expires_after(1ms);
            co_await pause.async_wait(asio::use_awaitable);
          }
          --pending;
          co_return "ok";
        });
  Client client(path_);
  for (int i = 0; i < 50; ++i) client.Send("report 192.0.2.1 spam\n");
  while (pending < 4) std::this_thread::sleep_for(1ms);
  go = true;
  for (int i = 0; i < 50; ++i) EXPECT_EQ(client.ReadLine(), "ok");
  EXPECT_EQ(most, 4);
}

TEST_F(ReportServerTest, GarbageIsAnsweredAndCountedAndTheRestIsStillRead) {
  Start();
  Client client(path_);
  EXPECT_THAT(client.Ask("EHLO you"), StartsWith("error verb: \"EHLO\""));
  EXPECT_THAT(client.Ask(""), StartsWith("error verb: "));
  EXPECT_THAT(client.Ask(std::string("\xff\x00\x1b", 3)),
              StartsWith("error verb: \"\\xff\\x00\\x1b\""));
  EXPECT_EQ(client.Ask("report 192.0.2.1 spam"), "ok report 192.0.2.1 spam");
  EXPECT_EQ(BadInputs(), 3);
  EXPECT_EQ(handled_, 1);
}

TEST_F(ReportServerTest, ALineWithoutAnEndIsAnsweredAndClosed) {
  Start();
  Client client(path_);
  client.Send(std::string(100'000, 'x'));
  EXPECT_THAT(client.ReadLine(), StartsWith("error line: has "));
  EXPECT_TRUE(client.IsClosed());
  EXPECT_EQ(BadInputs(), 1);
}

TEST_F(ReportServerTest, WhoStopsSendingStillReadsItsAnswers) {
  Start();
  Client client(path_);
  client.Send("report 192.0.2.1 spam\n");
  client.EndSending();
  EXPECT_EQ(client.ReadLine(), "ok report 192.0.2.1 spam");
  EXPECT_TRUE(client.IsClosed());
}

TEST_F(ReportServerTest, BeyondTheRateItSaysSo) {
  Start({.reports_per_second = 5});
  Client client(path_);
  int too_fast = 0;
  for (int i = 0; i < 50; ++i) {
    const std::string answer = client.Ask("report 192.0.2.1 spam");
    if (answer == "error too fast") ++too_fast;
  }
  EXPECT_GE(too_fast, 1);
  EXPECT_EQ(handled_, 50 - too_fast);
}

TEST_F(ReportServerTest, HalfALineIsNotWaitedFor) {
  Start({.patience = 50ms});
  Client client(path_);
  client.Send("report 192.");
  EXPECT_TRUE(client.IsClosed());
  EXPECT_EQ(BadInputs(), 1);
}

TEST_F(ReportServerTest, AnIdleConnectionIsClosedAndNothingIsWrongWithIt) {
  Start({.idle = 50ms});
  Client client(path_);
  EXPECT_TRUE(client.IsClosed());
  EXPECT_EQ(BadInputs(), 0);
}

TEST_F(ReportServerTest, WhoTakesNoAnswersIsClosed) {
  Start({.patience = 50ms});
  Client client(path_);
  // More than the sockets hold; ends with an error when the server closes.
  for (int i = 0; i < 100; ++i) {
    client.Send(std::string(1000, '\n') + "report 192.0.2.1 spam\n");
  }
  std::atomic<bool> is_gone = false;
  while (!is_gone) {
    asio::post(loop_, [&] { is_gone = server_->connections() == 0; });
    std::this_thread::sleep_for(5ms);
  }
  EXPECT_GE(BadInputs(), 1);
}

TEST_F(ReportServerTest, MoreConnectionsThanTheBoundAreTurnedAway) {
  Start({.most_connections = 2});
  Client first(path_);
  Client second(path_);
  EXPECT_THAT(second.Ask("report 192.0.2.1 spam"), StartsWith("ok"));
  Client third(path_);
  EXPECT_EQ(third.ReadLine(), "error too many connections");
  EXPECT_TRUE(third.IsClosed());
  EXPECT_THAT(first.Ask("report 192.0.2.1 spam"), StartsWith("ok"));
}

TEST_F(ReportServerTest, AClientThatLeavesDisturbsNobody) {
  Start();
  for (int i = 0; i < 100; ++i) {
    Client client(path_);
    if (i % 2 == 0) client.Send("report 192.0.2.1 spam\nrep");
  }
  Client client(path_);
  EXPECT_THAT(client.Ask("report 192.0.2.1 spam"), StartsWith("ok"));
}

TEST_F(ReportServerTest, OthersThanRootAndTheListedUsersAreTurnedAway) {
  if (getuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  std::filesystem::permissions(std::filesystem::path(path_).parent_path(),
                               std::filesystem::perms::all);
  constexpr uid_t kListed = 64'001;
  constexpr uid_t kOther = 64'002;
  Start({.users = {kListed}});
  // The kernel notes the effective uid at connect(2); only this thread changes.
  const auto ask_as = [this](uid_t uid) {
    std::string answer;
    std::thread([&] {
      syscall(SYS_setresuid, uid, uid, uid);
      Client client(path_);
      answer = client.Ask("report 192.0.2.1 spam");
    }).join();
    return answer;
  };
  EXPECT_THAT(ask_as(kListed), StartsWith("ok"));
  EXPECT_THAT(ask_as(kOther), HasSubstr("error you may not report"));
  EXPECT_EQ(handled_, 1);
  EXPECT_EQ(BadInputs(), 1);
}

}  // namespace
}  // namespace breakwater
