#include "daemon/doctor.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "daemon/cli_json.h"
#include "daemon/control_client.h"
#include "daemon/doctor_ban.h"
#include "daemon/doctor_host.h"
#include "daemon/doctor_probe.h"
#include "daemon/packet_path.h"

namespace breakwater {
namespace {

using Answer = DoctorProbe::Answer;
using Sentences = std::vector<std::string>;

constexpr Duration kPatience = std::chrono::seconds(5);
// A client of IPv6 is not played, only its way through the rules is read.
constexpr char kBanned6[] = "2001:db8:0:bad::2";

std::string ReadFile(const char* path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Whether the daemon would have a client banned now.
bool AskHowItIs(const std::string& socket, Sentences& faults) {
  const absl::StatusOr<std::string> line =
      AskDaemon(socket, "status", kPatience);
  if (!line.ok()) {
    faults.push_back(
        absl::StrCat("breakwaterd does not run, so nobody is banned: ",
                     line.status().message()));
    return false;
  }
  const auto status = nlohmann::json::parse(*line, nullptr, false);
  bool bans = true;
  if (Text(status, "mode") == "observe") {
    faults.push_back(
        "breakwaterd is in observe mode: it judges and bans nobody; mode = "
        "\"enforce\" in the configuration changes that");
    bans = false;
  }
  if (!IsTrue(Member(status, "enforcer"), "connected")) {
    faults.push_back(
        "the enforcer is not connected to breakwaterd, so no ban reaches the "
        "kernel: see whether breakwater-enforcer runs, and its log");
    bans = false;
  }
  return bans;
}

std::string Words(Answer answer) {
  switch (answer) {
    case Answer::kAccepted:
      return "accepted";
    case Answer::kReset:
      return "reset";
    case Answer::kNone:
      break;
  }
  return "dropped";
}

// What the rules of ours say becomes of the banned, if not a DROP.
bool IsAsOurRuleSays(const std::vector<PathTable>& tables, Answer answer,
                     std::string& rule) {
  const PathRule* const ours = OurEnd(tables);
  if (ours == nullptr) return false;
  rule = ours->text;
  if (ours->verdict == PathRule::Verdict::kDivert) {
    return answer == Answer::kAccepted;
  }
  return answer == Answer::kReset && (absl::StrContains(rule, "REJECT") ||
                                      absl::StrContains(rule, "reject"));
}

void BlameForBanned(const ProbePacket& packet, Answer answer,
                    DoctorReport& report) {
  const std::vector<PathTable> tables = ReadFirewall(packet);
  std::string rule;
  if (IsAsOurRuleSays(tables, answer, rule)) {
    report.seen.push_back(absl::StrCat("as this rule says: ", rule));
    return;
  }
  for (const std::string& why : WhyNotDropped(tables, packet)) {
    report.faults.push_back(absl::StrCat("a banned client gets in: ", why));
  }
}

void BlameForAllowed(const ProbePacket& packet, DoctorReport& report) {
  const std::string fault =
      absl::StrCat("a client that is not banned gets no answer from ",
                   packet.server.ToString(), " port ", packet.port);
  const Sentences rules = WhatDrops(ReadFirewall(packet));
  for (const std::string& rule : rules) {
    report.faults.push_back(absl::StrCat(fault, ": ", rule));
  }
  if (!rules.empty()) return;
  report.faults.push_back(absl::StrCat(
      fault,
      ", and no rule is seen that drops it: it may be for a rule that "
      "knows the real interfaces only, or net.ipv4.conf.*.rp_filter"));
}

// What is not played, but only read.
void ReadRules(const ProbePacket& packet, const std::string& who,
               DoctorReport& report) {
  const std::vector<PathTable> tables = ReadFirewall(packet);
  const std::string begin = absl::StrCat(packet.client.IsV4() ? "IPv4" : "IPv6",
                                         ", by its rules alone: ", who, " ");
  if (const PathRule* ours = OurEnd(tables)) {
    report.seen.push_back(absl::StrCat(begin, "meets ", ours->text));
    return;
  }
  for (const std::string& why : WhyNotDropped(tables, packet)) {
    report.faults.push_back(absl::StrCat(begin, "gets in: ", why));
  }
}

ProbePacket BannedPacket(const Config& config, const char* client,
                         const IpAddress& server, uint16_t port) {
  return {.client = *IpAddress::Parse(client),
          .server = server,
          .port = port,
          .interface = DoctorProbe::kInterface,
          .banned = true,
          .names = FirewallNames(config.firewall.set_prefix)};
}

void ReadIpv6AndNetworks(const Config& config, const IpAddress& server,
                         uint16_t port, DoctorReport& report) {
  const std::vector<IpAddress> addresses = ReachableAddresses();
  const auto server6 = std::ranges::find_if(
      addresses, [](const IpAddress& address) { return !address.IsV4(); });
  const bool has_ipv6 = server6 != addresses.end();
  if (has_ipv6) {
    ReadRules(BannedPacket(config, kBanned6, *server6, port), "a banned client",
              report);
  }
  if (!config.firewall.Uses(FirewallBackend::kIpset) &&
      !config.firewall.Uses(FirewallBackend::kNftables)) {
    return;  // nothing holds networks
  }
  for (const Width width : kAllWidths) {
    if (!config.rules.widening.Allows(width)) continue;
    if (!IsV4(width) && !has_ipv6) continue;
    ProbePacket packet =
        IsV4(width) ? BannedPacket(config, DoctorProbe::kBanned, server, port)
                    : BannedPacket(config, kBanned6, *server6, port);
    packet.width = width;
    ReadRules(packet, absl::StrCat("a client of a banned /", BitsOf(width)),
              report);
  }
}

absl::Status Try(const Config& config, const DoctorOptions& options,
                 const DoctorTarget& target, uint16_t port, bool bans,
                 DoctorReport& report) {
  absl::StatusOr<std::unique_ptr<DoctorProbe>> probe =
      DoctorProbe::Make(target.server);
  if (!probe.ok()) return probe.status();
  const DoctorBan ban(config, options.control_socket, bans, report.faults);
  const absl::StatusOr<Answer> banned =
      (*probe)->Send(DoctorProbe::kBanned, port);
  if (!banned.ok()) return banned.status();
  const absl::StatusOr<Answer> allowed =
      (*probe)->Send(DoctorProbe::kAllowed, port);
  if (!allowed.ok()) return allowed.status();

  const std::string where =
      absl::StrCat(target.server.ToString(), " port ", port);
  const auto tell = [&](const char* who, const char* address, Answer answer) {
    report.seen.push_back(
        absl::StrCat(who, " (", address, ") to ", where, ": ", Words(answer)));
  };
  tell("a banned client", DoctorProbe::kBanned, *banned);
  ProbePacket packet{.client = *IpAddress::Parse(DoctorProbe::kBanned),
                     .server = target.server,
                     .port = port,
                     .interface = DoctorProbe::kInterface,
                     .banned = true,
                     .names = FirewallNames(config.firewall.set_prefix)};
  if (*banned != Answer::kNone) BlameForBanned(packet, *banned, report);

  tell("another client", DoctorProbe::kAllowed, *allowed);
  packet.client = *IpAddress::Parse(DoctorProbe::kAllowed);
  packet.banned = false;
  if (*allowed == Answer::kNone) BlameForAllowed(packet, report);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<DoctorReport> Doctor(const Config& config,
                                    const DoctorOptions& options) {
  if (geteuid() != 0) {
    return absl::PermissionDeniedError(
        "this needs root: it lays a cable for test packets, and reads the "
        "firewall's rules");
  }
  const uint16_t port = options.port.value_or(
      config.ban_ports.all ? uint16_t{25} : config.ban_ports.listed.front());
  if (!config.ban_ports.Covers(port)) {
    return absl::InvalidArgumentError(
        absl::StrCat("bans do not cover port ", port, ": see ban.ports"));
  }
  DoctorReport report;
  const bool bans = AskHowItIs(options.control_socket, report.faults);
  if (config.firewall.backends.empty()) {
    report.faults.push_back(
        "firewall.backend is \"none\": bans reach no firewall");
    return report;
  }
  const std::optional<DoctorTarget> target = ChooseTarget(
      ListenersOn(port, ReadFile("/proc/net/tcp"), ReadFile("/proc/net/tcp6")),
      ReachableAddresses());
  if (!target) {
    return absl::FailedPreconditionError(
        "this host has no IPv4 address that others can reach");
  }
  if (!target->listens) {
    report.seen.push_back(absl::StrCat("nobody listens on port ", port, " of ",
                                       target->server.ToString(),
                                       ": a reset is an answer too"));
  }
  const absl::Status status = Try(config, options, *target, port, bans, report);
  if (!status.ok()) return status;
  ReadIpv6AndNetworks(config, target->server, port, report);
  return report;
}

}  // namespace breakwater
