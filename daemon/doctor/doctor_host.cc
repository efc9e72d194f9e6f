#include "daemon/doctor/doctor_host.h"

#include <ifaddrs.h>
#include <net/if.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/doctor/doctor_probe.h"
#include "daemon/system/run_program.h"

namespace breakwater {
namespace {

constexpr char kListening[] = "0A";

// "0100007F" or four such: words as this host keeps them.
std::optional<IpAddress> FromHex(absl::string_view hex) {
  if (hex.size() == 8) {
    uint32_t word = 0;  // was printed as a number
    if (!absl::SimpleHexAtoi(hex, &word)) return std::nullopt;
    in_addr address;
    std::memcpy(&address, &word, sizeof word);
    return IpAddress::From(address);
  }
  if (hex.size() != 32) return std::nullopt;
  in6_addr address;
  for (size_t i = 0; i < 4; ++i) {
    uint32_t word = 0;
    if (!absl::SimpleHexAtoi(hex.substr(8 * i, 8), &word)) return std::nullopt;
    std::memcpy(&address.s6_addr[4 * i], &word, sizeof word);
  }
  return IpAddress::From(address);
}

std::string Output(const std::vector<std::string>& words) {
  const absl::StatusOr<ProgramResult> result = RunProgram(words);
  return result.ok() && result->exit_code == 0 ? result->out : "";
}

bool IsLoopback(const IpAddress& address) {
  return AlwaysProtected().Find(address).has_value();
}

}  // namespace

std::vector<IpAddress> ListenersOn(uint16_t port, std::string_view tcp,
                                   std::string_view tcp6) {
  std::vector<IpAddress> listeners;
  for (const std::string_view table : {tcp, tcp6}) {
    for (const absl::string_view line :
         absl::StrSplit(absl::string_view(table.data(), table.size()), '\n')) {
      const std::vector<absl::string_view> words =
          absl::StrSplit(line, ' ', absl::SkipEmpty());
      if (words.size() < 4 || words[3] != kListening) continue;
      const std::pair<absl::string_view, absl::string_view> local =
          absl::StrSplit(words[1], ':');
      uint32_t number = 0;
      if (!absl::SimpleHexAtoi(local.second, &number) || number != port) {
        continue;
      }
      if (const auto address = FromHex(local.first)) {
        listeners.push_back(*address);
      }
    }
  }
  return listeners;
}

std::vector<IpAddress> ReachableAddresses() {
  std::vector<IpAddress> addresses;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return addresses;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr || (entry->ifa_flags & IFF_UP) == 0) {
      continue;
    }
    const std::optional<IpAddress> address = IpAddress::From(entry->ifa_addr);
    if (address && !IsLoopback(*address)) addresses.push_back(*address);
  }
  freeifaddrs(list);
  return addresses;
}

std::optional<DoctorTarget> ChooseTarget(
    bool v4, const std::vector<IpAddress>& listeners,
    const std::vector<IpAddress>& addresses) {
  const auto listens_on = [&](const IpAddress& address) {
    return std::ranges::find(listeners, address) != listeners.end();
  };
  // Who listens on :: mostly does for IPv4 too.
  const bool on_all =
      std::ranges::any_of(listeners, [v4](const IpAddress& one) {
        return one.IsUnspecified() && (v4 || !one.IsV4());
      });
  std::optional<DoctorTarget> target;
  for (const IpAddress& address : addresses) {
    if (address.IsV4() != v4) continue;
    if (listens_on(address)) return DoctorTarget{address, true};
    if (!target) target = DoctorTarget{address, on_all};
  }
  return target;
}

uint64_t ReversePathDrops(std::string_view netstat) {
  // A line of names, and below it one of numbers.
  std::vector<absl::string_view> names;
  for (const absl::string_view line : absl::StrSplit(
           absl::string_view(netstat.data(), netstat.size()), '\n')) {
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, ' ', absl::SkipEmpty());
    const auto place = std::ranges::find(names, "IPReversePathFilter");
    const auto index = static_cast<size_t>(place - names.begin());
    uint64_t count = 0;
    if (place != names.end() && index < words.size() &&
        absl::SimpleAtoi(words[index], &count)) {
      return count;
    }
    names = words;
  }
  return 0;
}

int ReversePathFilter(const std::string& interface) {
  int strictest = 0;
  for (const std::string& which : {std::string("all"), interface}) {
    std::ifstream file(
        absl::StrCat("/proc/sys/net/ipv4/conf/", which, "/rp_filter"));
    int value = 0;
    if (file >> value) strictest = std::max(strictest, value);
  }
  return strictest;
}

std::string WayTo(const std::string& address) {
  const std::vector<std::string> words =
      absl::StrSplit(Output({"ip", "-o", "route", "get", address}),
                     absl::ByAnyChar(" \n"), absl::SkipEmpty());
  const auto place = std::ranges::find(words, "dev");
  return place == words.end() || place + 1 == words.end() ? "" : *(place + 1);
}

std::vector<PathTable> ReadFirewall(const ProbePacket& packet) {
  const bool v4 = packet.client.IsV4();
  const std::string program = v4 ? "iptables" : "ip6tables";
  const std::string of_iptables = Output({program + "-nft-save"});
  std::vector<PathTable> tables = ReadIptables(of_iptables, program, packet);
  for (PathTable& table : ReadIptables(Output({program + "-legacy-save"}),
                                       program + "-legacy", packet)) {
    tables.push_back(std::move(table));
  }
  // Those of iptables are in nft's list as well, in part unreadable.
  std::vector<std::string> skipped;
  for (const absl::string_view line : absl::StrSplit(of_iptables, '\n')) {
    if (absl::StartsWith(line, "*")) {
      skipped.push_back(absl::StrCat(v4 ? "ip " : "ip6 ", line.substr(1)));
    }
  }
  const std::string json = Output({"nft", "-t", "-j", "list", "ruleset"});
  if (json.empty()) return tables;
  for (PathTable& table :
       ReadNft(json, Output({"nft", "-t", "-a", "list", "ruleset"}), skipped,
               packet)) {
    tables.push_back(std::move(table));
  }
  return tables;
}

}  // namespace breakwater
