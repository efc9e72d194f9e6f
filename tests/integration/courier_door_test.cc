// Courier with breakwater-tcp before courieresmtpd, which asks at CONNECT; and
// what becomes of the sessions of a client that is banned.

#include "tests/integration/courier_door.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/integration/harness/wait.h"

namespace breakwater::testing {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class CourierDoorTest : public CourierDoor {};

TEST_F(CourierDoorTest, AListedClientReadsWhyAsTheBannerAndItsSlotIsFree) {
  StartParts({.wrapper = true});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListed));
  EXPECT_EQ(session.banner.code, 521);
  EXPECT_THAT(session.banner.text,
              AllOf(HasSubstr("5.7.1 Client 198.18.0.5 is listed by dnsbl.test "
                              "(Listed, see https://dnsbl.test/) [id ")));
  EXPECT_EQ(session.client.WaitForEnd(seconds(2)), Ending::kClosed);
  EXPECT_TRUE(WaitForNoSession());
  EXPECT_TRUE(WaitUntil([&] { return IsBanned(kListed); }));
  EXPECT_TRUE(IsDropped(kListed));
}

TEST_F(CourierDoorTest, AnIpv6ClientIsBannedWithItsSlash64) {
  StartParts({.wrapper = true});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListed6));
  EXPECT_EQ(session.banner.code, 521);
  ASSERT_TRUE(WaitUntil([&] { return IsBanned(kListed6); }));
  EXPECT_TRUE(IsDropped("2001:db8:bad1::77"));
  ExpectMailFlows(kClean6);
}

TEST_F(CourierDoorTest, AZombieThatNeitherReadsNorClosesHoldsNoSlot) {
  StartParts({.wrapper = true});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(
      SmtpClient zombie, SmtpClient::Connect(world(), {.from = kListed}));
  BREAKWATER_ASSERT_OK(zombie.Send("EHLO zombie\r\nMAIL FROM:<a@b.c>\r\n"));
  EXPECT_TRUE(WaitUntil([&] { return IsBanned(kListed); }));
  EXPECT_TRUE(WaitForNoSession());
}

TEST_F(CourierDoorTest, ACleanClientsMailArrivesThroughBothDoors) {
  StartParts({.wrapper = true, .filter = true});
  ASSERT_FALSE(HasFatalFailure());
  ExpectMailFlows(kClean);
  ExpectMailFlows(kClean6);
  EXPECT_FALSE(courier_->LogContains("unasked")) << courier_->Log();
}

TEST_F(CourierDoorTest, ObserveModeTouchesNothing) {
  StartParts({.wrapper = true, .filter = true, .mode = "observe"});
  ASSERT_FALSE(HasFatalFailure());
  ExpectMailFlows(kListed);
  EXPECT_TRUE(breakwater_->WaitForLog("event=would-reject"));
  EXPECT_THAT(sets_->Entries("breakwater4"), IsEmpty());
}

TEST_F(CourierDoorTest, MailFlowsWhileBreakwaterIsAwayAndIsKeptOutAfterwards) {
  StartParts({.wrapper = true, .filter = true});
  ASSERT_FALSE(HasFatalFailure());
  ASSERT_TRUE(breakwater_->Stop());
  ExpectMailFlows(kListed);
  EXPECT_TRUE(courier_->WaitForLog("passes unasked"));
  StartBreakwater();
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListed));
  EXPECT_EQ(session.banner.code, 521);
  ExpectMailFlows(kClean);
}

TEST_F(CourierDoorTest, MailFlowsWhileBreakwaterHangs) {
  StartParts({.wrapper = true, .filter = true});
  ASSERT_FALSE(HasFatalFailure());
  const Paused daemon(breakwater_->ChildPid("breakwaterd"));
  ExpectMailFlows(kListed);
}

TEST_F(CourierDoorTest, AnotherSessionOfTheClientIsGoneAndItsSlotFree) {
  StartParts({.wrapper = true, .listed = {}});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session early, Open(kListed));
  ASSERT_EQ(early.banner.code, 220);
  Say(early.client, {"EHLO zombie.example"});
  // The list learns of the client, and so does a fresh cache.
  BREAKWATER_ASSERT_OK(list_->SetEntries({{kListed}}));
  ASSERT_TRUE(breakwater_->Stop());
  StartBreakwater();
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session late, Open(kListed));
  EXPECT_EQ(late.banner.code, 521);
  EXPECT_EQ(early.client.WaitForEnd(seconds(3)), Ending::kReset);
  EXPECT_TRUE(WaitForNoSession());
}

TEST_F(CourierDoorTest,
       TheIdleSessionsOfABannedClientAndTheirProcessesAreGone) {
  StartParts({.filter = true});
  ASSERT_FALSE(HasFatalFailure());
  for (const char* from : {kClean, kClean6}) {
    BREAKWATER_ASSERT_OK_AND_ASSIGN(Session greeted, Open(from));
    BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(from));
    Say(session.client, {"EHLO client.example", "MAIL FROM:<a@example.org>"});
    ASSERT_EQ(courier_->ChildCount(), 2u);
    ASSERT_GE(courier_->ProcessCount("submit"), 1u);
    ASSERT_THAT(Ask({"ban", from}), HasSubstr("\"ok\""));
    EXPECT_EQ(session.client.WaitForEnd(seconds(3)), Ending::kReset);
    EXPECT_EQ(greeted.client.WaitForEnd(seconds(3)), Ending::kReset);
    EXPECT_TRUE(WaitForNoSession());
  }
}

TEST_F(CourierDoorTest, ATlsSessionOfABannedClientAndItsProcessesAreGone) {
  StartParts({});
  ASSERT_FALSE(HasFatalFailure());
  const std::string log = breakwater_->directory() + "/openssl.log";
  std::unique_ptr<Process> client;
  {
    const InNamespace here(world());
    BREAKWATER_ASSERT_OK_AND_ASSIGN(
        client, Process::Start({"openssl", "s_client", "-quiet", "-starttls",
                                "smtp", "-bind", kClean, "-connect",
                                absl::StrCat(Network::kMtaAddress, ":25")},
                               log));
  }
  // Its last line of the reply to the second EHLO comes through TLS.
  ASSERT_TRUE(client->WaitForLog("250 DSN")) << client->Log();
  ASSERT_EQ(courier_->ProcessCount("couriertls"), 1u);
  ASSERT_THAT(Ask({"ban", kClean}), HasSubstr("\"ok\""));
  EXPECT_TRUE(client->WaitForExit(seconds(3)));
  EXPECT_TRUE(WaitForNoSession());
}

TEST_F(CourierDoorTest, ClientsThatVanishAtAnyStageLeaveNothingBehind) {
  StartParts({.wrapper = true, .filter = true});
  ASSERT_FALSE(HasFatalFailure());
  const std::vector<std::string> stages = {
      "EHLO client.example",      "MAIL FROM:<a@example.org>",
      "RCPT TO:<good@mail.test>", "DATA",
      "Subject: x\r\n\r\nbody",   "."};
  for (size_t stage = 0; stage <= stages.size(); ++stage) {
    for (const bool reset : {false, true}) {
      BREAKWATER_ASSERT_OK_AND_ASSIGN(
          SmtpClient client, SmtpClient::Connect(world(), {.from = kClean}));
      if (stage > 0) BREAKWATER_ASSERT_OK(client.ReadReply());
      for (size_t i = 0; i < stage; ++i) {
        BREAKWATER_ASSERT_OK(client.Send(stages[i] + "\r\n"));
        if (i < 4 && i + 1 < stage) BREAKWATER_ASSERT_OK(client.ReadReply());
      }
      reset ? client.Reset() : client.Close();
    }
  }
  EXPECT_TRUE(WaitForNoSession());
  ExpectMailFlows(kClean);
}

TEST_F(CourierDoorTest, ListedClientsThatVanishAtOnceLeaveNothingBehind) {
  StartParts({.wrapper = true, .rules = false});
  ASSERT_FALSE(HasFatalFailure());
  for (int i = 0; i < 100; ++i) {
    BREAKWATER_ASSERT_OK_AND_ASSIGN(
        SmtpClient client, SmtpClient::Connect(world(), {.from = kListed}));
    i % 2 == 0 ? client.Reset() : client.Close();
  }
  EXPECT_TRUE(WaitForNoSession());
  ExpectMailFlows(kClean);
}

}  // namespace
}  // namespace breakwater::testing
