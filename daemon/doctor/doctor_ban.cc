#include "daemon/doctor/doctor_ban.h"

#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "absl/strings/str_cat.h"
#include "core/base/clock.h"
#include "core/net/address.h"
#include "core/rules/names.h"
#include "daemon/protocol/cli_json.h"
#include "daemon/protocol/control_client.h"
#include "daemon/system/run_program.h"

namespace breakwater {
namespace {

constexpr char kSeconds[] = "60";
constexpr Duration kPatience = std::chrono::seconds(5);
// Between the daemon's yes and the kernel's.
constexpr Duration kUntilInForce = std::chrono::seconds(2);
constexpr Duration kPause = std::chrono::milliseconds(50);

absl::Status Run(const std::vector<std::string>& words) {
  const absl::StatusOr<ProgramResult> result = RunProgram(words);
  if (!result.ok()) return result.status();
  return result->ToStatus("putting the test address into the set");
}

absl::Status WriteLine(const std::string& path, const std::string& line) {
  std::ofstream file(path);
  file << line << std::flush;
  return file ? absl::OkStatus()
              : absl::UnavailableError(
                    absl::StrCat(path,
                                 " cannot be written: no rule of "
                                 "iptables names that list"));
}

std::string RecentPath(const FirewallNames& names, size_t family) {
  return absl::StrCat("/proc/net/xt_recent/", names.recent[family]);
}

std::vector<std::string> NftElement(const char* verb,
                                    const FirewallNames& names, size_t family,
                                    const std::string& element) {
  return {"nft",
          verb,
          "element",
          "inet",
          names.nft_table,
          names.sets[family],
          absl::StrCat("{ ", element, " }")};
}

}  // namespace

DoctorBan::DoctorBan(const Config& config, const std::string& control_socket,
                     const char* client, bool through_daemon,
                     std::vector<std::string>& faults)
    : config_(config),
      control_socket_(control_socket),
      client_(client),
      element_(Network::OfClient(*IpAddress::Parse(client)).address.ToString()),
      family_(client_.find(':') == std::string::npos ? 0 : 1) {
  by_daemon_ = through_daemon && AskForBan(faults);
  if (!by_daemon_) PutIn(faults);
}

DoctorBan::~DoctorBan() {
  if (by_daemon_) {
    static_cast<void>(
        AskDaemon(control_socket_, absl::StrCat("unban ", client_), kPatience));
  } else {
    TakeOut();
  }
}

bool DoctorBan::AskForBan(std::vector<std::string>& faults) const {
  const absl::StatusOr<std::string> line = AskDaemon(
      control_socket_,
      absl::StrCat("ban ", client_, " ", kSeconds, " breakwater doctor"),
      kPatience);
  if (!line.ok()) {
    faults.push_back(std::string(line.status().message()));
    return false;
  }
  const auto answer = nlohmann::json::parse(*line, nullptr, false);
  if (!IsTrue(answer, "ok")) {
    faults.push_back(absl::StrCat("breakwaterd does not ban the test address: ",
                                  Text(answer, "error")));
    return false;
  }
  if (!config_.firewall.Uses(FirewallBackend::kIpset)) {
    // The other sets are not asked: to look one element up takes nft the whole
    // set.
    std::this_thread::sleep_for(kUntilInForce / 4);
    return true;
  }
  const Instant end = Clock::now() + kUntilInForce;
  while (!IsInIpset()) {
    if (Clock::now() > end) {
      faults.push_back(absl::StrCat(
          "breakwaterd has banned the test address, but the enforcer has not "
          "put it into the set ",
          FirewallNames(config_.firewall.set_prefix).sets[family_],
          ": see its log, and firewall.set_prefix of the running daemon"));
      static_cast<void>(AskDaemon(control_socket_,
                                  absl::StrCat("unban ", client_), kPatience));
      return false;
    }
    std::this_thread::sleep_for(kPause);
  }
  return true;
}

bool DoctorBan::IsInIpset() const {
  const FirewallNames names(config_.firewall.set_prefix);
  for (const size_t set : {family_, family_ + 2}) {
    const absl::StatusOr<ProgramResult> result =
        RunProgram({"ipset", "-q", "test", names.sets[set], element_});
    if (result.ok() && result->exit_code == 0) return true;
  }
  return false;
}

void DoctorBan::PutIn(std::vector<std::string>& faults) const {
  const FirewallNames names(config_.firewall.set_prefix);
  const auto note = [&faults](const absl::Status& status) {
    if (!status.ok()) faults.push_back(std::string(status.message()));
  };
  for (const FirewallBackend backend : config_.firewall.backends) {
    switch (backend) {
      case FirewallBackend::kIpset:
        note(Run({"ipset", "-exist", "add", names.sets[family_], element_,
                  "timeout", kSeconds}));
        break;
      case FirewallBackend::kNftables:
        note(Run(
            NftElement("add", names, family_,
                       absl::StrCat(element_, " timeout ", kSeconds, "s"))));
        break;
      case FirewallBackend::kXtRecent:
        note(
            WriteLine(RecentPath(names, family_), absl::StrCat("+", element_)));
        break;
    }
  }
}

void DoctorBan::TakeOut() const {
  const FirewallNames names(config_.firewall.set_prefix);
  for (const FirewallBackend backend : config_.firewall.backends) {
    switch (backend) {
      case FirewallBackend::kIpset:
        static_cast<void>(
            Run({"ipset", "-exist", "del", names.sets[family_], element_}));
        break;
      case FirewallBackend::kNftables:
        static_cast<void>(Run(NftElement("delete", names, family_, element_)));
        break;
      case FirewallBackend::kXtRecent:
        static_cast<void>(
            WriteLine(RecentPath(names, family_), absl::StrCat("-", element_)));
        break;
    }
  }
}

}  // namespace breakwater
