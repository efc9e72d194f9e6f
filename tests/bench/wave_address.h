#pragma once

#include <cstdint>

#include "asio/ip/address.hpp"

namespace breakwater {

// The address `index` places after `first`. IPv6 addresses are a /64 apart,
// since that is what one owner has.
asio::ip::address AddressAt(const asio::ip::address& first, uint32_t index);

}  // namespace breakwater
