#pragma once

#include <toml++/toml.h>

#include "daemon/config/config.h"
#include "daemon/config/table_reader.h"
#include "daemon/toml/complaints.h"

namespace breakwater {

// The [[offence]] tables, with the files that they name.
void ReadOffences(const toml::node& node, Config& config,
                  Complaints& complaints);

// The files of spare.files: one network or verified name in each line, "#"
// begins a comment.
void ReadSpareFiles(const TableReader& reader, Config& config,
                    Complaints& complaints);

// The files of protect.files: one network in each line.
void ReadProtectFiles(const TableReader& reader, Config& config,
                      Complaints& complaints);

}  // namespace breakwater
