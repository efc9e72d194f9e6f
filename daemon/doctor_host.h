#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/address.h"
#include "daemon/packet_path.h"

namespace breakwater {

// What breakwater doctor looks at on its host.

// The addresses on which something listens on the port, of the text of
// /proc/net/tcp and tcp6; the unspecified one for all.
std::vector<IpAddress> ListenersOn(uint16_t port, std::string_view tcp,
                                   std::string_view tcp6);

// Addresses of this host's interfaces that others can reach: no loopback and
// none that is link-local.
std::vector<IpAddress> ReachableAddresses();

// Where to send test packets to: an IPv4 address at which the port is listened
// on, else any.
struct DoctorTarget {
  IpAddress server;
  bool listens = false;
};
std::optional<DoctorTarget> ChooseTarget(
    const std::vector<IpAddress>& listeners,
    const std::vector<IpAddress>& addresses);

// All rules of the running firewall, as they would meet the packet.
std::vector<PathTable> ReadFirewall(const ProbePacket& packet);

}  // namespace breakwater
