#include "reaper/sock_diag.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace breakwater {
namespace {

constexpr uint32_t Bit(TcpState state) {
  return 1U << static_cast<unsigned>(state);
}
constexpr uint32_t kOpenStates =
    Bit(TcpState::kEstablished) | Bit(TcpState::kCloseWait);

void PutAddress(const IpAddress& address, uint8_t family, __be32 (&into)[4]) {
  const uint8_t* bytes = address.bytes.data();
  if (family == AF_INET) {
    std::memcpy(into, bytes + 12, 4);
  } else {
    std::memcpy(into, bytes, 16);
  }
}

IpAddress ReadAddress(uint8_t family, const __be32 (&from)[4]) {
  if (family == AF_INET) return IpAddress::FromV4(ntohl(from[0]));
  in6_addr in6;
  std::memcpy(&in6, from, sizeof in6);
  return IpAddress::From(in6);
}

inet_diag_sockid IdOf(const Connection& connection, uint8_t family) {
  inet_diag_sockid id{};
  // The socket is the server's: its source is the server.
  id.idiag_sport = htons(connection.server_port);
  id.idiag_dport = htons(connection.client_port);
  PutAddress(connection.server, family, id.idiag_src);
  PutAddress(connection.client, family, id.idiag_dst);
  id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
  id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  return id;
}

class Request {
 public:
  Request(uint16_t type, uint16_t flags, const inet_diag_req_v2& body) {
    message_ = mnl_nlmsg_put_header(bytes_);
    message_->nlmsg_type = type;
    message_->nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
    std::memcpy(mnl_nlmsg_put_extra_header(message_, sizeof body), &body,
                sizeof body);
  }
  nlmsghdr* message() { return message_; }

 private:
  alignas(nlmsghdr) char bytes_[256] = {};
  nlmsghdr* message_;
};

// The one place that reads what the kernel says of a socket.
std::optional<TcpSocket> ReadSocket(const nlmsghdr& message) {
  if (mnl_nlmsg_get_payload_len(&message) < sizeof(inet_diag_msg)) {
    return std::nullopt;
  }
  inet_diag_msg body;
  std::memcpy(&body, mnl_nlmsg_get_payload(&message), sizeof body);
  if (body.idiag_family != AF_INET && body.idiag_family != AF_INET6) {
    return std::nullopt;
  }
  return TcpSocket{.connection = {.client = ReadAddress(body.idiag_family,
                                                        body.id.idiag_dst),
                                  .client_port = ntohs(body.id.idiag_dport),
                                  .server = ReadAddress(body.idiag_family,
                                                        body.id.idiag_src),
                                  .server_port = ntohs(body.id.idiag_sport)},
                   .state = static_cast<TcpState>(body.idiag_state),
                   .family = body.idiag_family,
                   .interface = body.id.idiag_if,
                   .cookie = {body.id.idiag_cookie[0], body.id.idiag_cookie[1]},
                   .unacknowledged = body.idiag_wqueue};
}

Traffic ReadTraffic(const nlmsghdr& message) {
  const NetlinkAttributes attributes(message, sizeof(inet_diag_msg));
  const nlattr* attribute = attributes.Find(INET_DIAG_INFO);
  if (attribute == nullptr) return {};
  // Older kernels know fewer fields, newer ones more.
  tcp_info info{};
  std::memcpy(
      &info, mnl_attr_get_payload(attribute),
      std::min<size_t>(sizeof info, mnl_attr_get_payload_len(attribute)));
  return {
      .bytes_sent = info.tcpi_bytes_sent,
      .since_sent = std::chrono::milliseconds(info.tcpi_last_data_sent),
      .since_received = std::chrono::milliseconds(info.tcpi_last_data_recv)};
}

}  // namespace

absl::StatusOr<SockDiag> SockDiag::Open() {
  absl::StatusOr<NetlinkSocket> socket = NetlinkSocket::Open(NETLINK_SOCK_DIAG);
  if (!socket.ok()) return socket.status();
  return SockDiag(*std::move(socket));
}

// What the kernel has for it: the connection, else who listens there.
absl::StatusOr<std::optional<TcpSocket>> SockDiag::Ask(
    const Connection& connection, uint32_t interface, Traffic* traffic) {
  const bool v4 = connection.client.IsV4() && connection.server.IsV4();
  inet_diag_req_v2 body{};
  // Asked as IPv4, the kernel finds the sockets of dual-stack listeners too.
  body.sdiag_family = v4 ? AF_INET : AF_INET6;
  body.sdiag_protocol = IPPROTO_TCP;
  if (traffic != nullptr) body.idiag_ext = 1 << (INET_DIAG_INFO - 1);
  body.idiag_states = ~0U;
  body.id = IdOf(connection, body.sdiag_family);
  body.id.idiag_if = interface;

  std::optional<TcpSocket> found;
  Request request(SOCK_DIAG_BY_FAMILY, 0, body);
  const absl::Status status =
      socket_.Query(request.message(), [&](const nlmsghdr& message) {
        found = ReadSocket(message);
        if (traffic != nullptr) *traffic = ReadTraffic(message);
      });
  if (absl::IsNotFound(status)) return std::nullopt;
  if (!status.ok()) return status;
  return found;
}

absl::StatusOr<std::optional<TcpSocket>> SockDiag::Find(
    const Connection& connection, Traffic* traffic) {
  absl::StatusOr<std::optional<TcpSocket>> found =
      Ask(connection, /*interface=*/0, traffic);
  if (found.ok() && found->has_value() &&
      ((*found)->state == TcpState::kListen ||
       (*found)->connection != connection)) {
    return std::nullopt;
  }
  return found;
}

absl::StatusOr<bool> SockDiag::IsOfAListener(const TcpSocket& socket) {
  const IpAddress& server = socket.connection.server;
  const Connection nobody{
      .client = server.IsV4() ? IpAddress::FromV4(0) : IpAddress{},
      .server = server,
      .server_port = socket.connection.server_port};
  const absl::StatusOr<std::optional<TcpSocket>> found =
      Ask(nobody, socket.interface, nullptr);
  if (!found.ok()) return found.status();
  return found->has_value() && (*found)->state == TcpState::kListen;
}

absl::Status SockDiag::Dump(uint32_t states, uint16_t server_port,
                            absl::FunctionRef<void(const TcpSocket&)> each) {
  for (const uint8_t family : {uint8_t{AF_INET}, uint8_t{AF_INET6}}) {
    inet_diag_req_v2 body{};
    body.sdiag_family = family;
    body.sdiag_protocol = IPPROTO_TCP;
    body.idiag_states = states;
    body.id.idiag_sport = htons(server_port);
    Request request(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, body);
    const absl::Status status =
        socket_.Query(request.message(), [&](const nlmsghdr& message) {
          const std::optional<TcpSocket> socket = ReadSocket(message);
          if (socket && (Bit(socket->state) & states) != 0) each(*socket);
        });
    if (!status.ok()) {
      return absl::Status(status.code(),
                          absl::StrCat("dump sockets: ", status.message()));
    }
  }
  return absl::OkStatus();
}

absl::Status SockDiag::ForEachOpen(
    uint16_t server_port, absl::FunctionRef<void(const TcpSocket&)> each) {
  return Dump(kOpenStates, server_port, each);
}

absl::Status SockDiag::ForEachListener(
    absl::FunctionRef<void(const IpAddress&, uint16_t port)> each) {
  return Dump(Bit(TcpState::kListen), 0, [&](const TcpSocket& socket) {
    each(socket.connection.server, socket.connection.server_port);
  });
}

absl::Status SockDiag::Destroy(const TcpSocket& socket) {
  if (!socket.IsOpen() || !socket.connection.IsComplete()) {
    return absl::FailedPreconditionError(
        "destroy a socket: it is not an open connection");
  }
  inet_diag_req_v2 body{};
  body.sdiag_family = socket.family;
  body.sdiag_protocol = IPPROTO_TCP;
  body.idiag_states = kOpenStates;
  body.id = IdOf(socket.connection, socket.family);
  body.id.idiag_if = socket.interface;
  body.id.idiag_cookie[0] = socket.cookie[0];
  body.id.idiag_cookie[1] = socket.cookie[1];
  Request request(SOCK_DESTROY, NLM_F_ACK, body);
  absl::Status status =
      socket_.Query(request.message(), [](const nlmsghdr&) {});
  if (status.ok()) return status;
  return absl::Status(
      status.code(),
      absl::StrCat("destroy the socket of ",
                   socket.connection.client.ToString(), " port ",
                   socket.connection.client_port, ": ", status.message()));
}

}  // namespace breakwater
