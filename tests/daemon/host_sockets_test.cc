#include "daemon/host_sockets.h"

#include <gtest/gtest.h>

#include "tests/fakes/net_namespace.h"
#include "tests/reaper/tcp_sockets.h"

namespace breakwater {
namespace {

class HostSocketsTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!namespace_.made()) GTEST_SKIP() << "needs root for a namespace";
  }

  NetNamespace namespace_;
  HostSockets sockets_;
};

TEST_F(HostSocketsTest, SeesAConnectionOfEitherFamily) {
  const TcpSocketFd listener = ListenOn("::", 25);
  EXPECT_EQ(sockets_.Has(
                ConnectFrom("127.0.0.5", "127.0.0.1", 25, listener).connection),
            true);
  EXPECT_EQ(sockets_.Has(ConnectFrom("::1", "::1", 25, listener).connection),
            true);
}

TEST_F(HostSocketsTest, SeesAClientThatWaitsToBeAccepted) {
  const TcpSocketFd listener = ListenOn("127.0.0.1", 25);
  const Session session =
      ConnectFrom("127.0.0.5", "127.0.0.1", 25, listener, /*accepted=*/false);
  EXPECT_EQ(sockets_.Has(session.connection), true);
}

TEST_F(HostSocketsTest, SeesAClientThatHasSaidGoodbye) {
  const TcpSocketFd listener = ListenOn("127.0.0.1", 25);
  Session session = ConnectFrom("127.0.0.5", "127.0.0.1", 25, listener);
  session.client.Close();
  EXPECT_EQ(sockets_.Has(session.connection), true);
}

TEST_F(HostSocketsTest, SeesAConnectionThatTheServerHasClosed) {
  const TcpSocketFd listener = ListenOn("127.0.0.1", 25);
  Session session = ConnectFrom("127.0.0.5", "127.0.0.1", 25, listener);
  session.server.Close();
  EXPECT_EQ(sockets_.Has(session.connection), true);
  session.client.Close();
  EXPECT_EQ(sockets_.Has(session.connection), true) << "in TIME_WAIT";
}

TEST_F(HostSocketsTest, DoesNotSeeAClientThatIsOnlyClaimed) {
  const TcpSocketFd listener = ListenOn("::", 25);
  const Session session = ConnectFrom("127.0.0.5", "127.0.0.1", 25, listener);
  Connection claimed = session.connection;
  claimed.client = *IpAddress::Parse("198.51.100.7");
  EXPECT_EQ(sockets_.Has(claimed), false);
  claimed = session.connection;
  ++claimed.client_port;
  EXPECT_EQ(sockets_.Has(claimed), false);
}

}  // namespace
}  // namespace breakwater
