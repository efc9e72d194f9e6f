#pragma once

#include <string>
#include <utility>

#include "core/base/clock.h"
#include "core/net/address.h"
#include "core/types/ban.h"

namespace breakwater {

// A ban without its evidence, and what that was (ban_basis.h).
struct RememberedBan : Ban {
  RememberedBan(Ban ban, std::string basis = "")  // NOLINT: it is a ban
      : Ban(std::move(ban)), basis(std::move(basis)) {}
  std::string basis;
};

// A ban was lifted, and the kernel may hold it all the same.
struct Lifting {
  Network network;
  Instant given;  // or said again, after a restart

  bool operator==(const Lifting&) const = default;
};

}  // namespace breakwater
