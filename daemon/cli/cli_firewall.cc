#include "daemon/cli/cli_firewall.h"

#include <iostream>

#include "daemon/rulefiles/firewall_rules.h"
#include "daemon/system/run_program.h"

namespace breakwater {
namespace {

absl::StatusOr<FirewallRequest> RequestOf(const FirewallCommand& command) {
  const absl::StatusOr<FirewallTool> tool = ParseFirewallTool(command.tool);
  if (!tool.ok()) return tool.status();
  const absl::StatusOr<BanAction> action = ParseBanAction(command.action);
  if (!action.ok()) return action.status();
  if (command.apply && *tool != FirewallTool::kNftables) {
    return absl::InvalidArgumentError(
        "--apply is for nftables, where the rules have a table of their own; "
        "print the others and load them as the file says");
  }
  return FirewallRequest{.tool = *tool,
                         .ipv6 = command.ipv6,
                         .action = *action,
                         .tarpit_port = command.tarpit_port};
}

// As one transaction: all of it or nothing.
absl::Status Load(const std::string& rules, const std::string& doing) {
  const absl::StatusOr<ProgramResult> result =
      RunProgram({"nft", "-f", "-"}, rules);
  return result.ok() ? result->ToStatus(doing) : result.status();
}

}  // namespace

void AddFirewallCommand(CLI::App& app, FirewallCommand& command) {
  CLI::App* const firewall =
      app.add_subcommand("firewall", "Print the rules that drop the banned")
          ->fallthrough()
          ->require_subcommand(1);
  CLI::App* const print =
      firewall->add_subcommand("print", "Print the file for a firewall")
          ->fallthrough()
          ->callback([&command] { command.verb = "print"; });
  print
      ->add_option("--for", command.tool,
                   "ipset, iptables, nftables, firewalld, shorewall or ufw")
      ->type_name("TOOL")
      ->required();
  print
      ->add_option("--action", command.action,
                   "drop, reject, redirect (to breakwater-tarpit) or tarpit "
                   "(xtables-addons)")
      ->type_name("ACTION")
      ->capture_default_str();
  print->add_flag("--ipv6", command.ipv6,
                  "The file for IPv6: of iptables, shorewall, ufw");
  print
      ->add_option("--tarpit-port", command.tarpit_port,
                   "Where breakwater-tarpit listens")
      ->check(CLI::Range(1, 65535))
      ->type_name("PORT")
      ->capture_default_str();
  print->add_flag("--apply", command.apply,
                  "Load it instead: only for nftables");
  firewall->add_subcommand("remove", "Take away what --apply has loaded")
      ->fallthrough()
      ->callback([&command] { command.verb = "remove"; });
}

absl::Status RunFirewallCommand(const FirewallCommand& command,
                                const Config& config) {
  if (command.verb == "remove") {
    return Load(NftRemoval(config), "taking the rules away");
  }
  const absl::StatusOr<FirewallRequest> request = RequestOf(command);
  if (!request.ok()) return request.status();
  const absl::StatusOr<std::string> rules = FirewallRules(config, *request);
  if (!rules.ok()) return rules.status();
  if (command.apply) return Load(*rules, "loading the rules");
  std::cout << *rules << std::flush;
  return std::cout.good() ? absl::OkStatus()
                          : absl::DataLossError("the output cannot be written");
}

}  // namespace breakwater
