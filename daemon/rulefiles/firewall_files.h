#pragma once

#include <string>

#include "daemon/config/config.h"
#include "daemon/rulefiles/firewall_rules.h"

namespace breakwater {

// FirewallRules' files, one function for each tool; which of them can be had
// is looked after there.

std::string IpsetFile(const Config& config);  // ipset restore
// iptables-restore --noflush, or ip6tables-restore
std::string IptablesFile(const Config& config, const FirewallRequest& request);
// nft -f: one transaction, which may be loaded again and again
std::string NftFile(const Config& config, const FirewallRequest& request);
// /etc/firewalld/direct.xml, for both families
std::string FirewalldFile(const Config& config, const FirewallRequest& request);
// /etc/shorewall/conntrack, or /etc/shorewall6/conntrack
std::string ShorewallFile(const Config& config, const FirewallRequest& request);
// the end of /etc/ufw/before.rules, or of before6.rules
std::string UfwFile(const Config& config, const FirewallRequest& request);

// What stands above the rules: what they do, how they are used, and why they
// are as they are. All lines begin with "#".
std::string FirewallComment(const Config& config,
                            const FirewallRequest& request,
                            const std::string& use);

}  // namespace breakwater
