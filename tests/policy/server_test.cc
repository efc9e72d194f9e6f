#include "policy/server.h"

#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/log.h"
#include "core/net/listen_socket.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "policy/request.h"
#include "tests/fakes/fake_world.h"

namespace breakwater {
namespace {

using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr char kDunno[] = "action=DUNNO\n\n";

std::string Request(const std::string& address) {
  return absl::StrCat(
      "request=smtpd_access_policy\nprotocol_state=CONNECT\n"
      "client_address=",
      address,
      "\nclient_port=4711\nserver_address=192.0.2.25\nserver_port=25\n\n");
}

// A blocking socket to the server. Every wait ends after five seconds.
class Peer {
 public:
  explicit Peer(const std::string& path) {
    sockaddr_un address{.sun_family = AF_UNIX};
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    Connect(AF_UNIX, reinterpret_cast<sockaddr*>(&address), sizeof address);
  }
  explicit Peer(uint16_t port) {
    sockaddr_in address{.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    Connect(AF_INET, reinterpret_cast<sockaddr*>(&address), sizeof address);
  }
  ~Peer() { Close(); }
  Peer(Peer&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

  void Close() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }
  // Whether all was taken.
  bool Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  // One answer with its empty line, or what came before the end.
  std::string Receive() {
    std::string answer;
    char byte;
    while (!answer.ends_with("\n\n") && Readable(5000) &&
           recv(fd_, &byte, 1, 0) == 1) {
      answer.push_back(byte);
    }
    return answer;
  }
  std::string Ask(const std::string& address) {
    Send(Request(address));
    return Receive();
  }
  // The server closed, and had nothing more to say.
  bool IsClosed() {
    char byte;
    return Readable(5000) && recv(fd_, &byte, 1, 0) <= 0;
  }
  bool IsQuiet() { return !Readable(50); }

 private:
  void Connect(int family, const sockaddr* address, socklen_t size) {
    fd_ = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(connect(fd_, address, size), 0) << strerror(errno);
  }
  bool Readable(int timeout_ms) const {
    pollfd poller{.fd = fd_, .events = POLLIN, .revents = 0};
    return poll(&poller, 1, timeout_ms) == 1;
  }

  int fd_ = -1;
};

class PolicyServerTest : public ::testing::Test {
 protected:
  PolicyServerTest() {
    SetLeastSeverity(Severity::kWarning);
    Start({});
  }
  ~PolicyServerTest() override {
    Stop();
    std::filesystem::remove_all(directory_);
  }

  void Start(PolicyServerOptions options) {
    Stop();
    const int listening = Listen("unix:" + path_, "", 0600).value();
    world_.OnLoop([&] {
      server_ = std::make_unique<PolicyServer>(world_.loop, world_.screener,
                                               world_.metrics, options);
      server_->Serve(listening);
    });
  }
  void Stop() {
    world_.OnLoop([&] { server_.reset(); });
  }
  size_t Connections() {
    return world_.OnLoop([&] { return server_->connections(); });
  }
  // What is logged until the peer is closed by the server.
  std::string LoggedUntilClosed(Peer& peer) {
    EXPECT_TRUE(peer.IsClosed());
    while (Connections() > 0) std::this_thread::sleep_for(milliseconds(1));
    return ::testing::internal::GetCapturedStderr();
  }

  const std::string directory_ =
      absl::StrCat(::testing::TempDir(), "policy-", getpid());
  const std::string path_ = directory_ + "/socket";
  FakeWorld world_;
  std::unique_ptr<PolicyServer> server_;
};

TEST_F(PolicyServerTest, LetsACleanClientPass) {
  Peer postfix(path_);
  EXPECT_EQ(postfix.Ask("192.0.2.5"), kDunno);
  EXPECT_THAT(world_.enforcer.orders(), IsEmpty());
}

TEST_F(PolicyServerTest, KnowsWhetherItWasEverAsked) {
  const auto asked = [this] {
    return world_.OnLoop([&] { return server_->load().last_asked; });
  };
  Peer postfix(path_);
  EXPECT_FALSE(asked());
  postfix.Ask("192.0.2.5");
  EXPECT_TRUE(asked());
}

TEST_F(PolicyServerTest, RejectsAListedClientAndThenBansIt) {
  world_.lists.List("192.0.2.5");
  Peer postfix(path_);
  EXPECT_THAT(postfix.Ask("192.0.2.5"),
              AllOf(StartsWith("action=521 5.7.1 Client 192.0.2.5 is listed by "
                               "list.test [id "),
                    ::testing::EndsWith("]\n\n")));
  EXPECT_THAT(
      world_.enforcer.WaitFor(2),
      ElementsAre("end 192.0.2.5:4711>192.0.2.25:25", "ban 192.0.2.5 600s"));
}

TEST_F(PolicyServerTest, BansOnlyAfterTheAnswer) {
  world_.lists.List("192.0.2.5");
  world_.lists.Hold();
  Peer postfix(path_);
  postfix.Send(Request("192.0.2.5"));
  EXPECT_TRUE(postfix.IsQuiet());
  EXPECT_THAT(world_.enforcer.orders(), IsEmpty());
  world_.lists.Release();
  EXPECT_THAT(postfix.Receive(), HasSubstr("521"));
}

TEST_F(PolicyServerTest, DoesNotBanWhoCouldNotBeTold) {
  world_.lists.List("192.0.2.5");
  world_.lists.Hold();
  Peer postfix(path_);
  postfix.Send(Request("192.0.2.5"));
  EXPECT_TRUE(postfix.IsQuiet());
  postfix.Close();
  world_.lists.Release();
  while (Connections() > 0) std::this_thread::sleep_for(milliseconds(1));
  EXPECT_THAT(world_.enforcer.orders(), IsEmpty());
}

TEST_F(PolicyServerTest, DoesNotJudgeAClientWithoutAddress) {
  Peer postfix(path_);
  EXPECT_EQ(postfix.Ask("unknown"), kDunno);
  EXPECT_EQ(world_.lists.lookups(), 0u);
}

TEST_F(PolicyServerTest, KeepsAConnectionForManyRequests) {
  Peer postfix(path_);
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(postfix.Ask("192.0.2.5"), kDunno);
  EXPECT_EQ(world_.lists.lookups(), 1u);
  EXPECT_TRUE(postfix.IsQuiet());
}

TEST_F(PolicyServerTest, ServesTcpAsWell) {
  const int listening = Listen("inet:127.0.0.1:0", "", 0).value();
  sockaddr_in address{};
  socklen_t size = sizeof address;
  getsockname(listening, reinterpret_cast<sockaddr*>(&address), &size);
  world_.OnLoop([&] { server_->Serve(listening); });
  Peer postfix(ntohs(address.sin_port));
  EXPECT_EQ(postfix.Ask("192.0.2.5"), kDunno);
}

TEST_F(PolicyServerTest, TakesARequestByteByByte) {
  Peer postfix(path_);
  for (const char byte : Request("192.0.2.5")) {
    postfix.Send(std::string_view(&byte, 1));
    std::this_thread::yield();
  }
  EXPECT_EQ(postfix.Receive(), kDunno);
}

TEST_F(PolicyServerTest, AnswersPipelinedRequestsInTheirOrder) {
  world_.lists.List("192.0.2.6");
  Peer postfix(path_);
  std::string many;
  for (int i = 0; i < 300; ++i) {
    absl::StrAppend(&many, Request("192.0.2.5"), Request("192.0.2.6"));
  }
  std::thread sender([&] { postfix.Send(many); });
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(postfix.Receive(), kDunno);
    EXPECT_THAT(postfix.Receive(), StartsWith("action=521 5.7.1 "));
  }
  sender.join();
}

TEST_F(PolicyServerTest, LogsBadInputAndClosesOnlyThatConnection) {
  Peer good(path_);
  good.Send("request=smtpd_access");
  const struct {
    std::string input;
    const char* error;
  } cases[] = {
      {"hello\n\n", "line is not name=value: \\\"hello\\\""},
      {"\n\n", "request is missing"},
      {std::string("request=smtpd\0\n\n", 16), "request holds a NUL"},
      {"request=smtpd_access_policy\nprotocol_state=RCPT\n\n",
       "client_address is missing"},
      {"sender=a\nsender=b\n\n", "sender is given twice"},
  };
  for (const auto& [input, error] : cases) {
    ::testing::internal::CaptureStderr();
    Peer bad(path_);
    bad.Send(input);
    EXPECT_TRUE(bad.IsClosed());
    while (Connections() > 1) std::this_thread::sleep_for(milliseconds(1));
    EXPECT_THAT(::testing::internal::GetCapturedStderr(),
                AllOf(HasSubstr("event=bad-input front=policy peer=uid:"),
                      HasSubstr(error)));
  }
  EXPECT_THAT(world_.metrics.Render(), HasSubstr("{front=\"policy\"} 5"));
  good.Send("_policy\nprotocol_state=RCPT\nclient_address=192.0.2.5\n\n");
  EXPECT_EQ(good.Receive(), kDunno);
}

TEST_F(PolicyServerTest, ClosesOnARequestWithoutEnd) {
  ::testing::internal::CaptureStderr();
  Peer peer(path_);
  const std::string megabyte(1 << 20, 'x');
  int taken = 0;
  while (taken < 100 && peer.Send(megabyte)) ++taken;
  EXPECT_LT(taken, 2);
  EXPECT_THAT(LoggedUntilClosed(peer),
              HasSubstr("error=\"no end of the request within 64 KiB\""));
}

TEST_F(PolicyServerTest, TakesTheLongestRequest) {
  std::string request = Request("192.0.2.5");
  const std::string filler(kLongestPolicyRequest + 2 - request.size() - 3, 'y');
  request.insert(0, absl::StrCat("x=", filler, "\n"));
  Peer postfix(path_);
  postfix.Send(request);
  EXPECT_EQ(postfix.Receive(), kDunno);
}

TEST_F(PolicyServerTest, LogsAConnectionDroppedMidway) {
  ::testing::internal::CaptureStderr();
  {
    Peer peer(path_);
    peer.Send("request=smtpd_access_policy\nprotocol_state=RC");
    peer.IsQuiet();
  }
  while (Connections() > 0) std::this_thread::sleep_for(milliseconds(1));
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("error=\"the connection ended within a request\""));
}

TEST_F(PolicyServerTest, LetsGoOfARequestThatIsNotFinished) {
  Start({.patience = milliseconds(100)});
  ::testing::internal::CaptureStderr();
  Peer idle(path_);
  ASSERT_EQ(idle.Ask("192.0.2.5"), kDunno);
  Peer slow(path_);
  slow.Send("request=smtpd");
  EXPECT_TRUE(slow.IsClosed());
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("for too long"));
  EXPECT_EQ(idle.Ask("192.0.2.5"), kDunno) << "idle connections may stay";
}

TEST_F(PolicyServerTest, LetsGoOfAPeerThatDoesNotTakeItsAnswers) {
  Start({.patience = milliseconds(100)});
  Peer deaf(path_);
  while (deaf.Send(Request("192.0.2.5"))) {
  }
  while (Connections() > 0) std::this_thread::sleep_for(milliseconds(1));
}

TEST_F(PolicyServerTest, RefusesConnectionsBeyondTheMost) {
  Start({.most_connections = 2});
  ::testing::internal::CaptureStderr();
  Peer first(path_);
  Peer second(path_);
  ASSERT_EQ(first.Ask("192.0.2.5"), kDunno);
  ASSERT_EQ(second.Ask("192.0.2.5"), kDunno);
  Peer third(path_);
  EXPECT_TRUE(third.IsClosed());
  Peer fourth(path_);
  EXPECT_TRUE(fourth.IsClosed());
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("event=too-many-connections front=policy"));
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 1);
  first.Close();
  while (Connections() > 1) std::this_thread::sleep_for(milliseconds(1));
  EXPECT_EQ(Peer(path_).Ask("192.0.2.5"), kDunno);
}

TEST_F(PolicyServerTest, WhoAsksNothingMakesRoomForWhoMay) {
  Start({.most_connections = 3,
         .silence = milliseconds(100),
         .idle = milliseconds(300)});
  Peer first(path_);
  Peer second(path_);
  Peer silent(path_);
  ASSERT_EQ(first.Ask("192.0.2.5"), kDunno);
  ASSERT_EQ(second.Ask("192.0.2.5"), kDunno);
  std::this_thread::sleep_for(milliseconds(150));
  Peer third(path_);
  EXPECT_TRUE(silent.IsClosed());
  EXPECT_EQ(third.Ask("192.0.2.5"), kDunno);
  EXPECT_TRUE(Peer(path_).IsClosed()) << "nobody has been idle for so long";
  ASSERT_EQ(first.Ask("192.0.2.5"), kDunno);
  std::this_thread::sleep_for(milliseconds(200));
  Peer fourth(path_);
  EXPECT_TRUE(second.IsClosed());
  EXPECT_EQ(fourth.Ask("192.0.2.5"), kDunno);
  EXPECT_EQ(first.Ask("192.0.2.5"), kDunno);
}

TEST_F(PolicyServerTest, WhoIsJudgedMakesNoRoom) {
  Start({.most_connections = 1,
         .silence = milliseconds(1),
         .idle = milliseconds(1)});
  world_.lists.Hold();
  Peer waiting(path_);
  waiting.Send(Request("192.0.2.5"));
  EXPECT_TRUE(waiting.IsQuiet());
  EXPECT_TRUE(Peer(path_).IsClosed());
  world_.lists.Release();
  EXPECT_EQ(waiting.Receive(), kDunno);
}

TEST_F(PolicyServerTest, WaitsWhereThereAreNoDescriptorsLeft) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "UBSan opens a pipe for its checks and ends the program when "
                  "there is no descriptor for it; release and tsan run this";
#endif
  ::testing::internal::CaptureStderr();
  Peer waiting(path_);
  ASSERT_EQ(waiting.Ask("192.0.2.5"), kDunno);
  rlimit before;
  getrlimit(RLIMIT_NOFILE, &before);
  // The peer's own socket has to fit, the server's end of it not.
  const int next = dup(0);
  close(next);
  const rlimit none = {.rlim_cur = static_cast<rlim_t>(next) + 1,
                       .rlim_max = before.rlim_max};
  setrlimit(RLIMIT_NOFILE, &none);
  Peer late(path_);
  late.Send(Request("192.0.2.5"));
  EXPECT_TRUE(late.IsQuiet());
  EXPECT_EQ(waiting.Ask("192.0.2.5"), kDunno);
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(late.Receive(), kDunno);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("event=accept-failed front=policy"));
}

TEST_F(PolicyServerTest, HoldsThousandsOfConnections) {
  world_.lists.Hold();
  std::vector<Peer> peers;
  for (int i = 0; i < 4000; ++i) {
    peers.emplace_back(path_);
    peers.back().Send(
        Request(absl::StrCat("192.0.", 2 + i / 200, ".", 1 + i % 200)));
  }
  while (Connections() < peers.size()) {
    std::this_thread::sleep_for(milliseconds(1));
  }
  world_.lists.Release();
  for (Peer& peer : peers) ASSERT_EQ(peer.Receive(), kDunno);
  EXPECT_EQ(world_.lists.lookups(), peers.size());
}

TEST_F(PolicyServerTest, StopsWhileVerdictsAreAwaited) {
  world_.lists.Hold();
  Peer waiting(path_);
  waiting.Send(Request("192.0.2.5"));
  Peer idle(path_);
  EXPECT_TRUE(idle.IsQuiet());
  Stop();
  EXPECT_TRUE(waiting.IsClosed());
  EXPECT_TRUE(idle.IsClosed());
  world_.lists.Release();
  world_.OnLoop([] {});
}

}  // namespace
}  // namespace breakwater
