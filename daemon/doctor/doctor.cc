#include "daemon/doctor/doctor.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "daemon/doctor/doctor_ban.h"
#include "daemon/doctor/doctor_host.h"
#include "daemon/doctor/doctor_left_overs.h"
#include "daemon/doctor/doctor_probe.h"
#include "daemon/doctor/packet_path.h"
#include "daemon/protocol/cli_json.h"
#include "daemon/protocol/control_client.h"

namespace breakwater {
namespace {

using Answer = DoctorProbe::Answer;
using Sentences = std::vector<std::string>;

constexpr Duration kPatience = std::chrono::seconds(5);
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
        absl::StrCat(absl::IsDeadlineExceeded(line.status())
                         ? "breakwaterd hangs, so nobody is banned: "
                         : "breakwaterd does not run, so nobody is banned: ",
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
  const std::string way = WayTo(packet.client.ToString());
  if (way != DoctorProbe::kInterface) {
    report.faults.push_back(absl::StrCat(
        fault, ": the answer leaves by ", way.empty() ? "no interface" : way,
        " and not by ", DoctorProbe::kInterface, "; \"ip rule\" shows why"));
    return;
  }
  report.faults.push_back(absl::StrCat(
      fault,
      ", and no rule is seen that drops it: it may be for a rule that "
      "knows the real interfaces only"));
}

// What the kernel throws away before any rule of the firewall's input proves
// nothing about the ban.
void BlameReversePath(const std::string& client, DoctorReport& report) {
  const std::string way = WayTo(client);
  report.faults.push_back(absl::StrCat(
      "rp_filter, not the ban, drops the test's packets, so they prove "
      "nothing: net.ipv4.conf.*.rp_filter is ",
      ReversePathFilter(DoctorProbe::kInterface), ", and the way back to ",
      client, " leads by ", way.empty() ? "no interface" : way, ", not by ",
      DoctorProbe::kInterface,
      "; \"ip rule\" shows why, and 2 instead of 1 lets them pass"));
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

ProbePacket BannedPacket(const Config& config, const IpAddress& server,
                         uint16_t port) {
  const DoctorProbe::Clients clients =
      server.IsV4() ? DoctorProbe::kIpv4 : DoctorProbe::kIpv6;
  return {.client = *IpAddress::Parse(clients.banned),
          .server = server,
          .port = port,
          .interface = DoctorProbe::kInterface,
          .banned = true,
          .names = FirewallNames(config.firewall.set_prefix),
          .backends = config.firewall.backends};
}

void ReadNetworks(const Config& config, const IpAddress& server, uint16_t port,
                  DoctorReport& report) {
  if (!config.firewall.Uses(FirewallBackend::kIpset) &&
      !config.firewall.Uses(FirewallBackend::kNftables)) {
    return;  // nothing holds networks
  }
  for (const Width width : kAllWidths) {
    if (!config.rules.widening.Allows(width)) continue;
    if (IsV4(width) != server.IsV4()) continue;
    ProbePacket packet = BannedPacket(config, server, port);
    packet.width = width;
    ReadRules(packet, absl::StrCat("a client of a banned /", BitsOf(width)),
              report);
  }
}

// What becomes of the test's packets, and how many of them rp_filter took.
struct Outcome {
  Answer answer;
  bool reverse_path = false;
};
absl::StatusOr<Outcome> Send(DoctorProbe& probe, const char* client,
                             const IpAddress& server, uint16_t port) {
  const auto dropped = [] {
    return ReversePathDrops(ReadFile("/proc/net/netstat"));
  };
  const uint64_t before = dropped();
  const absl::StatusOr<Answer> answer = probe.Send(client, server, port);
  if (!answer.ok()) return answer.status();
  return Outcome{
      *answer, server.IsV4() && *answer == Answer::kNone && dropped() > before};
}

absl::Status Try(const Config& config, const DoctorOptions& options,
                 DoctorProbe& probe, const IpAddress& server, uint16_t port,
                 bool bans, DoctorReport& report) {
  const DoctorProbe::Clients clients =
      server.IsV4() ? DoctorProbe::kIpv4 : DoctorProbe::kIpv6;
  if (absl::Status status = probe.Lead(server); !status.ok()) return status;
  const DoctorBan ban(config, options.control_socket, clients.banned, bans,
                      report.faults);
  const absl::StatusOr<Outcome> banned =
      Send(probe, clients.banned, server, port);
  if (!banned.ok()) return banned.status();
  const absl::StatusOr<Outcome> allowed =
      Send(probe, clients.allowed, server, port);
  if (!allowed.ok()) return allowed.status();

  const std::string where = absl::StrCat(server.ToString(), " port ", port);
  const auto tell = [&](const char* who, const char* address,
                        const Outcome& outcome) {
    report.seen.push_back(absl::StrCat(
        who, " (", address, ") to ", where, ": ",
        outcome.reverse_path ? "dropped by rp_filter" : Words(outcome.answer)));
  };
  ProbePacket packet = BannedPacket(config, server, port);
  tell("a banned client", clients.banned, *banned);
  tell("another client", clients.allowed, *allowed);
  if (banned->reverse_path || allowed->reverse_path) {
    BlameReversePath(banned->reverse_path ? clients.banned : clients.allowed,
                     report);
    ReadRules(packet, "a banned client", report);
    return absl::OkStatus();
  }
  if (banned->answer != Answer::kNone) {
    BlameForBanned(packet, banned->answer, report);
  }
  packet.client = *IpAddress::Parse(clients.allowed);
  packet.banned = false;
  if (allowed->answer == Answer::kNone) BlameForAllowed(packet, report);
  return absl::OkStatus();
}

absl::Status TryFamily(bool v4, const Config& config,
                       const DoctorOptions& options, DoctorProbe& probe,
                       uint16_t port, bool bans, DoctorReport& report) {
  const std::optional<DoctorTarget> target =
      ChooseTarget(v4,
                   ListenersOn(port, v4 ? ReadFile("/proc/net/tcp") : "",
                               ReadFile("/proc/net/tcp6")),
                   ReachableAddresses());
  if (!target) return absl::NotFoundError("no address of that family");
  if (!target->listens) {
    report.seen.push_back(absl::StrCat("nobody listens on port ", port, " of ",
                                       target->server.ToString(),
                                       ": a reset is an answer too"));
  }
  absl::Status status =
      Try(config, options, probe, target->server, port, bans, report);
  if (!status.ok() && !v4) {
    report.seen.push_back(
        absl::StrCat("IPv6 could not be tried: ", status.message()));
    ReadRules(BannedPacket(config, target->server, port), "a banned client",
              report);
    status = absl::OkStatus();
  }
  if (status.ok()) ReadNetworks(config, target->server, port, report);
  return status;
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
  for (std::string& fault : LeftOverSets(ListSets(config), config)) {
    report.faults.push_back(std::move(fault));
  }
  if (config.firewall.backends.empty()) {
    report.faults.push_back(
        "firewall.backend is \"none\": bans reach no firewall");
    return report;
  }
  absl::StatusOr<std::unique_ptr<DoctorProbe>> probe = DoctorProbe::Make();
  if (!probe.ok()) return probe.status();
  bool tried = false;
  for (const bool v4 : {true, false}) {
    const absl::Status status =
        TryFamily(v4, config, options, **probe, port, bans, report);
    if (!status.ok() && !absl::IsNotFound(status)) return status;
    tried |= status.ok();
  }
  if (!tried) {
    return absl::FailedPreconditionError(
        "this host has no address that others can reach");
  }
  return report;
}

}  // namespace breakwater
