#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "core/base/clock.h"

namespace breakwater {

// Listens on "ADDRESS:PORT" or "[IPV6]:PORT" for clients that are to have as
// little of us as can be: the connections inherit the smallest buffers that
// the kernel gives, so that a client can park about two kilobytes here and sees
// a window of one, and end by themselves when nothing has been acknowledged
// for `silence`. The caller owns the socket.
absl::StatusOr<int> ListenForTarpit(const std::string& where, Duration silence);

}  // namespace breakwater
