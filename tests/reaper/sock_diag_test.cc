#include "reaper/sock_diag.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "tests/fakes/net_namespace.h"
#include "tests/reaper/tcp_sockets.h"

namespace breakwater {
namespace {

using std::chrono::milliseconds;

class SockDiagTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!namespace_.made()) GTEST_SKIP() << "needs root for a namespace";
    auto opened = SockDiag::Open();
    ASSERT_TRUE(opened.ok()) << opened.status();
    diag_ = std::make_unique<SockDiag>(*std::move(opened));
  }
  std::vector<Connection> Open(uint16_t port) {
    std::vector<Connection> open;
    EXPECT_TRUE(diag_
                    ->ForEachOpen(port,
                                  [&](const TcpSocket& socket) {
                                    open.push_back(socket.connection);
                                  })
                    .ok());
    return open;
  }

  NetNamespace namespace_;
  std::unique_ptr<SockDiag> diag_;
};

TEST_F(SockDiagTest, FindsAConnectionByItsFourParts) {
  const TcpSocketFd listener = ListenOn("127.0.0.1", 25);
  const Session session = ConnectFrom("127.0.0.5", "127.0.0.1", 25, listener);
  const auto found = diag_->Find(session.connection);
  ASSERT_TRUE(found.ok()) << found.status();
  ASSERT_TRUE(found->has_value());
  EXPECT_EQ((*found)->connection, session.connection);
  EXPECT_EQ((*found)->state, TcpState::kEstablished);
}

TEST_F(SockDiagTest, TheListenerIsNeverTakenForAConnectionThatHasGone) {
  const TcpSocketFd listener = ListenOn("127.0.0.1", 25);
  const Connection never{.client = *IpAddress::Parse("127.0.0.5"),
                         .client_port = 5555,
                         .server = *IpAddress::Parse("127.0.0.1"),
                         .server_port = 25};
  const auto found = diag_->Find(never);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_FALSE(found->has_value());
}

TEST_F(SockDiagTest, AStaleCookieDestroysNothing) {
  const TcpSocketFd listener = ListenOn("127.0.0.1", 25);
  Session session = ConnectFrom("127.0.0.5", "127.0.0.1", 25, listener);
  const TcpSocket known = **diag_->Find(session.connection);
  EXPECT_TRUE(diag_->Destroy(known).ok());
  EXPECT_TRUE(session.client.IsReset(milliseconds(500)));
  session.server.Close();
  // The connection is gone: the kernel would now offer the listener.
  EXPECT_TRUE(absl::IsNotFound(diag_->Destroy(known)));
  EXPECT_GE(ConnectFrom("127.0.0.6", "127.0.0.1", 25, listener).server.get(),
            0);
}

TEST_F(SockDiagTest, AListenerCannotBeDestroyed) {
  const TcpSocketFd listener = ListenOn("127.0.0.1", 25);
  const Session session = ConnectFrom("127.0.0.5", "127.0.0.1", 25, listener);
  TcpSocket socket = **diag_->Find(session.connection);
  socket.state = TcpState::kListen;
  EXPECT_TRUE(absl::IsFailedPrecondition(diag_->Destroy(socket)));
}

TEST_F(SockDiagTest, SeesAnIpv4SessionOfADualStackListener) {
  const TcpSocketFd listener = ListenOn("::", 25);
  Session session = ConnectFrom("127.0.0.5", "127.0.0.1", 25, listener);
  EXPECT_EQ(Open(25), std::vector<Connection>{session.connection});
  const auto found = diag_->Find(session.connection);
  ASSERT_TRUE(found.ok() && found->has_value());
  EXPECT_EQ((*found)->family, AF_INET6);
  EXPECT_TRUE(diag_->Destroy(**found).ok());
  EXPECT_TRUE(session.client.IsReset(milliseconds(500)));
}

TEST_F(SockDiagTest, SeesIpv6) {
  ASSERT_TRUE(NetNamespace::Run("ip -6 addr add 2001:db8::5/128 dev lo nodad"));
  const TcpSocketFd listener = ListenOn("::1", 25);
  Session session = ConnectFrom("2001:db8::5", "::1", 25, listener);
  ASSERT_GE(session.server.get(), 0);
  EXPECT_EQ(Open(25), std::vector<Connection>{session.connection});
  EXPECT_TRUE(diag_->Destroy(**diag_->Find(session.connection)).ok());
  EXPECT_TRUE(session.client.IsReset(milliseconds(500)));
}

TEST_F(SockDiagTest, TheDumpHoldsOnlyTheServersSideOfThePort) {
  const TcpSocketFd smtp = ListenOn("127.0.0.1", 25);
  const TcpSocketFd submission = ListenOn("127.0.0.1", 587);
  const Session first = ConnectFrom("127.0.0.5", "127.0.0.1", 25, smtp);
  const Session second = ConnectFrom("127.0.0.5", "127.0.0.1", 587, submission);
  EXPECT_EQ(Open(25), std::vector<Connection>{first.connection});
  EXPECT_EQ(Open(0).size(), 4U);  // both ends of both
}

TEST_F(SockDiagTest, TellsWhoListensAndNotWhoIsConnected) {
  const TcpSocketFd smtp = ListenOn("127.0.0.1", 25);
  const TcpSocketFd submission = ListenOn("::", 587);
  const Session session = ConnectFrom("127.0.0.5", "127.0.0.1", 25, smtp);
  std::map<uint16_t, std::string> listening;
  const absl::Status status =
      diag_->ForEachListener([&](const IpAddress& address, uint16_t port) {
        listening[port] = address.ToString();
      });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(listening,
            (std::map<uint16_t, std::string>{{25, "127.0.0.1"}, {587, "::"}}));
}

TEST_F(SockDiagTest, AConnectionThatWasNotAcceptedYetIsSeen) {
  const TcpSocketFd listener = ListenOn("127.0.0.1", 25);
  const Session session =
      ConnectFrom("127.0.0.5", "127.0.0.1", 25, listener, false);
  EXPECT_EQ(Open(25), std::vector<Connection>{session.connection});
}

TEST_F(SockDiagTest, TellsWhatIsUnacknowledgedAndWasSent) {
  const TcpSocketFd listener = ListenOn("127.0.0.1", 25);
  const Session session = ConnectFrom("127.0.0.5", "127.0.0.1", 25, listener);
  Traffic before;
  ASSERT_TRUE(diag_->Find(session.connection, &before).ok());
  session.server.Say("220 mx.example.org\r\n");
  Traffic after;
  const auto socket = diag_->Find(session.connection, &after);
  EXPECT_EQ(before.bytes_sent, 0U);
  EXPECT_EQ(after.bytes_sent, 20U);
  EXPECT_EQ((*socket)->unacknowledged, 0U);
}

}  // namespace
}  // namespace breakwater
