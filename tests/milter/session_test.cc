// What each callback means, without libmilter. Of who the client is,
// milter_front_test has more.

#include "milter/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/rules/trap_list.h"
#include "tests/fakes/fake_world.h"

namespace breakwater {
namespace {

using std::chrono::seconds;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

class SessionTest : public testing::Test {
 protected:
  SessionTest() {
    rules_.zones.push_back({.name = "dbl.test",
                            .label = "dbl.test",
                            .type = ZoneType::kDomain,
                            .ban = false});
    world_.lists.ListName("spam.test", 1);
    Use();
  }
  ~SessionTest() override {
    session_.reset();
    world_.OnLoop([] {});
  }

  OffenceRule& On(OffenceKind kind) {
    OffenceRule& rule = rules_.offences[kind];
    rule.mode = OffenceMode::kOn;
    return rule;
  }
  void Use() {
    world_.OnLoop([this] {
      world_.screener.SetRules(std::make_shared<const Rules>(rules_));
    });
  }
  void Connect(bool is_postfix = false) {
    session_.emplace(world_.screener, seconds(5), [this] { ++waits_; });
    session_->Connect({.connection = {.client = *IpAddress::Parse(kAddress),
                                      .client_port = 4711,
                                      .server = *IpAddress::Parse("192.0.2.25"),
                                      .server_port = 25},
                       .front = Front::kMilter},
                      is_postfix);
  }
  // What the callback says to the client: "550 5.1.1 User ...", or "".
  static std::string Said(const std::optional<Verdict>& refusal) {
    if (!refusal) return "";
    return std::to_string(refusal->code) + " " + refusal->enhanced_code() +
           " " + refusal->text;
  }
  bool IsBanned() {
    const Instant limit = Clock::now() + seconds(5);
    while (!world_.bans.Find(*IpAddress::Parse(kAddress), Clock::now())) {
      if (Clock::now() > limit) return false;
      world_.OnLoop([] {});
    }
    return true;
  }
  bool IsFree() {
    for (int i = 0; i < 20; ++i) world_.OnLoop([] {});
    return !world_.bans.Find(*IpAddress::Parse(kAddress), Clock::now());
  }

  static constexpr char kAddress[] = "198.51.100.7";
  Rules rules_ = FakeWorld::DefaultRules();
  FakeWorld world_;
  std::optional<Session> session_;
  int waits_ = 0;
};

TEST_F(SessionTest, AHeloNameOnAListRefusesEachMail) {
  Connect();
  session_->Helo("mx.spam.test");
  session_->Helo("spam.test");
  for (const char* sender : {"<a@b.test>", "<c@d.test>"}) {
    EXPECT_THAT(Said(session_->Mail(sender, false)),
                HasSubstr("The name spam.test is listed by dbl.test"));
  }
  EXPECT_TRUE(IsFree());
}

TEST_F(SessionTest, ASenderOnAListRefusesThatMessageOnly) {
  Connect();
  EXPECT_THAT(Said(session_->Mail("<a@spam.test>", false)),
              HasSubstr("spam.test"));
  EXPECT_EQ(Said(session_->Mail("<a@b.test>", false)), "");
  EXPECT_EQ(Said(session_->Recipient("<c@mail.test>")), "");
  EXPECT_GT(waits_, 0);
}

TEST_F(SessionTest, NoNameOfAUserWhoHasLoggedInIsLookedAt) {
  Connect();
  EXPECT_EQ(Said(session_->Mail("<a@spam.test>", true)), "");
  EXPECT_THAT(world_.lists.asked_names(), IsEmpty());
}

TEST_F(SessionTest, ATrapIsRefusedAndEverythingAfterIt) {
  On(OffenceKind::kTrap);
  rules_.conduct.traps =
      std::make_shared<const TrapList>(*TrapList::Parse({"trap@mail.test"}));
  Use();
  Connect();
  EXPECT_EQ(Said(session_->Mail("<a@b.test>", false)), "");
  EXPECT_EQ(Said(session_->Recipient("<c@mail.test>")), "");
  EXPECT_EQ(Said(session_->Recipient("<Trap@mail.test>")),
            "550 5.1.1 User unknown");
  EXPECT_TRUE(IsBanned());
  EXPECT_NE(Said(session_->Recipient("<c@mail.test>")), "");
  EXPECT_NE(Said(session_->EndOfMessage()), "");
}

TEST_F(SessionTest, ABounceToATrapIsRefusedAndBansNobody) {
  On(OffenceKind::kTrap);
  rules_.conduct.traps =
      std::make_shared<const TrapList>(*TrapList::Parse({"trap@mail.test"}));
  Use();
  Connect();
  session_->Mail("<>", false);
  EXPECT_THAT(Said(session_->Recipient("<trap@mail.test>")), HasSubstr("550"));
  session_->RecipientRejected("<trap@mail.test>", "5.1.1");
  EXPECT_TRUE(IsFree());
}

TEST_F(SessionTest, ATrapThatTheMtaDoesNotKnowBansToo) {
  On(OffenceKind::kTrap);
  rules_.conduct.traps =
      std::make_shared<const TrapList>(*TrapList::Parse({"trap@mail.test"}));
  Use();
  Connect();
  session_->Mail("<a@b.test>", false);
  session_->RecipientRejected("<other@mail.test>", "5.1.1");
  EXPECT_TRUE(IsFree());
  session_->RecipientRejected("<Trap@mail.test>", "5.1.1");
  EXPECT_TRUE(IsBanned());
}

TEST_F(SessionTest, PostfixRefusesATrapInTheWordsOfAnUnknownUser) {
  On(OffenceKind::kTrap).ban = false;
  rules_.conduct.traps =
      std::make_shared<const TrapList>(*TrapList::Parse({"trap@mail.test"}));
  Use();
  Connect(/*is_postfix=*/true);
  session_->Mail("<a@b.test>", false);
  const std::string rejected =
      "550 5.1.1 <trap@mail.test>: Recipient address rejected: User unknown";
  EXPECT_EQ(Said(session_->Recipient("<trap@mail.test>")),
            rejected + " in local recipient table");
  session_->RecipientRejected("<other@Mail.test>", "5.1.1",
                              "Recipient address rejected: User unknown in "
                              "virtual mailbox table");
  EXPECT_EQ(Said(session_->Recipient("<trap@mail.test>")),
            rejected + " in virtual mailbox table");
}

TEST_F(SessionTest, RecipientsThatTheMtaRefusedBanByTheirCode) {
  On(OffenceKind::kUnknownRecipient).after = 2;
  On(OffenceKind::kRelay).after = 2;
  Use();
  Connect();
  session_->Mail("<a@b.test>", false);
  session_->RecipientRejected("<x@mail.test>", "5.1.1");
  session_->RecipientRejected("<y@else.test>", "5.7.1");
  session_->RecipientRejected("<z@mail.test>", "4.2.0");
  EXPECT_TRUE(IsFree());
  session_->RecipientRejected("<w@mail.test>", "5.1.1");
  EXPECT_TRUE(IsBanned());
  EXPECT_THAT(world_.enforcer.orders(),
              Contains("end 198.51.100.7:4711>192.0.2.25:25"));
}

TEST_F(SessionTest, AFiltersVerdictRefusesTheMessageAndBans) {
  On(OffenceKind::kSpam);
  rules_.conduct.headers = {
      *ParseHeaderRule("X-Spam-Flag = YES", OffenceKind::kSpam)};
  Use();
  Connect();
  session_->Mail("<a@b.test>", false);
  session_->Header("X-Spam-Flag", "NO");
  EXPECT_EQ(Said(session_->EndOfMessage()), "");
  session_->Mail("<a@b.test>", false);
  session_->Header("Subject", "YES");
  session_->Header("x-spam-flag", "yes");
  EXPECT_THAT(Said(session_->EndOfMessage()),
              HasSubstr("550 5.7.1 The message is refused as spam"));
  EXPECT_TRUE(IsBanned());
}

TEST_F(SessionTest, AHeaderOfAMessageThatWasGivenUpCountsForNothing) {
  On(OffenceKind::kSpam);
  rules_.conduct.headers = {
      *ParseHeaderRule("X-Spam-Flag = YES", OffenceKind::kSpam)};
  Use();
  Connect();
  session_->Mail("<a@b.test>", false);
  session_->Header("X-Spam-Flag", "YES");
  session_->Mail("<a@b.test>", false);
  EXPECT_EQ(Said(session_->EndOfMessage()), "");
  EXPECT_TRUE(IsFree());
}

TEST_F(SessionTest, UnknownCommandsBan) {
  On(OffenceKind::kRejectedCommands).after = 3;
  Use();
  Connect();
  for (int i = 0; i < 3; ++i) session_->Unknown("HACK");
  EXPECT_TRUE(IsBanned());
}

TEST_F(SessionTest, WhoLeavesWithoutMailVanishes) {
  On(OffenceKind::kVanish).after = 2;
  Use();
  Connect();
  session_->Mail("<a@b.test>", false);
  for (int i = 0; i < 2; ++i) {
    Connect();  // and the one before has ended
    EXPECT_TRUE(IsFree()) << i;
  }
  session_.reset();
  EXPECT_TRUE(IsBanned());
}

TEST_F(SessionTest, WhoGoesOnAfterARefusalIsBannedForThat) {
  On(OffenceKind::kAfterRefusal).after = 3;
  rules_.zones[0].ban = false;
  Use();
  world_.lists.List(kAddress);
  Connect();
  EXPECT_NE(Said(session_->Mail("<a@b.test>", false)), "");
  EXPECT_TRUE(IsFree());
  for (int i = 0; i < 3; ++i) session_->Mail("<a@b.test>", false);
  EXPECT_TRUE(IsBanned());
}

TEST(ClientOfTest, TakesTheReverseNameFromTheMta) {
  sockaddr_in address{.sin_family = AF_INET, .sin_port = 0x6712};
  address.sin_addr.s_addr = htonl(0xc6336407);
  const auto client = [&](const char* name, const char* resolve) {
    return ClientOf(reinterpret_cast<sockaddr*>(&address),
                    {.client_ptr = name, .client_resolve = resolve});
  };
  EXPECT_EQ(client("mx.b.test", "OK").reverse_name, "mx.b.test");
  EXPECT_TRUE(client("mx.b.test", "OK").reverse_verified);
  EXPECT_FALSE(client("mx.b.test", "FORGED").reverse_verified);
  EXPECT_EQ(client("unknown", "FAIL").reverse_name, "");
  EXPECT_EQ(client("[198.51.100.7]", "FAIL").reverse_name, "");
  EXPECT_EQ(client(nullptr, nullptr).reverse_name, "");
}

TEST(ClientOfTest, WhatNoConnectionHasIsAClaim) {
  const auto presence = [](uint16_t port, const ConnectMacros& macros) {
    sockaddr_in address{.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(0xc6336407);
    return ClientOf(reinterpret_cast<sockaddr*>(&address), macros).presence;
  };
  const ConnectMacros postfix{.daemon_addr = "192.0.2.25", .daemon_port = "25"};
  const ConnectMacros sendmail{
      .daemon_addr = "0.0.0.0", .daemon_port = "25", .if_addr = "192.0.2.25"};
  for (const ConnectMacros& macros : {postfix, sendmail, ConnectMacros{}}) {
    EXPECT_EQ(presence(4711, macros), Presence::kNotLooked);
    EXPECT_EQ(presence(0, macros), Presence::kClaimed);
  }
  for (const char* odd : {"0.0.0.0", "::", "unknown", ""}) {
    EXPECT_EQ(presence(4711, {.daemon_addr = odd, .daemon_port = "25"}),
              Presence::kClaimed);
  }
  for (const char* odd : {"0", "unknown", ""}) {
    EXPECT_EQ(presence(4711, {.daemon_addr = "192.0.2.25", .daemon_port = odd}),
              Presence::kClaimed);
  }
}

}  // namespace
}  // namespace breakwater
