#include "daemon/enforcer/make_sets.h"

#include <chrono>
#include <cstdint>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/log.h"
#include "daemon/config/config.h"
#include "daemon/toml/lenient_key.h"
#include "firewall/ipset/ip_sets.h"

namespace breakwater {
namespace {

// Where nothing is put in.
constexpr uint32_t kSmallHash = 64;

std::string TextOf(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

IpSetOptions EverySet(const Config& config) {
  const bool used = config.firewall.Uses(FirewallBackend::kIpset);
  const auto usual =
      std::chrono::ceil<std::chrono::seconds>(config.rules.ban_duration);
  IpSetOptions options{{.prefix = config.firewall.set_prefix,
                        .extend = true,
                        .usual_seconds = static_cast<uint32_t>(usual.count()),
                        .most_entries = config.firewall.most_entries},
                       used ? config.firewall.hash_size : kSmallHash};
  options.widening.members.fill(1);
  return options;
}

bool Make(const Config& config) {
  const absl::StatusOr<std::unique_ptr<IpSets>> sets =
      IpSets::Open(EverySet(config));
  std::vector<absl::Status> wrong;
  if (!sets.ok()) {
    wrong.push_back(sets.status());
  } else {
    wrong = (*sets)->Check().wrong;
  }
  // A kernel without ip sets is no trouble where none is wanted.
  if (!config.firewall.Uses(FirewallBackend::kIpset)) return true;
  for (const absl::Status& status : wrong) {
    Log(Severity::kError, "sets-wrong")
        .Add("backend", "ipset")
        .Add("why", std::string(status.message()));
  }
  return wrong.empty();
}

}  // namespace

int MakeSets(const std::string& config_file) {
  absl::StatusOr<Config> config = LoadConfig(config_file);
  const absl::Status read = config.status();
  if (!read.ok()) {
    Log(Severity::kError, "enforcer-failed")
        .Add("why", std::string(read.message()));
    config = DefaultConfig();
    if (std::optional<std::string> prefix = SetPrefixIn(TextOf(config_file))) {
      config->firewall.set_prefix = *std::move(prefix);
    }
  }
  const bool made = Make(*config);
  return made && read.ok() ? 0 : 1;
}

}  // namespace breakwater
