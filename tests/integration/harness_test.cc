// The harness itself: were it wrong, every other integration test would be.

#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/integration/harness/dns_list.h"
#include "tests/integration/harness/integration_test.h"
#include "tests/integration/harness/ip_set.h"
#include "tests/integration/harness/postfix.h"
#include "tests/integration/harness/smtp_client.h"
#include "tests/integration/harness/temp_directory.h"
#include "tests/integration/harness/wait.h"

namespace breakwater::testing {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

class HarnessTest : public IntegrationTest {
 protected:
  // A mail from an address that no interface has.
  void Deliver(const SmtpClient::Route& route) {
    BREAKWATER_ASSERT_OK_AND_ASSIGN(SmtpClient client,
                                    SmtpClient::Connect(world(), route));
    BREAKWATER_ASSERT_OK_AND_ASSIGN(SmtpReply banner, client.ReadReply());
    EXPECT_EQ(banner.code, 220) << banner.text;
    BREAKWATER_ASSERT_OK_AND_ASSIGN(
        SmtpReply reply, client.SendMessage("a@client.test", "honest@mail.test",
                                            "from " + route.from));
    EXPECT_EQ(reply.code, 250) << reply.text;
  }
};

// What a test may leave behind, and must not.
std::string LeftOver() {
  std::string own = absl::StrCat("bw-", getpid(), "-");
  std::string left;
  std::error_code ignored;
  for (const auto& entry :
       std::filesystem::directory_iterator("/run/netns", ignored)) {
    std::string name = entry.path().filename().string();
    if (name.rfind(own, 0) == 0) left += name + "\n";
  }
  std::string directories = absl::StrCat("/tmp/bw-test.", getpid(), ".");
  std::string mounts = ReadFile("/proc/self/mounts");
  if (mounts.find(directories) != std::string::npos) left += mounts;
  for (const auto& entry :
       std::filesystem::directory_iterator("/tmp", ignored)) {
    std::string path = entry.path().string();
    if (path.rfind(directories, 0) == 0) left += path + "\n";
  }
  return left;
}

TEST_F(HarnessTest, PostfixDeliversMailFromAnyAddressOfTheWorld) {
  BREAKWATER_ASSERT_OK_AND_ASSIGN(auto postfix, Postfix::Start(mta()));
  Deliver({.from = "198.18.7.9"});
  Deliver({.from = "203.0.113.200"});
  Deliver({.from = "2001:db8:c0de:1::5", .to = Network::kMtaAddress6});
  ASSERT_TRUE(postfix->WaitForMail("honest", 3)) << postfix->Log();
  std::string all;
  for (const std::string& mail : postfix->Mailbox("honest")) all += mail;
  EXPECT_NE(all.find("from 198.18.7.9"), std::string::npos);
  EXPECT_NE(all.find("from 2001:db8:c0de:1::5"), std::string::npos);
  EXPECT_TRUE(postfix->LogContains("connect from unknown[198.18.7.9]"));
  EXPECT_TRUE(postfix->Mailbox("good").empty());
}

TEST_F(HarnessTest, PostfixHoldsNoMoreSessionsThanItHasSlots) {
  BREAKWATER_ASSERT_OK_AND_ASSIGN(auto postfix,
                                  Postfix::Start(mta(), {.process_limit = 2}));
  std::vector<SmtpClient> clients;
  for (int i = 1; i <= 3; ++i) {
    BREAKWATER_ASSERT_OK_AND_ASSIGN(
        SmtpClient client,
        SmtpClient::Connect(world(), {.from = absl::StrCat("198.18.0.", i)}));
    clients.push_back(std::move(client));
  }
  EXPECT_TRUE(clients[0].ReadReply().ok());
  EXPECT_TRUE(clients[1].ReadReply().ok());
  EXPECT_TRUE(absl::IsDeadlineExceeded(clients[2].ReadReply(300ms).status()));
  EXPECT_EQ(postfix->SmtpdCount(), 2u);
  EXPECT_EQ(postfix->OpenSessions(), 3u);
  BREAKWATER_ASSERT_OK_AND_ASSIGN(SmtpReply bye, clients[0].Command("QUIT"));
  EXPECT_EQ(bye.code, 221);
  EXPECT_TRUE(clients[2].ReadReply().ok());
}

TEST_F(HarnessTest, PostfixRefusesUnknownUsersAndForeignDomains) {
  BREAKWATER_ASSERT_OK_AND_ASSIGN(auto postfix, Postfix::Start(mta()));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(
      SmtpClient client, SmtpClient::Connect(world(), {.from = "198.18.0.1"}));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(SmtpReply banner, client.ReadReply());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(
      SmtpReply unknown,
      client.SendMessage("a@client.test", "nobody@mail.test", ""));
  EXPECT_EQ(unknown.code, 550) << unknown.text;
  BREAKWATER_ASSERT_OK_AND_ASSIGN(SmtpReply relay,
                                  client.Command("RCPT TO:<a@other.test>"));
  EXPECT_EQ(relay.code, 554) << relay.text;
}

TEST_F(HarnessTest, PostfixStartsAndStopsFast) {
  auto start = steady_clock::now();
  {
    BREAKWATER_ASSERT_OK_AND_ASSIGN(auto postfix, Postfix::Start(mta()));
    Deliver({.from = "198.18.7.9"});
  }
  EXPECT_LT(steady_clock::now() - start, 2s);
  EXPECT_TRUE(mta().Processes().empty());
}

TEST_F(HarnessTest, PostfixAsksAPolicyServerAfterReload) {
  BREAKWATER_ASSERT_OK_AND_ASSIGN(auto postfix, Postfix::Start(mta()));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(std::string sockets,
                                  postfix->MakeSocketDirectory(65534));
  EXPECT_NE(sockets.find("/var/spool/postfix/breakwater"), std::string::npos);
  BREAKWATER_ASSERT_OK(postfix->Reload(
      {"smtpd_delay_reject = no",
       "smtpd_client_restrictions = check_policy_service { "
       "unix:breakwater/policy.sock, default_action=DUNNO, timeout=1s, "
       "try_limit=1 }"}));
  ASSERT_TRUE(postfix->WaitForLog("reload --"));
  Deliver({.from = "198.18.7.9"});
  EXPECT_TRUE(postfix->WaitForLog("breakwater/policy.sock")) << postfix->Log();
}

TEST_F(HarnessTest, AListAnswersForWhatItListsOnly) {
  BREAKWATER_ASSERT_OK_AND_ASSIGN(
      auto list,
      DnsList::Start(mta(), {.entries = {{"198.18.0.5", "127.0.0.4", "Spam"},
                                         {"2001:db8:bad1::/48"}}}));
  auto ask = [&](const std::string& address, DnsType type = DnsType::kA) {
    return AskDns(mta(), "127.0.0.1", DnsListName(address, "dnsbl.test"), type);
  };
  BREAKWATER_ASSERT_OK_AND_ASSIGN(DnsAnswer listed, ask("198.18.0.5"));
  EXPECT_EQ(listed.records, std::vector<std::string>{"127.0.0.4"});
  BREAKWATER_ASSERT_OK_AND_ASSIGN(listed, ask("198.18.0.5", DnsType::kTxt));
  EXPECT_EQ(listed.records, std::vector<std::string>{"Spam"});
  BREAKWATER_ASSERT_OK_AND_ASSIGN(listed, ask("2001:db8:bad1:77::1"));
  EXPECT_EQ(listed.records, std::vector<std::string>{"127.0.0.2"});
  BREAKWATER_ASSERT_OK_AND_ASSIGN(listed, ask("198.18.0.6"));
  EXPECT_EQ(listed.rcode, 3);
  // RFC 5782, section 5.
  for (const char* test : {"127.0.0.2", "::ffff:7f00:2"}) {
    BREAKWATER_ASSERT_OK_AND_ASSIGN(listed, ask(test));
    EXPECT_EQ(listed.records.size(), 1u) << test;
  }
  for (const char* test : {"127.0.0.1", "::ffff:7f00:1"}) {
    BREAKWATER_ASSERT_OK_AND_ASSIGN(listed, ask(test));
    EXPECT_TRUE(listed.records.empty()) << test;
  }
  EXPECT_EQ(list->Queries("198.18.0.5"), 2u);
  EXPECT_EQ(list->Queries("198.18.0.99"), 0u);
  EXPECT_EQ(list->Queries(), 8u);
}

TEST_F(HarnessTest, AListTakesNewEntriesAtOnce) {
  BREAKWATER_ASSERT_OK_AND_ASSIGN(auto list, DnsList::Start(mta(), {}));
  std::string name = DnsListName("198.18.0.5", "dnsbl.test");
  for (int i = 0; i < 3; ++i) {
    BREAKWATER_ASSERT_OK(list->SetEntries({{"198.18.0.5"}}));
    BREAKWATER_ASSERT_OK_AND_ASSIGN(DnsAnswer listed,
                                    AskDns(mta(), "127.0.0.1", name));
    EXPECT_EQ(listed.records.size(), 1u);
    BREAKWATER_ASSERT_OK(list->SetEntries({{"198.18.0.6"}}));
    BREAKWATER_ASSERT_OK_AND_ASSIGN(listed, AskDns(mta(), "127.0.0.1", name));
    EXPECT_TRUE(listed.records.empty());
  }
}

TEST_F(HarnessTest, AListCanBeSilentAndComeBack) {
  BREAKWATER_ASSERT_OK_AND_ASSIGN(
      auto list, DnsList::Start(mta(), {.entries = {{"198.18.0.5"}}}));
  std::string name = DnsListName("198.18.0.5", "dnsbl.test");
  list->Pause();
  EXPECT_TRUE(absl::IsDeadlineExceeded(
      AskDns(mta(), "127.0.0.1", name, DnsType::kA, 200ms).status()));
  list->Resume();
  EXPECT_TRUE(AskDns(mta(), "127.0.0.1", name).ok());
}

TEST_F(HarnessTest, AFaultDelaysOrSpoilsAList) {
  BREAKWATER_ASSERT_OK_AND_ASSIGN(
      auto list, DnsList::Start(mta(), {.entries = {{"198.18.0.5"}}}));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(
      auto slow, DnsFault::Start(mta(), {.rules = {DnsFault::Delay(150ms)}}));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(
      auto broken, DnsFault::Start(mta(), {.address = "127.0.0.4",
                                           .rules = {DnsFault::ServFail()}}));
  std::string name = DnsListName("198.18.0.5", "dnsbl.test");
  auto start = steady_clock::now();
  BREAKWATER_ASSERT_OK_AND_ASSIGN(DnsAnswer answer,
                                  AskDns(mta(), "127.0.0.3", name));
  EXPECT_GE(steady_clock::now() - start, 150ms);
  EXPECT_LT(steady_clock::now() - start, 400ms);
  EXPECT_EQ(answer.records, std::vector<std::string>{"127.0.0.2"});
  BREAKWATER_ASSERT_OK_AND_ASSIGN(answer, AskDns(mta(), "127.0.0.4", name));
  EXPECT_EQ(answer.rcode, 2);
}

TEST_F(HarnessTest, ARuleDropsNewConnectionsOfASetOnly) {
  BREAKWATER_ASSERT_OK_AND_ASSIGN(auto postfix, Postfix::Start(mta()));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(TempDirectory directory,
                                  TempDirectory::Make());
  std::string rules = directory.path() + "/rules";
  BREAKWATER_ASSERT_OK(WriteFile(
      rules,
      "*raw\n-A PREROUTING -p tcp --syn --dport 25 -m set --match-set banned "
      "src -j DROP\nCOMMIT\n"));
  IpSets sets(mta());
  EXPECT_FALSE(sets.Exists("banned"));
  ASSERT_TRUE(
      RunIn(mta(), {"ipset", "create", "banned", "hash:ip", "timeout", "600"})
          .ok());
  ASSERT_TRUE(RunIn(mta(), {"ipset", "add", "banned", "198.18.0.5"}).ok());
  BREAKWATER_ASSERT_OK(LoadRules(mta(), rules));
  EXPECT_TRUE(sets.Has("banned", "198.18.0.5"));
  EXPECT_FALSE(sets.Has("banned", "198.18.0.6"));
  EXPECT_GT(sets.Timeout("banned", "198.18.0.5").value_or(0s), 590s);
  EXPECT_EQ(sets.Entries("banned"), std::vector<std::string>{"198.18.0.5"});

  EXPECT_TRUE(absl::IsDeadlineExceeded(
      SmtpClient::Connect(world(), {.from = "198.18.0.5"}, 300ms).status()));
  EXPECT_GE(DroppedPackets(mta()), 1u);
  EXPECT_TRUE(SmtpClient::Connect(world(), {.from = "198.18.0.6"}).ok());
}

TEST_F(HarnessTest, AClientTellsACloseFromAReset) {
  BREAKWATER_ASSERT_OK_AND_ASSIGN(auto postfix, Postfix::Start(mta()));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(
      SmtpClient client, SmtpClient::Connect(world(), {.from = "198.18.0.1"}));
  EXPECT_EQ(client.WaitForEnd(100ms), Ending::kOpen);
  BREAKWATER_ASSERT_OK(client.Send("QUIT\r\n"));
  EXPECT_EQ(client.WaitForEnd(1s), Ending::kClosed);

  BREAKWATER_ASSERT_OK_AND_ASSIGN(
      client, SmtpClient::Connect(world(), {.from = "198.18.0.1"}));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(SmtpReply banner, client.ReadReply());
  ASSERT_TRUE(RunIn(mta(), {"ss", "-K", "dst", "198.18.0.1", "dport", "=",
                            absl::StrCat(":", client.local_port())})
                  .ok());
  EXPECT_EQ(client.WaitForEnd(1s), Ending::kReset);
  EXPECT_TRUE(postfix->WaitForLog("lost connection after CONNECT"));
}

TEST_F(HarnessTest, NothingIsLeftBehind) {
  BREAKWATER_ASSERT_OK_AND_ASSIGN(auto postfix, Postfix::Start(mta()));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(auto list, DnsList::Start(mta(), {}));
  Deliver({.from = "198.18.7.9"});
  list->Pause();
  EXPECT_FALSE(LeftOver().empty());
  list.reset();
  postfix.reset();
  EXPECT_TRUE(mta().Processes().empty());
  network_.reset();
  EXPECT_EQ(LeftOver(), "");
}

}  // namespace
}  // namespace breakwater::testing
