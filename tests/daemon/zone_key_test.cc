// A paid key in a zone's name is seen by nobody: not in a reply, the log, the
// metrics, an answer to the operator or an error.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "daemon/cli/cli_tables.h"
#include "daemon/operator/operator.h"
#include "tests/core/loop.h"
#include "tests/daemon/test_daemon.h"
#include "tests/fakes/dns_server.h"
#include "tests/fakes/fake_enforcer.h"

namespace breakwater {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kKey[] = "k3ysecretk3y0123456789";
constexpr char kConfig[] = R"(
milter.socket = "unix:/run/m.sock"
[[zone]]
name = "k3ysecretk3y0123456789.zen.list.test"
label = "zen.list.test"
daily_budget = 10
)";

class ZoneKeyTest : public ::testing::Test {
 protected:
  ZoneKeyTest() {
    testing::internal::CaptureStderr();
    const std::shared_ptr<const Rules> rules(config_, &config_->rules);
    screener_.SetRules(rules);
  }
  // What was shown and logged.
  std::string Everything() {
    return shown_ + testing::internal::GetCapturedStderr();
  }

  void Ask(const std::string& line) {
    const ControlRequest request = ParseControlRequest(line).value();
    const json answer = Await(loop_, operator_.Handle(request, 0));
    shown_ += answer.dump() + ShowAnswer(request, answer);
  }
  void AskAll() {
    for (const char* line :
         {"status", "bans", "explain 8.8.8.5", "zones", "test-zones",
          "test-zones k3ysecretk3y0123456789.zen.list.test",
          "test-zones k3ysecretk3y0123456789", "metrics", "reload"}) {
      Ask(line);
    }
  }
  void Connect(const char* address) {
    const Client client{.connection = {.client = *IpAddress::Parse(address)}};
    const Verdict verdict = Await(loop_, screener_.Screen(client));
    screener_.Answered(client, verdict);
    shown_ += verdict.text + verdict.label;
  }
  static std::string Name(const char* address) {
    return DnsblName(*IpAddress::Parse(address),
                     std::string(kKey) + ".zen.list.test");
  }

  std::string shown_;
  asio::io_context loop_;
  FakeDnsServer server_;
  std::unique_ptr<Resolver> resolver_ =
      *Resolver::Make(loop_, {.servers = {server_.address()},
                              .timeout = std::chrono::milliseconds(50)});
  Metrics metrics_;
  Dnsbl dnsbl_{loop_, *resolver_, metrics_, {.prove_zones = false}};
  BanTable bans_{1000};
  Allowances allowances_;
  FakeEnforcer enforcer_;
  Screener screener_{loop_,     dnsbl_,   bans_,
                     enforcer_, metrics_, std::make_shared<const Rules>()};
  std::shared_ptr<const Config> config_ = std::make_shared<const Config>(
      ParseConfig(kConfig, "/etc/b.toml").value());
  Operator operator_{
      {.screener = screener_,
       .dnsbl = dnsbl_,
       .bans = bans_,
       .allowances = allowances_,
       .metrics = metrics_,
       .memory = nullptr,
       .config = [this] { return config_; },
       .enforcer = [] { return EnforcerState{}; },
       .doors = [] { return std::vector<DoorLoad>(); },
       .settled = []() -> asio::awaitable<bool> { co_return true; },
       .remembered = [](std::vector<Network>) -> asio::awaitable<bool> {
         co_return true;
       },
       .apply_allowances = [] {},
       .reload =
           [] {
             return absl::StatusOr<std::vector<std::string>>(
                 ParseConfig(std::string(kConfig) + "mode = 3\n", "b.toml")
                     .status());
           }}};
};

TEST_F(ZoneKeyTest, IsNotShownOfAListedClient) {
  server_.On(Name("8.8.8.5"), Says({"127.0.0.2"}));
  // Some lists say which of their zones they speak of.
  server_.OnText(Name("8.8.8.5"),
                 SaysText({"listed in K3ysecretK3y0123456789.zen.list.test"}));
  Connect("8.8.8.5");
  Connect("8.8.8.5");
  AskAll();
  const std::string everything = Everything();
  EXPECT_THAT(everything, HasSubstr("event=ban"));
  EXPECT_THAT(everything, HasSubstr("(listed in zen.list.test)"));
  EXPECT_THAT(everything, HasSubstr("breakwater_dns_queries_total"));
  EXPECT_THAT(everything, Not(testing::ContainsRegex("[kK]3ysecret")));
}

TEST_F(ZoneKeyTest, IsNotShownOfAZoneInTrouble) {
  server_.Otherwise(Says({"127.255.255.252"}));
  Connect("8.8.8.6");
  server_.Otherwise(Rcode(kRefusedRcode));
  for (const char* client : {"8.8.8.7", "8.8.8.8", "8.8.8.9"}) Connect(client);
  AskAll();
  const std::string everything = Everything();
  EXPECT_THAT(everything, HasSubstr("event=zone-odd-answer"));
  EXPECT_THAT(everything, HasSubstr("event=zone-budget"));
  EXPECT_THAT(everything, Not(testing::ContainsRegex("[kK]3ysecret")));
}

// Each has a key where an error may want to show it.
TEST(ZoneKeyInErrors, IsNotShown) {
  for (const char* zone : {
           "name = \"k3ysecretk3y0123456789.zen.list.test\"",
           "name = \"k3ysecretk3y 0123456789.zen.list.test\"",
           "name = \"k3ysecret/zen.list.test\"",
           "name = \"k3ysecret\"",
           "name = \"k3ysecret.127.0.0.1\"",
           "name = \"k3ysecret.dbl.spamhaus.org\"",
           "name = \"k3ysecretk3y0123456789.zen.list.test",
           "name = k3ysecretk3y0123456789.zen.list.test",
           "name = [\"k3ysecretk3y0123456789.zen.list.test\"]",
           "name = \"k3ysecretk3y0123456789.a.test\"\n"
           "label = \"k3ysecretk3y0123456789\"",
       }) {
    const auto config =
        ParseConfig(std::string("[[zone]]\n") + zone + "\n", "b.toml");
    ASSERT_FALSE(config.ok()) << zone;
    EXPECT_THAT(std::string(config.status().message()),
                Not(HasSubstr("k3ysecret")));
  }
}

TEST(ZoneKeyInErrors, IsNotShownOfASiteEither) {
  for (const char* site : {
           "a.test k3ysecretk3y0123456789.zen.list.test=127.0.0.1",
           "k3ysecretk3y 0123456789.zen.list.test",
           "k3ysecret/zen.list.test=127.0.0.1*2",
           "k3ysecret",
           "k3ysecret.127.0.0.1*2",
           "k3ysecret.dbl.spamhaus.org*x",
           "k3ysecretk3y0123456789.test=10.0.0.1",
       }) {
    const auto config =
        ParseConfig(absl::StrCat("zones = [\"", site, "\"]\n"), "b.toml");
    ASSERT_FALSE(config.ok()) << site;
    EXPECT_THAT(std::string(config.status().message()),
                testing::AllOf(HasSubstr("zones: entry "),
                               Not(HasSubstr("k3ysecret"))));
  }
}

TEST(ZoneKeyInPrograms, IsNotShownByTheCheckOfAConfiguration) {
  const TestDirectory directory;
  std::ofstream(directory.File("b.toml")) << kConfig;
  const std::string command = std::string(BREAKWATERD_PROGRAM) +
                              " --check-config --config " +
                              directory.File("b.toml") + " 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  std::string output;
  char buffer[4096];
  for (size_t n; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) {
    output.append(buffer, n);
  }
  EXPECT_EQ(pclose(pipe), 0) << output;
  EXPECT_THAT(output, Not(HasSubstr(kKey)));
}

}  // namespace
}  // namespace breakwater
