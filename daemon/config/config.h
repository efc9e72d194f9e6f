#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/log.h"
#include "core/judge/judge.h"
#include "core/rules/dns_options.h"

namespace breakwater {

// Who may connect to a unix socket that we make.
struct SocketAccess {
  std::string group;     // a name or a number; empty: leave as created
  uint32_t mode = 0660;  // permissions of the socket file
};

struct MilterConfig {
  std::string socket;  // "unix:/path" or "inet:PORT@ADDRESS"; empty: off
  SocketAccess access;
};

struct PolicyConfig {
  std::vector<std::string> sockets;  // "unix:/path" or "inet:ADDRESS:PORT"
  SocketAccess access;
  size_t most_connections = 4096;
};

// Ports on which a ban holds.
struct BanPorts {
  bool all = false;  // but 465 and 587, unless listed
  std::vector<uint16_t> listed = {25};
  bool Covers(uint16_t port) const;
};

// Whose connections are protected as those of who works on this host.
struct SshPeersOptions {
  std::vector<uint16_t> ports = {22};
  // How long a connection must have been seen: longer than sshd lets anybody
  // try to log in (LoginGraceTime), else whoever guesses passwords would be
  // protected.
  Duration after = std::chrono::minutes(3);
  Duration keep = std::chrono::hours(1);  // after the last connection

  bool operator==(const SshPeersOptions&) const = default;
};

// Where bans take effect in the kernel.
enum class FirewallBackend : uint8_t { kIpset, kNftables, kXtRecent };
const char* FirewallBackendName(FirewallBackend backend);  // "ipset" ...

struct FirewallConfig {
  // Each ban goes into all of them; none ("none"): no kernel set at all.
  std::vector<FirewallBackend> backends = {FirewallBackend::kIpset};
  bool Uses(FirewallBackend backend) const {
    return std::ranges::find(backends, backend) != backends.end();
  }
  std::string set_prefix = "breakwater";
  // Whether bans of the default length go into the sets whose rule starts the
  // time again at every new connection.
  bool extend = false;
  uint32_t hash_size = 65'536;
  uint32_t most_entries = 1'000'000;
};

struct EnforcerConfig {
  std::string socket = "/run/breakwater/enforcer.sock";
  std::string user = "breakwater-enforcer";
  uint32_t bans_per_second = 10'000;  // its own rate limit
  uint32_t ban_burst = 200'000;
};

// What is protected besides what cannot be but protected. protect.networks is
// in Rules.
struct ProtectConfig {
  // Lists of networks, read with the configuration into Rules.
  std::vector<std::string> files;
  bool special_ranges = true;
  bool mynetworks = false;
  std::vector<std::string> postconf = {"postconf"};  // asked for them
  bool ssh_peers = false;
  SshPeersOptions ssh;
};

struct ControlConfig {
  std::string socket = "/run/breakwater/control.sock";
  // Users besides root and our own who may command.
  std::vector<std::string> users;
};

struct ReportConfig {
  std::string socket;  // "unix:/path"; empty: off
  SocketAccess access;
  // Users besides root and our own who may report.
  std::vector<std::string> users;
};

struct MemoryConfig {
  std::string file = "/var/lib/breakwater/memory.db";  // empty: off
  Duration keep = std::chrono::hours(30 * 24);
  size_t most_events = 1'000'000;
};

struct LogConfig {
  LogTarget target = LogTarget::kStderr;
  Severity level = Severity::kInfo;
};

// The whole configuration file, breakwater.toml(5). Read-only once made.
struct Config {
  std::string path;
  std::string user = "breakwater";  // the daemon's, when started as root
  Rules rules;
  // Zones in postscreen's notation, as written; also in `rules`.
  std::vector<std::string> sites;
  // Lists of networks and names, read with the configuration into `rules`.
  std::vector<std::string> spare_files;
  std::vector<std::string> offence_files;  // of traps
  MilterConfig milter;
  PolicyConfig policy;
  DnsblOptions dnsbl;
  ResolverOptions resolver;
  size_t most_bans = 1'000'000;
  BanPorts ban_ports;
  FirewallConfig firewall;
  EnforcerConfig enforcer;
  ControlConfig control;
  ReportConfig report;
  MemoryConfig memory;
  ProtectConfig protect;
  LogConfig log;
  // What is allowed but unwise, e.g. a resolver that is not on loopback.
  std::vector<std::string> warnings;
};

// What an empty file means.
Config DefaultConfig();

// The error names file, line, column, key and what would be right, one line for
// each thing that is wrong. `path` is only used in messages.
absl::StatusOr<Config> ParseConfig(std::string_view text,
                                   std::string_view path);
// Reads the file, then parses it.
absl::StatusOr<Config> LoadConfig(const std::string& path);

// Keys in which `next` differs from `now` and which need a restart (sockets,
// users, the firewall's sets); a reload keeps their old values and says so.
std::vector<std::string> NeedRestart(const Config& now, const Config& next);
// `next`, with the values of those keys as they are now, and a warning of each.
Config KeepUntilRestart(const Config& now, Config next);

}  // namespace breakwater
