#include "core/net/netlink.h"

#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <utility>

namespace breakwater {
namespace {

// Large enough for what the kernel puts into one datagram of a dump.
constexpr size_t kBufferSize = size_t{64} * 1024;
constexpr timeval kLongestWait = {.tv_sec = 2, .tv_usec = 0};

// What the answer says: more to come, or the end and how it ended.
struct Step {
  bool ended = false;
  absl::Status status;
  int error = 0;
};

Step Read(const nlmsghdr& message, bool single,
          absl::FunctionRef<void(const nlmsghdr&)> each) {
  if (message.nlmsg_type == NLMSG_ERROR) {
    if (mnl_nlmsg_get_payload_len(&message) < sizeof(int)) {
      return {true, absl::DataLossError("netlink: cut error message")};
    }
    const int error = *static_cast<int*>(mnl_nlmsg_get_payload(&message));
    if (error == 0) return {true, absl::OkStatus()};
    return {true, absl::ErrnoToStatus(-error, "netlink"), -error};
  }
  if (message.nlmsg_type == NLMSG_DONE) {
    if (mnl_nlmsg_get_payload_len(&message) < sizeof(int)) return {true, {}};
    const int error = *static_cast<int*>(mnl_nlmsg_get_payload(&message));
    if (error >= 0) return {true, absl::OkStatus()};
    return {true, absl::ErrnoToStatus(-error, "netlink"), -error};
  }
  if (message.nlmsg_type >= NLMSG_MIN_TYPE) each(message);
  return {single, {}};
}

}  // namespace

absl::StatusOr<NetlinkSocket> NetlinkSocket::Open(int protocol,
                                                  uint32_t groups) {
  mnl_socket* socket = mnl_socket_open2(protocol, SOCK_CLOEXEC);
  if (socket == nullptr) {
    return absl::ErrnoToStatus(errno, "open a netlink socket");
  }
  NetlinkSocket result(socket);
  if (mnl_socket_bind(socket, groups, MNL_SOCKET_AUTOPID) < 0) {
    return absl::ErrnoToStatus(errno, "bind a netlink socket");
  }
  if (setsockopt(result.fd(), SOL_SOCKET, SO_RCVTIMEO, &kLongestWait,
                 sizeof kLongestWait) < 0) {
    return absl::ErrnoToStatus(errno, "set a netlink socket's patience");
  }
  return result;
}

NetlinkSocket::NetlinkSocket(mnl_socket* socket)
    : socket_(socket), buffer_(kBufferSize) {}

NetlinkSocket::NetlinkSocket(NetlinkSocket&& other) noexcept
    : socket_(std::exchange(other.socket_, nullptr)),
      sequence_(other.sequence_),
      buffer_(std::move(other.buffer_)) {}

NetlinkSocket& NetlinkSocket::operator=(NetlinkSocket&& other) noexcept {
  std::swap(socket_, other.socket_);
  std::swap(sequence_, other.sequence_);
  std::swap(buffer_, other.buffer_);
  return *this;
}

NetlinkSocket::~NetlinkSocket() {
  if (socket_ != nullptr) mnl_socket_close(socket_);
}

absl::Status NetlinkSocket::Query(
    nlmsghdr* request, absl::FunctionRef<void(const nlmsghdr&)> each) {
  request->nlmsg_seq = ++sequence_;
  last_error_ = 0;
  if (mnl_socket_sendto(socket_, request, request->nlmsg_len) < 0) {
    return absl::ErrnoToStatus(errno, "send to netlink");
  }
  const bool single = (request->nlmsg_flags & NLM_F_ACK) == 0 &&
                      (request->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP;
  while (true) {
    const ssize_t size =
        mnl_socket_recvfrom(socket_, buffer_.data(), buffer_.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return absl::ErrnoToStatus(errno, "read from netlink");
    int left = static_cast<int>(size);
    auto* message = reinterpret_cast<nlmsghdr*>(buffer_.data());
    for (; mnl_nlmsg_ok(message, left);
         message = mnl_nlmsg_next(message, &left)) {
      // Leftovers of a question whose answer did not come in time.
      if (message->nlmsg_seq != sequence_) continue;
      Step step = Read(*message, single, each);
      if (!step.ended) continue;
      last_error_ = step.error;
      return step.status;
    }
  }
}

absl::Status NetlinkSocket::QueryBatch(
    const void* messages, size_t size, uint32_t first, uint32_t last,
    absl::FunctionRef<void(uint32_t, int)> each) {
  if (mnl_socket_sendto(socket_, messages, size) < 0) {
    return absl::ErrnoToStatus(errno, "send to netlink");
  }
  while (true) {
    const ssize_t got =
        mnl_socket_recvfrom(socket_, buffer_.data(), buffer_.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return absl::ErrnoToStatus(errno, "read from netlink");
    int left = static_cast<int>(got);
    auto* message = reinterpret_cast<nlmsghdr*>(buffer_.data());
    for (; mnl_nlmsg_ok(message, left);
         message = mnl_nlmsg_next(message, &left)) {
      const uint32_t number = message->nlmsg_seq;
      if (number < first || number > last) continue;
      if (message->nlmsg_type != NLMSG_ERROR ||
          mnl_nlmsg_get_payload_len(message) < sizeof(int)) {
        continue;
      }
      const int error = -*static_cast<int*>(mnl_nlmsg_get_payload(message));
      // Refused as a whole: the kernel answers to what opens the batch.
      if (number == first && error != 0) {
        return absl::ErrnoToStatus(error, "netlink");
      }
      if (error != 0) each(number, error);
      if (number == last) return absl::OkStatus();
    }
  }
}

bool NetlinkSocket::Drain() {
  bool any = false;
  while (true) {
    const ssize_t size =
        recv(fd(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (size >= 0 || errno == ENOBUFS) {
      any = true;
    } else if (errno != EINTR) {
      return any;
    }
  }
}

void ForEachAttribute(const void* begin, size_t size,
                      absl::FunctionRef<void(const nlattr&)> each) {
  const auto* attribute = static_cast<const nlattr*>(begin);
  int left = static_cast<int>(size);
  while (mnl_attr_ok(attribute, left)) {
    each(*attribute);
    left -= static_cast<int>(MNL_ALIGN(attribute->nla_len));
    attribute = mnl_attr_next(attribute);
  }
}

void ForEachNested(const nlattr& nest,
                   absl::FunctionRef<void(const nlattr&)> each) {
  ForEachAttribute(mnl_attr_get_payload(&nest), mnl_attr_get_payload_len(&nest),
                   each);
}

NetlinkAttributes::NetlinkAttributes(const nlmsghdr& message, size_t header) {
  const size_t size = mnl_nlmsg_get_payload_len(&message);
  header = MNL_ALIGN(header);
  if (size < header) return;
  const auto* payload =
      static_cast<const char*>(mnl_nlmsg_get_payload(&message));
  ForEachAttribute(payload + header, size - header,
                   [this](const nlattr& attribute) { Note(attribute); });
}

NetlinkAttributes::NetlinkAttributes(const nlattr& nest) {
  ForEachNested(nest, [this](const nlattr& attribute) { Note(attribute); });
}

const nlattr* NetlinkAttributes::Find(uint16_t type, size_t size) const {
  const nlattr* found = type < attributes_.size() ? attributes_[type] : nullptr;
  return found != nullptr && mnl_attr_get_payload_len(found) >= size ? found
                                                                     : nullptr;
}

void NetlinkAttributes::Note(const nlattr& attribute) {
  const uint16_t type = mnl_attr_get_type(&attribute);
  if (type < attributes_.size()) attributes_[type] = &attribute;
}

}  // namespace breakwater
