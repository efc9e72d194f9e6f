#pragma once

#include <cstddef>

#include "daemon/config/config.h"

namespace breakwater {

// How many connections the doors may hold, so that however many come there are
// descriptors left for our own work: the control socket, DNS, the memory, the
// enforcer, a look at the kernel's sockets.
struct DescriptorShares {
  size_t policy = 0;
  size_t milter = 0;
  size_t report = 0;
};

// `limit` is RLIMIT_NOFILE. A door that is not configured has no share.
DescriptorShares ShareDescriptors(size_t limit, const Config& config);

// Of this process, as it is now.
size_t DescriptorLimit();

}  // namespace breakwater
