#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "core/net/netlink.h"
#include "core/types/client.h"

namespace breakwater {

// The kernel's TCP states (include/net/tcp_states.h), as far as we tell them
// apart. In all others a connection is beginning or ending by itself.
enum class TcpState : uint8_t {
  kEstablished = 1,
  kSynSent = 2,
  kSynReceived = 3,
  kCloseWait = 8,
  kListen = 10,
  kNewSynReceived = 12,
};

// A TCP socket of this host as sock_diag(7) showed it.
struct TcpSocket {
  Connection connection;
  TcpState state = TcpState::kEstablished;
  // What the kernel needs to know it again.
  uint8_t family = 0;  // AF_INET6 for a mapped IPv4 on a dual-stack socket
  uint32_t interface = 0;
  std::array<uint32_t, 2> cookie{};

  uint32_t unacknowledged = 0;  // bytes written that the peer has not confirmed

  // Only ESTABLISHED and CLOSE_WAIT are ever destroyed. Closing states are
  // about to be over, and kernels before 6.11 can keep an orphan that is
  // destroyed in FIN_WAIT1 for ever. A listener is the MTA's life.
  bool IsOpen() const {
    return state == TcpState::kEstablished || state == TcpState::kCloseWait;
  }
  // The handshake is not over: anybody can make one with one forged packet, and
  // no server has it yet.
  bool IsHalfOpen() const {
    return state == TcpState::kSynSent || state == TcpState::kSynReceived ||
           state == TcpState::kNewSynReceived;
  }
};

// What a connection has sent and received (struct tcp_info), as far as the
// kernel tells it.
struct Traffic {
  uint64_t bytes_sent = 0;
  std::chrono::milliseconds since_sent{0};
  std::chrono::milliseconds since_received{0};
};

// Finds and destroys TCP sockets over sock_diag(7) with SOCK_DESTROY. Finding
// needs no privilege, destroying CAP_NET_ADMIN. Acts in the network namespace
// of the thread that opened it. One thread.
class SockDiag {
 public:
  static absl::StatusOr<SockDiag> Open();

  // The socket of exactly this connection: about 3 us. Nothing if it is gone;
  // what the kernel then offers instead, the listener, is not returned.
  absl::StatusOr<std::optional<TcpSocket>> Find(const Connection& connection,
                                                Traffic* traffic = nullptr);

  // Whether somebody listens where that socket's server side is: else it is a
  // connection that this host has made itself. About 3 us.
  absl::StatusOr<bool> IsOfAListener(const TcpSocket& socket);

  // Calls `each` for every socket in ESTABLISHED or CLOSE_WAIT, of both
  // families, with this local port if it is not zero. Costs a walk of all
  // sockets of the host: 0.3 ms, 30 ms with tens of thousands.
  absl::Status ForEachOpen(uint16_t server_port,
                           absl::FunctionRef<void(const TcpSocket&)> each);

  // Calls `each` for every listening socket of both families: its address, the
  // unspecified one (of IPv6, for both) where it takes all, and its port.
  absl::Status ForEachListener(
      absl::FunctionRef<void(const IpAddress&, uint16_t port)> each);

  // Ends the connection with RST; whoever reads it gets ECONNABORTED. Takes
  // only what IsOpen(), and has the kernel compare the cookie: without it the
  // kernel would close the listening socket when the connection has gone.
  // NotFound when it has gone.
  absl::Status Destroy(const TcpSocket& socket);

 private:
  explicit SockDiag(NetlinkSocket socket) : socket_(std::move(socket)) {}
  absl::StatusOr<std::optional<TcpSocket>> Ask(const Connection& connection,
                                               uint32_t interface,
                                               Traffic* traffic);
  absl::Status Dump(uint32_t states, uint16_t server_port,
                    absl::FunctionRef<void(const TcpSocket&)> each);

  NetlinkSocket socket_;
};

}  // namespace breakwater
