#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "daemon/config/config.h"

namespace breakwater {

// What breakwater doctor has found. It is well when nothing is wrong.
struct DoctorReport {
  std::vector<std::string> seen;    // what was tried, and what came of it
  std::vector<std::string> faults;  // what is wrong, and how to put it right
};

struct DoctorOptions {
  std::string control_socket;
  std::optional<uint16_t> port;  // else the first of ban.ports
};

// Proves with packets of its own, in the running firewall, that a banned
// address is kept out and another is not; and where that is not so, reads the
// firewall's rules and names the one to blame. For as long as it runs there is
// an interface more, and an address in the sets that nobody has. An error is
// what keeps it from trying: not being root, or ip(8) missing.
absl::StatusOr<DoctorReport> Doctor(const Config& config,
                                    const DoctorOptions& options);

}  // namespace breakwater
