#include "daemon/config/config_offences.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/text.h"
#include "core/types/normal_name.h"
#include "daemon/config/config_files.h"
#include "daemon/config/config_keys.h"
#include "daemon/toml/config_values.h"
#include "daemon/toml/wide_networks.h"

namespace breakwater {
namespace {

// Keys that mean something to some kinds only.
struct OwnKey {
  std::string_view name;
  std::vector<OffenceKind> kinds;
  const char* which;
};

const std::vector<OwnKey>& OwnKeys() {
  using enum OffenceKind;
  static const std::vector<OwnKey> keys = {
      {"offence.recipients", {kTrap}, "trap"},
      {"offence.files", {kTrap}, "trap"},
      {"offence.headers", {kSpam, kVirus}, "spam and virus"},
      {"offence.names", {kHelo, kSender}, "helo and sender"},
      {"offence.network_after",
       {kConnections, kSessions},
       "connections and sessions"},
  };
  return keys;
}

void CheckOwnKeys(const TableReader& reader, OffenceKind kind,
                  const toml::table& table, Complaints& complaints) {
  for (const OwnKey& key : OwnKeys()) {
    if (reader.Node(key.name) == nullptr) continue;
    if (std::ranges::find(key.kinds, kind) == key.kinds.end()) {
      complaints.Add(reader.Place(key.name, table), std::string(key.name),
                     absl::StrCat("is for offences of kind ", key.which,
                                  "; this one is ", OffenceName(kind)));
    }
  }
  if (kind == OffenceKind::kTrap &&
      reader.Node("offence.recipients") == nullptr &&
      reader.Node("offence.files") == nullptr) {
    complaints.Add(table.source(), "offence.recipients",
                   "is missing; write which recipients are traps, as in "
                   "recipients = [\"trap@example.org\"], or files");
  }
}

// It may be meant; or whoever writes the file has failed.
void WarnOfEmpty(const char* key, const std::string& path, Config& config) {
  config.warnings.push_back(absl::StrCat(key, ": ", path, " has no entry"));
}

void TakeTraps(const OffenceDraft& draft, const TableReader& reader,
               const toml::table& table, Config& config,
               Complaints& complaints) {
  const auto complain = [&](std::string_view key, const absl::Status& status) {
    complaints.Add(reader.Place(key, table), std::string(key),
                   std::string(status.message()));
  };
  absl::StatusOr<TrapList> traps = TrapList::Parse(draft.recipients);
  if (!traps.ok()) return complain("offence.recipients", traps.status());
  for (const std::string& path : draft.files) {
    config.offence_files.push_back(path);
    const absl::StatusOr<TrapList> more = LoadTrapFile(path);
    const absl::Status status = more.ok() ? traps->Merge(*more) : more.status();
    if (!status.ok()) return complain("offence.files", status);
    if (more->empty()) WarnOfEmpty("offence.files", path, config);
  }
  config.rules.conduct.traps =
      std::make_shared<const TrapList>(*std::move(traps));
}

void TakeOwnKeys(const OffenceDraft& draft, const TableReader& reader,
                 const toml::table& table, Config& config,
                 Complaints& complaints) {
  ConductRules& conduct = config.rules.conduct;
  const OffenceKind kind = *draft.kind;
  if (kind == OffenceKind::kTrap) {
    TakeTraps(draft, reader, table, config, complaints);
  }
  for (const std::string& header : draft.headers) {
    if (const auto rule = ParseHeaderRule(header, kind); rule.ok()) {
      conduct.headers.push_back(*rule);
    }
  }
  for (const std::string& name : draft.names) {
    (kind == OffenceKind::kHelo ? conduct.own_names : conduct.unasked_domains)
        .push_back(NormalName(name));
  }
  if (kind == OffenceKind::kConnections) {
    conduct.network_connections = draft.network_after;
  } else if (kind == OffenceKind::kSessions) {
    conduct.network_sessions = draft.network_after;
  }
}

void ReadOffence(const toml::table& table, std::vector<OffenceKind>& seen,
                 Config& config, Complaints& complaints) {
  OffenceDraft draft;
  const std::vector<ConfigKey> keys = OffenceKeysOf(draft);
  TableReader reader(keys, complaints);
  reader.Read(table, "offence.");
  if (!draft.kind) {
    if (reader.Node("offence.kind") == nullptr) {
      complaints.Add(table.source(), "offence.kind",
                     "is missing; write what the table is about, as in kind = "
                     "\"unknown-recipient\"");
    }
    return;
  }
  if (std::ranges::find(seen, *draft.kind) != seen.end()) {
    complaints.Add(reader.Place("offence.kind", table), "offence.kind",
                   "is that of an earlier [[offence]] too; put both into one");
    return;
  }
  seen.push_back(*draft.kind);
  CheckOwnKeys(reader, *draft.kind, table, complaints);
  const OffenceRule usual = DefaultRule(*draft.kind);
  config.rules.offences[*draft.kind] = {
      .mode = draft.mode,
      .after = draft.after ? static_cast<uint32_t>(*draft.after) : usual.after,
      .window = draft.window.value_or(usual.window),
      .weight = draft.weight,
      .ban = draft.ban,
      .ban_duration = draft.ban_duration};
  TakeOwnKeys(draft, reader, table, config, complaints);
}

// What nobody in an exempted network is.
constexpr std::string_view kBanned = "banned";
constexpr std::string_view kJudged = "judged or banned";

// One line of a file of spare.files.
absl::Status TakeSpared(std::string_view line, std::vector<Network>& networks,
                        std::vector<std::string>& names) {
  if (absl::StatusOr<Network> network = Network::Parse(line); network.ok()) {
    networks.push_back(*network);
    return absl::OkStatus();
  }
  absl::Status status = CheckSparedName(line);
  if (status.ok()) names.push_back(NormalName(line));
  return status;
}

void WarnOfWide(std::string_view key, absl::Span<const Network> networks,
                std::string_view effect, Config& config) {
  for (const Network& network : networks) {
    if (auto warning = WideNetworkWarning(key, network, effect)) {
      config.warnings.push_back(*std::move(warning));
    }
  }
}

void ReadListFiles(const std::vector<std::string>& paths, const char* key,
                   const TableReader& reader, Config& config,
                   Complaints& complaints,
                   absl::FunctionRef<absl::Status(std::string_view)> take) {
  for (const std::string& path : paths) {
    const absl::StatusOr<size_t> entries = ReadListFile(path, take);
    if (!entries.ok()) {
      complaints.Add(reader.Node(key)->source(), key,
                     std::string(entries.status().message()));
    } else if (*entries == 0) {
      WarnOfEmpty(key, path, config);
    }
  }
}

}  // namespace

void ReadOffences(const toml::node& node, Config& config,
                  Complaints& complaints) {
  const toml::array* array = node.as_array();
  if (array == nullptr) {
    complaints.Add(node.source(), "offence",
                   "must be a list of tables; write [[offence]] with double "
                   "brackets");
    return;
  }
  std::vector<OffenceKind> seen;
  for (const toml::node& element : *array) {
    if (const toml::table* table = element.as_table()) {
      ReadOffence(*table, seen, config, complaints);
    } else {
      complaints.Add(element.source(), "offence",
                     "must be a table; write [[offence]] before its keys");
    }
  }
}

void ReadSpareFiles(const TableReader& reader, Config& config,
                    Complaints& complaints) {
  SpareRules& spare = config.rules.spare;
  for (std::string& name : spare.names) name = NormalName(name);
  std::vector<Network> networks;
  ReadListFiles(config.spare_files, "spare.files", reader, config, complaints,
                [&](std::string_view line) {
                  return TakeSpared(line, networks, spare.names);
                });
  WarnOfWide("spare.networks", spare.networks.networks(), kBanned, config);
  WarnOfWide("spare.files", networks, kBanned, config);
  spare.networks.Add(std::move(networks));
}

void ReadProtectFiles(const TableReader& reader, Config& config,
                      Complaints& complaints) {
  std::vector<Network> networks;
  ReadListFiles(config.protect.files, "protect.files", reader, config,
                complaints, [&networks](std::string_view line) {
                  const absl::StatusOr<Network> network = Network::Parse(line);
                  if (network.ok()) networks.push_back(*network);
                  return network.status();
                });
  NetworkSet& protect = config.rules.protected_networks;
  WarnOfWide("protect.networks", protect.networks(), kJudged, config);
  WarnOfWide("protect.files", networks, kJudged, config);
  protect.Add(std::move(networks));
}

}  // namespace breakwater
