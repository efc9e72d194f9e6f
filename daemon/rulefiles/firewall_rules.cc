#include "daemon/rulefiles/firewall_rules.h"

#include <array>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/text.h"
#include "daemon/rulefiles/firewall_files.h"
#include "daemon/rulefiles/firewall_parts.h"

namespace breakwater {
namespace {

template <typename Value, size_t kCount>
using NameTable = std::array<std::pair<std::string_view, Value>, kCount>;

constexpr NameTable<FirewallTool, 6> kTools = {{
    {"ipset", FirewallTool::kIpset},
    {"iptables", FirewallTool::kIptables},
    {"nftables", FirewallTool::kNftables},
    {"firewalld", FirewallTool::kFirewalld},
    {"shorewall", FirewallTool::kShorewall},
    {"ufw", FirewallTool::kUfw},
}};
constexpr NameTable<BanAction, 4> kActions = {{
    {"drop", BanAction::kDrop},
    {"reject", BanAction::kReject},
    {"tarpit", BanAction::kTarpit},
    {"redirect", BanAction::kRedirect},
}};

template <typename Names>
auto Find(const Names& names, std::string_view name)
    -> absl::StatusOr<decltype(names[0].second)> {
  std::vector<std::string> known;
  for (const auto& [known_name, value] : names) {
    if (known_name == name) return value;
    known.emplace_back(known_name);
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", Escaped(name), "\" is none of ", absl::StrJoin(known, ", ")));
}

template <typename Names, typename Value>
std::string NameIn(const Names& names, Value value) {
  for (const auto& [name, known] : names) {
    if (known == value) return std::string(name);
  }
  return "";
}

// Which actions a tool's own files can say.
bool CanDo(FirewallTool tool, BanAction action) {
  switch (tool) {
    case FirewallTool::kIpset:
    case FirewallTool::kIptables:
    case FirewallTool::kFirewalld:
      return true;
    case FirewallTool::kNftables:
      return action != BanAction::kTarpit;
    case FirewallTool::kShorewall:
      return action == BanAction::kDrop;
    case FirewallTool::kUfw:
      return action == BanAction::kDrop || action == BanAction::kReject;
  }
  return false;
}

// Whether a backend fills what the tool's rules can look into.
absl::Status CheckBackend(const FirewallConfig& firewall, FirewallTool tool) {
  const bool ipset = firewall.Uses(FirewallBackend::kIpset);
  const bool recent = firewall.Uses(FirewallBackend::kXtRecent);
  const char* needed = nullptr;
  if (tool == FirewallTool::kNftables) {
    if (!firewall.Uses(FirewallBackend::kNftables)) needed = "\"nftables\"";
  } else if (tool == FirewallTool::kIpset || tool == FirewallTool::kShorewall) {
    if (!ipset) needed = "\"ipset\"";
  } else if (!ipset && !recent) {
    needed = "\"ipset\" or \"xt_recent\"";
  }
  if (needed == nullptr) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "rules for ", FirewallToolName(tool), " need firewall.backend to be ",
      needed, ": nothing else that they can look into holds the bans"));
}

}  // namespace

absl::StatusOr<FirewallTool> ParseFirewallTool(std::string_view name) {
  return Find(kTools, name);
}
absl::StatusOr<BanAction> ParseBanAction(std::string_view name) {
  return Find(kActions, name);
}
std::string FirewallToolName(FirewallTool tool) { return NameIn(kTools, tool); }
std::string BanActionName(BanAction action) { return NameIn(kActions, action); }

absl::StatusOr<std::string> FirewallRules(const Config& config,
                                          const FirewallRequest& request) {
  if (absl::Status status = CheckBackend(config.firewall, request.tool);
      !status.ok()) {
    return status;
  }
  if (!CanDo(request.tool, request.action)) {
    return absl::UnimplementedError(
        absl::StrCat("no rules for ", FirewallToolName(request.tool),
                     " with --action ", BanActionName(request.action),
                     "; those for iptables know all actions"));
  }
  switch (request.tool) {
    case FirewallTool::kIpset:
      return IpsetFile(config);
    case FirewallTool::kIptables:
      return IptablesFile(config, request);
    case FirewallTool::kNftables:
      return NftFile(config, request);
    case FirewallTool::kFirewalld:
      return FirewalldFile(config, request);
    case FirewallTool::kShorewall:
      return ShorewallFile(config, request);
    case FirewallTool::kUfw:
      break;
  }
  return UfwFile(config, request);
}

}  // namespace breakwater
