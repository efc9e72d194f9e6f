#include "daemon/config/config_keys.h"

#include <algorithm>
#include <chrono>

#include "core/base/closest_word.h"
#include "core/judge/reply.h"
#include "core/rules/zone_site.h"
#include "core/types/record.h"
#include "daemon/toml/config_values.h"

namespace breakwater {
namespace {

using namespace std::chrono_literals;

constexpr Duration kShortestBan = 1s;
constexpr Duration kLongestBan = std::chrono::seconds(kLongestBanSeconds);
constexpr int64_t kMillion = 1'000'000;

std::string_view Leaf(std::string_view name) {
  return name.substr(name.rfind('.') + 1);
}

void AddFronts(Config& c, std::vector<ConfigKey>& keys) {
  using enum Effect;
  keys.push_back({"milter.socket", kRestart,
                  TextField(c.milter.socket, CheckMilterSocket)});
  keys.push_back({"milter.group", kRestart,
                  TextField(c.milter.access.group, CheckGroupName)});
  keys.push_back(
      {"milter.mode", kRestart, PermissionsField(c.milter.access.mode)});
  keys.push_back({"milter.patience", kReload,
                  LengthField(c.rules.patience, 100ms, 10min)});
  keys.push_back({"policy.sockets", kRestart,
                  TextsField(c.policy.sockets, CheckPolicySocket)});
  keys.push_back({"policy.group", kRestart,
                  TextField(c.policy.access.group, CheckGroupName)});
  keys.push_back(
      {"policy.mode", kRestart, PermissionsField(c.policy.access.mode)});
  keys.push_back({"policy.max_connections", kRestart,
                  NumberField(c.policy.most_connections, 1, 100'000)});
  keys.push_back(
      {"submission.ports", kReload, PortsField(c.rules.submission_ports)});
}

void AddDns(Config& c, std::vector<ConfigKey>& keys) {
  using enum Effect;
  keys.push_back(
      {"dns.servers", kRestart, DnsServersField(c.resolver.servers)});
  keys.push_back(
      {"dns.deadline", kReload, LengthField(c.dnsbl.deadline, 10ms, 30s)});
  keys.push_back({"dns.reason_deadline", kReload,
                  LengthField(c.dnsbl.reason_deadline, 0ms, 10s)});
  keys.push_back(
      {"dns.timeout", kRestart, LengthField(c.resolver.timeout, 10ms, 30s)});
  keys.push_back({"dns.tries", kRestart, NumberField(c.resolver.tries, 1, 10)});
  keys.push_back({"dns.max_in_flight", kRestart,
                  NumberField(c.resolver.most_in_flight, 1, 8191)});
  keys.push_back(
      {"dns.ttl_floor", kReload, LengthField(c.dnsbl.ttl_floor, 0s, 24h)});
  keys.push_back(
      {"dns.ttl_ceiling", kReload, LengthField(c.dnsbl.ttl_ceiling, 1s, 168h)});
  keys.push_back({"dns.negative_ttl", kReload,
                  LengthField(c.dnsbl.negative_ttl, 1s, 24h)});
  keys.push_back(
      {"dns.stale_for", kReload, LengthField(c.dnsbl.stale_for, 0s, 24h)});
  keys.push_back({"dns.cache_clients", kReload,
                  NumberField(c.dnsbl.cache_capacity, 100, 10 * kMillion)});
}

void AddBan(Config& c, std::vector<ConfigKey>& keys) {
  using enum Effect;
  keys.push_back(
      {"ban.duration", kReload,
       LengthField(c.rules.ban_duration, kShortestBan, kLongestBan)});
  keys.push_back({"ban.recheck", kReload,
                  LengthField(c.rules.recheck_from, 0s, kLongestBan)});
  keys.push_back({"ban.ports", kReload, BanPortsField(c.ban_ports)});
  keys.push_back({"ban.extend", kRestart, FlagField(c.firewall.extend)});
  keys.push_back(
      {"ban.needs_socket", kReload, FlagField(c.rules.ban_needs_socket)});
  keys.push_back(
      {"ban.max", kRestart, NumberField(c.most_bans, 1, 10 * kMillion)});
  keys.push_back({"reply.code", kReload, ReplyCodeField(c.rules.reply.code)});
  keys.push_back({"reply.template", kReload,
                  TextField(c.rules.reply.text_template, CheckReplyTemplate)});
  keys.push_back(
      {"reply.name_template", kReload,
       TextField(c.rules.name_reply.text_template, CheckReplyTemplate)});
}

void AddProtect(Config& c, std::vector<ConfigKey>& keys) {
  using enum Effect;
  ProtectConfig& protect = c.protect;
  keys.push_back(
      {"protect.networks", kReload, NetworksField(c.rules.protected_networks)});
  keys.push_back(
      {"protect.files", kReload, TextsField(protect.files, CheckFilePath)});
  keys.push_back(
      {"protect.special_ranges", kReload, FlagField(protect.special_ranges)});
  keys.push_back(
      {"protect.mynetworks", kReload, FlagField(protect.mynetworks)});
  keys.push_back(
      {"protect.postconf", kReload, TextsField(protect.postconf, CheckWord)});
  keys.push_back({"protect.ssh_peers", kReload, FlagField(protect.ssh_peers)});
  keys.push_back({"protect.ssh_ports", kReload, PortsField(protect.ssh.ports)});
  keys.push_back(
      {"protect.ssh_after", kReload, LengthField(protect.ssh.after, 1s, 24h)});
  ProxyRules& proxy = c.rules.proxy;
  keys.push_back(
      {"proxy.addresses", kReload, NumberField(proxy.addresses, 0, 10)});
  keys.push_back({"proxy.connections", kReload,
                  NumberField(proxy.connections, 2, kMillion)});
  keys.push_back({"proxy.after", kReload, LengthField(proxy.after, 1s, 168h)});
}

void AddRestraint(Config& c, std::vector<ConfigKey>& keys) {
  using enum Effect;
  HistoryRules& history = c.rules.history;
  keys.push_back({"history.clients", kReload,
                  NumberField(history.clients, 0, 10 * kMillion)});
  keys.push_back(
      {"history.probation", kReload, LengthField(history.probation, 0s, 168h)});
  keys.push_back({"history.half_life", kReload,
                  LengthField(history.half_life, 1h, 8760h)});
  keys.push_back(
      {"history.keep", kReload, LengthField(history.keep, 1h, 8760h)});
  keys.push_back(
      {"history.window", kReload, LengthField(history.window, 0s, 8760h)});
  BrakeRules& brake = c.rules.brake;
  keys.push_back({"brake.bans_per_minute", kReload,
                  NumberField(brake.bans_per_minute, 1, 10 * kMillion)});
  keys.push_back({"brake.times_busiest", kReload,
                  NumberField(brake.times_busiest, 1, 1000)});
  keys.push_back(
      {"brake.good_percent", kReload, NumberField(brake.good_percent, 0, 100)});
  keys.push_back(
      {"brake.good_clients", kReload,
       NumberField(brake.good_clients, 1,
                   static_cast<int64_t>(BrakeRules::kLastCondemned))});
  keys.push_back(
      {"brake.release", kReload, LengthField(brake.release, 0s, 24h)});
}

void AddKernel(Config& c, std::vector<ConfigKey>& keys) {
  using enum Effect;
  keys.push_back(
      {"firewall.backend", kRestart, BackendsField(c.firewall.backends)});
  keys.push_back({"firewall.set_prefix", kRestart,
                  TextField(c.firewall.set_prefix, CheckSetPrefix)});
  keys.push_back({"firewall.hashsize", kRestart,
                  NumberField(c.firewall.hash_size, 64, 16 * kMillion)});
  keys.push_back({"firewall.maxelem", kRestart,
                  NumberField(c.firewall.most_entries, 1, 10 * kMillion)});
  keys.push_back({"enforcer.socket", kRestart,
                  TextField(c.enforcer.socket, CheckSocketPath)});
  keys.push_back({"enforcer.user", kRestart,
                  TextField(c.enforcer.user, CheckProgramUser)});
  keys.push_back({"enforcer.bans_per_second", kReload,
                  NumberField(c.enforcer.bans_per_second, 1, kMillion)});
  keys.push_back({"enforcer.ban_burst", kReload,
                  NumberField(c.enforcer.ban_burst, 1, 10 * kMillion)});
}

void AddPrograms(Config& c, std::vector<ConfigKey>& keys) {
  using enum Effect;
  keys.push_back({"control.socket", kRestart,
                  TextField(c.control.socket, CheckSocketPath)});
  keys.push_back(
      {"control.users", kReload, TextsField(c.control.users, CheckUserName)});
  keys.push_back({"report.socket", kRestart,
                  TextField(c.report.socket, CheckReportSocket)});
  keys.push_back({"report.group", kRestart,
                  TextField(c.report.access.group, CheckGroupName)});
  keys.push_back(
      {"report.mode", kRestart, PermissionsField(c.report.access.mode)});
  keys.push_back(
      {"report.users", kReload, TextsField(c.report.users, CheckUserName)});
  keys.push_back(
      {"memory.file", kRestart, TextField(c.memory.file, CheckMemoryFile)});
  keys.push_back(
      {"memory.keep", kReload, LengthField(c.memory.keep, 1h, 87600h)});
  keys.push_back({"memory.events", kReload,
                  NumberField(c.memory.most_events, 0, 100 * kMillion)});
  LogTarget& target = c.log.target;
  keys.push_back({"log.target", kRestart,
                  ChoiceField(
                      {"stderr", "syslog"},
                      [&target](size_t choice) {
                        target = static_cast<LogTarget>(choice);
                      },
                      [&target] { return static_cast<size_t>(target); })});
  Severity& level = c.log.level;
  keys.push_back(
      {"log.level", kReload,
       ChoiceField(
           {"debug", "info", "warning", "error"},
           [&level](size_t choice) { level = static_cast<Severity>(choice); },
           [&level] { return static_cast<size_t>(level); })});
}

void AddConduct(Config& c, std::vector<ConfigKey>& keys) {
  using enum Effect;
  keys.push_back({"offences.clients", kReload,
                  NumberField(c.rules.conduct.clients, 0, 10 * kMillion)});
  SpareRules& spare = c.rules.spare;
  keys.push_back({"spare.networks", kReload, NetworksField(spare.networks)});
  keys.push_back(
      {"spare.names", kReload, TextsField(spare.names, CheckSparedName)});
  keys.push_back(
      {"spare.files", kReload, TextsField(c.spare_files, CheckFilePath)});
  keys.push_back({"spare.judged", kReload, FlagField(spare.judged)});
  GrowthRules& growth = c.rules.growth;
  keys.push_back(
      {"growth.factor", kReload, NumberField(growth.factor, 1, 100)});
  keys.push_back({"growth.ceiling", kReload,
                  LengthField(growth.ceiling, kShortestBan, kLongestBan)});
  keys.push_back(
      {"growth.forget", kReload, LengthField(growth.forget, 1min, 8760h)});
  keys.push_back({"growth.jitter_percent", kReload,
                  NumberField(growth.jitter_percent, 0, 100)});
  keys.push_back({"growth.clients", kReload,
                  NumberField(growth.clients, 0, 10 * kMillion)});
}

void AddWidening(Config& c, std::vector<ConfigKey>& keys) {
  // At most as many as there are in such a network, or can be looked through at
  // each ban.
  const auto add = [&](const char* name, Width width, int64_t clients) {
    uint32_t& slot = c.rules.widening.members[static_cast<size_t>(width)];
    keys.push_back({name, Effect::kReload, NumberField(slot, 0, clients)});
  };
  add("widen.ipv4_24", Width::kV4By24, 256);
  add("widen.ipv6_56", Width::kV6By56, 256);
  add("widen.ipv6_48", Width::kV6By48, 4096);
}

std::vector<std::string_view> AllNames() {
  Config config;
  ZoneDraft zone;
  FilterDraft filter;
  OffenceDraft offence;
  std::vector<std::string_view> names;
  for (const ConfigKey& key : KeysOf(config)) names.push_back(key.name);
  for (const ConfigKey& key : ZoneKeysOf(zone)) names.push_back(key.name);
  for (const ConfigKey& key : FilterKeysOf(filter)) names.push_back(key.name);
  for (const ConfigKey& key : OffenceKeysOf(offence)) names.push_back(key.name);
  return names;
}

}  // namespace

std::vector<ConfigKey> KeysOf(Config& config) {
  std::vector<ConfigKey> keys;
  bool& observe = config.rules.observe;
  keys.push_back({"mode", Effect::kReload,
                  ChoiceField(
                      {"enforce", "observe"},
                      [&observe](size_t choice) { observe = choice == 1; },
                      [&observe] { return size_t{observe}; })});
  keys.push_back(
      {"user", Effect::kRestart, TextField(config.user, CheckProgramUser)});
  AddFronts(config, keys);
  AddDns(config, keys);
  AddBan(config, keys);
  AddProtect(config, keys);
  AddRestraint(config, keys);
  AddConduct(config, keys);
  AddWidening(config, keys);
  AddKernel(config, keys);
  AddPrograms(config, keys);
  keys.push_back({"score.reject", Effect::kReload,
                  NumberField(config.rules.reject_score, 1, kMostWeight)});
  keys.push_back({"score.ban", Effect::kReload,
                  NumberField(config.rules.ban_score, 1, kMostWeight)});
  keys.push_back(
      {"zones", Effect::kReload, TextsField(config.sites, CheckZoneSites)});
  return keys;
}

std::vector<ConfigKey> ZoneKeysOf(ZoneDraft& zone) {
  using enum Effect;
  std::vector<ConfigKey> keys;
  keys.push_back({"zone.name", kReload, ZoneNameField(zone.name)});
  keys.push_back({"zone.label", kReload, TextField(zone.label, CheckLabel)});
  keys.push_back({"zone.type", kReload, ZoneTypeField(zone.type)});
  keys.push_back({"zone.names", kReload, NameKindsField(zone.names)});
  keys.push_back({"zone.kind", kReload, ZoneKindField(zone.kind)});
  keys.push_back({"zone.answers", kReload, AnswersField(zone.answers)});
  keys.push_back({"zone.weight", kReload,
                  OptionalNumberField(zone.weight, -kMostWeight, kMostWeight)});
  keys.push_back({"zone.ban", kReload, OptionalFlagField(zone.ban)});
  keys.push_back(
      {"zone.ban_duration", kReload,
       OptionalLengthField(zone.ban_duration, kShortestBan, kLongestBan)});
  keys.push_back({"zone.reply_code", kReload, ReplyCodeField(zone.reply_code)});
  keys.push_back({"zone.reply_template", kReload,
                  ReplyTemplateField(zone.reply_template)});
  keys.push_back({"zone.strict", kReload, FlagField(zone.strict)});
  keys.push_back({"zone.after", kReload, NumberField(zone.after, 0, 9)});
  keys.push_back({"zone.daily_budget", kReload,
                  NumberField(zone.daily_budget, 0, 1'000'000 * kMillion)});
  return keys;
}

std::vector<ConfigKey> FilterKeysOf(FilterDraft& filter) {
  using enum Effect;
  return {
      {"zone.filter.answers", kReload, AnswersField(filter.answers)},
      {"zone.filter.weight", kReload,
       NumberField(filter.weight, -kMostWeight, kMostWeight)},
      {"zone.filter.label", kReload, TextField(filter.label, CheckLabel)},
      {"zone.filter.ban", kReload, FlagField(filter.ban)},
  };
}

std::vector<ConfigKey> OffenceKeysOf(OffenceDraft& offence) {
  using enum Effect;
  std::optional<OffenceKind>& kind = offence.kind;
  OffenceMode& mode = offence.mode;
  return {
      {"offence.kind", kReload,
       ChoiceField(
           OffenceNames(),
           [&kind](size_t choice) { kind = static_cast<OffenceKind>(choice); },
           [&kind] {
             return static_cast<size_t>(kind.value_or(OffenceKind::kTrap));
           })},
      {"offence.mode", kReload,
       ChoiceField(
           {"off", "observe", "on"},
           [&mode](size_t choice) { mode = static_cast<OffenceMode>(choice); },
           [&mode] { return static_cast<size_t>(mode); })},
      {"offence.after", kReload,
       OptionalNumberField(offence.after, 1, kMillion)},
      {"offence.window", kReload,
       OptionalLengthField(offence.window, 1s, 8760h)},
      {"offence.weight", kReload, NumberField(offence.weight, 0, kMostWeight)},
      {"offence.ban", kReload, FlagField(offence.ban)},
      {"offence.ban_duration", kReload,
       OptionalLengthField(offence.ban_duration, kShortestBan, kLongestBan)},
      {"offence.recipients", kReload,
       TextsField(offence.recipients, CheckTrap)},
      {"offence.files", kReload, TextsField(offence.files, CheckFilePath)},
      {"offence.headers", kReload, TextsField(offence.headers, CheckHeader)},
      {"offence.names", kReload, TextsField(offence.names, CheckHeloName)},
      {"offence.network_after", kReload,
       NumberField(offence.network_after, 0, kMillion)},
  };
}

bool IsKnownKey(std::string_view name) {
  const std::vector<std::string_view> names = AllNames();
  return std::ranges::find(names, name) != names.end();
}

std::optional<std::string> ClosestKey(std::string_view unknown) {
  const std::vector<std::string_view> names = AllNames();
  if (auto closest = ClosestWord(unknown, names)) return closest;
  // The right word in the wrong table.
  for (const std::string_view name : names) {
    if (Leaf(name) == Leaf(unknown)) return std::string(name);
  }
  return std::nullopt;
}

}  // namespace breakwater
