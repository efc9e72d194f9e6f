#include "firewall/tarpit/tarpit.h"

#include <fcntl.h>
#include <sys/resource.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "firewall/tarpit/tarpit_listener.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/net_namespace.h"
#include "tests/reaper/tcp_sockets.h"

namespace breakwater {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A tarpit and its clients in one thread: it only moves while a test waits.
class TarpitTest : public ::testing::Test {
 protected:
  static constexpr Duration kQuick = milliseconds(5);
  static constexpr Duration kNever = std::chrono::hours(1);

  void Start(const TarpitOptions& options, Duration silence = kNever) {
    const absl::StatusOr<int> listener =
        ListenForTarpit("127.0.0.1:0", silence);
    ASSERT_TRUE(listener.ok()) << listener.status();
    Endpoint here;
    here.size = sizeof here.storage;
    getsockname(*listener, here.raw(), &here.size);
    port_ = here.port();
    listener_ = *listener;
    auto script = TarpitScript::Make("mail.test", "521 5.7.1 No");
    ASSERT_TRUE(script.ok());
    text_ = script->text();
    auto tarpit = Tarpit::Make(options, *script, {*listener});
    ASSERT_TRUE(tarpit.ok()) << tarpit.status();
    tarpit_ = *std::move(tarpit);
  }

  TcpSocketFd Connect(const std::string& from = "127.0.0.2") {
    Endpoint source = Endpoint::Of(from, 0);
    Endpoint to = Endpoint::Of("127.0.0.1", port_);
    TcpSocketFd client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(bind(client.get(), source.raw(), source.size), 0);
    EXPECT_EQ(connect(client.get(), to.raw(), to.size), 0);
    fcntl(client.get(), F_SETFL, O_NONBLOCK);
    return client;
  }

  bool Until(const std::function<bool()>& done,
             Duration patience = seconds(10)) {
    const Instant end = Clock::now() + patience;
    while (!done()) {
      if (Clock::now() > end) return false;
      EXPECT_TRUE(tarpit_->Step(milliseconds(5)).ok());
    }
    return true;
  }
  bool UntilHeld(size_t count) {
    return Until([&] { return counts().held == count; });
  }
  const TarpitCounts& counts() const { return tarpit_->counts(); }

  uint16_t port_ = 0;
  int listener_ = -1;
  std::string text_;
  std::unique_ptr<Tarpit> tarpit_;
};

TEST_F(TarpitTest, AClientThatSpeaksIsToldEverything) {
  Start({.interval = kQuick});
  const TcpSocketFd client = Connect();
  client.Say("EHLO zombie\r\nMAIL FROM:<a@b>\r\n");
  std::string heard;
  EXPECT_TRUE(Until([&] {
    heard += client.Hear(milliseconds(0));
    return counts().told == 1;
  }));
  EXPECT_EQ(heard + client.Hear(milliseconds(0)), text_);
  EXPECT_EQ(counts().held, 0u);
}

TEST_F(TarpitTest, BytesComeOneByOneAtTheirPace) {
  Start({.interval = milliseconds(30)});
  const TcpSocketFd client = Connect();
  const Instant begin = Clock::now();
  size_t heard = 0;
  EXPECT_TRUE(Until([&] {
    const std::string bytes = client.Hear(milliseconds(0));
    EXPECT_LE(bytes.size(), 1u);
    heard += bytes.size();
    return heard == 5;
  }));
  EXPECT_GE(Clock::now() - begin, milliseconds(150));
}

TEST_F(TarpitTest, AnAnswerWaitsForALine) {
  Start({.interval = kQuick});
  const TcpSocketFd client = Connect();
  std::string heard;
  const auto hears = [&](size_t size) {
    return Until(
        [&] {
          heard += client.Hear(milliseconds(0));
          return heard.size() >= size;
        },
        milliseconds(500));
  };
  EXPECT_FALSE(hears(22)) << heard;
  EXPECT_EQ(heard, "220 mail.test ESMTP\r\n");
  client.Say("EHLO a");
  EXPECT_FALSE(hears(22)) << heard;
  client.Say("\r\n");
  EXPECT_TRUE(hears(36)) << heard;
  EXPECT_FALSE(hears(37)) << heard;
}

TEST_F(TarpitTest, AClientThatStaysIsEndedWhenItsTimeIsOver) {
  Start({.interval = kQuick, .longest = milliseconds(300)});
  const TcpSocketFd client = Connect();
  EXPECT_TRUE(UntilHeld(1));
  EXPECT_TRUE(Until([&] { return counts().expired == 1; }));
  EXPECT_TRUE(client.IsReset(seconds(5)));
  EXPECT_EQ(counts().held, 0u);
}

TEST_F(TarpitTest, WhoHangsUpOrResetsMakesRoomAtOnce) {
  Start({.interval = kNever});
  TcpSocketFd closing = Connect();
  TcpSocketFd resetting = Connect();
  ASSERT_TRUE(UntilHeld(2));
  closing.Close();
  EXPECT_TRUE(UntilHeld(1));
  const linger none{.l_onoff = 1, .l_linger = 0};
  setsockopt(resetting.get(), SOL_SOCKET, SO_LINGER, &none, sizeof none);
  resetting.Close();
  EXPECT_TRUE(UntilHeld(0));
  EXPECT_EQ(counts().left, 2u);
}

TEST_F(TarpitTest, AClientHasItsShareAndNoMore) {
  Start({.interval = kNever, .most_per_client = 3});
  std::vector<TcpSocketFd> clients;
  for (int i = 0; i < 5; ++i) clients.push_back(Connect("127.0.0.2"));
  clients.push_back(Connect("127.0.0.3"));
  EXPECT_TRUE(UntilHeld(4));
  EXPECT_EQ(counts().turned_away, 2u);
  EXPECT_TRUE(clients[4].IsReset(seconds(5)));
  // One that goes makes room for another of the same client.
  clients[0].Close();
  ASSERT_TRUE(UntilHeld(3));
  clients.push_back(Connect("127.0.0.2"));
  EXPECT_TRUE(UntilHeld(4));
}

TEST_F(TarpitTest, AFullOneLeavesTheRestInTheQueueUntilThereIsRoom) {
  Start({.interval = kNever, .most = 3});
  std::vector<TcpSocketFd> clients;
  for (int i = 0; i < 5; ++i) clients.push_back(Connect());
  ASSERT_TRUE(UntilHeld(3));
  EXPECT_FALSE(Until([&] { return counts().accepted > 3; }, milliseconds(200)));
  EXPECT_EQ(counts().paused, 1u);
  clients[0].Close();
  clients[1].Close();
  EXPECT_TRUE(Until([&] { return counts().accepted == 5; }));
  EXPECT_EQ(counts().held, 3u);
}

TEST_F(TarpitTest, NobodyWakesItByTalking) {
  Start({.interval = kNever});
  const TcpSocketFd client = Connect();
  ASSERT_TRUE(UntilHeld(1));
  const std::string flood(65536, 'x');
  const Instant begin = Clock::now();
  while (send(client.get(), flood.data(), flood.size(), MSG_NOSIGNAL) > 0) {
  }
  EXPECT_TRUE(tarpit_->Step(milliseconds(300)).ok());
  EXPECT_GE(Clock::now() - begin, milliseconds(300));
}

TEST_F(TarpitTest, WhoSendsMegabytesGetsRidOfKilobytes) {
  Start({.interval = kQuick, .longest = seconds(1)});
  const TcpSocketFd client = Connect();
  const int buffer = 1;
  setsockopt(client.get(), SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
  const std::string flood(65536, '\n');
  size_t sent = 0;
  EXPECT_TRUE(Until([&] {
    const ssize_t size =
        send(client.get(), flood.data(), flood.size(), MSG_NOSIGNAL);
    if (size > 0) sent += static_cast<size_t>(size);
    return counts().held == 0 && counts().accepted == 1;
  }));
  // What fits into the smallest buffer, once for each byte that is said, and
  // what our own side keeps.
  EXPECT_GT(sent, 1000);
  EXPECT_LT(sent, 2304 * (text_.size() + 10) + 5000);
}

TEST_F(TarpitTest, WhoNeverReadsIsToldAndEndedAllTheSame) {
  Start({.interval = kQuick});
  const TcpSocketFd client = Connect();
  client.Say("a\nb\n");
  EXPECT_TRUE(Until([&] { return counts().told == 1; }));
}

TEST_F(TarpitTest, WhoVanishesIsGivenUpByTheKernel) {
  const NetNamespace network;
  if (!network.made()) GTEST_SKIP() << "no network namespace can be made";
  Start({.interval = milliseconds(50)}, seconds(1));
  const TcpSocketFd client = Connect("127.0.0.9");
  ASSERT_TRUE(UntilHeld(1));
  ASSERT_TRUE(NetNamespace::Run(
      "iptables -w -A INPUT -s 127.0.0.9 -j DROP 2>/dev/null || "
      "iptables-legacy -w -A INPUT -s 127.0.0.9 -j DROP"));
  EXPECT_TRUE(Until([&] { return counts().left == 1; }, seconds(30)));
}

TEST_F(TarpitTest, WithoutDescriptorsItWaitsAndGoesOn) {
  Start({.interval = kNever});
  TcpSocketFd client = Connect();
  TcpSocketFd other = Connect();
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  const TcpSocketFd next(dup(0));
  const rlimit none{.rlim_cur = static_cast<rlim_t>(next.get()),
                    .rlim_max = before.rlim_max};
  setrlimit(RLIMIT_NOFILE, &none);
  EXPECT_FALSE(Until([&] { return counts().accepted > 0; }, milliseconds(200)));
  EXPECT_EQ(counts().paused, 1u);
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_TRUE(UntilHeld(2));
}

TEST_F(TarpitTest, AListenerThatWasDestroyedIsAnError) {
  Start({});
  shutdown(listener_, SHUT_RD);
  EXPECT_FALSE(tarpit_->Step(milliseconds(100)).ok());
}

TEST_F(TarpitTest, AcceptedSocketsHaveTheSmallestBuffers) {
  const absl::StatusOr<int> fd = ListenForTarpit("127.0.0.1:0", seconds(60));
  ASSERT_TRUE(fd.ok());
  const TcpSocketFd listener(*fd);
  Endpoint here;
  here.size = sizeof here.storage;
  getsockname(*fd, here.raw(), &here.size);
  const Session session =
      ConnectFrom("127.0.0.2", "127.0.0.1", here.port(), listener);
  for (const int option : {SO_RCVBUF, SO_SNDBUF}) {
    int bytes = 0;
    socklen_t size = sizeof bytes;
    getsockopt(session.server.get(), SOL_SOCKET, option, &bytes, &size);
    EXPECT_GT(bytes, 0);
    EXPECT_LT(bytes, 5000);
  }
}

TEST(TarpitClientTest, IsAnIPv4AddressOrAnIPv6Network) {
  const auto client = [](const char* address) {
    Endpoint endpoint = Endpoint::Of(address, 25);
    return TarpitClientOf(endpoint.raw());
  };
  EXPECT_EQ(client("192.0.2.5"), 0xc0000205u);
  EXPECT_EQ(client("::ffff:192.0.2.5"), client("192.0.2.5"));
  EXPECT_NE(client("192.0.2.6"), client("192.0.2.5"));
  EXPECT_EQ(client("2001:db8:1:2::5"), client("2001:db8:1:2:ffff::6"));
  EXPECT_NE(client("2001:db8:1:2::5"), client("2001:db8:1:3::5"));
}

}  // namespace
}  // namespace breakwater
