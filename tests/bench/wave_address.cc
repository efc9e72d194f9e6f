#include "tests/bench/wave_address.h"

#include <cstddef>

namespace breakwater {

asio::ip::address AddressAt(const asio::ip::address& first, uint32_t index) {
  if (first.is_v4()) {
    return asio::ip::address_v4(first.to_v4().to_uint() + index);
  }
  asio::ip::address_v6::bytes_type bytes = first.to_v6().to_bytes();
  uint64_t carry = index;
  for (size_t at = 8; at-- > 0 && carry != 0;) {
    carry += bytes[at];
    bytes[at] = static_cast<unsigned char>(carry);
    carry >>= 8;
  }
  return asio::ip::address_v6(bytes);
}

}  // namespace breakwater
