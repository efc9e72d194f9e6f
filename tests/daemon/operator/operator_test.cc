#include "daemon/operator/operator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "asio/post.hpp"
#include "daemon/status/operator_report.h"
#include "daemon/status/restraint_report.h"
#include "tests/core/loop.h"
#include "tests/fakes/fake_enforcer.h"

namespace breakwater {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

// Knows the answers that the test gave it; everything else does not exist.
class ScriptedResolver : public Resolver {
 public:
  explicit ScriptedResolver(asio::io_context& loop) : loop_(loop) {}

  void On(const std::string& name, DnsAnswer answer) {
    answers_[{name, DnsType::kA}] = std::move(answer);
  }
  void OnText(const std::string& name, std::string text) {
    answers_[{name, DnsType::kTxt}] = {.outcome = DnsOutcome::kRecords,
                                       .text = std::move(text)};
  }

  void Query(const std::string& name, DnsType type, Done done) override {
    const auto found = answers_.find({name, type});
    const DnsAnswer answer = found != answers_.end()
                                 ? found->second
                                 : DnsAnswer{.outcome = DnsOutcome::kNone};
    asio::post(loop_,
               [answer, done = std::move(done)]() mutable { done(answer); });
  }
  size_t in_flight() const override { return 0; }

 private:
  asio::io_context& loop_;
  std::map<std::pair<std::string, DnsType>, DnsAnswer> answers_;
};

DnsAnswer Records(std::vector<uint32_t> addresses) {
  return {.outcome = DnsOutcome::kRecords, .addresses = std::move(addresses)};
}

constexpr char kConfig[] = R"(
milter.socket = "unix:/run/m.sock"
protect.networks = ["198.51.100.0/24"]
[[zone]]
name = "bad.test"
[[zone]]
name = "dyn.test"
reply_code = 451
)";

class OperatorTest : public ::testing::Test {
 protected:
  OperatorTest() { Configure(kConfig); }

  void Configure(std::string_view text) {
    config_ = std::make_shared<const Config>(
        ParseConfig(text, "/etc/b.toml").value());
    const std::shared_ptr<const Rules> rules(config_, &config_->rules);
    dnsbl_.SetRules(rules);
    screener_.SetRules(rules);
  }

  void ApplyAllowances() {
    auto rules = std::make_shared<Rules>(config_->rules);
    for (const Allowance& allowance : allowances_.list()) {
      rules->allowed_networks.Add(allowance.network);
    }
    screener_.SetRules(rules);
  }

  json Ask(std::string_view line) {
    return Await(loop_, operator_.Handle(ParseControlRequest(line).value(), 0));
  }

  asio::io_context loop_;
  ScriptedResolver resolver_{loop_};
  Metrics metrics_;
  Dnsbl dnsbl_{loop_, resolver_, metrics_, {.prove_zones = false}};
  BanTable bans_{1000};
  Allowances allowances_;
  std::vector<DoorLoad> doors_;
  FakeEnforcer enforcer_;
  Screener screener_{loop_,     dnsbl_,   bans_,
                     enforcer_, metrics_, std::make_shared<const Rules>()};
  std::shared_ptr<const Config> config_;
  EnforcerState enforcer_state_{
      .connected = true,
      .since = Clock::now() - 90s,
      .protections = {{*Network::Parse("203.0.113.1"), "gateway"}},
      .without_rule = {{SetsOf::kIpset, 0}}};
  absl::StatusOr<std::vector<std::string>> reload_ =
      std::vector<std::string>{"user: needs a restart"};
  bool settled_ = true;
  bool remembers_ = true;
  std::vector<Network> asked_to_remember_;
  Operator::Parts PartsWith(MemoryFile* memory) {
    return {.screener = screener_,
            .dnsbl = dnsbl_,
            .bans = bans_,
            .allowances = allowances_,
            .metrics = metrics_,
            .memory = memory,
            .config = [this] { return config_; },
            .enforcer = [this] { return enforcer_state_; },
            .doors = [this] { return doors_; },
            .settled = [this]() -> asio::awaitable<bool> {
              co_return settled_&& enforcer_state_.connected;
            },
            .remembered =
                [this](std::vector<Network> who) -> asio::awaitable<bool> {
              asked_to_remember_ = std::move(who);
              co_return remembers_;
            },
            .apply_allowances = [this] { ApplyAllowances(); },
            .reload = [this] { return reload_; }};
  }
  Operator operator_{PartsWith(nullptr)};
};

TEST_F(OperatorTest, StatusTellsWhatRunsAndWhatIsProtected) {
  const json status = Ask("status");
  EXPECT_EQ(status["ok"], true);
  EXPECT_EQ(status["mode"], "enforce");
  EXPECT_EQ(status["config"], "/etc/b.toml");
  EXPECT_EQ(status["fronts"]["milter"], "unix:/run/m.sock");
  EXPECT_THAT(status["zones"], SizeIs(2));
  EXPECT_EQ(status["zones"][0]["last"], "not asked yet");
  EXPECT_EQ(status["enforcer"]["seconds"], 90);
  EXPECT_THAT(status["protected"].dump(),
              HasSubstr(R"({"network":"203.0.113.1","why":"gateway"})"));
  EXPECT_THAT(status["protected"].dump(), HasSubstr("127.0.0.0/8"));
  EXPECT_THAT(status["problems"], IsEmpty()) << status["problems"];
}

TEST_F(OperatorTest, StatusSaysWhatIsWrong) {
  enforcer_state_.connected = false;
  enforcer_state_.trouble = "connecting: No such file or directory";
  resolver_.On("5.2.0.192.bad.test", {.outcome = DnsOutcome::kTimeout});
  resolver_.On("5.2.0.192.dyn.test", {.outcome = DnsOutcome::kServerFailure});
  Ask("explain 192.0.2.5");
  const std::string problems = Ask("status")["problems"].dump();
  EXPECT_THAT(problems,
              HasSubstr("the enforcer has been away for 90s (connecting: No"));
  EXPECT_THAT(problems, HasSubstr("zone bad.test has answered with errors"));
  EXPECT_THAT(problems, HasSubstr("the last: timeout"));
  EXPECT_THAT(problems, HasSubstr("no zone answers: all mail passes"));
}

TEST_F(OperatorTest, WhoIsAllowedIsUnbannedAtOnceAndShownAsSuch) {
  Ask("ban 192.0.2.5 600");
  enforcer_.Take();
  const json answer = Ask("allow 192.0.2.0/24 86400 a partner's relay");
  EXPECT_EQ(answer["allowed"]["network"], "192.0.2.0/24");
  EXPECT_EQ(answer["unbanned"], 1);
  EXPECT_THAT(enforcer_.orders(), ElementsAre("unban 192.0.2.5"));
  EXPECT_EQ(Ask("allowed")["allowed"][0]["reason"], "a partner's relay");
  EXPECT_THAT(Ask("status")["allowed"], SizeIs(1));
  const json explained = Ask("explain 192.0.2.5");
  EXPECT_EQ(explained["exempt"]["why"], "allowed (a partner's relay)");
  EXPECT_THAT(explained["summary"].get<std::string>(),
              HasSubstr(": 192.0.2.0/24 is allowed (a partner's relay)"));
  EXPECT_THAT(Ask("ban 192.0.2.7 60")["error"].get<std::string>(),
              HasSubstr("192.0.2.0/24 is allowed"));
}

TEST_F(OperatorTest, ADoorThatHadNoRoomOfLateIsAProblem) {
  const Instant now = Clock::now();
  doors_ = {{.front = "milter", .most = 64},
            {.front = "policy",
             .connections = 80,
             .most = 80,
             .turned_away = 7,
             .last_turned_away = now - 1h}};
  EXPECT_THAT(Ask("status")["problems"].dump(), Not(HasSubstr("no room")));
  doors_[1].last_turned_away = now - 5s;
  const json status = Ask("status");
  EXPECT_THAT(status["problems"].dump(),
              HasSubstr("the policy door had no room for 7 connections, the "
                        "last 5s ago: it holds 80"));
  EXPECT_EQ(status["doors"][1]["turned_away"], 7);
  EXPECT_EQ(status["doors"][1]["asked_seconds_ago"], nullptr);
  doors_[1].last_asked = now - 60s;
  EXPECT_GE(Ask("status")["doors"][1]["asked_seconds_ago"], 60);
}

TEST_F(OperatorTest, AWideAllowanceIsAProblemAsLongAsItLasts) {
  Ask("allow 192.0.2.0/24 86400");
  EXPECT_THAT(Ask("status")["problems"].dump(), Not(HasSubstr("is allowed")));
  EXPECT_EQ(Ask("allow 0.0.0.0/0 86400 --force for once")["ok"], true);
  EXPECT_THAT(Ask("status")["problems"].dump(),
              HasSubstr("Z: nobody in it is judged; "
                        "\\\"breakwater disallow 0.0.0.0/0\\\" ends that"));
  EXPECT_EQ(Ask("allowed")["allowed"][1]["reason"], "for once");
  Ask("disallow 0.0.0.0/0");
  EXPECT_THAT(Ask("status")["problems"].dump(), Not(HasSubstr("is allowed")));
}

TEST_F(OperatorTest, AllowSaysWhatItReplaces) {
  EXPECT_FALSE(Ask("allow 192.0.2.5 86400").contains("replaced"));
  EXPECT_GE(Ask("allow 192.0.2.5 60")["replaced"]["seconds_left"], 86'399);
}

TEST_F(OperatorTest, AllowSaysWhoIsProtectedAnyway) {
  EXPECT_EQ(Ask("allow 127.0.0.1 60")["protected"]["network"], "127.0.0.0/8");
  EXPECT_FALSE(Ask("allow 192.0.2.5 60").contains("protected"));
}

TEST_F(OperatorTest, DisallowNamesTheAllowanceThatStillHolds) {
  Ask("allow 192.0.2.0/24 86400");
  EXPECT_THAT(Ask("disallow 192.0.2.5")["error"].get<std::string>(),
              HasSubstr("is allowed with 192.0.2.0/24, and not by itself; "
                        "\"breakwater disallow 192.0.2.0/24\" ends that"));
  Ask("allow 192.0.2.5 60");
  EXPECT_EQ(Ask("disallow 192.0.2.5")["still"]["network"], "192.0.2.0/24");
  EXPECT_FALSE(Ask("disallow 192.0.2.0/24").contains("still"));
}

TEST_F(OperatorTest, AllowTellsTheKernelEvenOfWhatTheTableHasForgotten) {
  EXPECT_EQ(Ask("allow 2001:db8::5 60")["allowed"]["network"], "2001:db8::/64");
  EXPECT_THAT(enforcer_.orders(), Contains("unban 2001:db8::/64"));
}

TEST_F(OperatorTest, DisallowEndsItAndSaysWhenThereIsNone) {
  Ask("allow 192.0.2.5 86400");
  EXPECT_EQ(Ask("disallow 192.0.2.5")["was"]["network"], "192.0.2.5");
  EXPECT_THAT(Ask("allowed")["allowed"], IsEmpty());
  EXPECT_EQ(Ask("ban 192.0.2.5 60")["ok"], true);
  EXPECT_THAT(Ask("disallow 192.0.2.5")["error"].get<std::string>(),
              HasSubstr("192.0.2.5 was not allowed"));
}

TEST_F(OperatorTest, WhatIsSaidBeforeTheMemoryCanBeReadHoldsOfWhatIsInIt) {
  const std::string directory =
      absl::StrCat(testing::TempDir(), "breakwater-late-", getpid());
  const std::string file = directory + "/memory.db";
  MemoryFile memory(loop_, metrics_, {.file = file, .retry = 20ms});
  memory.Start();
  Operator told(PartsWith(&memory));
  for (const char* line : {"unban 192.0.2.0/24", "disallow 198.51.100.7"}) {
    const ControlRequest request = ParseControlRequest(line).value();
    EXPECT_EQ(Await(loop_, told.Handle(request, 0))["ok"], false) << line;
  }
  std::filesystem::create_directory(directory);
  MemoryStore::Batch batch;
  for (const char* who : {"192.0.2.5", "192.0.3.5"}) {
    batch.changed.push_back(*Network::Parse(who));
    batch.known.bans.push_back(Ban{.network = batch.changed.back(),
                                   .client = batch.changed.back().address,
                                   .expires = Clock::now() + 1h});
  }
  for (const char* who : {"198.51.100.7", "198.51.100.8"}) {
    batch.known.allowances.push_back(
        {.network = *Network::Parse(who), .until = Clock::now() + 1h});
  }
  {
    const auto store = MemoryStore::Open(file);
    ASSERT_TRUE(store.ok()) << store.status();
    ASSERT_TRUE((*store)->Write(batch, ClockReading::Now()).ok());
  }
  std::vector<std::string> known;
  const MemoryFile::Source source = {
      .recall = [](absl::Span<const Network>) { return Remembered(); },
      .everybody = [] { return std::vector<Network>(); },
      .learn =
          [&known](const Remembered& some) {
            for (const Ban& ban : some.bans) {
              known.push_back(ban.network.ToString());
            }
            for (const Allowance& allowance : some.allowances) {
              known.push_back(allowance.network.ToString());
            }
          },
      .learned = [] {}};
  const Instant end = Clock::now() + kPatience;
  while (!memory.is_read() && Clock::now() < end) {
    memory.Tick(source);
    Await(loop_, memory.History({}, 1)).IgnoreError();
  }
  EXPECT_THAT(known, ElementsAre("198.51.100.8", "192.0.3.5"));
  std::filesystem::remove_all(directory);
}

TEST_F(OperatorTest, HistorySaysThatTheMemoryIsNotBeingWritten) {
  const std::string file =
      absl::StrCat(testing::TempDir(), "breakwater-locked-", getpid(), ".db");
  MemoryFile(loop_, metrics_, {.file = file}).Start();
  sqlite3* shell = nullptr;
  ASSERT_EQ(sqlite3_open(file.c_str(), &shell), SQLITE_OK);
  const auto run = [&](const char* sql) {
    EXPECT_EQ(sqlite3_exec(shell, sql, nullptr, nullptr, nullptr), SQLITE_OK);
  };
  run("SELECT * FROM bans");
  MemoryFile memory(loop_, metrics_, {.file = file, .retry = 20ms});
  memory.Start();
  Operator told(PartsWith(&memory));
  const ControlRequest history =
      ParseControlRequest("history 192.0.2.5").value();
  EXPECT_FALSE(Await(loop_, told.Handle(history, 0)).contains("note"));
  run("BEGIN IMMEDIATE");
  memory.Happened({.who = *Network::Parse("192.0.2.5"), .id = "lost"});
  const MemoryFile::Source source = {
      .recall = [](absl::Span<const Network>) { return Remembered(); },
      .everybody = [] { return std::vector<Network>(); },
      .learn = [](const Remembered&) {},
      .learned = [] {}};
  memory.Tick(source);
  const json answer = Await(loop_, told.Handle(history, 0));
  EXPECT_THAT(answer["events"], IsEmpty());
  EXPECT_THAT(answer.value("note", ""), HasSubstr("is not being written: "));
  sqlite3_close(shell);
  std::filesystem::remove(file);
}

TEST_F(OperatorTest, StatusNamesWhatSeemsToBeAProxyAndSaysWhatToDo) {
  Configure(
      absl::StrCat("proxy.connections = 3\nproxy.after = \"1s\"\n", kConfig));
  const Client client{.connection = {.client = *IpAddress::Parse("192.0.2.7")}};
  EXPECT_EQ(Ask("status")["proxy"]["suspected"], false);
  screener_.Connected(client);
  std::this_thread::sleep_for(1s);
  for (int i = 0; i < 3; ++i) screener_.Connected(client);
  const json status = Ask("status");
  EXPECT_EQ(status["proxy"]["clients"], json::array({"192.0.2.7"}));
  EXPECT_THAT(status["problems"][0].get<std::string>(),
              AllOf(HasSubstr("s seem to come from 192.0.2.7 (3 when that was "
                              "noticed): if that is a proxy"),
                    HasSubstr("XCLIENT"), HasSubstr("spare.networks")));
}

TEST_F(OperatorTest, WhereOffencesBanNobodyIsMissedWhoHasNoSocket) {
  const auto withheld = [this] {
    return Ask("status")["problems"].dump().find(
               "no refused client has been banned") != std::string::npos;
  };
  metrics_.BansWithheld(WithheldName(Withheld::kNoSocket)).Increment();
  EXPECT_TRUE(withheld());
  metrics_.Bans(OriginName(Origin::kOffence)).Increment();
  EXPECT_FALSE(withheld());
}

TEST_F(OperatorTest, StatusSaysThatTheEnforcerOwesAnAnswer) {
  enforcer_state_.connected = true;
  enforcer_state_.owes_since = Clock::now() - 1s;
  EXPECT_EQ(Ask("status")["enforcer"]["silent_seconds"], nullptr);
  EXPECT_THAT(Ask("status")["problems"].dump(), Not(HasSubstr("answered")));
  enforcer_state_.owes_since = Clock::now() - 5s;
  const json status = Ask("status");
  EXPECT_EQ(status["enforcer"]["silent_seconds"], 5);
  EXPECT_THAT(status["problems"].dump(),
              HasSubstr("the enforcer is connected and has not answered for "
                        "5s: it hangs, is stopped or busy"));
}

TEST_F(OperatorTest, StatusSaysThatMynetworksAreNotAllProtected) {
  enforcer_state_.counters["unprotected"] = 1;
  EXPECT_THAT(Ask("status")["problems"].dump(),
              HasSubstr("event=protection-incomplete"));
}

TEST_F(OperatorTest, SetsWithoutARuleAreAProblemAndExplainSaysSo) {
  Ask("ban 192.0.2.5 600");
  Ask("ban 2001:db8::5 600");
  enforcer_state_.without_rule[SetsOf::kIpset] = 0b0100001;
  const json status = Ask("status");
  EXPECT_THAT(status["problems"].dump(),
              HasSubstr("no rule of the firewall drops who is in breakwater4, "
                        "breakwater6-56 of ipset"));
  EXPECT_EQ(status["enforcer"]["without_rule"]["ipset"].size(), 2u);
  const auto explained = [&](const std::string& who) {
    return Ask("explain " + who)["summary"].get<std::string>();
  };
  EXPECT_THAT(explained("192.0.2.5"),
              HasSubstr("but refused only: no rule of the firewall"));
  EXPECT_THAT(explained("2001:db8::5"), HasSubstr("is kept out until"));
  enforcer_state_.without_rule[SetsOf::kIpset] = 0;
  EXPECT_THAT(Ask("status")["problems"], IsEmpty());
}

TEST_F(OperatorTest, AnEnforcerOfAnotherBackendIsAProblem) {
  enforcer_state_.without_rule = {{SetsOf::kNftables, 0}};
  EXPECT_THAT(Ask("status")["problems"].dump(),
              HasSubstr("the enforcer fills the sets of nftables, and "
                        "breakwaterd was started for those of ipset"));
  Configure(std::string("firewall.backend = [\"nftables\", \"ipset\"]\n") +
            kConfig);
  enforcer_state_.without_rule[SetsOf::kIpset] = 0;
  EXPECT_THAT(Ask("status")["problems"], IsEmpty());
}

TEST_F(OperatorTest, WhoOnlyObservesNeedsNoRules) {
  Configure(absl::StrCat("mode = \"observe\"\n", kConfig));
  enforcer_state_.without_rule[SetsOf::kNftables] = 1;
  const json status = Ask("status");
  EXPECT_THAT(status["problems"].dump(), Not(HasSubstr("no rule")));
  EXPECT_EQ(status["enforcer"]["without_rule"]["nftables"][0], "breakwater4");
}

TEST_F(OperatorTest, StatusAndExplainSayThatItIsNotKnownWhoIsProtected) {
  enforcer_state_.connected = false;
  enforcer_state_.protection_known = false;
  const std::string problems = Ask("status")["problems"].dump();
  EXPECT_THAT(problems, HasSubstr("all mail passes until it does"));
  EXPECT_THAT(problems, Not(HasSubstr("listed clients are rejected")));
  EXPECT_THAT(Ask("explain 192.0.2.5")["summary"].get<std::string>(),
              HasSubstr("is not judged yet"));
  EXPECT_THAT(Ask("explain 198.51.100.5")["summary"].get<std::string>(),
              HasSubstr("is never judged: 198.51.100.0/24"));
}

TEST_F(OperatorTest, StatusShowsEachProtectedNetworkOnce) {
  enforcer_state_.protections = {
      {*Network::Parse("10.0.0.0/8"), "special range"},
      {*Network::Parse("198.51.100.0/24"), "configured"}};
  const std::string shown = Ask("status")["protected"].dump();
  for (const char* network : {"\"10.0.0.0/8\"", "\"198.51.100.0/24\""}) {
    EXPECT_EQ(shown.find(network), shown.rfind(network)) << shown;
    EXPECT_THAT(shown, HasSubstr(network));
  }
}

TEST_F(OperatorTest, OfManyProtectedNetworksStatusShowsTheFirstAndHowMany) {
  Config config = *config_;
  std::vector<Network> many;
  for (uint32_t i = 0; i < 1'000; ++i) {
    many.push_back({.address = IpAddress::FromV4(0x0b000000 + i)});
  }
  config.rules.protected_networks = NetworkSet(many);
  config_ = std::make_shared<const Config>(std::move(config));
  const json status = Ask("status");
  EXPECT_LT(status["protected"].size(), 300u);
  EXPECT_EQ(status["protected_not_shown"], 800);
  EXPECT_THAT(status["protected"].dump(), HasSubstr("203.0.113.1"))
      << "what was found out is shown";
  EXPECT_THAT(Ask("explain 11.0.3.231")["summary"].get<std::string>(),
              HasSubstr("11.0.3.231 is protected (protect.networks)"));
}

TEST_F(OperatorTest, WhatMynetworksExemptsToWidelyIsAProblem) {
  enforcer_state_.protections = {
      {*Network::Parse("0.0.0.0/0"), "mynetworks of Postfix"}};
  EXPECT_THAT(Ask("status")["problems"].dump(),
              HasSubstr("mynetworks of Postfix: 0.0.0.0/0 holds much"));
}

TEST_F(OperatorTest, StatusSaysWhenNobodyCouldBeBannedForWantOfASocket) {
  metrics_.BansWithheld("no-socket").Increment();
  EXPECT_THAT(Ask("status")["problems"].dump(), HasSubstr("ban.needs_socket"));
  metrics_.Bans("list").Increment();
  EXPECT_THAT(Ask("status")["problems"], IsEmpty());
  metrics_.BansWithheld("no-ports").Increment();
  EXPECT_THAT(Ask("status")["problems"].dump(), HasSubstr("client_port"));
}

TEST_F(OperatorTest, TrapsThatNoDoorCanSeeAreAProblem) {
  Configure(std::string(kConfig) +
            "[[offence]]\nkind = \"trap\"\n"
            "recipients = [\"trap@mail.test\"]\n");
  const Client client{.connection = {.client = *IpAddress::Parse("192.0.2.5")}};
  for (int i = 0; i < 999; ++i) screener_.Answered(client, {});
  EXPECT_THAT(Ask("status")["problems"].dump(), Not(HasSubstr("traps")));
  screener_.Answered(client, {});
  EXPECT_THAT(Ask("status")["problems"].dump(),
              HasSubstr("smtpd_recipient_restrictions"));
  screener_.SeenRecipient();
  EXPECT_THAT(Ask("status")["problems"].dump(), Not(HasSubstr("traps")));
}

TEST_F(OperatorTest, ABanTakesEffectAndIsListed) {
  const json ban = Ask("ban 192.0.2.5 600 sends viruses");
  ASSERT_EQ(ban["ok"], true) << ban;
  EXPECT_FALSE(ban.contains("note"));
  EXPECT_THAT(enforcer_.orders(), testing::Contains("ban 192.0.2.5 600s"));

  const json bans = Ask("bans");
  EXPECT_EQ(bans["total"], 1);
  const json& first = bans["bans"][0];
  EXPECT_EQ(first["network"], "192.0.2.5");
  EXPECT_EQ(first["origin"], "operator");
  EXPECT_THAT(first["reason"].get<std::string>(), HasSubstr("sends viruses"));
  EXPECT_GE(first["seconds_left"], 598);
  EXPECT_EQ(first["until"].get<std::string>().size(),
            std::string("2026-11-21T09:40:00Z").size());
}

TEST_F(OperatorTest, ABanWithoutTheEnforcerSaysSo) {
  enforcer_state_.connected = false;
  EXPECT_THAT(Ask("ban 192.0.2.5 600")["note"].get<std::string>(),
              HasSubstr("the enforcer is away"));
}

TEST_F(OperatorTest, ABanThatTheKernelHasNotConfirmedSaysSo) {
  settled_ = false;
  EXPECT_THAT(Ask("ban 192.0.2.5 600")["note"].get<std::string>(),
              HasSubstr("the kernel has not confirmed this ban yet"));
  EXPECT_THAT(Ask("unban 192.0.2.5")["note"].get<std::string>(),
              HasSubstr("not confirmed"));
}

TEST_F(OperatorTest, WhatACrashWouldUndoSaysSo) {
  EXPECT_FALSE(Ask("ban 192.0.2.5 600").contains("note"));
  remembers_ = false;
  for (const char* line : {"unban 192.0.2.5", "allow 192.0.2.5 3600 a friend",
                           "disallow 192.0.2.5", "ban 192.0.2.5 600"}) {
    EXPECT_THAT(Ask(line).value("note", ""), HasSubstr("a crash would undo it"))
        << line;
    EXPECT_THAT(asked_to_remember_, Contains(*Network::Parse("192.0.2.5")))
        << line;
    asked_to_remember_.clear();
  }
}

TEST_F(OperatorTest, AnImportSaysWhatCameOfEach) {
  Ask("ban 192.0.2.6 600 known");
  Ask("ban 192.0.2.7 600 known");
  const json answer = Ask(
      R"(import [{"network":"192.0.2.5","seconds_left":60},)"
      R"({"network":"192.0.2.6","seconds_left":6000},)"
      R"({"network":"192.0.2.7","seconds_left":60},)"
      R"({"network":"198.51.100.7","seconds_left":60},)"
      R"({"network":"2001:db8::/64","seconds_left":60,"id":"5d0c7f3a",)"
      R"("reason":"as it was told","origin":"list","zone":"z","count":3}])");
  EXPECT_EQ(answer["new"], 2) << answer;
  EXPECT_EQ(answer["prolonged"], 1);
  ASSERT_THAT(answer["refused"], SizeIs(1));
  EXPECT_EQ(answer["refused"][0]["entry"], 3);
  EXPECT_THAT(answer["refused"][0]["error"].get<std::string>(),
              HasSubstr("198.51.100.0/24 is protected"));
  const Instant now = Clock::now();
  const auto plain = bans_.Find(*IpAddress::Parse("192.0.2.5"), now);
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->origin, Origin::kOperator);
  EXPECT_THAT(plain->text, HasSubstr("refused (imported) [id " + plain->id));
  const auto told = bans_.Find(*IpAddress::Parse("2001:db8::5"), now);
  ASSERT_TRUE(told);
  EXPECT_EQ(DescribeBan(*told, now)["reason"], "as it was told");
  EXPECT_EQ(told->id, "5d0c7f3a");
  EXPECT_EQ(told->origin, Origin::kList);
  EXPECT_EQ(told->label, "z");
  EXPECT_EQ(told->count, 3U);
}

TEST_F(OperatorTest, AnExportTellsEachBanOnceAPageAtATime) {
  constexpr size_t kBans = 2 * BanExport::kPage + 1;
  for (uint32_t i = 0; i < kBans; ++i) {
    bans_.Add({.network = Network::OfClient(IpAddress::FromV4(0x0a000000 + i)),
               .expires = Clock::now() + 1h},
              Clock::now());
  }
  std::set<std::string> told;
  json page = Ask("export");
  EXPECT_EQ(page["total"], kBans);
  EXPECT_EQ(page["sets"], json({"breakwater4", "breakwater6"}));
  for (int pages = 1;; ++pages) {
    EXPECT_LE(page["bans"].size(), BanExport::kPage);
    for (const json& ban : page["bans"]) told.insert(ban["network"]);
    if (page["next"].is_null()) {
      EXPECT_EQ(pages, 3);
      break;
    }
    // Who comes meanwhile disturbs nothing.
    bans_.Add({.network = *Network::Parse(absl::StrCat("192.0.2.", pages)),
               .expires = Clock::now() + 1h},
              Clock::now());
    page = Ask(absl::StrCat("export ", page["snapshot"].dump(), " ",
                            page["next"].dump()));
    ASSERT_EQ(page["ok"], true) << page;
  }
  EXPECT_THAT(told, SizeIs(kBans));
}

TEST_F(OperatorTest, ExportsThatNobodyEndsAreBounded) {
  for (uint32_t i = 0; i <= BanExport::kPage; ++i) {
    bans_.Add({.network = Network::OfClient(IpAddress::FromV4(0x0a000000 + i)),
               .expires = Clock::now() + 1h},
              Clock::now());
  }
  for (int i = 0; i < 4; ++i) EXPECT_EQ(Ask("export")["ok"], true);
  EXPECT_THAT(Ask("export")["error"].get<std::string>(),
              HasSubstr("four exports run already"));
  EXPECT_EQ(Ask("export 2 128")["next"], nullptr);
  EXPECT_EQ(Ask("export")["ok"], true) << "one of them is done";
  EXPECT_THAT(Ask("export 2 128")["error"].get<std::string>(),
              HasSubstr("has ended"));
}

TEST_F(OperatorTest, AProtectedAddressIsNotBanned) {
  const json answer = Ask("ban 198.51.100.7 600");
  EXPECT_EQ(answer["ok"], false);
  EXPECT_THAT(answer["error"].get<std::string>(),
              HasSubstr("198.51.100.0/24 is protected"));
}

TEST_F(OperatorTest, AnUnbanTellsTheKernelEvenOfAnUnknownBan) {
  Ask("ban 192.0.2.5 600");
  EXPECT_EQ(Ask("unban 192.0.2.5")["was"]["network"], "192.0.2.5");
  enforcer_.Take();
  const json again = Ask("unban 192.0.2.5");
  EXPECT_EQ(again["ok"], false);
  EXPECT_THAT(again["error"].get<std::string>(), HasSubstr("was not banned"));
  // A network around it may be there from when bans were widened.
  EXPECT_THAT(enforcer_.orders(),
              ElementsAre("unban 192.0.2.5", "unban 192.0.2.0/24"));
}

TEST_F(OperatorTest, ANetworkIsUnbannedWithAllThatIsInIt) {
  for (const char* line :
       {"ban 192.0.2.0 600", "ban 192.0.2.5 600", "ban 192.0.2.255 600",
        "ban 192.0.3.0 600", "ban 2001:db8:1:1::7 600",
        "ban 2001:db8:1:ffff::7 600", "ban 2001:db8:2:: 600"}) {
    Ask(line);
  }
  for (const char* network :
       {"192.0.2.0/24", "2001:db8:1:ff00::/56", "2001:db8:1:200::/56"}) {
    bans_.Add({.network = *Network::Parse(network),
               .expires = Clock::now() + std::chrono::hours(1),
               .origin = Origin::kNeighbours},
              Clock::now());
  }
  const json v4 = Ask("unban 192.0.2.0/24");
  EXPECT_EQ(v4["ok"], true) << v4;
  EXPECT_EQ(v4["lifted"], 4);
  EXPECT_THAT(asked_to_remember_, Contains(*Network::Parse("192.0.2.255")));
  EXPECT_EQ(Ask("unban 2001:db8:1::/48")["lifted"], 4);
  EXPECT_EQ(bans_.size(), 2u) << "those beside are not in it";
  EXPECT_THAT(Ask("unban 192.0.2.0/24")["error"].get<std::string>(),
              HasSubstr("192.0.2.0/24 was not banned"));
}

TEST_F(OperatorTest, ANetworkThatIsBannedIsShownExplainedAndLifted) {
  bans_.Add({.network = *Network::Parse("2001:db8:0:100::/56"),
             .expires = Clock::now() + std::chrono::hours(1),
             .origin = Origin::kNeighbours,
             .members = 9,
             .id = "5d0c7f3a"},
            Clock::now());
  EXPECT_EQ(Ask("bans")["bans"][0]["members"], 9);
  EXPECT_EQ(Ask("export")["total"], 0) << "is what comes of other bans";
  const json answer = Ask("explain 2001:db8:0:1aa::5");
  EXPECT_EQ(answer["ban"]["network"], "2001:db8:0:100::/56");
  EXPECT_THAT(answer["summary"].get<std::string>(),
              HasSubstr(", with its neighbours: 9 of 2001:db8:0:100::/56 are "
                        "banned; without that ban it "));
  Ask("ban 2001:db8:0:1aa::5 600");
  const json lifted = Ask("unban 2001:db8:0:1aa::5");
  EXPECT_EQ(lifted["was"]["network"], "2001:db8:0:1aa::/64");
  ASSERT_EQ(lifted["more"].size(), 1u) << lifted;
  EXPECT_EQ(lifted["more"][0]["network"], "2001:db8:0:100::/56");
  EXPECT_EQ(bans_.size(), 0u);
}

TEST_F(OperatorTest, ExplainShowsEachZoneAndTheReplyThatWouldBeGiven) {
  resolver_.On("5.2.0.192.bad.test", Records({0x7f000004}));
  resolver_.OnText("5.2.0.192.bad.test", "see\r\nhttps://bad.test/");
  const json answer = Ask("explain 192.0.2.5");
  EXPECT_EQ(answer["zones"][0]["outcome"], "listed");
  EXPECT_EQ(answer["zones"][0]["counted"], "127.0.0.4");
  EXPECT_EQ(answer["zones"][0]["text"], "see https://bad.test/");
  EXPECT_EQ(answer["zones"][1]["outcome"], "not-listed");
  EXPECT_EQ(answer["verdict"]["action"], "reject");
  EXPECT_EQ(answer["verdict"]["ban_seconds"], 600);
  EXPECT_EQ(answer["verdict"]["reply"],
            "521 5.7.1 Client 192.0.2.5 is listed by bad.test (see "
            "https://bad.test/) [id ....]");
  EXPECT_EQ(answer["summary"],
            "would be rejected for bad.test and banned for 10m");
  EXPECT_THAT(enforcer_.orders(), IsEmpty());
  EXPECT_EQ(bans_.size(), 0u);
}

TEST_F(OperatorTest, ExplainTellsADeferralAndAClientThatPasses) {
  EXPECT_EQ(Ask("explain 192.0.2.5")["summary"], "would pass");
  resolver_.On("5.2.0.192.dyn.test", Records({0x7f000002}));
  const json answer = Ask("explain 192.0.2.5");
  EXPECT_EQ(answer["summary"], "would be deferred for dyn.test and not banned");
  EXPECT_THAT(answer["verdict"]["reply"].get<std::string>(),
              HasSubstr("451 4.7.1 Client"));
}

TEST_F(OperatorTest, ExplainAsksListsOfDomainsAboutAName) {
  Configure(std::string(kConfig) +
            "[[zone]]\nname = \"names.test\"\ntype = \"domain\"\n"
            "names = [\"helo\"]\n");
  resolver_.On("mail.example.names.test", Records({0x7f000102}));
  resolver_.OnText("mail.example.names.test", "why");
  const json answer = Ask("explain mail.example");
  ASSERT_THAT(answer["zones"], SizeIs(1));
  EXPECT_EQ(answer["zones"][0]["label"], "names.test");
  EXPECT_EQ(answer["zones"][0]["counted"], "127.0.1.2");
  EXPECT_EQ(answer["zones"][0]["names"].dump(), R"(["helo"])");
  EXPECT_EQ(answer["verdict"]["reply"],
            "521 5.7.1 The name mail.example is listed by names.test (why) "
            "[id ....]");
  EXPECT_EQ(answer["summary"],
            "would have a client rejected for names.test and not banned");
  EXPECT_EQ(Ask("explain other.example")["summary"], "would let a client pass");
  EXPECT_THAT(Ask("explain 192.0.2.5")["zones"], SizeIs(2));
}

TEST_F(OperatorTest, ExplainSaysWhereNoListHoldsNames) {
  EXPECT_EQ(Ask("explain mail.example")["summary"],
            "is asked nowhere: no zone has type = \"domain\"");
}

TEST_F(OperatorTest, StatusShowsAListOfDomains) {
  Configure("[[zone]]\nname = \"names.test\"\ntype = \"domain\"\n");
  const json zone = Ask("status")["zones"][0];
  EXPECT_EQ(zone["type"], "domain");
  EXPECT_EQ(zone["state"], "ok");
  EXPECT_EQ(zone["state_ipv6"], nullptr);
  EXPECT_EQ(zone["bans"], false);
  EXPECT_EQ(Ask("zones")["zones"][0]["state"].dump(), R"({"domain":"ok"})");
}

TEST_F(OperatorTest, ExplainTellsWhatExemptsAClient) {
  EXPECT_EQ(Ask("explain 198.51.100.7")["summary"],
            "is never judged: 198.51.100.0/24 is protected (protect.networks)");
  EXPECT_EQ(Ask("explain 203.0.113.1")["exempt"]["why"], "gateway");
  EXPECT_EQ(Ask("explain ::1")["exempt"]["why"], "loopback or link-local");
}

TEST_F(OperatorTest, ExplainTellsOfTheBanInForce) {
  Ask("ban 2001:db8::5 600 rude");
  const json answer = Ask("explain 2001:db8::77");
  EXPECT_EQ(answer["network"], "2001:db8::/64");
  EXPECT_EQ(answer["ban"]["network"], "2001:db8::/64");
  EXPECT_THAT(answer["summary"].get<std::string>(),
              HasSubstr("without that ban it would pass"));
}

TEST_F(OperatorTest, AnErrorOfAListIsNeverAListing) {
  resolver_.On("5.2.0.192.bad.test", Records({0x7ffffffe}));
  const json answer = Ask("explain 192.0.2.5");
  EXPECT_EQ(answer["zones"][0]["counted"], nullptr);
  EXPECT_THAT(answer["zones"][0]["addresses"], ElementsAre("127.255.255.254"));
  EXPECT_EQ(answer["summary"], "would pass (no answer from bad.test)");
}

TEST_F(OperatorTest, InObserveModeExplainSaysThatNothingIsTouched) {
  Configure(std::string("mode = \"observe\"\n") + kConfig);
  resolver_.On("5.2.0.192.bad.test", Records({0x7f000004}));
  EXPECT_THAT(Ask("explain 192.0.2.5")["summary"].get<std::string>(),
              HasSubstr("were the mode not \"observe\""));
  EXPECT_EQ(Ask("ban 192.0.2.5 600")["ok"], false);
}

TEST_F(OperatorTest, ExplainSaysWhyTheReplyIsNotGiven) {
  resolver_.On("5.2.0.192.bad.test", Records({0x7f000004}));
  const auto withheld = [this] {
    const json verdict = Ask("explain 192.0.2.5")["verdict"];
    EXPECT_TRUE(verdict["reply"].is_string());
    return verdict["reply_withheld"];
  };
  EXPECT_EQ(withheld(), nullptr);
  enforcer_state_.protection_known = false;
  EXPECT_EQ(withheld(), "it is not judged yet");
  enforcer_state_.protection_known = true;
  Ask("allow 192.0.2.5 600");
  EXPECT_EQ(withheld(), "it is not judged");
  Ask("disallow 192.0.2.5");
  Configure(std::string("mode = \"observe\"\n") + kConfig);
  EXPECT_EQ(withheld(), "the mode is \"observe\"");
}

TEST_F(OperatorTest, ExplainTellsAClientsGoodHistory) {
  EXPECT_EQ(Ask("explain 192.0.2.5")["history"], nullptr);
  Configure(std::string("history.probation = \"0s\"\n") + kConfig);
  const Client client{.connection = {.client = *IpAddress::Parse("192.0.2.5")}};
  screener_.Accepted(client, {.cleared = true});
  resolver_.On("5.2.0.192.bad.test", Records({0x7f000004}));
  const json answer = Ask("explain 192.0.2.5");
  EXPECT_EQ(answer["history"]["good"], true);
  EXPECT_EQ(answer["verdict"]["withheld"], "good-history");
  EXPECT_EQ(answer["summary"],
            "would be rejected for bad.test and, for its good history, not "
            "banned the first time");
  EXPECT_EQ(Ask("status")["history"]["good"], 1);
}

TEST(BrakeProblem, NamesTheNumbersAndWhatToDo) {
  const Instant now = Clock::now();
  Brake::State state{.bans = 12,
                     .ceiling = 100'000,
                     .condemned = 40,
                     .good = 11,
                     .label = "a.test"};
  EXPECT_EQ(BrakeProblem(state, Ground::kLists, false, now), std::nullopt);
  state.on_since = now - 90s;
  state.cause = BrakeCause::kGoodHistory;
  EXPECT_EQ(
      *BrakeProblem(state, Ground::kLists, false, now),
      "the brake has been on for 90s: lists ban nobody: 11 of the last "
      "40 networks that lists condemned have a good history, most of them "
      "held by a.test; if that list is wrong, take it out");
  EXPECT_THAT(*BrakeProblem(state, Ground::kOffences, false, now),
              HasSubstr("offences ban nobody: 11 of the last 40"));
  state.cause = BrakeCause::kBans;
  EXPECT_EQ(*BrakeProblem(state, Ground::kLists, true, now),
            "the brake has been on for 90s: lists would ban nobody: lists "
            "condemned 12 clients in the last minute, where up to 100000 are "
            "banned; if it is a wave, raise brake.bans_per_minute");
}

TEST_F(OperatorTest, MetricsAreTheTextFormat) {
  EXPECT_THAT(Ask("metrics")["metrics"].get<std::string>(),
              HasSubstr("# TYPE breakwater_bans gauge"));
}

TEST_F(OperatorTest, AReloadTellsItsNotesOrWhyItKeptTheOld) {
  EXPECT_THAT(Ask("reload")["notes"], ElementsAre("user: needs a restart"));
  reload_ = absl::InvalidArgumentError("f.toml:1:1: mode: is wrong");
  const json answer = Ask("reload");
  EXPECT_EQ(answer["ok"], false);
  EXPECT_EQ(answer["error"], "f.toml:1:1: mode: is wrong");
}

TEST_F(OperatorTest, AReloadThatWasRefusedIsAProblemUntilOneIsTaken) {
  const auto taken = reload_;
  reload_ = absl::InvalidArgumentError(
      "f.toml:1:1: mode: is wrong\nf.toml:2:1: colour: unknown key\n");
  // As by a signal, whose sender is told nothing.
  EXPECT_FALSE(operator_.Load().ok());
  EXPECT_THAT(Ask("status")["problems"][0].get<std::string>(),
              AllOf(HasSubstr("refused at the reload 0s ago"),
                    HasSubstr("f.toml:1:1: mode: is wrong (and 1 more); a "
                              "restart may fail")));
  Ask("reload");
  EXPECT_THAT(Ask("status")["problems"], SizeIs(1));
  reload_ = taken;
  Ask("reload");
  EXPECT_THAT(Ask("status")["problems"], IsEmpty());
}

TEST(WallTime, IsIso8601OfTheTimeThatIsMeant) {
  const Instant now = Clock::now();
  const std::string text = WallTime(now + 3600s, now);
  tm parsed{};
  ASSERT_NE(strptime(text.c_str(), "%Y-%m-%dT%H:%M:%SZ", &parsed), nullptr);
  EXPECT_NEAR(static_cast<double>(timegm(&parsed)),
              static_cast<double>(time(nullptr) + 3600), 2.0);
}

}  // namespace
}  // namespace breakwater
