// The configuration file: an operator's slip must be a message.

#include "daemon/config/config.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace breakwater;
  const absl::StatusOr<Config> config =
      ParseConfig(AsText(data, size), "fuzz.toml");
  if (!config.ok()) {
    Require(!config.status().message().empty(), "an error says something");
    return 0;
  }
  Require(NeedRestart(*config, *config).empty(), "it equals itself");
  for (const Zone& zone : config->rules.zones) {
    Require(!zone.name.empty() && !zone.label.empty(), "a zone has names");
    Require(!zone.filters.empty() && zone.filters.size() <= kMostFilters,
            "a zone has filters");
    for (const ZoneFilter& filter : zone.filters) {
      Require(!filter.answers.empty(), "a filter has answers");
    }
  }
  return 0;
}
