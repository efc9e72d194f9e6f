#include "milter/milter_front.h"

#include <libmilter/mfapi.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/log.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/fake_world.h"
#include "tests/fakes/milter_client.h"

namespace breakwater {
namespace {

using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::StartsWith;

using Macros = MilterClient::Macros;
using Reply = MilterClient::Reply;

const Reply kContinue = {.command = 'c'};

// A reply of ours that begins with `words`.
auto Says(const std::string& words) {
  return AllOf(Field("command", &Reply::command, 'y'),
               Field("text", &Reply::text, StartsWith(words)));
}

// libmilter can be started once in a process, so all tests share one front and
// each has clients with addresses of its own. Never taken down: libmilter's
// workers are not joined.
struct Shared {
  std::string path = absl::StrCat(::testing::TempDir(), "milter-", getpid(),
                                  "/directory/socket");
  FakeWorld world;
  std::unique_ptr<MilterFront> front;

  static Shared& Get() {
    static auto* shared = [] {
      SetLeastSeverity(Severity::kWarning);
      auto* made = new Shared;
      made->front = MilterFront::Open(made->world.screener, made->world.metrics,
                                      {.socket = "unix:" + made->path,
                                       .mode = 0620,
                                       .verdict_deadline = milliseconds(500)})
                        .value();
      made->front->Start([] { std::abort(); });
      return made;
    }();
    return *shared;
  }
};

class MilterFrontTest : public ::testing::Test {
 protected:
  // An MTA that has negotiated and told of a client, as Postfix does.
  std::unique_ptr<MilterClient> Accepted(const std::string& address,
                                         uint16_t port = 4711) {
    auto mta = std::make_unique<MilterClient>(path_);
    mta->Negotiate();
    EXPECT_EQ(mta->Connect(address, port, PostfixMacros()), kContinue);
    return mta;
  }
  // The orders to the enforcer that are about this client.
  std::vector<std::string> OrdersAbout(const std::string& address) {
    world_.OnLoop([] {});
    std::vector<std::string> orders = world_.enforcer.orders();
    std::erase_if(orders, [&](const std::string& order) {
      return !absl::StrContains(order, address);
    });
    return orders;
  }
  void WaitForSessions(size_t count) {
    while (world_.OnLoop([&] { return world_.screener.sessions(); }) != count) {
      std::this_thread::sleep_for(milliseconds(1));
    }
  }

  const std::string& path_ = Shared::Get().path;
  FakeWorld& world_ = Shared::Get().world;
};

TEST_F(MilterFrontTest, MakesItsSocketWithDirectoryAndMode) {
  struct stat info;
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0620u);
}

TEST_F(MilterFrontTest, KnowsWhenItWasLastAsked) {
  const Instant before = Clock::now();
  const std::unique_ptr<MilterClient> mta = Accepted("192.0.2.81");
  const std::optional<Instant> asked = Shared::Get().front->load().last_asked;
  ASSERT_TRUE(asked);
  EXPECT_GE(*asked, before);
}

TEST_F(MilterFrontTest, AsksForTheStepsAndMacrosThatItNeeds) {
  MilterClient mta(path_);
  const MilterClient::Negotiated negotiated = mta.Negotiate();
  EXPECT_EQ(negotiated.steps,
            static_cast<uint32_t>(SMFIP_NOHELO | SMFIP_NOUNKNOWN |
                                  SMFIP_NOHDRS | SMFIP_NOEOH | SMFIP_NOBODY));
  EXPECT_EQ(negotiated.actions, static_cast<uint32_t>(SMFIF_SETSYMLIST));
  EXPECT_THAT(
      negotiated.macros,
      ElementsAre(
          Pair(SMFIM_CONNECT,
               "v {daemon_addr} {daemon_port} {if_addr} {client_ptr} "
               "{client_resolve}"),
          Pair(SMFIM_ENVFROM, "{auth_authen} {auth_type}"),
          Pair(SMFIM_ENVRCPT, "{rcpt_mailer} {rcpt_host} {rcpt_addr}")));
}

TEST_F(MilterFrontTest, ListensToWhatTheRulesAreAboutAndAnswersNoMoreThanIt) {
  Rules rules = FakeWorld::DefaultRules();
  for (const OffenceKind kind :
       {OffenceKind::kHelo, OffenceKind::kUnknownRecipient,
        OffenceKind::kRejectedCommands}) {
    rules.offences[kind].mode = OffenceMode::kObserve;
  }
  rules.conduct.headers = {{.name = "X-Spam-Flag", .value = "YES"}};
  const auto use = [&](Rules used) {
    world_.OnLoop([&] {
      world_.screener.SetRules(std::make_shared<const Rules>(std::move(used)));
    });
  };
  use(rules);
  MilterClient mta(path_);
  const MilterClient::Negotiated negotiated = mta.Negotiate();
  EXPECT_EQ(negotiated.steps,
            static_cast<uint32_t>(SMFIP_NR_HELO | SMFIP_NR_HDR |
                                  SMFIP_RCPT_REJ | SMFIP_NOEOH | SMFIP_NOBODY));
  EXPECT_EQ(mta.Connect("192.0.2.77", 1, PostfixMacros()), kContinue);
  mta.SendPacket('H', std::string_view("client.test", 12));
  EXPECT_TRUE(mta.IsQuiet());
  EXPECT_EQ(mta.Mail(), kContinue);
  EXPECT_EQ(mta.Recipient(), kContinue);
  mta.SendPacket('L', std::string_view("X-Spam-Flag\0NO\0", 15));
  EXPECT_TRUE(mta.IsQuiet());
  EXPECT_EQ(mta.EndOfMessage(), kContinue);
  use(FakeWorld::DefaultRules());
}

TEST_F(MilterFrontTest, TakesWhatAnOldMtaOffers) {
  MilterClient mta(path_);
  const auto negotiated =
      mta.Negotiate({.version = 2, .actions = 0x3f, .steps = 0x7f});
  EXPECT_EQ(negotiated.actions, 0u);
  EXPECT_EQ(negotiated.steps,
            static_cast<uint32_t>(SMFIP_NOHELO | SMFIP_NOHDRS | SMFIP_NOEOH |
                                  SMFIP_NOBODY));
  EXPECT_THAT(negotiated.macros, IsEmpty());
  EXPECT_EQ(mta.Connect("192.0.2.10", 1, {}), kContinue);
  EXPECT_EQ(mta.Mail(), kContinue);
}

TEST_F(MilterFrontTest, RemembersWhoseMessageWasLetPass) {
  const auto known = [this](const char* address) {
    const IpAddress client = *IpAddress::Parse(address);
    return world_.OnLoop([&] {
      const GoodHistory& history = world_.screener.restraint().history();
      return history.Find(client, Clock::now()).has_value();
    });
  };
  const auto mta = Accepted("192.0.2.111");
  mta->Mail();
  mta->Recipient();
  mta->Data();
  EXPECT_FALSE(known("192.0.2.111"));
  EXPECT_EQ(mta->EndOfMessage(), kContinue);
  EXPECT_TRUE(known("192.0.2.111"));
}

TEST_F(MilterFrontTest, DoesNotRememberAMessageThatItRefused) {
  const auto mta = Accepted("192.0.2.112");
  mta->Mail();
  mta->Recipient();
  mta->Data();
  world_.Ban("192.0.2.112");
  EXPECT_THAT(mta->EndOfMessage(), Says("521"));
  const IpAddress client = *IpAddress::Parse("192.0.2.112");
  EXPECT_FALSE(world_.OnLoop([&] {
    return world_.screener.restraint().history().Find(client, Clock::now());
  }));
}

TEST_F(MilterFrontTest, LetsACleanClientThrough) {
  const auto mta = Accepted("192.0.2.211");
  EXPECT_EQ(mta->Mail(), kContinue);
  EXPECT_EQ(mta->Recipient(), kContinue);
  EXPECT_EQ(mta->Data(), kContinue);
  EXPECT_EQ(mta->EndOfMessage(), kContinue);
  EXPECT_THAT(OrdersAbout("192.0.2.211"), IsEmpty());
}

TEST_F(MilterFrontTest, RejectsAListedClientAtMailAndBansIt) {
  world_.lists.List("192.0.2.12");
  const auto mta = Accepted("192.0.2.12");
  EXPECT_THAT(mta->Mail(),
              Says("521 5.7.1 Client 192.0.2.12 is listed by list.test [id "));
  EXPECT_THAT(
      OrdersAbout("192.0.2.12"),
      ElementsAre("end 192.0.2.12:4711>192.0.2.25:25", "ban 192.0.2.12 600s"));
}

TEST_F(MilterFrontTest, BeginsToAskAtConnect) {
  Accepted("192.0.2.13");
  world_.OnLoop([] {});
  EXPECT_EQ(world_.lists.lookups("192.0.2.13"), 1u);
}

TEST_F(MilterFrontTest, RejectsIpv6AndMappedClientsByTheirOneAddress) {
  world_.lists.List("2001:db8::14");
  world_.lists.List("192.0.2.14");
  EXPECT_THAT(Accepted("2001:db8::14")->Mail(), Says("521 5.7.1 Client 2001:"));
  EXPECT_THAT(Accepted("::ffff:192.0.2.14")->Mail(),
              Says("521 5.7.1 Client 192.0.2.14 "));
  EXPECT_THAT(OrdersAbout("ban 2001:db8:"),
              ElementsAre("ban 2001:db8::/64 600s"));
}

TEST_F(MilterFrontTest, KnowsTheServersAddressFromSendmailToo) {
  world_.lists.List("192.0.2.15");
  MilterClient sendmail(path_);
  sendmail.Negotiate();
  sendmail.Connect("192.0.2.15", 99,
                   {{"{daemon_addr}", "0.0.0.0"},
                    {"{if_addr}", "192.0.2.26"},
                    {"{daemon_port}", "25"}});
  EXPECT_THAT(sendmail.Mail(), Says("521"));
  EXPECT_THAT(OrdersAbout("end 192.0.2.15"),
              ElementsAre("end 192.0.2.15:99>192.0.2.26:25"));
}

TEST_F(MilterFrontTest, WaitsAtMailForTheVerdict) {
  world_.lists.List("192.0.2.16");
  world_.lists.Hold();
  const auto mta = Accepted("192.0.2.16");
  mta->SendMail();
  EXPECT_TRUE(mta->IsQuiet());
  world_.lists.Release();
  EXPECT_THAT(mta->Receive(), Says("521"));
}

TEST_F(MilterFrontTest, LetsPassWhenTheVerdictIsLateAndRejectsAtRecipient) {
  world_.lists.List("192.0.2.17");
  world_.lists.Hold();
  const auto mta = Accepted("192.0.2.17");
  EXPECT_EQ(mta->Mail(), kContinue);
  EXPECT_THAT(OrdersAbout("192.0.2.17"), IsEmpty());
  world_.lists.Release();
  // Until the loop has come to it.
  Reply reply = kContinue;
  for (int i = 0; i < 1000 && reply == kContinue; ++i) {
    std::this_thread::sleep_for(milliseconds(5));
    reply = mta->Recipient();
  }
  EXPECT_THAT(reply, Says("521 5.7.1 Client 192.0.2.17 is listed"));
  EXPECT_THAT(
      OrdersAbout("192.0.2.17"),
      ElementsAre("end 192.0.2.17:4711>192.0.2.25:25", "ban 192.0.2.17 600s"));
}

TEST_F(MilterFrontTest, RejectsEveryMessageOfASession) {
  world_.lists.List("192.0.2.18");
  const auto mta = Accepted("192.0.2.18");
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(mta->Mail(), Says("521"));
    mta->Abort();
  }
  EXPECT_EQ(OrdersAbout("ban 192.0.2.18").size(), 1u);
}

TEST_F(MilterFrontTest, DoesNotWaitForClientsWithoutAddress) {
  world_.lists.Hold();
  for (const bool local : {false, true}) {
    MilterClient mta(path_);
    mta.Negotiate();
    EXPECT_EQ(local ? mta.ConnectLocal("/socket") : mta.ConnectUnknown(),
              kContinue);
    EXPECT_EQ(mta.Mail(), kContinue);
    EXPECT_EQ(mta.Recipient(), kContinue);
    EXPECT_EQ(mta.EndOfMessage(), kContinue);
  }
  world_.lists.Release();
}

TEST_F(MilterFrontTest, NeverRejectsAnAuthenticatedClient) {
  world_.lists.List("192.0.2.19");
  const auto mta = Accepted("192.0.2.19");
  const Macros user = {{"{auth_authen}", "alice"}, {"{auth_type}", "PLAIN"}};
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(mta->Mail(user), kContinue);
    world_.Ban("192.0.2.19");
    EXPECT_EQ(mta->Recipient(), kContinue);
    EXPECT_EQ(mta->Data(), kContinue);
    EXPECT_EQ(mta->EndOfMessage(), kContinue);
  }
  EXPECT_THAT(OrdersAbout("192.0.2.19:"),
              ElementsAre("spare 192.0.2.19:4711>192.0.2.25:25"));
  mta->Quit();
  WaitForSessions(0);
  EXPECT_THAT(OrdersAbout("forget"),
              Contains("forget 192.0.2.19:4711>192.0.2.25:25"));
}

TEST_F(MilterFrontTest, DoesNotTakeFailedLoginsForUsers) {
  world_.lists.List("192.0.2.20");
  EXPECT_THAT(Accepted("192.0.2.20")->Mail({{"{auth_authen}", ""}}),
              Says("521"));
}

TEST_F(MilterFrontTest, RejectsWhoIsBannedWhileItWaitsAtMail) {
  world_.lists.Hold();
  const auto mta = Accepted("192.0.2.21");
  mta->SendMail();
  EXPECT_TRUE(mta->IsQuiet());
  world_.Ban("192.0.2.21");
  EXPECT_THAT(mta->Receive(), Says("521 5.7.1 Client 192.0.2.21 is refused"));
  world_.lists.Release();
}

TEST_F(MilterFrontTest, RejectsTheEndOfMessageOfABannedClient) {
  const auto mta = Accepted("192.0.2.22");
  EXPECT_EQ(mta->Mail(), kContinue);
  EXPECT_EQ(mta->Recipient(), kContinue);
  EXPECT_EQ(mta->Data(), kContinue);
  world_.Ban("192.0.2.22");
  EXPECT_THAT(mta->EndOfMessage(), Says("521 5.7.1 Client 192.0.2.22 is ref"));
  EXPECT_THAT(mta->Mail(), Says("521")) << "and so is the next message";
}

TEST_F(MilterFrontTest, RejectsAnotherSessionOfAClientBannedMeanwhile) {
  const auto first = Accepted("192.0.2.23", 1);
  EXPECT_EQ(first->Mail(), kContinue);
  world_.lists.List("192.0.2.23");
  world_.lists.ForgetCached();
  const auto second = Accepted("192.0.2.23", 2);
  EXPECT_THAT(second->Mail(), Says("521"));
  world_.OnLoop([] {});
  EXPECT_THAT(first->Recipient(), Says("521"));
}

TEST_F(MilterFrontTest, DoublesThePercentSignsOfAReply) {
  world_.lists.List("192.0.2.24");
  world_.lists.SetReasonText("100% spam\r\n250 ok");
  EXPECT_THAT(Accepted("192.0.2.24")->Mail().text,
              HasSubstr("(100%% spam 250 ok)"));
  world_.lists.SetReasonText("");
}

TEST_F(MilterFrontTest, ServesTheNextClientOnTheSameConnection) {
  world_.lists.List("192.0.2.26");
  const auto mta = Accepted("192.0.2.25");
  EXPECT_EQ(mta->Mail(), kContinue);
  EXPECT_EQ(mta->Recipient(), kContinue);
  EXPECT_EQ(mta->EndOfMessage(), kContinue);
  mta->QuitForNextClient();
  EXPECT_EQ(mta->Connect("192.0.2.26", 1, PostfixMacros()), kContinue);
  EXPECT_THAT(mta->Mail(), Says("521 5.7.1 Client 192.0.2.26 "));
}

TEST_F(MilterFrontTest, ForgetsASessionHoweverItEnds) {
  WaitForSessions(0);
  auto quits = Accepted("192.0.2.27");
  auto leaves = Accepted("192.0.2.28");
  WaitForSessions(2);
  quits->Quit();
  leaves->Close();
  WaitForSessions(0);
}

TEST_F(MilterFrontTest, LogsPeersThatSpeakNoMilter) {
  const std::string garbage[] = {"",
                                 "GET / HTTP/1.0\r\n\r\n",
                                 std::string(5, '\0'),
                                 std::string(9, '\xff'),
                                 std::string("\0\0\0\2O\0", 6),
                                 std::string("\0\0\0\1?", 5)};
  const auto good = Accepted("192.0.2.29");
  for (const std::string& bytes : garbage) {
    ::testing::internal::CaptureStderr();
    MilterClient peer(path_);
    peer.SendRaw(bytes);
    if (bytes.empty()) {
      peer.Close();
    } else {
      EXPECT_TRUE(peer.IsClosed());
    }
    std::string log;
    while (log.empty()) {
      std::this_thread::sleep_for(milliseconds(10));
      log = ::testing::internal::GetCapturedStderr();
      ::testing::internal::CaptureStderr();
    }
    EXPECT_THAT(log, HasSubstr("event=bad-input front=milter"));
    ::testing::internal::GetCapturedStderr();
  }
  EXPECT_EQ(good->Mail(), kContinue);
}

// What ended libmilter, or had it read what is not the peer's.
TEST_F(MilterFrontTest, AFrameThatNoMtaSendsEndsThatSessionAlone) {
  using namespace std::string_literals;
  const std::pair<char, std::string> frames[] = {
      {'D', "M{auth_authen}\0"s},
      {'D', "Ma\0b\0c\0"s},
      {'U', "XFOO"},
      {'M', std::string(60'000, '\0')},
      {'?', "x"}};
  const auto good = Accepted("192.0.2.29");
  for (const auto& [command, payload] : frames) {
    const auto bad = Accepted("192.0.2.30");
    ::testing::internal::CaptureStderr();
    bad->SendPacket(command, payload);
    EXPECT_TRUE(bad->IsClosed()) << command;
    EXPECT_THAT(::testing::internal::GetCapturedStderr(),
                HasSubstr(absl::StrCat("event=bad-input front=milter peer=uid:",
                                       getuid(), ",pid:", getpid())));
  }
  EXPECT_EQ(good->Mail(), kContinue);
}

TEST_F(MilterFrontTest, SaysOnceWhatEndedASessionBeforeItHadBegun) {
  ::testing::internal::CaptureStderr();
  MilterClient peer(path_);
  peer.SendPacket('M', std::string_view("<a>", 4));
  EXPECT_TRUE(peer.IsClosed());
  std::this_thread::sleep_for(milliseconds(50));
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("no negotiation at the beginning"));
  EXPECT_EQ(log.find("event="), log.rfind("event=")) << log;
}

TEST_F(MilterFrontTest, BearsCommandsInAnyOrder) {
  for (const char first : std::string("CDMRTEAQKBLNHU")) {
    for (const bool negotiated : {false, true}) {
      MilterClient peer(path_);
      if (negotiated) peer.Negotiate();
      peer.SendPacket(first, "");
      peer.SendPacket('M', "x");
      peer.SendPacket(first, "x");
      peer.SendPacket('E', "");
      peer.Quit();
    }
  }
  EXPECT_EQ(Accepted("192.0.2.30")->Mail(), kContinue);
}

TEST_F(MilterFrontTest, HoldsHundredsOfSessionsThatWait) {
  world_.lists.Hold();
  std::vector<std::unique_ptr<MilterClient>> mtas;
  for (uint16_t i = 0; i < 300; ++i) {
    mtas.push_back(Accepted(absl::StrCat("198.51.100.", i % 250), i));
  }
  for (const auto& mta : mtas) mta->SendMail();
  EXPECT_TRUE(mtas.back()->IsQuiet());
  world_.lists.Release();
  for (const auto& mta : mtas) EXPECT_EQ(mta->Receive(), kContinue);
}

TEST_F(MilterFrontTest, UnderstandsAPeerThatWeDidNotWrite) {
  if (!std::filesystem::exists("/usr/bin/miltertest")) {
    GTEST_SKIP() << "miltertest is not installed";
  }
  world_.lists.List("192.0.2.40");
  const std::string path = "socket=" + path_;
  const pid_t child = fork();
  if (child == 0) {
    execl("/usr/bin/miltertest", "miltertest", "-D", path.c_str(), "-D",
          "listed=192.0.2.40", "-D", "clean=192.0.2.41", "-s",
          BREAKWATER_MILTERTEST_SCRIPT, nullptr);
    _exit(127);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_THAT(OrdersAbout("ban 192.0.2.4"), ElementsAre("ban 192.0.2.40 600s"));
}

TEST_F(MilterFrontTest, IsTheOnlyOneInItsProcess) {
  const auto second =
      MilterFront::Open(world_.screener, world_.metrics, {.socket = "unix:x"});
  EXPECT_FALSE(second.ok());
}

}  // namespace
}  // namespace breakwater
