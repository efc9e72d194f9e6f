// breakwater(8): the operator's command.

#include <CLI/CLI.hpp>
#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/duration.h"
#include "core/base/list_file.h"
#include "core/base/text.h"
#include "core/types/allowance.h"
#include "core/types/record.h"
#include "daemon/cli/cli_firewall.h"
#include "daemon/cli/cli_tables.h"
#include "daemon/cli/cli_transfer.h"
#include "daemon/config/config.h"
#include "daemon/doctor/doctor.h"
#include "daemon/protocol/control_client.h"
#include "daemon/protocol/control_request.h"
#include "daemon/system/command_line.h"
#include "daemon/toml/lenient_key.h"

namespace breakwater {
namespace {

// As breakwater(8) documents them.
constexpr int kOk = 0;
constexpr int kRefused = 1;
constexpr int kUsage = kWrongUsage;
constexpr int kUnreachable = 3;
constexpr int kNotWell = 4;

constexpr char kUsualConfig[] = BREAKWATER_CONFIG;
constexpr Duration kUsualAllowance = std::chrono::hours(24);
constexpr size_t kLargestConfig = 1 << 20;

struct Options {
  std::string config;
  std::string socket;
  bool json = false;
  std::string address;
  std::string network;
  std::string length;
  std::string reason;
  bool force = false;  // of allow
  std::string offence;
  std::string detail;
  std::string zone;
  bool test = false;  // of zones
  size_t limit = kUsualBansShown;
  FirewallCommand firewall;
  TransferCommand transfer;
  std::optional<uint16_t> doctor_port;
};

int Fail(int code, std::string_view message) {
  std::cerr << "breakwater: " << Printable(message) << "\n";
  return code;
}

void AddCommands(CLI::App& app, Options& options) {
  const auto command = [&app](const char* name, const char* about) {
    // So that --json may stand behind the verb too.
    return app.add_subcommand(name, about)->fallthrough();
  };
  const auto client = [&options](CLI::App* verb) {
    verb->add_option("ADDRESS", options.address,
                     "An IPv4 or IPv6 address, or the /64 of one client")
        ->required();
  };
  const auto client_or_network = [&options](CLI::App* verb) {
    verb->add_option("ADDRESS", options.address,
                     "An IPv4 or IPv6 address, or a network as bans shows it")
        ->required();
  };
  command("status", "Show what runs, and what is wrong");
  CLI::App* bans = command("bans", "List who is kept out, and why");
  bans->add_option("--limit", options.limit, "Show at most that many")
      ->check(CLI::Range(size_t{1}, kMostBansShown))
      ->capture_default_str();
  CLI::App* ban = command("ban", "Keep an address out");
  client(ban);
  ban->add_option("--for", options.length,
                  "How long: 30s, 10m, 12h, 7d; else ban.duration of the "
                  "configuration")
      ->type_name("TIME");
  ban->add_option("--reason", options.reason,
                  "Why; the client is told if it still has a session");
  client_or_network(
      command("unban", "Let an address in again, or a network with all in it"));
  CLI::App* history = command(
      "history", "Show what has happened to an address or in a network");
  client_or_network(history);
  history->add_option("--limit", options.limit, "Show at most that many events")
      ->check(CLI::Range(size_t{1}, kMostBansShown))
      ->capture_default_str();
  CLI::App* allow = command(
      "allow", "Let a client do as it likes for a while, or show who may");
  allow->add_option("NETWORK", options.network,
                    "An address or a network; without it, all are shown");
  allow->add_option("--for", options.length, "How long: 30m, 12h, 7d; else 24h")
      ->type_name("TIME");
  allow->add_option("--reason", options.reason, "Why, for whoever looks later");
  allow->add_flag("--force", options.force,
                  "Even a network wider than /16, or /32 of IPv6");
  command("disallow", "End that before its time")
      ->add_option("NETWORK", options.network, "As it was given to allow")
      ->required();
  CLI::App* report = command("report", "Tell of something that a client did");
  client(report);
  report
      ->add_option("--offence", options.offence,
                   "What: virus, spam, trap, or another word for \"reported\"")
      ->type_name("KIND")
      ->required();
  report
      ->add_option("--for", options.length,
                   "How long to ban, if it comes to that; else as the offence "
                   "says")
      ->type_name("TIME");
  report->add_option("--detail", options.detail, "More about it, for the log");
  command("explain",
          "Ask the lists about an address, or about a client's name, and say "
          "what would happen")
      ->add_option("ADDRESS|NAME", options.address,
                   "An IPv4 or IPv6 address, or a domain name")
      ->required();
  CLI::App* zones =
      command("zones", "Show what each list costs and gives, and how it is");
  CLI::App* test =
      zones->add_subcommand("test", "Ask the lists' test entries now")
          ->fallthrough()
          ->callback([&options] { options.test = true; });
  test->add_option("ZONE", options.zone, "Only the list with that label");
  command("metrics", "Print the metrics in Prometheus' text format");
  command("reload", "Load the configuration, or say why it cannot be");
  AddTransferCommands(app, options.transfer);
  AddFirewallCommand(app, options.firewall);
  command("doctor", "Try whether the firewall keeps banned clients out")
      ->add_option("--port", options.doctor_port,
                   "The mail server's port; else the first of ban.ports")
      ->check(CLI::Range(1, 65535))
      ->type_name("PORT");
}

// What --for says, of a ban or of an allowance.
absl::StatusOr<Duration> ReadLength(const std::string& text, bool ban) {
  const absl::StatusOr<Duration> length = ParseDuration(text);
  if (!length.ok()) return length.status();
  const auto longest =
      ban ? std::chrono::seconds(kLongestBanSeconds)
          : std::chrono::duration_cast<std::chrono::seconds>(kLongestAllowance);
  if (*length > longest) {
    return absl::InvalidArgumentError(
        absl::StrCat("--for: ", text, " is longer than the longest ",
                     ban ? "ban that the kernel can count, " : "allowance, ",
                     longest.count(), "s (", RoughTime(longest.count()), ")"));
  }
  if (*length < std::chrono::seconds(1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--for: ", text, " is no length; write 1s or more"));
  }
  return length;
}

// The verb's words as a request; the error is one of usage.
absl::StatusOr<ControlRequest> MakeRequest(const std::string& verb,
                                           const Options& options,
                                           Duration usual_ban) {
  std::string line = verb;
  if (options.test) line = "test-zones";
  if (!options.zone.empty()) absl::StrAppend(&line, " ", options.zone);
  if (!options.address.empty()) absl::StrAppend(&line, " ", options.address);
  if (verb == "report") {
    // A blank in one must not make two of it.
    if (options.offence.find(' ') != std::string::npos ||
        options.length.find(' ') != std::string::npos) {
      return absl::InvalidArgumentError("--offence and --for are one word");
    }
    absl::StrAppend(&line, " ", options.offence, " ",
                    options.length.empty() ? "-" : options.length, " ",
                    options.detail);
    return ParseControlRequest(line);
  }
  if (verb == "bans" || verb == "history") {
    absl::StrAppend(&line, " ", options.limit);
  }
  if (verb == "disallow") absl::StrAppend(&line, " ", options.network);
  if (verb == "allow" && options.network.empty()) {
    if (!options.length.empty() || !options.reason.empty() || options.force) {
      return absl::InvalidArgumentError("allow: NETWORK is missing");
    }
    return ParseControlRequest("allowed");
  }
  if (verb == "allow") absl::StrAppend(&line, " ", options.network);
  if (verb == "ban" || verb == "allow") {
    Duration length = verb == "ban" ? usual_ban : kUsualAllowance;
    if (!options.length.empty()) {
      const absl::StatusOr<Duration> given =
          ReadLength(options.length, verb == "ban");
      if (!given.ok()) return given.status();
      length = *given;
    }
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(length);
    absl::StrAppend(&line, " ", seconds.count(), " ",
                    options.force ? "--force " : "", options.reason);
  }
  return ParseControlRequest(line);
}

int Show(const Options& options, const ControlRequest& request,
         const std::string& line) {
  const nlohmann::json answer = nlohmann::json::parse(line, nullptr, false);
  if (!answer.is_object()) {
    return Fail(kUnreachable, "what answers is not breakwaterd");
  }
  const bool ok = answer.value("ok", nlohmann::json()) == true;
  if (options.json) {
    std::cout << line << "\n";
  } else if (ok) {
    std::cout << ShowAnswer(request, answer);
  } else {
    const nlohmann::json error = answer.value("error", nlohmann::json());
    return Fail(kRefused, error.is_string() ? error.get<std::string>()
                                            : "refused, without a reason");
  }
  std::cout.flush();
  if (!std::cout.good()) return Fail(kRefused, "the output cannot be written");
  if (!ok) return kRefused;
  const bool well = answer.value("all_ok", nlohmann::json()) != false;
  return well ? kOk : kNotWell;
}

int RunDoctor(const Options& options, const Config& config) {
  const absl::StatusOr<DoctorReport> report = Doctor(
      config, {.control_socket = options.socket.empty() ? config.control.socket
                                                        : options.socket,
               .port = options.doctor_port});
  if (!report.ok()) {
    const bool usage = absl::IsInvalidArgument(report.status());
    return Fail(usage ? kUsage : kRefused,
                std::string(report.status().message()));
  }
  if (options.json) {
    std::cout << nlohmann::json{{"ok", true},
                                {"all_ok", report->faults.empty()},
                                {"seen", report->seen},
                                {"faults", report->faults}}
                     .dump(-1, ' ', false,
                           nlohmann::json::error_handler_t::replace)
              << "\n";
  } else {
    for (const std::string& line : report->seen) {
      std::cout << Printable(line) << "\n";
    }
    for (const std::string& fault : report->faults) {
      std::cout << "FAULT: " << Printable(fault) << "\n";
    }
    if (report->faults.empty()) std::cout << "all is well\n";
  }
  std::cout.flush();
  if (!std::cout.good()) return Fail(kRefused, "the output cannot be written");
  return report->faults.empty() ? kOk : kNotWell;
}

int RunFirewall(const FirewallCommand& command, const Config& config) {
  const absl::Status status = RunFirewallCommand(command, config);
  if (status.ok()) return kOk;
  return Fail(absl::IsInvalidArgument(status) ? kUsage : kRefused,
              std::string(status.message()));
}

int FailFor(const absl::Status& status) {
  const int code =
      absl::IsInvalidArgument(status) ? kUsage
      : absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status)
          ? kUnreachable
          : kRefused;
  return Fail(code, std::string(status.message()));
}

int RunImport(const Options& options, const std::string& socket,
              Duration usual) {
  if (!options.transfer.length.empty()) {
    const absl::StatusOr<Duration> given =
        ReadLength(options.transfer.length, /*ban=*/true);
    if (!given.ok()) return FailFor(given.status());
    usual = *given;
  }
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(usual);
  const absl::StatusOr<ImportCounts> counts =
      ImportBans(socket, options.transfer, seconds, std::cerr);
  if (!counts.ok()) return FailFor(counts.status());
  if (options.json) {
    std::cout << nlohmann::json{{"ok", true},
                                {"new", counts->began},
                                {"prolonged", counts->prolonged},
                                {"as_before", counts->as_before},
                                {"ended", counts->ended},
                                {"refused", counts->refused},
                                {"bad", counts->bad},
                                {"note", counts->note}}
              << "\n";
  } else {
    std::cout << ShowImport(*counts) << "\n";
  }
  return counts->refused + counts->bad == 0 ? kOk : kRefused;
}

// What of the configuration is needed to ask the daemon: its control.socket and
// ban.duration. One that cannot be read is no reason to give up: the daemon may
// still run on an older one, and "reload" says what is wrong.
struct Wanted {
  Config config = DefaultConfig();
  // Why it is not the file's; empty if it is, or there is none.
  std::string trouble;
  bool socket_known = true;  // all the same
};

Wanted ReadWanted(const std::string& path, bool given) {
  Wanted wanted;
  absl::StatusOr<Config> loaded = LoadConfig(path);
  if (loaded.ok()) {
    wanted.config = *std::move(loaded);
    return wanted;
  }
  if (!given && absl::IsNotFound(loaded.status())) return wanted;
  wanted.trouble = std::string(loaded.status().message());
  const absl::StatusOr<std::string> text = ReadTextFile(path, kLargestConfig);
  const std::optional<std::string> socket =
      text.ok() ? ControlSocketIn(*text) : std::nullopt;
  wanted.socket_known = socket.has_value();
  if (socket) wanted.config.control.socket = *socket;
  return wanted;
}

// With those of a ban whose length nobody has said.
void NoteUsualBan(const std::string& verb, const Options& options,
                  const Wanted& wanted) {
  const std::string& length =
      verb == "import" ? options.transfer.length : options.length;
  if (wanted.trouble.empty() || !length.empty() ||
      (verb != "ban" && verb != "import")) {
    return;
  }
  std::cerr << "breakwater: ban.duration cannot be read, and "
            << FormatDuration(wanted.config.rules.ban_duration)
            << " is taken for it; --for says another length\n";
}

int RunAsking(const std::string& verb, const Options& options,
              const std::string& socket, const Config& config) {
  if (verb == "import") {
    return RunImport(options, socket, config.rules.ban_duration);
  }
  if (verb == "export") {
    const absl::Status status = ExportBans(socket, options.transfer, std::cout);
    return status.ok() ? kOk : FailFor(status);
  }
  const absl::StatusOr<ControlRequest> request =
      MakeRequest(verb, options, config.rules.ban_duration);
  if (!request.ok()) {
    return Fail(kUsage, std::string(request.status().message()));
  }
  const absl::StatusOr<std::string> line = AskDaemon(
      socket, FormatControlRequest(*request), PatienceFor(request->verb));
  if (!line.ok()) {
    return Fail(kUnreachable, std::string(line.status().message()));
  }
  return Show(options, *request, *line);
}

int Run(const std::string& verb, const Options& options) {
  const bool given = !options.config.empty();
  const std::string path = given ? options.config : kUsualConfig;
  const Wanted wanted = ReadWanted(path, given);
  if (verb == "firewall" || verb == "doctor") {
    // All of it counts here: rules for another one would look right.
    if (!wanted.trouble.empty()) return Fail(kUsage, wanted.trouble);
    return verb == "doctor" ? RunDoctor(options, wanted.config)
                            : RunFirewall(options.firewall, wanted.config);
  }
  const bool guess = options.socket.empty() && !wanted.socket_known;
  if (guess && given) {
    return Fail(kUsage, absl::StrCat(wanted.trouble,
                                     "\ncontrol.socket cannot be read from it: "
                                     "--socket PATH names the daemon's"));
  }
  NoteUsualBan(verb, options, wanted);
  const std::string& socket =
      options.socket.empty() ? wanted.config.control.socket : options.socket;
  const int code = RunAsking(verb, options, socket, wanted.config);
  if (code == kUnreachable && guess) {
    return Fail(code,
                absl::StrCat(path,
                             " cannot be read, so that the daemon may have "
                             "another control.socket: --socket PATH names it"
                             "\n",
                             wanted.trouble));
  }
  return code;
}

}  // namespace
}  // namespace breakwater

int main(int argc, char** argv) {
  breakwater::Options options;
  CLI::App app("Shows and changes what breakwaterd does", "breakwater");
  app.footer(
      "Exit code: 0 done, 1 refused, 2 wrong usage, 3 no daemon, 4 a zone "
      "or the firewall is not well.\n"
      "See breakwater(8).");
  app.set_version_flag("--version", "breakwater " BREAKWATER_VERSION);
  app.set_help_all_flag("--help-all", "Help of all commands");
  app.require_subcommand(1);
  app.add_option("--config", options.config,
                 "The daemon's configuration, for its control.socket; "
                 "else " BREAKWATER_CONFIG)
      ->type_name("FILE");
  app.add_option("--socket", options.socket, "The daemon's control socket")
      ->type_name("PATH");
  app.add_flag("--json", options.json, "Print the daemon's answer as it is");
  breakwater::AddCommands(app, options);
  if (const auto ended = breakwater::ReadCommandLine(app, argc, argv)) {
    return *ended;
  }
  return breakwater::Run(app.get_subcommands().front()->get_name(), options);
}
