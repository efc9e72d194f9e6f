#include "daemon/check_config.h"

#include "daemon/config.h"

namespace breakwater {

int CheckConfig(const std::string& path, std::ostream& out) {
  const absl::StatusOr<Config> config = LoadConfig(path);
  if (!config.ok()) {
    out << config.status().message() << "\n";
    return 1;
  }
  for (const std::string& warning : config->warnings) {
    out << path << ": warning: " << warning << "\n";
  }
  out << path << ": ok\n";
  return 0;
}

}  // namespace breakwater
