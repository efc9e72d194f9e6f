#include "daemon/link/host_sockets.h"

#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "tests/fakes/net_namespace.h"
#include "tests/reaper/tcp_sockets.h"

namespace breakwater {
namespace {

class HostSocketsTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!namespace_.made()) GTEST_SKIP() << "needs root for a namespace";
  }

  bool Has(const Connection& connection) {
    return sockets_.Find(connection).value() != 0;
  }

  NetNamespace namespace_;
  HostSockets sockets_;
};

TEST_F(HostSocketsTest, SeesAConnectionOfEitherFamily) {
  const TcpSocketFd listener = ListenOn("::", 25);
  EXPECT_EQ(Has(ConnectFrom("127.0.0.5", "127.0.0.1", 25, listener).connection),
            true);
  EXPECT_EQ(Has(ConnectFrom("::1", "::1", 25, listener).connection), true);
}

TEST_F(HostSocketsTest, SeesAClientThatWaitsToBeAccepted) {
  const TcpSocketFd listener = ListenOn("127.0.0.1", 25);
  const Session session =
      ConnectFrom("127.0.0.5", "127.0.0.1", 25, listener, /*accepted=*/false);
  EXPECT_EQ(Has(session.connection), true);
}

TEST_F(HostSocketsTest, SeesAClientThatHasSaidGoodbye) {
  const TcpSocketFd listener = ListenOn("127.0.0.1", 25);
  Session session = ConnectFrom("127.0.0.5", "127.0.0.1", 25, listener);
  session.client.Close();
  EXPECT_EQ(Has(session.connection), true);
}

TEST_F(HostSocketsTest, SeesAConnectionThatTheServerHasClosed) {
  const TcpSocketFd listener = ListenOn("127.0.0.1", 25);
  Session session = ConnectFrom("127.0.0.5", "127.0.0.1", 25, listener);
  session.server.Close();
  EXPECT_EQ(Has(session.connection), true);
  session.client.Close();
  EXPECT_EQ(Has(session.connection), true) << "in TIME_WAIT";
}

TEST_F(HostSocketsTest, TellsConnectionsFromTheSamePortApart) {
  const TcpSocketFd listener = ListenOn("127.0.0.1", 25);
  Session session = ConnectFrom("127.0.0.5", "127.0.0.1", 25, listener);
  const auto first = sockets_.Find(session.connection);
  EXPECT_EQ(sockets_.Find(session.connection), first);
  // It resets, and comes again from the port that it had.
  const linger reset{.l_onoff = 1, .l_linger = 0};
  setsockopt(session.client.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  session.client.Close();
  session.server.Close();
  const Session again =
      ConnectFrom("127.0.0.5", "127.0.0.1", 25, listener, /*accepted=*/true,
                  session.connection.client_port);
  const auto second = sockets_.Find(again.connection);
  EXPECT_NE(second.value(), 0u);
  EXPECT_NE(second, first);
}

TEST_F(HostSocketsTest, DoesNotSeeAClientThatIsOnlyClaimed) {
  const TcpSocketFd listener = ListenOn("::", 25);
  const Session session = ConnectFrom("127.0.0.5", "127.0.0.1", 25, listener);
  Connection claimed = session.connection;
  claimed.client = *IpAddress::Parse("198.51.100.7");
  EXPECT_EQ(Has(claimed), false);
  claimed = session.connection;
  ++claimed.client_port;
  EXPECT_EQ(Has(claimed), false);
}

// To where this host delivers, for example: it is no client of ours.
TEST_F(HostSocketsTest, DoesNotTakeAConnectionOfThisHostsForAClients) {
  const TcpSocketFd listener = ListenOn("127.0.0.1", 25);
  const Session session = ConnectFrom("127.0.0.5", "127.0.0.1", 25, listener);
  const Connection& there = session.connection;
  EXPECT_EQ(Has({.client = there.server,
                 .client_port = there.server_port,
                 .server = there.client,
                 .server_port = there.client_port}),
            false);
}

// One forged SYN makes such a one.
TEST_F(HostSocketsTest, DoesNotSeeAClientWhoseHandshakeIsNotOver) {
  const TcpSocketFd listener = ListenOn("127.0.0.1", 25);
  const int seconds = 10;  // the kernel keeps it half open until it says a word
  ASSERT_EQ(setsockopt(listener.get(), IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds,
                       sizeof seconds),
            0);
  const Session session =
      ConnectFrom("127.0.0.5", "127.0.0.1", 25, listener, /*accepted=*/false);
  EXPECT_EQ(Has(session.connection), false);
  ASSERT_TRUE(session.client.Say("EHLO"));
  EXPECT_EQ(Has(session.connection), true);
}

}  // namespace
}  // namespace breakwater
