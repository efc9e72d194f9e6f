// Clients that Postfix knows from an upstream proxy only: each is judged, and
// banned if this host has a connection with it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/integration/harness/wait.h"
#include "tests/integration/whole_path.h"

namespace breakwater::testing {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// kClean is a proxy that Postfix believes.
class PostfixProxyTest : public WholePathTest {
 protected:
  void StartBehindXclient(Parts parts) {
    parts.main_cf.push_back(
        absl::StrCat("smtpd_authorized_xclient_hosts = ", kClean));
    StartParts(parts);
  }
  void StartBehindHaproxy(Parts parts) {
    parts.main_cf.push_back("smtpd_upstream_proxy_protocol = haproxy");
    StartParts(parts);
  }
  // What the proxy is answered when it has said whom it speaks for.
  absl::StatusOr<SmtpReply> Claim(SmtpClient& proxy, const std::string& client,
                                  uint16_t port = 4711) {
    return proxy.Command(absl::StrCat("XCLIENT ADDR=", client, " PORT=", port));
  }
  // A connection of the proxy's with the header of the PROXY protocol.
  absl::StatusOr<Session> OpenThroughProxy(const std::string& header,
                                           uint16_t from_port = 0) {
    absl::StatusOr<SmtpClient> client =
        SmtpClient::Connect(world(), {.from = kClean, .from_port = from_port});
    if (!client.ok()) return client.status();
    absl::Status status = client->Send(header + "\r\n");
    if (!status.ok()) return status;
    absl::StatusOr<SmtpReply> banner = client->ReadReply();
    if (!banner.ok()) return banner.status();
    return Session{*std::move(client), *std::move(banner)};
  }
  // The client was refused, and that is all.
  void ExpectNothingDoneTo(const std::string& client) {
    EXPECT_TRUE(breakwater_->WaitForLog(
        absl::StrCat("event=ban-refused client=", client, " why=no-socket")));
    EXPECT_THAT(breakwater_->Log(), HasSubstr("event=reject client=" + client));
    EXPECT_THAT(breakwater_->Log(), Not(HasSubstr("event=ban ")));
    EXPECT_THAT(breakwater_->Log(), Not(HasSubstr("event=reap")));
    EXPECT_THAT(sets_->Entries("breakwater4"), IsEmpty());
    EXPECT_THAT(Ask({"bans"}), Not(HasSubstr(client)));
  }
};

constexpr char kClaimed[] = "PROXY TCP4 198.18.0.5 192.0.2.25 4711 25";

TEST_F(PostfixProxyTest, AClientClaimedByXclientIsRefusedAndNotBanned) {
  StartBehindXclient({.policy = true});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session proxy, Open(kClean));
  BREAKWATER_ASSERT_OK(proxy.client.Command("EHLO proxy.example"));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(SmtpReply reply,
                                  Claim(proxy.client, kListed));
  EXPECT_EQ(reply.code, 521) << reply.text;
  EXPECT_THAT(reply.text, HasSubstr("Client 198.18.0.5 is listed"));
  ExpectNothingDoneTo(kListed);
}

TEST_F(PostfixProxyTest, TheMilterRefusesAClientClaimedByXclientAndBansNobody) {
  StartBehindXclient({.milter = true});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session proxy, Open(kClean));
  BREAKWATER_ASSERT_OK(proxy.client.Command("EHLO proxy.example"));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(SmtpReply reply,
                                  Claim(proxy.client, kListed));
  EXPECT_EQ(reply.code, 220) << reply.text;
  BREAKWATER_ASSERT_OK(proxy.client.Command("EHLO zombie.example"));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(
      reply, proxy.client.Command("MAIL FROM:<a@example.org>"));
  EXPECT_EQ(reply.code, 521) << reply.text;
  ExpectNothingDoneTo(kListed);
}

TEST_F(PostfixProxyTest, AClientClaimedByTheProxyProtocolIsRefusedNotBanned) {
  StartBehindHaproxy({.policy = true});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, OpenThroughProxy(kClaimed));
  EXPECT_EQ(session.banner.code, 521) << session.banner.text;
  ExpectNothingDoneTo(kListed);
}

TEST_F(PostfixProxyTest, TheMilterBansNobodyWhomTheProxyProtocolClaims) {
  StartBehindHaproxy({.milter = true});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, OpenThroughProxy(kClaimed));
  ASSERT_EQ(session.banner.code, 220) << session.banner.text;
  BREAKWATER_ASSERT_OK(session.client.Command("EHLO zombie.example"));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(
      SmtpReply reply, session.client.Command("MAIL FROM:<a@example.org>"));
  EXPECT_EQ(reply.code, 521) << reply.text;
  ExpectNothingDoneTo(kListed);
}

// A proxy that names no port, or a server that cannot be, has a victim banned
// no more than one that names them all.
struct Naming {
  const char* name;
  const char* attributes;
};

class PostfixClaimTest : public PostfixProxyTest,
                         public ::testing::WithParamInterface<Naming> {
 protected:
  static constexpr char kTrap[] = R"(
[[offence]]
kind = "trap"
recipients = ["honest@mail.test"]
)";
  // As the victim, through a proxy: to the first refusal, and on to a trap.
  void ClaimAndOffend(const std::string& victim) {
    BREAKWATER_ASSERT_OK_AND_ASSIGN(Session proxy, Open(kClean));
    BREAKWATER_ASSERT_OK(proxy.client.Command("EHLO proxy.example"));
    BREAKWATER_ASSERT_OK_AND_ASSIGN(
        SmtpReply reply,
        proxy.client.Command(
            absl::StrCat("XCLIENT ADDR=", victim, " ", GetParam().attributes)));
    for (const char* line : {"EHLO zombie.example", "MAIL FROM:<a@example.org>",
                             "RCPT TO:<honest@mail.test>"}) {
      if (reply.code >= 500) return;
      BREAKWATER_ASSERT_OK_AND_ASSIGN(reply, proxy.client.Command(line));
    }
    EXPECT_EQ(reply.code, 550) << reply.text;
  }
};

INSTANTIATE_TEST_SUITE_P(
    Proxies, PostfixClaimTest,
    ::testing::Values(Naming{"PortZero", "PORT=0"},
                      Naming{"NoPort", "PORT=[UNAVAILABLE]"},
                      Naming{"AnyServer", "PORT=4711 DESTADDR=0.0.0.0"},
                      Naming{"AnyServer6", "PORT=4711 DESTADDR=IPV6:::"},
                      Naming{"NoServer", "PORT=4711 DESTADDR=[UNAVAILABLE]"},
                      Naming{"NoServerPort", "PORT=4711 DESTPORT=0"}),
    [](const auto& claim) { return claim.param.name; });

TEST_P(PostfixClaimTest, NobodyIsBannedByIt) {
  StartBehindXclient({.policy = true, .milter = true, .config = kTrap});
  ASSERT_FALSE(HasFatalFailure());
  ClaimAndOffend(kListed);
  ClaimAndOffend("198.18.7.7");
  EXPECT_THAT(breakwater_->Log(), HasSubstr("event=offence client=198.18.7.7"));
  ExpectNothingDoneTo(kListed);
  ExpectNothingDoneTo("198.18.7.7");
}

TEST_F(PostfixProxyTest, APortZeroInTheProxyProtocolBansNobody) {
  StartBehindHaproxy({.policy = true, .milter = true});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(
      Session session,
      OpenThroughProxy("PROXY TCP4 198.18.0.5 192.0.2.25 0 25"));
  EXPECT_EQ(session.banner.code, 521) << session.banner.text;
  ExpectNothingDoneTo(kListed);
}

// What was done in its name has not made it an offender.
TEST_F(PostfixProxyTest, AClaimedClientsTrapsAreNotHeldAgainstItself) {
  StartBehindXclient({.milter = true, .config = R"(
[[offence]]
kind = "trap"
after = 3
recipients = ["honest@mail.test"]
)"});
  ASSERT_FALSE(HasFatalFailure());
  const auto hit_trap = [](SmtpClient& client) {
    for (const char* line : {"EHLO c.example", "MAIL FROM:<a@example.org>",
                             "RCPT TO:<honest@mail.test>"}) {
      BREAKWATER_ASSERT_OK(client.Command(line));
    }
  };
  const std::string victim = "198.18.7.7";
  for (uint16_t port = 1; port <= 5; ++port) {
    BREAKWATER_ASSERT_OK_AND_ASSIGN(Session proxy, Open(kClean));
    BREAKWATER_ASSERT_OK(proxy.client.Command("EHLO proxy.example"));
    BREAKWATER_ASSERT_OK(Claim(proxy.client, victim, port));
    hit_trap(proxy.client);
  }
  EXPECT_TRUE(breakwater_->WaitForLog("why=no-socket"));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session itself, Open(victim));
  hit_trap(itself.client);
  EXPECT_FALSE(IsBanned(victim));
  EXPECT_THAT(sets_->Entries("breakwater4"), IsEmpty());
}

TEST_F(PostfixProxyTest, AClientThatConnectsItselfIsBannedWhatAProxyClaimed) {
  StartBehindXclient({.policy = true, .milter = true});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session proxy, Open(kClean));
  BREAKWATER_ASSERT_OK(proxy.client.Command("EHLO proxy.example"));
  BREAKWATER_ASSERT_OK(Claim(proxy.client, kListed));
  ExpectNothingDoneTo(kListed);
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session itself, Open(kListed));
  EXPECT_EQ(itself.banner.code, 521);
  EXPECT_TRUE(WaitUntil([&] { return IsBanned(kListed); }));
}

// A proxy on the mail server itself has the client's connection.
TEST_F(PostfixProxyTest, AClientOfAProxyOnThisHostIsBanned) {
  Parts parts{.policy = true};
  parts.master_cf = {
      "127.0.0.1:2525 inet n - y - - smtpd"
      " -o smtpd_upstream_proxy_protocol=haproxy"};
  StartParts(parts);
  ASSERT_FALSE(HasFatalFailure());
  // The client's connection with the proxy: here, with Postfix on port 25 by
  // way of a Breakwater that does not know yet.
  BREAKWATER_ASSERT_OK(list_->SetEntries({}));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session client, Open(kListed));
  ASSERT_EQ(client.banner.code, 220);
  BREAKWATER_ASSERT_OK(list_->SetEntries({{kListed}}));
  ASSERT_TRUE(breakwater_->Stop());
  StartBreakwater();
  BREAKWATER_ASSERT_OK_AND_ASSIGN(
      SmtpClient proxy,
      SmtpClient::Connect(
          mta(), {.from = "127.0.0.1", .to = "127.0.0.1", .port = 2525}));
  BREAKWATER_ASSERT_OK(
      proxy.Send(absl::StrCat("PROXY TCP4 ", kListed, " ", Network::kMtaAddress,
                              " ", client.client.local_port(), " 25\r\n")));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(SmtpReply banner, proxy.ReadReply());
  EXPECT_EQ(banner.code, 521) << banner.text;
  EXPECT_TRUE(WaitUntil([&] { return IsBanned(kListed); }));
}

TEST_F(PostfixProxyTest, TheRuleCanBeTurnedOff) {
  StartBehindHaproxy(
      {.policy = true, .config = "[ban]\nneeds_socket = false\n"});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, OpenThroughProxy(kClaimed));
  EXPECT_EQ(session.banner.code, 521);
  EXPECT_TRUE(WaitUntil([&] { return IsBanned(kListed); }));
}

// What the rule must not cost: a client that is gone before anything of it
// could be looked at.
class HurriedClientTest : public WholePathTest,
                          public ::testing::WithParamInterface<bool> {};

INSTANTIATE_TEST_SUITE_P(Ending, HurriedClientTest, ::testing::Bool(),
                         [](const auto& reset) {
                           return reset.param ? "Resets" : "Closes";
                         });

TEST_P(HurriedClientTest, WhoHangsUpAtTheReplyIsBannedEachOfTwoHundred) {
  Parts parts{.policy = true, .rules = false};
  parts.listed = {{"198.18.0.0/16"}};
  StartParts(parts);
  ASSERT_FALSE(HasFatalFailure());
  constexpr size_t kClients = 200;
  for (size_t i = 1; i <= kClients; ++i) {
    BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session,
                                    Open(absl::StrCat("198.18.1.", i)));
    EXPECT_EQ(session.banner.code, 521);
    GetParam() ? session.client.Reset() : session.client.Close();
  }
  EXPECT_TRUE(WaitUntil(
      [&] { return sets_->Entries("breakwater4").size() == kClients; }));
  EXPECT_THAT(breakwater_->Log(), Not(HasSubstr("no-socket")));
}

TEST_F(PostfixProxyTest, TheMilterBansWhoResetsWithoutReadingItsReply) {
  Parts parts{.milter = true, .rules = false};
  parts.listed = {{"198.18.0.0/16"}};
  StartParts(parts);
  ASSERT_FALSE(HasFatalFailure());
  constexpr size_t kClients = 200;
  for (size_t i = 1; i <= kClients; ++i) {
    BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session,
                                    Open(absl::StrCat("198.18.1.", i)));
    BREAKWATER_ASSERT_OK(
        session.client.Send("EHLO z\r\nMAIL FROM:<a@example.org>\r\n"));
    session.client.Reset();
  }
  EXPECT_TRUE(WaitUntil(
      [&] { return sets_->Entries("breakwater4").size() == kClients; }));
  EXPECT_THAT(breakwater_->Log(), Not(HasSubstr("no-socket")));
}

}  // namespace
}  // namespace breakwater::testing
