#include "daemon/config/config.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "core/base/list_file.h"
#include "core/base/text.h"
#include "core/net/socket_address.h"
#include "daemon/config/config_fields.h"
#include "daemon/config/config_keys.h"
#include "daemon/config/config_offences.h"
#include "daemon/config/table_reader.h"
#include "daemon/toml/config_values.h"
#include "daemon/toml/quote_hint.h"

namespace breakwater {
namespace {

constexpr size_t kLargestFile = 1 << 20;

// Fills in what the draft leaves out. Its own answers are the first filter.
Zone MakeZone(const ZoneDraft& draft, const Rules& rules,
              const std::vector<ZoneFilter>& more) {
  const bool is_domain = draft.type == ZoneType::kDomain;
  const ReplyForm& reply = is_domain ? rules.name_reply : rules.reply;
  Zone zone{.name = draft.name,
            .label = draft.label.empty() ? draft.name : draft.label,
            .type = draft.type,
            .kind = draft.kind,
            .filters = more,
            .ban_duration = draft.ban_duration,
            .strict = draft.strict,
            .after = draft.after,
            .daily_budget = draft.daily_budget};
  if (more.empty() || draft.answers || draft.weight) {
    ZoneFilter own{
        .answers = draft.answers.value_or(DefaultAnswersOf(draft.type)),
        .weight = draft.weight.value_or(1)};
    zone.filters.insert(zone.filters.begin(), std::move(own));
  }
  if (draft.names) zone.names = *draft.names;
  if (draft.reply_code || draft.reply_template) {
    zone.reply = ReplyForm{
        .code = draft.reply_code.value_or(reply.code),
        .text_template = draft.reply_template.value_or(reply.text_template)};
  }
  // Who is told to come again must be able to. And a name says less of an
  // address: anybody can say it.
  const int code = draft.reply_code.value_or(reply.code);
  zone.ban = draft.ban.value_or(code >= 500 && !is_domain);
  return zone;
}

void CheckZone(const ZoneDraft& draft, const TableReader& reader,
               const toml::table& table, const std::vector<Zone>& earlier,
               Complaints& complaints) {
  if (draft.name.empty()) {
    if (reader.Node("zone.name") == nullptr) {
      complaints.Add(table.source(), "zone.name",
                     "is missing; write the list's zone, as in name = "
                     "\"zen.spamhaus.org\"");
    }
    return;
  }
  const std::string_view key = KeyInZoneName(draft.name);
  if (!key.empty() && draft.label.empty()) {
    complaints.Add(reader.Place("zone.name", table), "zone.label",
                   "is missing, and the name seems to hold a paid key that "
                   "nobody should see; write the list's public name, as in "
                   "label = \"zen.dq.spamhaus.net\"");
  } else if (!key.empty() && draft.label.find(key) != std::string::npos) {
    complaints.Add(reader.Place("zone.label", table), "zone.label",
                   "shows the key that is in the name; leave that part out");
  }
  const std::optional<ZoneType> known = KnownTypeOf(draft.name);
  if (known && *known != draft.type) {
    complaints.Add(reader.Place("zone.name", table), "zone.name",
                   WrongZoneType(*known));
  }
  if (draft.names && draft.type != ZoneType::kDomain) {
    complaints.Add(reader.Place("zone.names", table), "zone.names",
                   "is for lists of domain names; write type = \"domain\" if "
                   "this is one, or leave it out");
  }
  for (const Zone& zone : earlier) {
    const char* which = zone.name == draft.name ? "zone.name" : "zone.label";
    const std::string& label = draft.label.empty() ? draft.name : draft.label;
    if (zone.name == draft.name || zone.label == label) {
      complaints.Add(
          reader.Place(which, table), which,
          absl::StrCat("is that of an earlier zone too; remove one of the two "
                       "or put their answers into one list"));
      return;
    }
  }
}

std::vector<ZoneFilter> ReadFilters(const toml::table& zone,
                                    Complaints& complaints) {
  std::vector<ZoneFilter> filters;
  const toml::node* node = zone.get("filter");
  if (node == nullptr) return filters;
  const toml::array* array = node->as_array();
  if (array == nullptr) {
    complaints.Add(node->source(), "zone.filter",
                   "must be a list of tables; write [[zone.filter]] with "
                   "double brackets");
    return filters;
  }
  for (const toml::node& element : *array) {
    const toml::table* table = element.as_table();
    if (table == nullptr) {
      complaints.Add(element.source(), "zone.filter",
                     "must be a table; write [[zone.filter]] before its keys");
      continue;
    }
    FilterDraft draft;
    const std::vector<ConfigKey> keys = FilterKeysOf(draft);
    TableReader reader(keys, complaints);
    reader.Read(*table, "zone.filter.");
    if (reader.Node("zone.filter.answers") == nullptr) {
      complaints.Add(table->source(), "zone.filter.answers",
                     "is missing; write which of the zone's answers are meant, "
                     "as in answers = [\"127.0.0.10-127.0.0.11\"]");
    }
    ZoneFilter filter{
        .weight = draft.weight, .label = draft.label, .ban = draft.ban};
    if (draft.answers) filter.answers = *draft.answers;
    filters.push_back(std::move(filter));
  }
  return filters;
}

// Answers that can be no listing of this zone, whoever gives them: of those
// that no zone may count each has been told where it stands.
void CheckAnswers(const Zone& zone, const toml::source_region& where,
                  const char* key, Complaints& complaints) {
  for (const ZoneFilter& filter : zone.filters) {
    for (const AnswerRange& range : filter.answers) {
      if (zone.MayCount(range)) continue;
      complaints.Add(
          where, key,
          absl::StrCat("\"", FormatAnswers(range), "\" of ", zone.label,
                       " can never count: with it a list says that it was "
                       "asked about what it does not hold (127.0.1.255), or "
                       "that it has blocked us (127.0.0.255), for which nobody "
                       "is let in; leave it out"));
    }
  }
}

// The zones in postscreen's notation. Those that name the same domain are
// filters of one zone.
void AddSites(const TableReader& reader, Config& config,
              Complaints& complaints) {
  std::vector<Zone>& zones = config.rules.zones;
  for (const std::string& text : config.sites) {
    const absl::StatusOr<std::vector<ZoneSite>> sites = ParseZoneSites(text);
    if (!sites.ok()) continue;  // told already
    for (const ZoneSite& site : *sites) {
      auto zone = std::ranges::find(zones, site.domain, &Zone::name);
      if (zone == zones.end()) {
        zones.push_back({.name = site.domain,
                         .label = site.domain,
                         .filters = {},
                         .ban = config.rules.reply.code >= 500});
        zone = zones.end() - 1;
      }
      zone->filters.push_back(site.filter);
      if (zone->filters.size() == kMostFilters + 1) {
        complaints.Add(reader.Node("zones")->source(), "zones",
                       absl::StrCat("has more than ", kMostFilters,
                                    " entries for ", site.domain));
      }
    }
  }
  for (const Zone& zone : zones) {
    CheckAnswers(zone, reader.Node("zones")->source(), "zones", complaints);
  }
}

void ReadZones(const toml::node& node, Config& config, Complaints& complaints) {
  const toml::array* array = node.as_array();
  if (array == nullptr) {
    complaints.Add(node.source(), "zone",
                   "must be a list of tables; write [[zone]] with double "
                   "brackets");
    return;
  }
  for (const toml::node& element : *array) {
    const toml::table* table = element.as_table();
    if (table == nullptr) {
      complaints.Add(element.source(), "zone",
                     "must be a table; write [[zone]] before its keys");
      continue;
    }
    ZoneDraft draft;
    const std::vector<ConfigKey> keys = ZoneKeysOf(draft);
    TableReader reader(keys, complaints);
    reader.Read(*table, "zone.", {"zone.filter"});
    CheckZone(draft, reader, *table, config.rules.zones, complaints);
    config.rules.zones.push_back(
        MakeZone(draft, config.rules, ReadFilters(*table, complaints)));
    CheckAnswers(config.rules.zones.back(),
                 reader.Place("zone.answers", *table), "zone.answers",
                 complaints);
    if (config.rules.zones.back().filters.size() > kMostFilters) {
      complaints.Add(table->source(), "zone.filter",
                     absl::StrCat("there are more than ", kMostFilters,
                                  " filters; put answers of equal weight into "
                                  "one"));
    }
  }
}

// Nobody can listen where somebody does: no two are the same.
void CheckSockets(const Config& config, const TableReader& reader,
                  const toml::table& root, Complaints& complaints) {
  std::vector<std::pair<std::string, const char*>> seen;
  const auto take = [&](const char* key,
                        const std::optional<SocketAddress>& address) {
    if (!address) return;
    const auto& [path, endpoint] = *address;
    std::string where = path.empty() ? absl::StrCat(endpoint.address.ToString(),
                                                    " ", endpoint.port)
                                     : path;
    const auto earlier =
        std::ranges::find(seen, where, &decltype(seen)::value_type::first);
    if (earlier == seen.end()) {
      seen.emplace_back(std::move(where), key);
      return;
    }
    complaints.Add(reader.Place(key, root), key,
                   absl::StrCat("is ", earlier->second,
                                " too; give each its own path or port"));
  };
  const auto path = [](const std::string& text) {
    return SocketAddress{.path = text, .endpoint = {}};
  };
  take("enforcer.socket", path(config.enforcer.socket));
  take("control.socket", path(config.control.socket));
  take("milter.socket", ParseMilterSocket(config.milter.socket));
  for (const std::string& socket : config.policy.sockets) {
    take("policy.sockets", ParseSocketAddress(socket));
  }
  take("report.socket", ParseSocketAddress(config.report.socket));
  if (!config.memory.file.empty()) {
    take("memory.file", path(config.memory.file));
  }
}

// What no single key can tell.
void CheckTogether(const Config& config, const TableReader& reader,
                   const toml::table& root, Complaints& complaints) {
  if (config.dnsbl.ttl_floor > config.dnsbl.ttl_ceiling) {
    complaints.Add(reader.Place("dns.ttl_floor", root), "dns.ttl_floor",
                   "is longer than dns.ttl_ceiling; make it the shorter one");
  }
  if (config.rules.history.probation >= config.rules.history.keep) {
    complaints.Add(reader.Place("history.probation", root), "history.probation",
                   "is not shorter than history.keep; nobody would ever have a "
                   "good history");
  }
  if (config.protect.postconf.empty()) {
    complaints.Add(reader.Place("protect.postconf", root), "protect.postconf",
                   "names no program; write [\"postconf\"], or leave it out");
  }
  if (config.firewall.Uses(FirewallBackend::kNftables) &&
      !absl::ascii_isalpha(config.firewall.set_prefix[0])) {
    complaints.Add(reader.Place("firewall.set_prefix", root),
                   "firewall.set_prefix",
                   "must begin with a letter: a rule of nft could not name the "
                   "sets otherwise");
  }
  CheckSockets(config, reader, root, complaints);
}

bool IsLoopback(const IpAddress& address) {
  return address.IsV4() ? address.V4() >> 24 == 127
                        : address == *IpAddress::Parse("::1");
}

void WarnOfForm(const std::string& key, const std::string& text_template,
                std::vector<std::string>& warnings) {
  if (text_template.find("{id}") != std::string::npos) return;
  warnings.push_back(absl::StrCat(
      key,
      " has no {id}: what a rejected sender quotes cannot be found in the "
      "log"));
}

// Thresholds that no sum can reach, and answers that let everybody in.
void WarnOfScores(const Rules& rules, std::vector<std::string>& warnings) {
  int most = 0;
  int most_for_ban = 0;
  bool bans = false;
  for (const Zone& zone : rules.zones) {
    bool allows = zone.kind == ZoneKind::kAllow;
    bool by_default = false;
    for (const ZoneFilter& filter : zone.filters) {
      allows = allows || filter.weight < 0;
      if (filter.weight < 0 || zone.kind == ZoneKind::kAllow) {
        by_default =
            by_default || filter.answers == DefaultAnswersOf(zone.type);
      }
      if (filter.weight <= 0 || zone.kind == ZoneKind::kAllow) continue;
      most += filter.weight;
      if (!zone.ban || !filter.ban) continue;
      most_for_ban += filter.weight;
      bans = true;
    }
    if (allows && by_default) {
      warnings.push_back(absl::StrCat(
          "zone ", zone.label,
          " speaks for clients and names no answers: whatever it says does; "
          "name them, as in answers = [\"127.0.[0..255].[1..3]\"]"));
    }
  }
  if (most < rules.reject_score) {
    warnings.push_back(absl::StrCat(
        "score.reject: the weights of all zones add up to ", most,
        ", less than ", rules.reject_score, ": nobody will be rejected"));
  } else if (bans && most_for_ban < rules.ban_score) {
    warnings.push_back(absl::StrCat(
        "score.ban: the weights that may ban add up to ", most_for_ban,
        ", less than ", rules.ban_score, ": nobody will be banned"));
  }
  if (rules.ban_score < rules.reject_score) {
    warnings.push_back(
        "score.ban is less than score.reject, but who is not rejected is not "
        "banned either");
  }
}

// All bans last as long as the rule says.
void WarnOfRecent(const Config& config, std::vector<std::string>& warnings) {
  const Duration usual = config.rules.ban_duration;
  warnings.push_back(
      absl::StrCat("firewall.backend: with xt_recent a ban's length stands in "
                   "the firewall's "
                   "rule: it must say --seconds ",
                   std::chrono::ceil<std::chrono::seconds>(usual).count(),
                   config.firewall.extend ? " and --update" : " and --rcheck"));
  for (const Zone& zone : config.rules.zones) {
    if (!zone.ban_duration || *zone.ban_duration == usual) continue;
    warnings.push_back(absl::StrCat("ban_duration of zone ", zone.label,
                                    " has no effect with xt_recent"));
  }
}

// A network is only kept out by a set that can hold it.
void WarnOfWidening(const Config& config, std::vector<std::string>& warnings) {
  const FirewallConfig& firewall = config.firewall;
  const bool widens =
      std::ranges::any_of(kAllWidths, [&config](const Width width) {
        return config.rules.widening.Allows(width);
      });
  if (!widens || !firewall.Uses(FirewallBackend::kXtRecent)) return;
  if (firewall.Uses(FirewallBackend::kIpset) ||
      firewall.Uses(FirewallBackend::kNftables)) {
    return;
  }
  warnings.push_back(
      "widen: xt_recent holds no networks, so a ban of one is in breakwaterd's "
      "answers alone; add \"ipset\" or \"nftables\" to firewall.backend, or "
      "set the keys of widen to 0");
}

void WarnOfGrowth(const Rules& rules, std::vector<std::string>& warnings) {
  const GrowthRules& growth = rules.growth;
  if (growth.factor <= 1 || growth.ceiling > rules.ban_duration) return;
  warnings.push_back(
      "growth.ceiling is not longer than ban.duration: bans do not grow; raise "
      "it, or say so with growth.factor = 1");
}

// What is allowed but unwise.
void Warn(const Config& config, std::vector<std::string>& warnings) {
  if (config.rules.zones.empty()) {
    warnings.push_back("no [[zone]] is configured: nobody will be rejected");
  } else {
    WarnOfScores(config.rules, warnings);
  }
  if (config.milter.socket.empty() && config.policy.sockets.empty()) {
    warnings.push_back(
        "neither milter.socket nor policy.sockets is set: no mail server can "
        "ask");
  }
  if (config.rules.offences.IsOn(OffenceKind::kTrap) &&
      config.milter.socket.empty()) {
    warnings.push_back(
        "offence.kind trap: without milter.socket a trap is seen only where "
        "the policy server is asked about recipients, by a line in "
        "smtpd_recipient_restrictions, and never at CONNECT");
  }
  for (const DnsServer& server : config.resolver.servers) {
    if (IsLoopback(server.address)) continue;
    warnings.push_back(absl::StrCat(
        "dns.servers: ", FormatDnsServer(server),
        " is not on loopback: answers can be forged on the way, and lists "
        "refuse questions through public resolvers; run one on this host"));
  }
  std::vector<std::string> sockets = config.policy.sockets;
  sockets.push_back(config.milter.socket);
  for (const std::string& socket : sockets) {
    if (!IsReachableFromOutside(socket)) continue;
    warnings.push_back(
        absl::StrCat("\"", socket,
                     "\" can be reached from other hosts: whoever can "
                     "connect can have any address banned; use a unix socket"));
  }
  if (config.most_bans > config.firewall.most_entries &&
      (config.firewall.Uses(FirewallBackend::kIpset) ||
       config.firewall.Uses(FirewallBackend::kNftables))) {
    warnings.push_back(
        "ban.max is more than firewall.maxelem: the kernel's sets fill up "
        "first, and bans will end there before their time");
  }
  if (config.firewall.Uses(FirewallBackend::kXtRecent)) {
    WarnOfRecent(config, warnings);
  }
  WarnOfWidening(config, warnings);
  WarnOfGrowth(config.rules, warnings);
  WarnOfForm("reply.template", config.rules.reply.text_template, warnings);
  WarnOfForm("reply.name_template", config.rules.name_reply.text_template,
             warnings);
  for (const Zone& zone : config.rules.zones) {
    const ReplyForm& form = ReplyFormOf(config.rules, zone);
    if (form.text_template != config.rules.reply.text_template &&
        form.text_template != config.rules.name_reply.text_template) {
      WarnOfForm(absl::StrCat("reply_template of zone ", zone.label),
                 form.text_template, warnings);
    }
    if (zone.ban && form.code < 500) {
      warnings.push_back(
          absl::StrCat("zone ", zone.label,
                       " defers and bans: a client that comes again, "
                       "as it was told to, meets silence"));
    }
  }
}

}  // namespace

const char* FirewallBackendName(FirewallBackend backend) {
  switch (backend) {
    case FirewallBackend::kIpset:
      return "ipset";
    case FirewallBackend::kNftables:
      return "nftables";
    case FirewallBackend::kXtRecent:
      return "xt_recent";
  }
  return "?";
}

bool BanPorts::Covers(uint16_t port) const {
  if (std::ranges::find(listed, port) != listed.end()) return true;
  return all && port != 465 && port != 587;
}

Config DefaultConfig() {
  Config config;
  config.resolver.servers = {{.address = *IpAddress::Parse("127.0.0.1")}};
  config.rules.recheck_from = std::chrono::hours(1);
  config.rules.growth.factor = 2;
  config.rules.growth.jitter_percent = 10;
  config.rules.widening.members = {0, 8, 32};
  return config;
}

absl::StatusOr<Config> ParseConfig(std::string_view text,
                                   std::string_view path) {
  if (text.size() > kLargestFile) {
    return absl::InvalidArgumentError(
        absl::StrCat(std::string(path), ": is larger than ", kLargestFile,
                     " bytes; this is not a configuration of breakwater's"));
  }
  toml::table root;
  Complaints complaints(path);
  try {
    root = toml::parse(text);
  } catch (const toml::parse_error& error) {
    // The library has no other way here to say it.
    complaints.Add(
        error.source(), "",
        absl::StrCat("this is not TOML: ", Escaped(error.description(), 300),
                     QuoteHint(text, error.source().begin.line)));
    return complaints.ToStatus();
  }
  Config config = DefaultConfig();
  config.path = std::string(path);
  const std::vector<ConfigKey> keys = KeysOf(config);
  TableReader reader(keys, complaints);
  reader.Read(root, "", {"zone", "offence"});
  AddSites(reader, config, complaints);
  config.rules.name_reply.code = config.rules.reply.code;
  if (const toml::node* zones = root.get("zone")) {
    ReadZones(*zones, config, complaints);
  }
  if (const toml::node* offences = root.get("offence")) {
    ReadOffences(*offences, config, complaints);
  }
  ReadSpareFiles(reader, config, complaints);
  ReadProtectFiles(reader, config, complaints);
  CheckTogether(config, reader, root, complaints);
  if (!complaints.empty()) return complaints.ToStatus();
  Warn(config, config.warnings);
  return config;
}

absl::StatusOr<Config> LoadConfig(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadTextFile(path, kLargestFile);
  if (!text.ok()) return text.status();
  return ParseConfig(*text, path);
}

std::vector<std::string> NeedRestart(const Config& now, const Config& next) {
  Config a = now;
  Config b = next;
  const std::vector<ConfigKey> before = KeysOf(a);
  const std::vector<ConfigKey> after = KeysOf(b);
  std::vector<std::string> names;
  for (size_t i = 0; i < before.size(); ++i) {
    if (before[i].effect == Effect::kRestart &&
        before[i].field.show() != after[i].field.show()) {
      names.emplace_back(before[i].name);
    }
  }
  return names;
}

Config KeepUntilRestart(const Config& now, Config next) {
  const std::vector<std::string> changed = NeedRestart(now, next);
  Config a = now;
  const std::vector<ConfigKey> before = KeysOf(a);
  const std::vector<ConfigKey> after = KeysOf(next);
  for (size_t i = 0; i < before.size(); ++i) {
    const std::string name(before[i].name);
    if (std::ranges::find(changed, name) == changed.end()) continue;
    next.warnings.push_back(name + " waits for a restart");
    // What is shown is what the file would say.
    const toml::table value =
        toml::parse(absl::StrCat("value = ", before[i].field.show()));
    Complaints none(now.path);
    after[i].field.read(*value.get("value"), after[i].name, none);
  }
  return next;
}

}  // namespace breakwater
