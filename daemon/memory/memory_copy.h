#pragma once

#include <string>

#include "absl/status/status.h"
#include "core/screener/remembered.h"
#include "daemon/memory/memory_store.h"

namespace breakwater {

// As MemoryStore::Load, of a file that cannot be opened for writing: it may
// belong to somebody else, or the disk be read-only. What a crash has left
// beside it, or an earlier version of it, is read from a copy in a temporary
// directory, which goes again. Not for a file that another process has locked.
// Blocks.
absl::Status LoadWithoutWriting(const std::string& path,
                                const ClockReading& now, Remembered& known);

}  // namespace breakwater
