#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

#include "asio/executor_work_guard.hpp"
#include "asio/io_context.hpp"
#include "asio/post.hpp"
#include "core/base/text.h"
#include "daemon/cli/cli_tables.h"
#include "daemon/operator/control_server.h"
#include "daemon/protocol/control_client.h"

namespace breakwater {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string Shown(Verb verb, const json& answer) {
  return ShowAnswer({.verb = verb}, answer);
}

TEST(RoughTime, ShowsTheTwoLargestUnits) {
  EXPECT_EQ(RoughTime(0), "0s");
  EXPECT_EQ(RoughTime(-3), "0s");
  EXPECT_EQ(RoughTime(59), "59s");
  EXPECT_EQ(RoughTime(60), "1m");
  EXPECT_EQ(RoughTime(725), "12m 5s");
  EXPECT_EQ(RoughTime(3600), "1h");
  EXPECT_EQ(RoughTime(3605), "1h");
  EXPECT_EQ(RoughTime(100'000), "1d 3h");
}

TEST(Table, AlignsItsColumns) {
  EXPECT_EQ(
      Table({"name", "count>", "why"}, {{"a", "7", "x"}, {"bcdef", "10"}}),
      "name   count  why\n"
      "a          7  x\n"
      "bcdef     10\n");
  EXPECT_EQ(Table({"name"}, {}), "");
}

TEST(Printable, LeavesNoControlCharacterToATerminal) {
  EXPECT_EQ(Printable("a\x1b[31mb\tc\r\nd\xff"), "a?[31mb c\nd?");
}

TEST(ShowAnswer, Bans) {
  EXPECT_EQ(Shown(Verb::kBans, {{"bans", json::array()}}),
            "nobody is banned\n");
  const json ban = {{"network", "192.0.2.5"},
                    {"seconds_left", 61},
                    {"until", "2026-11-21T10:00:00Z"},
                    {"origin", "list"},
                    {"count", 2},
                    {"id", "7f3a"},
                    {"reason", "Client \x1b[2J is listed"}};
  EXPECT_EQ(Shown(Verb::kBans, {{"total", 9}, {"bans", {ban}}}),
            "network     left  until                 origin  times  id    "
            "reason\n"
            "192.0.2.5  1m 1s  2026-11-21T10:00:00Z  list        2  7f3a  "
            "Client ?[2J is listed\n"
            "1 of 9 bans, those that end soonest; --limit shows more\n");
}

TEST(ShowAnswer, AReportSaysWhatCameOfIt) {
  json answer = {{"address", "192.0.2.5"},
                 {"offence", "spam"},
                 {"effect", "counted"},
                 {"count", 1},
                 {"after", 3},
                 {"withheld", nullptr}};
  EXPECT_EQ(Shown(Verb::kReport, answer), "192.0.2.5: counted, spam 1 of 3\n");
  answer["effect"] = "withheld";
  answer["withheld"] = "good-history";
  EXPECT_THAT(Shown(Verb::kReport, answer),
              HasSubstr("; not banned: good-history\n"));
  answer["ban"] = {{"network", "192.0.2.5"}, {"until", "X"}, {"id", "7f3a"}};
  EXPECT_THAT(Shown(Verb::kReport, answer),
              HasSubstr("192.0.2.5 is kept out until X [id 7f3a]\n"));
}

TEST(ShowAnswer, AHistoryThatMayLackSomethingSaysSo) {
  json answer = {{"address", "192.0.2.5"},
                 {"events", json::array()},
                 {"note", "the memory is not being written"}};
  EXPECT_EQ(Shown(Verb::kHistory, answer),
            "nothing is known to have happened to 192.0.2.5\n"
            "the memory is not being written\n");
  answer["events"].push_back({{"what", "ban"}});
  EXPECT_THAT(Shown(Verb::kHistory, answer),
              EndsWith("\nthe memory is not being written\n"));
}

TEST(ShowAnswer, StatusPutsWhatIsWrongFirst) {
  const json answer = {
      {"version", "0.1.0"},
      {"mode", "enforce"},
      {"uptime_seconds", 90},
      {"problems", {"zone a.test has answered with errors"}},
      {"fronts", {{"milter", ""}, {"policy", {"unix:/p.sock"}}}},
      {"enforcer", {{"connected", false}, {"trouble", "no such file"}}}};
  const std::string text = Shown(Verb::kStatus, answer);
  EXPECT_THAT(text, StartsWith("Breakwater 0.1.0, mode enforce, up 1m 30s"));
  EXPECT_THAT(text, HasSubstr("\nProblems\n  zone a.test has answered"));
  EXPECT_THAT(text, HasSubstr("  milter  off\n  policy  unix:/p.sock\n"));
  EXPECT_THAT(text, HasSubstr("  AWAY for 0s"));
  EXPECT_THAT(text, Not(HasSubstr("Warnings")));
}

TEST(ShowAnswer, OfOneItSpeaksAsOfOne) {
  const json answer = {{"bans", 1},
                       {"sessions", 1},
                       {"waiting", 0},
                       {"cached_clients", 1},
                       {"brake", {{"bans_per_minute", 1}}},
                       {"history", {{"good", 1}, {"on_probation", 1}}}};
  const std::string status = Shown(Verb::kStatus, answer);
  EXPECT_THAT(status, HasSubstr("\n1 ban, 1 session, 0 waiting for a verdict, "
                                "1 client cached\n"));
  EXPECT_THAT(status, HasSubstr(", 1 ban in the last minute"));
  EXPECT_THAT(status,
              HasSubstr("  1 client has a good history, 1 is on probation\n"));
  EXPECT_THAT(Shown(Verb::kExplain, {{"conduct", {{"banned", 1}}}}),
              HasSubstr("  banned 1 time of late;"));
}

// A mail server that cannot open our socket lets mail pass and tells nobody.
TEST(ShowAnswer, StatusSaysWhenEachDoorWasLastAsked) {
  const json answer = {
      {"fronts",
       {{"milter", "unix:/m.sock"}, {"policy", {"unix:/p.sock", "unix:/q"}}}},
      {"doors",
       {{{"front", "milter"}, {"asked_seconds_ago", nullptr}},
        {{"front", "policy"}, {"asked_seconds_ago", 90}}}}};
  EXPECT_THAT(
      Shown(Verb::kStatus, answer),
      HasSubstr("  milter  unix:/m.sock  (not asked since the start)\n"
                "  policy  unix:/p.sock, unix:/q  (last asked 1m 30s ago)\n"));
}

TEST(ShowAnswer, ExplainShowsTheReplyAndEachList) {
  const json answer = {
      {"address", "192.0.2.5"},
      {"network", "192.0.2.5"},
      {"summary", "would be rejected for a.test and banned for 10m"},
      {"verdict", {{"reply", "521 5.7.1 Client 192.0.2.5 is listed"}}},
      {"zones",
       {{{"label", "a.test"},
         {"outcome", "listed"},
         {"addresses", {"127.0.0.2", "127.0.0.4"}},
         {"counted", "127.0.0.2"},
         {"ms", 12},
         {"text", "see https://a.test"}}}},
      {"not_judged_on_ports", {465, 587}}};
  const std::string text = Shown(Verb::kExplain, answer);
  EXPECT_THAT(text, StartsWith("192.0.2.5 would be rejected for a.test"));
  EXPECT_THAT(text, HasSubstr("  521 5.7.1 Client 192.0.2.5 is listed\n"));
  EXPECT_THAT(text, HasSubstr("127.0.0.2 127.0.0.4  127.0.0.2  12  see"));
  EXPECT_THAT(text, HasSubstr("nobody is judged on ports 465, 587."));
}

TEST(ShowAnswer, ExplainSaysOfAReplyThatItIsNotGiven) {
  json verdict = {{"reply", "521 5.7.1 no"}, {"reply_withheld", nullptr}};
  EXPECT_THAT(Shown(Verb::kExplain, {{"verdict", verdict}}),
              HasSubstr("\nThe reply\n  521 5.7.1 no\n"));
  verdict["reply_withheld"] = "it is not judged";
  EXPECT_THAT(Shown(Verb::kExplain, {{"verdict", verdict}}),
              HasSubstr("\nThe reply, which is not given: it is not judged\n  "
                        "521 5.7.1 no\n"));
}

// A daemon of another version may leave out anything, or say it otherwise.
TEST(ShowAnswer, ExplainShowsWhatListsOfDomainsSay) {
  const json zone = {{"label", "DBL"}, {"outcome", "not-listed"}, {"ms", 7}};
  const json answer = {{"name", "mail.example"},
                       {"summary", "would let a client pass"},
                       {"zones", json::array({zone})}};
  const std::string shown =
      ShowAnswer({.verb = Verb::kExplain, .name = "mail.example"}, answer);
  EXPECT_THAT(shown, HasSubstr("mail.example would let a client pass\n"));
  EXPECT_THAT(shown, HasSubstr("DBL   not-listed"));
  EXPECT_THAT(shown, Not(HasSubstr("ports")));
}

TEST(ShowAnswer, AListOfDomainsHasItsOwnStateAndTest) {
  const json state = {{"domain", "refused"}};
  const json zone = {{"label", "DBL"}, {"state", state}};
  EXPECT_THAT(Shown(Verb::kZones, {{"zones", json::array({zone})}}),
              HasSubstr("DBL   refused"));
  const json reading = {{"state", "ok"}, {"words", "TEST is listed"}};
  const json test = {
      {"label", "DBL"}, {"verdict", "good"}, {"ms", 3}, {"domain", reading}};
  EXPECT_EQ(Shown(Verb::kTestZones, {{"zones", json::array({test})}}),
            "DBL: good (3 ms)\n  domain  ok: TEST is listed\n");
}

TEST(ShowAnswer, ZonesShowWhatEachCosts) {
  const json zone = {
      {"label", "a.test"},
      {"trouble", {"IPv6: refused: look at the key"}},
      {"state", {{"ipv4", "ok"}, {"ipv6", "refused"}}},
      {"kind", "block"},
      {"weights", {2, -1}},
      {"daily_budget", 1000},
      {"allowance", "sparing"},
      {"today",
       {{"asked", 812},
        {"listing_questions", 300},
        {"saved", {{"cache", 700}, {"joined", 41}, {"ban", 52}, {"budget", 6}}},
        {"listed", 75},
        {"not_listed", 225},
        {"errors", 3}}},
      {"p50_ms", 1.25},
      {"p99_ms", nullptr}};
  EXPECT_EQ(Shown(Verb::kZones, {{"day", "2026-11-21"}, {"zones", {zone}}}),
            "Of 2026-11-21 (UTC):\n"
            "zone    state                         weight     asked  cached  "
            "joined  banned  withheld  listed  errors  p50 ms  p99 ms\n"
            "a.test  ok, ipv6 refused, asked last    2/-1  812/1000     70%  "
            "    41      52         6     25%       3     1.2       -\n"
            "\na.test: IPv6: refused: look at the key\n");
  EXPECT_EQ(Shown(Verb::kZones, {{"zones", json::array()}}),
            "no zone is configured\n");
}

TEST(ShowAnswer, TestsOfZonesAreVerdictsInWords) {
  const json zone = {{"label", "a.test"},
                     {"verdict", "good for IPv4; it has no IPv6"},
                     {"ms", 12},
                     {"ipv4", {{"state", "ok"}, {"words", "as it must be"}}},
                     {"ipv6", {{"state", "no-test-entry"}, {"words", "no"}}}};
  EXPECT_EQ(Shown(Verb::kTestZones, {{"zones", {zone}}}),
            "a.test: good for IPv4; it has no IPv6 (12 ms)\n"
            "  ipv4  ok: as it must be\n"
            "  ipv6  no-test-entry: no\n");
}

TEST(ShowAnswer, AllowancesAndWhatTheyLifted) {
  const json one = {{"network", "192.0.2.0/24"},
                    {"seconds_left", 86400},
                    {"until", "2026-11-22T09:40:00Z"},
                    {"reason", "our partner"}};
  EXPECT_EQ(ShowAnswer({.verb = Verb::kAllow},
                       {{"ok", true}, {"allowed", one}, {"unbanned", 2}}),
            "192.0.2.0/24 is neither judged nor banned until "
            "2026-11-22T09:40:00Z\n2 bans were lifted\n");
  EXPECT_EQ(ShowAnswer({.verb = Verb::kAllowed},
                       {{"ok", true}, {"allowed", json::array({one})}}),
            "network       left  until                 reason\n"
            "192.0.2.0/24    1d  2026-11-22T09:40:00Z  our partner\n");
  EXPECT_EQ(ShowAnswer({.verb = Verb::kAllowed}, {{"ok", true}}),
            "nobody is allowed for a while\n");
  EXPECT_EQ(ShowAnswer({.verb = Verb::kDisallow}, {{"ok", true}, {"was", one}}),
            "192.0.2.0/24 is judged again\n");
}

TEST(ShowAnswer, TakesWhateverComes) {
  for (const json& answer :
       {json::object(), json(nullptr), json(3), json::array({1, "a"}),
        json{{"bans", 3}, {"zones", {1, 2}}, {"problems", "x"}, {"ban", {1}}},
        json{{"zones", {{{"addresses", "x"}}}},
             {"uptime_seconds", "soon"},
             {"enforcer", {{"counters", 4}}},
             {"metrics", 5}}}) {
    for (const Verb verb :
         {Verb::kStatus, Verb::kBans, Verb::kBan, Verb::kUnban, Verb::kExplain,
          Verb::kMetrics, Verb::kReload, Verb::kAllow, Verb::kAllowed,
          Verb::kDisallow}) {
      const std::string text = Shown(verb, answer);
      EXPECT_TRUE(text.empty() || text.ends_with('\n')) << text;
    }
  }
}

// The program itself, against a daemon that answers what it is told to.
class CliTest : public ::testing::Test {
 protected:
  CliTest() {
    directory_ = std::filesystem::path(testing::TempDir()) /
                 ("cli." + std::to_string(getpid()));
    std::filesystem::create_directory(directory_);
    socket_ = directory_ / "control.sock";
    config_ = directory_ / "b.toml";
    std::ofstream(config_) << "control.socket = \"" << socket_.string()
                           << "\"\nban.duration = \"2m\"\n";
  }
  ~CliTest() override {
    if (thread_.joinable()) {
      asio::post(loop_, [this] {
        server_.reset();
        guard_.reset();
      });
      thread_.join();
    }
    std::filesystem::remove_all(directory_);
  }

  void Serve(json answer) {
    answer_ = std::move(answer);
    server_ = std::make_unique<ControlServer>(
        loop_, ControlServer::Listen(socket_).value(),
        [this](ControlRequest request, uid_t) -> asio::awaitable<json> {
          const std::lock_guard lock(mutex_);
          seen_ = FormatControlRequest(request);
          co_return answer_;
        },
        ControlServer::Options{});
    thread_ = std::thread([this] { loop_.run(); });
  }
  // Runs the program and leaves what it printed in output_.
  int Run(const std::string& arguments) {
    const std::string command = std::string(BREAKWATER_PROGRAM) + " --config " +
                                config_.string() + " " + arguments + " 2>&1";
    output_.clear();
    FILE* pipe = popen(command.c_str(), "r");
    char buffer[4096];
    for (size_t n; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) {
      output_.append(buffer, n);
    }
    const int status = pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  std::string Seen() {
    const std::lock_guard lock(mutex_);
    return seen_;
  }

  std::filesystem::path directory_;
  std::filesystem::path socket_;
  std::filesystem::path config_;
  std::string output_;
  json answer_;
  std::mutex mutex_;
  std::string seen_;  // guarded by mutex_
  asio::io_context loop_;
  asio::executor_work_guard<asio::io_context::executor_type> guard_{
      loop_.get_executor()};
  std::unique_ptr<ControlServer> server_;
  std::thread thread_;
};

TEST_F(CliTest, AsksAndShows) {
  Serve({{"ok", true}, {"ban", {{"network", "192.0.2.5"}, {"id", "7f3a"}}}});
  EXPECT_EQ(Run("ban 192.0.2.5"), 0);
  EXPECT_EQ(Seen(), "ban 192.0.2.5 120");
  EXPECT_THAT(output_, StartsWith("192.0.2.5 is kept out until"));
  EXPECT_EQ(Run("ban 2001:db8::5 --for 1h --reason 'sends viruses'"), 0);
  EXPECT_EQ(Seen(), "ban 2001:db8::5 3600 sends viruses");
  EXPECT_EQ(Run("bans --limit 5"), 0);
  EXPECT_EQ(Seen(), "bans 5");
}

TEST_F(CliTest, AllowTakesALengthAndWithoutANetworkShowsAll) {
  Serve({{"ok", true}});
  EXPECT_EQ(Run("allow 192.0.2.5 --for 2h --reason 'our partner'"), 0);
  EXPECT_EQ(Seen(), "allow 192.0.2.5 7200 our partner");
  EXPECT_EQ(Run("allow 2001:db8::/32"), 0);
  EXPECT_EQ(Seen(), "allow 2001:db8::/32 86400");
  EXPECT_EQ(Run("allow"), 0);
  EXPECT_EQ(Seen(), "allowed");
  EXPECT_EQ(Run("disallow 192.0.2.5"), 0);
  EXPECT_EQ(Seen(), "disallow 192.0.2.5");
  EXPECT_EQ(Run("allow 0.0.0.0/0"), 2);
  EXPECT_EQ(Run("allow 0.0.0.0/0 --force --for 1h --reason move"), 0);
  EXPECT_EQ(Seen(), "allow 0.0.0.0/0 3600 --force move");
  EXPECT_EQ(Run("allow --force"), 2);
  EXPECT_EQ(Run("allow --for 2h"), 2);
  EXPECT_EQ(Run("disallow"), 2);
}

TEST_F(CliTest, ImportTakesARegularFileAndNothingElse) {
  Serve(
      {{"ok", true}, {"new", 1}, {"prolonged", 0}, {"refused", json::array()}});
  EXPECT_EQ(Run("import " + directory_.string()), 1);
  EXPECT_EQ(output_, "breakwater: " + directory_.string() +
                         ": cannot be read: it is a directory, not a regular "
                         "file\n");
  const std::string file = directory_ / "bans";
  ASSERT_EQ(mkfifo(file.c_str(), 0600), 0);
  EXPECT_EQ(Run("import " + file), 1);
  EXPECT_THAT(output_,
              HasSubstr("it is a pipe, not a regular file; \"import -\" reads "
                        "the standard input\n"));
  EXPECT_EQ(Run("import /dev/stdin < /dev/null"), 1);
  EXPECT_THAT(output_, HasSubstr("; \"import -\" reads"));
  EXPECT_EQ(Run("import - < " + directory_.string()), 1);
  EXPECT_THAT(output_, HasSubstr("standard input: cannot be read to its end"));
  EXPECT_EQ(Seen(), "");
  std::filesystem::remove(file);
  std::ofstream(file) << "\xef\xbb\xbf"
                      << "192.0.2.5\r\n";
  EXPECT_EQ(Run("import " + file), 0) << output_;
  EXPECT_THAT(Seen(), HasSubstr("\"192.0.2.5\""));
}

TEST_F(CliTest, PrintsTheAnswerAsItIsWhenAskedTo) {
  Serve({{"ok", false}, {"error", "no"}});
  EXPECT_EQ(Run("status --json"), 1);
  EXPECT_EQ(json::parse(output_), answer_);
  EXPECT_EQ(Run("--json status"), 1);
  EXPECT_EQ(json::parse(output_), answer_);
}

TEST_F(CliTest, ARefusalIsOne) {
  Serve({{"ok", false}, {"error", "b.toml:1:1: mode: bad\nb.toml:2:1: worse"}});
  EXPECT_EQ(Run("reload"), 1);
  EXPECT_EQ(output_, "breakwater: b.toml:1:1: mode: bad\nb.toml:2:1: worse\n");
}

TEST_F(CliTest, AMissingDaemonIsThree) {
  EXPECT_EQ(Run("status"), 3);
  EXPECT_THAT(output_, HasSubstr("no daemon answers at " + socket_.string()));
}

TEST_F(CliTest, AZoneThatIsNotWellIsFour) {
  Serve({{"ok", true}, {"all_ok", false}, {"zones", json::array()}});
  EXPECT_EQ(Run("zones"), 4);
  EXPECT_EQ(Seen(), "zones");
  EXPECT_EQ(Run("zones test --json"), 4);
  EXPECT_EQ(Seen(), "test-zones");
}

TEST_F(CliTest, ZonesThatAreWellAreNoFailure) {
  Serve({{"ok", true}, {"all_ok", true}, {"zones", json::array()}});
  EXPECT_EQ(Run("zones"), 0);
  EXPECT_EQ(Run("zones test \"my list\""), 0);
  EXPECT_EQ(Seen(), "test-zones my list");
}

TEST_F(CliTest, WrongUsageIsTwo) {
  for (const char* arguments :
       {"", "dance", "ban", "ban you", "ban 192.0.2.5 --for 10",
        "ban 192.0.2.5 --for 25d", "bans --limit 0", "status now", "--socket",
        "unban 192.0.2.5 192.0.2.6"}) {
    EXPECT_EQ(Run(arguments), 2) << arguments << "\n" << output_;
    EXPECT_THAT(output_, Not(testing::IsEmpty()));
  }
  std::ofstream(config_) << "mode = 3\n";
  EXPECT_EQ(Run("status"), 2);
  EXPECT_THAT(output_, HasSubstr("b.toml:1:8: mode: is a number"));
}

TEST_F(CliTest, WhatIsWrongWithTheWordsIsSaidInWords) {
  const struct {
    const char* arguments;
    const char* error;
  } kTable[] = {
      {"", "breakwater: a command is missing; write status, bans, ban, "},
      {"statsu",
       "breakwater: unknown command \"statsu\"; did you mean status?"},
      {"dance", "breakwater: unknown command \"dance\"; write status, bans"},
      {"firewall pritn",
       "breakwater firewall: unknown command \"pritn\"; did "
       "you mean print?"},
      {"status --jsno",
       "breakwater status: unknown option \"--jsno\"; did you "
       "mean --json?"},
      {"status now", "breakwater status: \"now\" is too much"},
      {"ban", "breakwater ban: ADDRESS is missing: An IPv4 or IPv6 address"},
      {"report 192.0.2.5", "--offence is missing: What: virus, spam, trap"},
      {"firewall",
       "breakwater firewall: a command is missing; write print, "
       "remove"},
      {"firewall print",
       "breakwater firewall print: --for is missing: ipset, "
       "iptables, nftables, firewalld, shorewall or ufw"},
      {"ban 192.0.2.5 --for 25d",
       "--for: 25d is longer than the longest ban that the kernel can count, "
       "2147483s (24d 20h)"},
      {"import - --for 25d", "--for: 25d is longer than the longest ban"},
      {"ban 192.0.2.5 --for 0s", "--for: 0s is no length"},
      {"allow 192.0.2.5 --for 9999d",
       "--for: 9999d is longer than the longest "
       "allowance, "},
  };
  for (const auto& [arguments, error] : kTable) {
    EXPECT_EQ(Run(arguments), 2) << arguments;
    EXPECT_THAT(output_, HasSubstr(error)) << arguments;
  }
}

TEST_F(CliTest, ABrokenConfigurationStillTellsTheControlSocket) {
  std::ofstream(config_) << "colour = \"blue\"\n[ban]\nduration = \"2m\"\n"
                            "[control]\nsocket = \""
                         << socket_.string() << "\"\n[zone\n";
  Serve({{"ok", true}, {"ban", {{"network", "192.0.2.5"}}}});
  EXPECT_EQ(Run("ban 192.0.2.5 --for 1h"), 0) << output_;
  EXPECT_EQ(Seen(), "ban 192.0.2.5 3600");
  EXPECT_THAT(output_, Not(HasSubstr("ban.duration")));
  EXPECT_EQ(Run("ban 192.0.2.5"), 0);
  EXPECT_THAT(output_,
              HasSubstr("ban.duration cannot be read, and 10m is taken "
                        "for it; --for says another length"));
  std::ofstream(config_) << "mode = 3\n";
  EXPECT_EQ(Run("status"), 2);
  EXPECT_THAT(output_, HasSubstr("control.socket cannot be read from it: "
                                 "--socket PATH names the daemon's"));
  EXPECT_EQ(Run("--socket " + socket_.string() + " status"), 0) << output_;
}

TEST_F(CliTest, HelpAndVersionAreNoFailures) {
  EXPECT_EQ(Run("--help"), 0);
  EXPECT_THAT(output_, HasSubstr("3 no daemon"));
  EXPECT_EQ(Run("ban --help"), 0);
  EXPECT_THAT(output_, HasSubstr("--for"));
  EXPECT_THAT(output_, HasSubstr("or the /64 of one client"));
  EXPECT_EQ(Run("unban --help"), 0);
  EXPECT_THAT(output_, HasSubstr("or a network as bans shows it"));
  EXPECT_EQ(Run("--version"), 0);
  EXPECT_EQ(output_, "breakwater " BREAKWATER_VERSION "\n");
}

TEST(AskDaemon, WaitsForAnAnswerOnlySoLong) {
  const std::string path =
      testing::TempDir() + "/silent." + std::to_string(getpid());
  const int listener = ControlServer::Listen(path).value();
  const absl::StatusOr<std::string> answer = AskDaemon(path, "status", 50ms);
  EXPECT_TRUE(absl::IsDeadlineExceeded(answer.status())) << answer.status();
  EXPECT_THAT(
      answer.status().ToString(),
      HasSubstr("the daemon at " + path + " has not answered for 50ms"));
  close(listener);
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace breakwater
