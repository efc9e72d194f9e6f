#pragma once

#include <CLI/CLI.hpp>
#include <chrono>
#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace breakwater {

// The words behind `breakwater export` and `breakwater import`.
struct TransferCommand {
  std::string format = "json";  // or "ipset"
  std::string file;             // "-": standard input
  std::string length;           // of those that name no time
};

void AddTransferCommands(CLI::App& app, TransferCommand& command);

// Writes every ban in force. Unavailable: no daemon.
absl::Status ExportBans(const std::string& socket,
                        const TransferCommand& command, std::ostream& out);

// What came of the lines of a file.
struct ImportCounts {
  size_t began = 0;
  size_t prolonged = 0;
  size_t as_before = 0;
  size_t ended = 0;    // before they were read
  size_t refused = 0;  // by the daemon
  size_t bad = 0;      // lines that are not understood
  std::string note;    // the daemon's, about all of them
};

// Has the daemon ban whom the file names; entries without a time for `usual`.
// Each bad line, and each that is refused, is told to `complaints`, up to so
// many, and stops no other. Errors: Unavailable without a daemon, NotFound
// without a file.
absl::StatusOr<ImportCounts> ImportBans(const std::string& socket,
                                        const TransferCommand& command,
                                        std::chrono::seconds usual,
                                        std::ostream& complaints);

// In one sentence.
std::string ShowImport(const ImportCounts& counts);

}  // namespace breakwater
