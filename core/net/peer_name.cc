#include "core/net/peer_name.h"

#include <netinet/in.h>

#include <optional>

#include "absl/strings/str_cat.h"
#include "core/net/address.h"

namespace breakwater {

std::string PeerName(int socket, const sockaddr* address) {
  if (const std::optional<IpAddress> ip = IpAddress::From(address)) {
    // The port is at the same place in both families.
    const auto* inet = reinterpret_cast<const sockaddr_in*>(address);
    return absl::StrCat("[", ip->ToString(), "]:", ntohs(inet->sin_port));
  }
  ucred who{};
  socklen_t size = sizeof who;
  getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &size);
  return absl::StrCat("uid:", who.uid, ",pid:", who.pid);
}

}  // namespace breakwater
