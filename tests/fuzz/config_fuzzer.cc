// The configuration file: an operator's slip must be a message.

#include "daemon/config.h"
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
    Require(!zone.answers.empty(), "a zone has answers");
    for (const AnswerRange& range : zone.answers) {
      Require(range.first > 0x7f000001 && range.last < 0x7fffff00,
              "an answer that counts is no error");
    }
  }
  return 0;
}
