#include "daemon/operator/control_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <functional>
#include <thread>

#include "asio/executor_work_guard.hpp"
#include "asio/post.hpp"

namespace breakwater {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Answers with the verb and who asked.
asio::awaitable<nlohmann::json> Echo(ControlRequest request, uid_t user) {
  co_return nlohmann::json{
      {"ok", true}, {"verb", VerbName(request.verb)}, {"user", user}};
}

// A server on a loop in a thread of its own, and a client of blocking calls.
class ControlServerTest : public ::testing::Test {
 protected:
  ControlServerTest() {
    directory_ = std::filesystem::path(testing::TempDir()) /
                 ("control." + std::to_string(getpid()));
    std::filesystem::create_directory(directory_);
    path_ = directory_ / "control.sock";
  }
  ~ControlServerTest() override {
    Stop();
    std::filesystem::remove_all(directory_);
  }

  void Start(ControlServer::Options options = {},
             ControlServer::Handler handler = Echo) {
    const absl::StatusOr<int> listener = ControlServer::Listen(path_);
    ASSERT_TRUE(listener.ok()) << listener.status();
    server_ = std::make_unique<ControlServer>(loop_, *listener,
                                              std::move(handler), options);
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

  int Connect() {
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
    EXPECT_EQ(
        connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0)
        << std::strerror(errno);
    const timeval patience{.tv_sec = 20, .tv_usec = 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
  }
  static void Send(int fd, std::string_view text) {
    send(fd, text.data(), text.size(), MSG_NOSIGNAL);
  }
  // All that comes until the server closes. Closes too.
  static std::string ReadAll(int fd) {
    std::string all;
    char buffer[4096];
    for (ssize_t n; (n = recv(fd, buffer, sizeof buffer, 0)) > 0;) {
      all.append(buffer, static_cast<size_t>(n));
    }
    close(fd);
    return all;
  }
  std::string Ask(std::string_view text) {
    const int fd = Connect();
    Send(fd, text);
    return ReadAll(fd);
  }

  std::filesystem::path directory_;
  std::filesystem::path path_;
  asio::io_context loop_;
  asio::executor_work_guard<asio::io_context::executor_type> guard_{
      loop_.get_executor()};
  std::unique_ptr<ControlServer> server_;
  std::thread thread_;
};

TEST_F(ControlServerTest, AnswersOneRequestWithOneLineAndCloses) {
  Start();
  const std::string answer = Ask("status\n");
  EXPECT_EQ(
      nlohmann::json::parse(answer),
      (nlohmann::json{{"ok", true}, {"verb", "status"}, {"user", getuid()}}));
  EXPECT_TRUE(answer.ends_with("}\n"));
  EXPECT_THAT(Ask("reload\r\n"), HasSubstr("\"verb\":\"reload\""));
  EXPECT_THAT(Ask("status\nmetrics\n"), HasSubstr("\"verb\":\"status\""));
}

// Thousands of bans, with what strangers wrote in them, are written bit by bit.
TEST_F(ControlServerTest, ALongAnswerIsTheSameLine) {
  nlohmann::json answer = {{"ok", true},
                           {"none", nlohmann::json::array()},
                           {"object", {{"a", {1, 2}}}},
                           {"text", "\"\xff\xc3\xbc\n"}};
  for (int i = 0; i < 20'000; ++i) {
    answer["bans"].push_back({{"id", i}, {"text", "\xfe\t"}, {"x", nullptr}});
  }
  Start({}, [answer](ControlRequest, uid_t) -> asio::awaitable<nlohmann::json> {
    co_return answer;
  });
  EXPECT_EQ(
      Ask("status\n"),
      answer.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) +
          "\n");
}

TEST_F(ControlServerTest, RequestsThatCarryBansMayFollowOneAnother) {
  Start();
  const std::string import =
      R"(import [{"network":"192.0.2.5","seconds_left":7,"reason":")" +
      std::string(40'000, 'x') + "\"}]\n";
  const std::string answers =
      Ask(import + "export\n" + import + "status\n" + "status\n");
  EXPECT_EQ(std::count(answers.begin(), answers.end(), '\n'), 4);
  EXPECT_THAT(answers, ::testing::EndsWith("\"verb\":\"status\"}\n"));
  EXPECT_THAT(Ask("import " + std::string(100'000, 'x') + "\n"),
              HasSubstr("line: is longer than"));
}

TEST_F(ControlServerTest, ReadsARequestThatComesByteByByte) {
  Start();
  const int fd = Connect();
  for (const char c : std::string_view("status\n")) {
    Send(fd, std::string_view(&c, 1));
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_THAT(ReadAll(fd), HasSubstr("\"ok\":true"));
}

TEST_F(ControlServerTest, SaysWhatIsWrongWithARequest) {
  Start();
  EXPECT_THAT(Ask("ban you 1\n"), HasSubstr("address: \\\"you\\\""));
  EXPECT_THAT(Ask("\n"), HasSubstr("\"ok\":false"));
  EXPECT_THAT(Ask(std::string(100'000, 'x')), HasSubstr("longer than 4096"));
  EXPECT_THAT(Ask(std::string("status\0\n", 8)), HasSubstr("verb: "));
}

TEST_F(ControlServerTest, AnAnswerMayHoldAnyBytes) {
  Start({}, [](ControlRequest, uid_t) -> asio::awaitable<nlohmann::json> {
    co_return nlohmann::json{{"ok", true}, {"text", "\xff\x00\n\x1b"}};
  });
  const std::string answer = Ask("status\n");
  EXPECT_EQ(std::count(answer.begin(), answer.end(), '\n'), 1);
  EXPECT_TRUE(nlohmann::json::parse(answer).contains("text"));
}

TEST_F(ControlServerTest, ASilentClientIsNotWaitedFor) {
  Start({.request_deadline = 50ms});
  EXPECT_THAT(ReadAll(Connect()), IsEmpty());
  const int fd = Connect();
  Send(fd, "stat");
  EXPECT_THAT(ReadAll(fd), IsEmpty());
}

TEST_F(ControlServerTest, AClientThatLeavesDisturbsNobody) {
  Start();
  for (int i = 0; i < 100; ++i) {
    const int fd = Connect();
    if (i % 2 == 0) Send(fd, "status\n");
    close(fd);
  }
  EXPECT_THAT(Ask("status\n"), HasSubstr("\"ok\":true"));
}

TEST_F(ControlServerTest, MoreConnectionsThanTheBoundWaitTheirTurn) {
  Start({.request_deadline = 100ms, .most_connections = 2, .for_root = 0});
  const int first = Connect();
  const int second = Connect();
  EXPECT_THAT(Ask("status\n"), HasSubstr("\"ok\":true"));
  close(first);
  close(second);
}

TEST_F(ControlServerTest, AnAnswerThatNobodyReadsIsGivenUp) {
  Start({.answer_deadline = 50ms, .most_connections = 1, .for_root = 0},
        [](ControlRequest request, uid_t) -> asio::awaitable<nlohmann::json> {
          if (request.verb == Verb::kStatus) co_return nlohmann::json(true);
          co_return nlohmann::json(std::string(8 << 20, 'x'));
        });
  const int fd = Connect();
  Send(fd, "metrics\n");
  EXPECT_EQ(Ask("status\n"), "true\n");
  close(fd);
}

TEST_F(ControlServerTest, OthersThanRootAndTheListedUsersAreTurnedAway) {
  if (getuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  std::filesystem::permissions(directory_, std::filesystem::perms::all);
  constexpr uid_t kListed = 64'001;
  constexpr uid_t kOther = 64'002;
  Start({.users = {kListed}});
  // The kernel notes the effective uid at connect(2); only this thread changes.
  const auto ask_as = [this](uid_t uid) {
    std::string answer;
    std::thread([&] {
      syscall(SYS_setresuid, uid, uid, uid);
      answer = Ask("status\n");
    }).join();
    return answer;
  };
  EXPECT_THAT(ask_as(kListed), HasSubstr("\"user\":64001"));
  EXPECT_THAT(ask_as(kOther), HasSubstr("you may not command the daemon"));
}

TEST_F(ControlServerTest, NobodyButRootCanTakeAllPlaces) {
  if (getuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  std::filesystem::permissions(directory_, std::filesystem::perms::all);
  constexpr uid_t kFirst = 64'001;
  constexpr uid_t kSecond = 64'002;
  Start({.users = {kFirst, kSecond},
         .most_connections = 6,
         .most_of_one = 3,
         .for_root = 2});
  const auto as = [](uid_t uid, const std::function<void()>& what) {
    std::thread([&] {
      syscall(SYS_setresuid, uid, uid, uid);
      what();
    }).join();
  };
  std::vector<int> held;
  as(kFirst, [&] {
    for (int i = 0; i < 3; ++i) held.push_back(Connect());
    EXPECT_THAT(Ask("status\n"), HasSubstr("no room for more connections"));
  });
  as(kSecond, [&] {
    EXPECT_THAT(Ask("status\n"), HasSubstr("\"ok\":true"));
    held.push_back(Connect());
    EXPECT_THAT(Ask("status\n"), HasSubstr("no room for more connections"));
  });
  EXPECT_THAT(Ask("status\n"), HasSubstr("\"ok\":true"));
  for (const int fd : held) close(fd);
}

TEST_F(ControlServerTest, DoesNotTakeTheSocketOfALivingDaemon) {
  Start();
  const absl::StatusOr<int> second = ControlServer::Listen(path_);
  EXPECT_FALSE(second.ok());
  EXPECT_THAT(std::string(second.status().message()),
              HasSubstr(path_.string()));
  EXPECT_THAT(Ask("status\n"), HasSubstr("\"ok\":true"));
}

TEST_F(ControlServerTest, TakesOverTheSocketOfADeadOne) {
  Start();
  Stop();
  ASSERT_TRUE(std::filesystem::exists(path_));
  loop_.restart();
  Start();
  EXPECT_THAT(Ask("status\n"), HasSubstr("\"ok\":true"));
}

TEST(FindUsers, KnowsNamesAndNumbers) {
  EXPECT_EQ(FindUsers({"root", "1234"}).value(), (std::vector<uid_t>{0, 1234}));
  EXPECT_THAT(FindUsers({"no-such-user"}).status().ToString(),
              HasSubstr("control.users: there is no user \"no-such-user\""));
}

}  // namespace
}  // namespace breakwater
