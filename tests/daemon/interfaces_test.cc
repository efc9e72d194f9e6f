// What people and programs rely on: configuration keys, options, log events and
// metrics. Code, sample file and manual must say the same.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "core/ports/metrics.h"
#include "daemon/config/config_keys.h"

namespace breakwater {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Not;
using ::testing::StartsWith;
using Words = std::set<std::string>;

const std::filesystem::path kSource = BREAKWATER_SOURCE_DIR;

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file.is_open()) << path;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<std::string> LinesOf(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// The first group of each match.
Words Matches(const std::string& text, const char* pattern) {
  const std::regex regex(pattern);
  Words words;
  for (std::sregex_iterator match(text.begin(), text.end(), regex), end;
       match != end; ++match) {
    words.insert((*match)[1]);
  }
  return words;
}

// From `.Sh NAME` to the next section.
std::string Section(const std::string& manual, const std::string& name) {
  const size_t begin = manual.find("\n.Sh " + name + "\n");
  EXPECT_NE(begin, std::string::npos) << name;
  const size_t end = manual.find("\n.Sh ", begin + 1);
  return manual.substr(begin, end - begin);
}

std::string Manual(const char* name) {
  return ReadFile(kSource / "daemon" / name);
}

std::string TarpitManual() {
  return ReadFile(kSource / "firewall/tarpit/breakwater-tarpit.8");
}

std::map<std::string, Effect> KeysInCode() {
  Config config = DefaultConfig();
  ZoneDraft zone;
  std::map<std::string, Effect> keys;
  for (const ConfigKey& key : KeysOf(config)) {
    keys.emplace(key.name, key.effect);
  }
  for (const ConfigKey& key : ZoneKeysOf(zone)) {
    keys.emplace(key.name, key.effect);
  }
  FilterDraft filter;
  for (const ConfigKey& key : FilterKeysOf(filter)) {
    keys.emplace(key.name, key.effect);
  }
  OffenceDraft offence;
  for (const ConfigKey& key : OffenceKeysOf(offence)) {
    keys.emplace(key.name, key.effect);
  }
  return keys;
}

// Keys, each with whether the text about it says "(restart)". Keys that follow
// one another without a text between them share the next one.
std::map<std::string, Effect> KeysInManual() {
  std::map<std::string, Effect> keys;
  std::vector<std::string> open;
  bool has_text = false;
  for (const std::string& line : LinesOf(Manual("breakwater.toml.5"))) {
    if (line.starts_with(".It Cm ")) {
      if (has_text) open.clear();
      has_text = false;
      open.push_back(line.substr(7));
      keys[open.back()] = Effect::kReload;
      continue;
    }
    has_text = true;
    if (line.starts_with(".El") || line.starts_with(".Ss")) open.clear();
    if (line != ".Em (restart)") continue;
    for (const std::string& key : open) keys[key] = Effect::kRestart;
  }
  return keys;
}

// The same for the sample file, whose texts stand above their keys.
std::map<std::string, Effect> KeysInSample() {
  std::map<std::string, Effect> keys;
  const std::regex setting("#?([a-z0-9_.]+) += .*");
  std::string table;
  Effect effect = Effect::kReload;
  for (const std::string& line :
       LinesOf(ReadFile(kSource / "etc/breakwater.toml"))) {
    std::smatch match;
    if (line == "[[zone]]" || line == "#[[zone]]") table = "zone.";
    if (line == "#[[zone.filter]]") table = "zone.filter.";
    if (line == "#[[offence]]") table = "offence.";
    if (line.empty()) effect = Effect::kReload;
    if (line.starts_with("# ") && line.find("(restart)") != line.npos) {
      effect = Effect::kRestart;
    }
    if (std::regex_match(line, match, setting)) {
      keys[table + match[1].str()] = effect;
    }
  }
  return keys;
}

TEST(ConfigurationKeys, AreTheSameInCodeManualAndSample) {
  EXPECT_EQ(KeysInManual(), KeysInCode());
  EXPECT_EQ(KeysInSample(), KeysInCode());
}

// The defaults that the manual gives, where it gives one.
TEST(ConfigurationKeys, HaveTheDefaultsThatTheManualGives) {
  Config config = DefaultConfig();
  const std::string manual = Manual("breakwater.toml.5");
  size_t checked = 0;
  for (const ConfigKey& key : KeysOf(config)) {
    const size_t begin = manual.find(".It Cm " + std::string(key.name) + "\n");
    ASSERT_NE(begin, std::string::npos);
    const std::string item =
        manual.substr(begin, manual.find("\n.It Cm ", begin + 1) - begin);
    std::smatch match;
    static const std::regex given("\nDefault: ?\n?([^\n]+)");
    if (!std::regex_search(item, match, given)) continue;
    std::string text = match[1];
    text = std::regex_replace(text, std::regex("^\\.Ql | ?[.,]$"), "");
    text = std::regex_replace(text, std::regex("\\\\\\(dq"), "\"");
    if (text == "empty") text = "\"\"";
    EXPECT_EQ(text, key.field.show()) << key.name;
    ++checked;
  }
  EXPECT_GT(checked, 20u);
}

std::string HelpOf(const std::string& program, const char* option) {
  const std::string command = program + " " + option;
  FILE* pipe = popen(command.c_str(), "r");
  std::string help;
  char buffer[4096];
  for (size_t n; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) {
    help.append(buffer, n);
  }
  EXPECT_EQ(pclose(pipe), 0) << command;
  return help;
}

// "--config" and "-c": where an option stands at the beginning of a line.
Words OptionsInHelp(const std::string& help) {
  Words options;
  for (const std::string& line : LinesOf(help)) {
    static const std::regex row("^ +(-[-a-zA-Z0-9,]+)( .*)?");
    std::smatch match;
    if (!std::regex_match(line, match, row)) continue;
    std::istringstream names(match[1]);
    for (std::string name; std::getline(names, name, ',');) {
      options.insert(name);
    }
  }
  return options;
}

Words OptionsInManual(const std::string& manual) {
  Words options;
  for (const std::string& line : LinesOf(manual)) {
    if (!line.starts_with(".It Fl")) continue;
    std::istringstream words(line);
    bool is_option = true;  // behind ".Fl", and until ".Ar"
    for (std::string word; words >> word;) {
      if (word == ".It" || word == "," || word == "Fl") {
        is_option = true;
      } else if (word == "Ar") {
        is_option = false;
      } else if (is_option) {
        options.insert("-" + word);
      }
    }
  }
  return options;
}

TEST(Options, AreTheSameInHelpAndManual) {
  // --help-all stops at the first verb.
  Words options = OptionsInHelp(HelpOf(BREAKWATER_PROGRAM, "--help-all"));
  options.merge(
      OptionsInHelp(HelpOf(BREAKWATER_PROGRAM, "firewall print --help")));
  EXPECT_EQ(options, OptionsInManual(Manual("cli/breakwater.8")));
  EXPECT_EQ(OptionsInHelp(HelpOf(BREAKWATERD_PROGRAM, "--help")),
            OptionsInManual(Manual("breakwaterd.8")));
  EXPECT_EQ(OptionsInHelp(HelpOf(ENFORCER_PROGRAM, "--help")),
            OptionsInManual(Manual("enforcer/breakwater-enforcer.8")));
  EXPECT_EQ(OptionsInHelp(HelpOf(TARPIT_PROGRAM, "--help")),
            OptionsInManual(TarpitManual()));
}

TEST(Options, OneThatDoesNotExistEndsEveryProgramWithTwo) {
  for (const char* program : {BREAKWATER_PROGRAM, BREAKWATERD_PROGRAM,
                              ENFORCER_PROGRAM, TARPIT_PROGRAM}) {
    const std::string command =
        std::string(program) + " --no-such-thing >/dev/null 2>&1";
    const int status = std::system(command.c_str());
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 2) << program;
  }
  EXPECT_THAT(HelpOf(BREAKWATERD_PROGRAM, "--chek 2>&1; true"),
              HasSubstr("breakwaterd: unknown option \"--chek\"; did you mean "
                        "--check-config?"));
}

// What a program loads stands by name in its file.
TEST(Programs, TheOneThatMayChangeTheKernelLoadsNoLibraryForNames) {
  EXPECT_THAT(ReadFile(BREAKWATERD_PROGRAM), HasSubstr("libidn2.so"));
  for (const char* program : {ENFORCER_PROGRAM, TARPIT_PROGRAM}) {
    EXPECT_THAT(ReadFile(program), Not(HasSubstr("libidn2.so"))) << program;
  }
}

TEST(Commands, AreTheSameInHelpAndManual) {
  const std::string help = HelpOf(BREAKWATER_PROGRAM, "--help");
  const std::string commands = help.substr(help.find("\nSubcommands:"));
  const std::string manual = Section(Manual("cli/breakwater.8"), "DESCRIPTION");
  EXPECT_EQ(Matches(commands, "\n  ([a-z]+) "),
            Matches(manual, "\n\\.It Cm ([a-z]+)"));
}

TEST(LogEvents, AreTheSameInCodeAndManual) {
  Words events;
  for (const char* folder :
       {"core", "milter", "policy", "firewall", "reaper", "daemon"}) {
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(kSource / folder)) {
      const auto extension = entry.path().extension();
      if (extension != ".cc" && extension != ".h") continue;
      events.merge(Matches(ReadFile(entry.path()),
                           "Log\\([^;{}]*?[sS]everity[^\"]*?,\\s*"
                           "\"([a-z-]+)\"\\)"));
    }
  }
  // Named by the action.
  events.insert(ActionName(Action::kReject));
  events.insert(ActionName(Action::kDefer));
  events.insert(WouldName(Action::kReject));
  events.insert(WouldName(Action::kDefer));
  ASSERT_THAT(events, IsSupersetOf({"ban", "zone-error", "operator", "reap"}));
  // Two names may stand in one item: "a , b".
  Words documented;
  for (const std::string& manual : {Manual("breakwaterd.8"), TarpitManual()}) {
    const std::string log = Section(manual, "LOG");
    documented.merge(Matches(log, "\n\\.It Cm ([a-z-]+)"));
    documented.merge(Matches(log, "\n\\.It Cm [a-z-]+ , ([a-z-]+)"));
  }
  EXPECT_THAT(events, ::testing::ContainerEq(documented));
}

// Each of them once, so that each is rendered.
std::string EveryMetric() {
  Metrics metrics;
  const Verdict verdict{.action = Action::kReject, .reason = Reason::kListed};
  metrics.Verdicts(Front::kPolicy, verdict).Increment();
  metrics.DnsQueries("zone.test", "a", "listed").Increment();
  metrics.CacheHits("zone.test").Increment();
  metrics.ZoneState("zone.test", "ipv4", "ok").Set(1);
  metrics.DnsSaved("zone.test", "ban").Increment();
  metrics.DnsSeconds("zone.test").Observe(0.01);
  metrics.QueriesToday("zone.test").Set(1);
  metrics.DailyBudget("zone.test").Set(100);
  metrics.Bans("list").Increment();
  metrics.BansWithheld("no-socket").Increment();
  metrics.BadInput("policy").Increment();
  metrics.Offences("trap", "strikes").Increment();
  metrics.SetEnforcerCount("added", 1);
  metrics.verdict_seconds.Observe(0.01);
  metrics.ban_applied_seconds.Observe(0.001);
  return metrics.Render();
}

TEST(MetricNames, AreTheSameInCodeAndManual) {
  const Words names = Matches(EveryMetric(), "# TYPE ([a-z_]+) ");
  EXPECT_EQ(Matches(Section(Manual("breakwaterd.8"), "METRICS"),
                    "\n\\.It Cm ([a-z_]+)"),
            names);
  EXPECT_THAT(names, Each(StartsWith("breakwater_")));
}

}  // namespace
}  // namespace breakwater
