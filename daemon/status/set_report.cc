#include "daemon/status/set_report.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/text.h"
#include "core/net/width.h"
#include "core/rules/names.h"

namespace breakwater {
namespace {

using Numbers = std::bitset<kSetsOfBackend>;

FirewallBackend BackendOf(SetsOf id) {
  return static_cast<FirewallBackend>(static_cast<int>(id) - 1);
}
static_assert(static_cast<int>(SetsOf::kXtRecent) - 1 ==
              static_cast<int>(FirewallBackend::kXtRecent));

std::vector<std::string> NamesOf(SetsOf backend, const Numbers& numbers,
                                 const FirewallNames& names) {
  std::vector<std::string> result;
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (!numbers[i]) continue;
    if (backend != SetsOf::kXtRecent) {
      result.push_back(names.Set(i));
    } else if (i < names.recent.size()) {
      result.push_back(names.recent[i]);
    }
  }
  return result;
}

uint64_t CountOf(const EnforcerState& enforcer, const char* counter) {
  const auto found = enforcer.counters.find(counter);
  return found == enforcer.counters.end() ? 0 : found->second;
}

// The sets that a ban of the network can be in.
Numbers SetsFor(const Network& network, const Config& config,
                FirewallBackend backend) {
  Numbers numbers;
  const size_t family = network.IsV4() ? 0 : 1;
  if (const std::optional<Width> width = WidthOf(network)) {
    numbers[kSetsOfBackend - kWidths + static_cast<size_t>(*width)] =
        backend != FirewallBackend::kXtRecent;
    return numbers;
  }
  numbers[family] = true;
  numbers[2 + family] =
      config.firewall.extend && backend != FirewallBackend::kXtRecent;
  return numbers;
}

// That the two programs have not started with the same configuration, or
// nothing. The enforcer tells of the sets of each backend that it fills.
std::optional<std::string> OtherBackends(const Config& config,
                                         const EnforcerState& enforcer) {
  std::vector<std::string> ours;
  for (const FirewallBackend backend : config.firewall.backends) {
    ours.emplace_back(FirewallBackendName(backend));
  }
  std::vector<std::string> its;
  for (const auto& [backend, numbers] : enforcer.without_rule) {
    its.emplace_back(FirewallBackendName(BackendOf(backend)));
  }
  std::ranges::sort(ours);
  std::ranges::sort(its);
  if (ours == its) return std::nullopt;
  const auto words = [](const std::vector<std::string>& names) {
    return names.empty() ? "none" : absl::StrJoin(names, ", ");
  };
  return absl::StrCat(
      "the enforcer fills the sets of ", words(its),
      ", and breakwaterd was started for those of ", words(ours),
      ": firewall.backend has changed and only one of the two was restarted; "
      "restart both, breakwater-enforcer and breakwaterd");
}

}  // namespace

nlohmann::json DescribeWithoutRule(const Config& config,
                                   const EnforcerState& enforcer) {
  const FirewallNames names(config.firewall.set_prefix);
  nlohmann::json result = nlohmann::json::object();
  for (const auto& [backend, numbers] : enforcer.without_rule) {
    if (numbers.none()) continue;
    result[FirewallBackendName(BackendOf(backend))] =
        NamesOf(backend, numbers, names);
  }
  return result;
}

std::vector<std::string> SetProblems(const Config& config,
                                     const EnforcerState& enforcer) {
  std::vector<std::string> problems;
  if (!enforcer.connected) return problems;
  if (const uint64_t wrong = CountOf(enforcer, "sets_wrong"); wrong > 0) {
    problems.push_back(absl::StrCat(
        wrong,
        " of the firewall's sets cannot be used, and who is banned is not kept "
        "out by them: the enforcer's log says why, at event=sets-wrong"));
  }
  if (const uint64_t sets = CountOf(enforcer, "sets_left_over"); sets > 0) {
    problems.push_back(absl::StrCat(
        Counted(sets, "set that the configuration does not name is",
                "sets that the configuration does not name are"),
        " looked into by rules of the firewall and still keep out who is in "
        "them (",
        Counted(CountOf(enforcer, "addresses_left_over"), "address",
                "addresses"),
        ", and those of nftables and xt_recent, which are not "
        "counted): the enforcer's log names them and what empties them, at "
        "event=sets-left-over, and so does `breakwater doctor`"));
  }
  if (auto others = OtherBackends(config, enforcer);
      others && !config.rules.observe) {
    problems.push_back(*std::move(others));
  }
  const FirewallNames names(config.firewall.set_prefix);
  for (const auto& [backend, numbers] : enforcer.without_rule) {
    // Who only observes keeps nobody out.
    if (numbers.none() || config.rules.observe) continue;
    problems.push_back(absl::StrCat(
        "no rule of the firewall drops who is in ",
        absl::StrJoin(NamesOf(backend, numbers, names), ", "), " of ",
        FirewallBackendName(BackendOf(backend)),
        ", so that who is banned there is not kept out: load what `breakwater "
        "firewall print` prints; `breakwater doctor` tells more"));
  }
  return problems;
}

bool HasLeftOvers(const EnforcerState& enforcer) {
  return enforcer.connected && CountOf(enforcer, "sets_left_over") > 0;
}

bool IsLookedFor(const Network& network, const Config& config,
                 const EnforcerState& enforcer) {
  bool any_holds = false;
  for (const FirewallBackend backend : config.firewall.backends) {
    const Numbers sets = SetsFor(network, config, backend);
    if (sets.none()) continue;
    any_holds = true;
    const auto told = enforcer.without_rule.find(
        static_cast<SetsOf>(static_cast<int>(backend) + 1));
    if (told == enforcer.without_rule.end() || (sets & ~told->second).any()) {
      return true;
    }
  }
  return !any_holds;
}

}  // namespace breakwater
