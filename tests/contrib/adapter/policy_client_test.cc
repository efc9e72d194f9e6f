#include "contrib/adapter/policy_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace breakwater {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Long enough that only a test that hangs comes to it.
constexpr milliseconds kPatience = seconds(20);
constexpr milliseconds kShort(60);

// A connection as the server's side sees it.
class Peer {
 public:
  explicit Peer(int fd) : fd_(fd) {}
  ~Peer() { Close(); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  // To the empty line.
  std::string Request() {
    std::string all;
    char c;
    while (!all.ends_with("\n\n") && read(fd_, &c, 1) == 1) all.push_back(c);
    return all;
  }
  void Say(const std::string& bytes) {
    (void)send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  // Until the client has gone.
  void AwaitEnd() {
    char c;
    while (read(fd_, &c, 1) > 0) continue;
  }
  void Close() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }

 private:
  int fd_;
};

// Serves one connection on a thread of its own, on a unix socket or on TCP.
class FakeServer {
 public:
  using Conversation = std::function<void(Peer&)>;

  explicit FakeServer(Conversation conversation, bool tcp = false) {
    listening_ = socket(tcp ? AF_INET : AF_UNIX, SOCK_STREAM, 0);
    tcp ? BindTcp() : BindUnix();
    EXPECT_EQ(listen(listening_, 1), 0);
    thread_ = std::thread([this, conversation = std::move(conversation)] {
      const int fd = accept(listening_, nullptr, nullptr);
      if (fd < 0) return;
      Peer peer(fd);
      conversation(peer);
    });
  }
  ~FakeServer() {
    shutdown(listening_, SHUT_RDWR);  // ends an accept that waits
    thread_.join();
    close(listening_);
    std::filesystem::remove_all(directory_);
  }

  std::string spec() const {
    return directory_.empty() ? "inet:127.0.0.1:" + std::to_string(port_)
                              : "unix:" + path();
  }
  std::string path() const { return directory_ + "/socket"; }
  uint16_t port() const { return port_; }
  int ConnectTo(int fd) const {
    const sockaddr_un address = Address();
    return connect(fd, reinterpret_cast<const sockaddr*>(&address),
                   sizeof address);
  }

 private:
  void BindUnix() {
    char name[] = "/tmp/policy-client-XXXXXX";
    directory_ = mkdtemp(name);
    const sockaddr_un address = Address();
    EXPECT_EQ(bind(listening_, reinterpret_cast<const sockaddr*>(&address),
                   sizeof address),
              0);
  }
  sockaddr_un Address() const {
    sockaddr_un address{.sun_family = AF_UNIX};
    path().copy(address.sun_path, sizeof address.sun_path - 1);
    return address;
  }
  void BindTcp() {
    sockaddr_in address{.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(listening_, generic, size), 0);
    getsockname(listening_, generic, &size);
    port_ = ntohs(address.sin_port);
  }

  int listening_;
  std::string directory_;
  uint16_t port_ = 0;
  std::thread thread_;
};

const PolicyAttributes kQuestion = {{"protocol_state", "CONNECT"},
                                    {"client_address", "192.0.2.5"}};

PolicyAnswer Ask(const FakeServer& server, milliseconds patience = kPatience) {
  return AskPolicyServer(server.spec(), kQuestion, patience);
}

// A server that answers with these bytes and closes.
FakeServer::Conversation Says(std::string bytes) {
  return [bytes = std::move(bytes)](Peer& peer) {
    peer.Request();
    peer.Say(bytes);
  };
}

TEST(PolicyClientTest, AsksAndReturnsTheAction) {
  std::string request;
  PolicyAnswer answer;
  {
    FakeServer server([&](Peer& peer) {
      request = peer.Request();
      peer.Say("action=521 5.7.1 Go away\n\n");
      peer.AwaitEnd();
    });
    answer = Ask(server);
  }
  EXPECT_EQ(answer.action, "521 5.7.1 Go away");
  EXPECT_THAT(answer.error, IsEmpty());
  EXPECT_EQ(request,
            "request=smtpd_access_policy\nprotocol_state=CONNECT\n"
            "client_address=192.0.2.5\n\n");
}

TEST(PolicyClientTest, AsksByTcp) {
  FakeServer server(Says("action=DUNNO\n\n"), /*tcp=*/true);
  EXPECT_EQ(Ask(server).action, "DUNNO");
}

TEST(PolicyClientTest, UnderstandsOtherWaysToNameASocket) {
  {
    FakeServer server(Says("action=DUNNO\n\n"));
    EXPECT_EQ(AskPolicyServer(server.path(), kQuestion, kPatience).action,
              "DUNNO");
  }
  for (const std::string before : {"inet:", ""}) {
    for (const bool port_first : {true, false}) {
      FakeServer server(Says("action=DUNNO\n\n"), /*tcp=*/true);
      const std::string port = std::to_string(server.port());
      const std::string spec =
          before + (port_first ? port + "@127.0.0.1" : "127.0.0.1:" + port);
      EXPECT_EQ(AskPolicyServer(spec, kQuestion, kPatience).action, "DUNNO")
          << spec;
    }
  }
}

TEST(PolicyClientTest, ANameThatIsNoSocketIsAnError) {
  for (const char* spec :
       {"", "unix:", "inet:", "inet:25", "inet:127.0.0.1", "inet:127.0.0.1:0",
        "inet:127.0.0.1:65536", "inet:127.0.0.1:1x", "inet:localhost:10040",
        "inet:[::1:10040", "relative/path"}) {
    EXPECT_THAT(AskPolicyServer(spec, kQuestion, kPatience).error,
                HasSubstr("not the address of a socket"))
        << spec;
  }
  const std::string long_path = "unix:/" + std::string(107, 'x');
  EXPECT_THAT(AskPolicyServer(long_path, kQuestion, kPatience).error,
              HasSubstr("not the address of a socket"));
}

TEST(PolicyClientTest, NobodyThereIsAnError) {
  EXPECT_EQ(
      AskPolicyServer("unix:/nonexistent/socket", kQuestion, kPatience).error,
      "connecting: No such file or directory");
}

TEST(PolicyClientTest, ASilentServerCostsThePatienceAndNoMore) {
  FakeServer server([](Peer& peer) { peer.AwaitEnd(); });
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(Ask(server, kShort).error,
            "no time left while waiting for the "
            "answer");
  const auto took = std::chrono::steady_clock::now() - begin;
  EXPECT_GE(took, kShort);
  EXPECT_LT(took, kPatience);
}

TEST(PolicyClientTest, TheDeadlineIsForAllOfTheAnswer) {
  // A byte now and then would renew a deadline that is for each read.
  FakeServer server([](Peer& peer) {
    for (int i = 0; i < 100; ++i) {
      peer.Say("a");
      std::this_thread::sleep_for(milliseconds(5));
    }
  });
  EXPECT_THAT(Ask(server, kShort).error, HasSubstr("no time left"));
}

TEST(PolicyClientTest, AFullQueueIsWaitedForUntilTheDeadline) {
  std::atomic<bool> accepted = false;
  FakeServer server([&](Peer& peer) {
    accepted = true;
    peer.AwaitEnd();
  });
  // One is served, and then as many as the queue takes.
  std::vector<std::unique_ptr<Peer>> others;
  bool full = false;
  while (!full) {
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    others.push_back(std::make_unique<Peer>(fd));
    full = server.ConnectTo(fd) != 0;
    while (!accepted) std::this_thread::yield();
  }
  EXPECT_EQ(Ask(server, kShort).error, "no time left while connecting");
}

TEST(PolicyClientTest, ALateAnswerIsTakenWhileThereIsTime) {
  FakeServer server([](Peer& peer) {
    peer.Request();
    for (const char c : std::string("action=DUNNO\n\n")) {
      std::this_thread::sleep_for(milliseconds(2));
      peer.Say(std::string(1, c));
    }
  });
  EXPECT_EQ(Ask(server).action, "DUNNO");
}

TEST(PolicyClientTest, AServerThatClosesIsAnError) {
  const std::string kClosed = "closed without an answer";
  {
    FakeServer server(Says(""));
    EXPECT_EQ(Ask(server).error, kClosed);
  }
  // Half an answer is none, even if it is all of an action.
  FakeServer server(Says("action=521 5.7.1 text\n"));
  const PolicyAnswer answer = Ask(server);
  EXPECT_EQ(answer.error, kClosed);
  EXPECT_THAT(answer.action, IsEmpty());
}

TEST(PolicyClientTest, AServerThatClosesUnreadIsAnError) {
  FakeServer server([](Peer& peer) { peer.Close(); });
  EXPECT_FALSE(Ask(server).error.empty());
}

TEST(PolicyClientTest, GarbageIsAnError) {
  for (const std::string& garbage :
       {std::string("\n\n"), std::string("action=\n\n"),
        std::string("Action=DUNNO\n\n"), std::string("220 mail.test\r\n\n\n"),
        std::string("x\0action=DUNNO\n\n", 16)}) {
    FakeServer server(Says(garbage));
    const PolicyAnswer answer = Ask(server);
    EXPECT_EQ(answer.error, "the answer holds no action") << garbage;
    EXPECT_THAT(answer.action, IsEmpty());
  }
}

TEST(PolicyClientTest, AnAnswerWithoutEndIsAnError) {
  FakeServer server(Says("action=" + std::string(100000, 'x')));
  EXPECT_EQ(Ask(server).error, "the answer has no end");
}

TEST(PolicyClientTest, OtherLinesOfTheAnswerArePassedOver) {
  FakeServer server(Says("log=x\naction=DUNNO\naction=521 no\n\n"));
  EXPECT_EQ(Ask(server).action, "DUNNO");
}

TEST(PolicyClientTest, AStrangersValueCannotBreakTheRequest) {
  const std::string value("a\nclient_address=10.0.0.1\n\nb\rc\0d", 32);
  EXPECT_EQ(FormatPolicyRequest({{"sender", value}}),
            "request=smtpd_access_policy\n"
            "sender=a?client_address=10.0.0.1??b?c?d\n\n");
}

TEST(PolicyClientTest, WhatIsNotKnownIsLeftOut) {
  EXPECT_EQ(FormatPolicyRequest({{"client_port", ""}, {"server_port", "25"}}),
            "request=smtpd_access_policy\nserver_port=25\n\n");
}

TEST(PolicyClientTest, ALongValueIsCut) {
  const std::string request =
      FormatPolicyRequest({{"helo_name", std::string(50000, 'x')}});
  EXPECT_THAT(request, HasSubstr("helo_name=" + std::string(1000, 'x') + "\n"));
}

TEST(PolicyClientTest, NoDescriptorIsLeftBehind) {
  const auto count = [] {
    const std::filesystem::directory_iterator open("/proc/self/fd");
    return std::distance(begin(open), end(open));
  };
  const auto before = count();
  AskPolicyServer("unix:/nonexistent/socket", kQuestion, kPatience);
  {
    FakeServer server(Says("action=DUNNO\n\n"));
    Ask(server);
  }
  EXPECT_EQ(count(), before);
}

struct ActionCase {
  std::string action;
  std::string reply;
  bool odd = false;
};

TEST(PolicyActionTest, SaysWhatToDo) {
  const std::vector<ActionCase> cases = {
      {"DUNNO", ""},
      {"OK", ""},
      {"521 5.7.1 Client 192.0.2.5 is listed [id 1]",
       "521 5.7.1 Client 192.0.2.5 is listed [id 1]"},
      {"451 4.7.1 Later", "451 4.7.1 Later"},
      {"550 text alone", "550 text alone"},
      {"521 \xc3\xa9\x1b[31m\ttab\r", "521 ???[31m tab?"},
      // Postfix takes a code alone for OK.
      {"521", "", true},
      {"521 ", "", true},
      {"521 \t ", "", true},
      {"521-5.7.1 text", "", true},
      {"5211 text", "", true},
      {"52 text", "", true},
      {"250 2.0.0 text", "", true},
      {"354 text", "", true},
      {"564 text", "", true},
      {"621 text", "", true},
      {" 521 text", "", true},
      {"REJECT text", "", true},
      {"dunno", "", true},
      {"DUNNO ", "", true},
      {"", "", true},
      {"garbage", "", true},
  };
  for (const ActionCase& c : cases) {
    const PolicyDecision decision = ParsePolicyAction(c.action);
    EXPECT_EQ(decision.reply, c.reply) << c.action;
    EXPECT_EQ(decision.odd, c.odd) << c.action;
    EXPECT_EQ(decision.Refuses(), !c.reply.empty()) << c.action;
  }
}

TEST(PolicyActionTest, TellsPermanentFromTemporary) {
  EXPECT_TRUE(ParsePolicyAction("521 no").IsPermanent());
  EXPECT_FALSE(ParsePolicyAction("451 later").IsPermanent());
  EXPECT_FALSE(ParsePolicyAction("DUNNO").IsPermanent());
}

TEST(PolicyActionTest, ALongReplyIsCut) {
  const PolicyDecision decision =
      ParsePolicyAction("521 " + std::string(2000, 'x'));
  EXPECT_EQ(decision.reply.size(), 500u);
}

}  // namespace
}  // namespace breakwater
