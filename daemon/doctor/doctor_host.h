#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/net/address.h"
#include "daemon/doctor/packet_path.h"

namespace breakwater {

// What breakwater doctor looks at on its host.

// The addresses on which something listens on the port, of the text of
// /proc/net/tcp and tcp6; the unspecified one for all.
std::vector<IpAddress> ListenersOn(uint16_t port, std::string_view tcp,
                                   std::string_view tcp6);

// Addresses of this host's interfaces that others can reach: no loopback and
// none that is link-local.
std::vector<IpAddress> ReachableAddresses();

// Where to send test packets of that family to: an address at which the port is
// listened on, else any.
struct DoctorTarget {
  IpAddress server;
  bool listens = false;
};
std::optional<DoctorTarget> ChooseTarget(
    bool v4, const std::vector<IpAddress>& listeners,
    const std::vector<IpAddress>& addresses);

// How often the kernel has thrown an IPv4 packet away since the way back to its
// sender does not lead by the interface it came in by (net.ipv4.conf.*.
// rp_filter), of the text of /proc/net/netstat.
uint64_t ReversePathDrops(std::string_view netstat);

// How such a packet is judged on the interface: 0 not at all, 1 strictly, 2
// loosely; the larger of what holds for all and for it.
int ReversePathFilter(const std::string& interface);

// The interface by which the host answers that address; empty if it cannot.
std::string WayTo(const std::string& address);

// All rules of the running firewall, as they would meet the packet.
std::vector<PathTable> ReadFirewall(const ProbePacket& packet);

}  // namespace breakwater
