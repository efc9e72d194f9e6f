#include "core/dns/dns_channel.h"

#include <arpa/nameser.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "asio/posix/stream_descriptor.hpp"

namespace breakwater {
namespace {

// A full send buffer counts as a dead server; the kernel takes less where
// net.core.wmem_max says so.
constexpr int kSocketBuffer = 1 << 20;
// What fits through every path unfragmented (the resolvers' agreement of
// 2020).
constexpr int kEdnsSize = 1232;

DnsOutcome OutcomeOf(int status) {
  switch (status) {
    case ARES_ENODATA:
    case ARES_ENOTFOUND:
      return DnsOutcome::kNone;
    case ARES_ECONNREFUSED:
      return DnsOutcome::kUnreachable;
    case ARES_EFORMERR:
    case ARES_EBADNAME:
    case ARES_EBADQUERY:
      return DnsOutcome::kFormatError;
    case ARES_EREFUSED:
      return DnsOutcome::kRefused;
    case ARES_ESERVFAIL:
    case ARES_ENOTIMP:
      return DnsOutcome::kServerFailure;
    case ARES_EBADRESP:
      return DnsOutcome::kGarbled;
    case ARES_ENOMEM:
      return DnsOutcome::kOverloaded;
    case ARES_ECANCELLED:
    case ARES_EDESTRUCTION:
      return DnsOutcome::kCancelled;
    default:
      return DnsOutcome::kTimeout;
  }
}

ares_addr_port_node NodeOf(const DnsServer& server) {
  ares_addr_port_node node{};
  node.udp_port = server.port;
  node.tcp_port = server.port;
  if (server.address.IsV4()) {
    node.family = AF_INET;
    std::memcpy(&node.addr.addr4, &server.address.bytes[12], 4);
  } else {
    node.family = AF_INET6;
    std::memcpy(&node.addr.addr6, server.address.bytes.data(), 16);
  }
  return node;
}

absl::Status Failure(const char* what, int status) {
  return absl::InternalError(
      absl::StrCat("c-ares: ", what, ": ", ares_strerror(status)));
}

}  // namespace

struct DnsChannel::Question {
  DnsType type;
  Done done;
};

// Outlives its place in sockets_ while the loop holds a wait on it.
struct DnsChannel::Socket {
  Socket(asio::io_context& loop, ares_socket_t number)
      : descriptor(loop, number) {}

  asio::posix::stream_descriptor descriptor;
  bool open = true;  // while c-ares has it, and so while the channel lives
  bool wants_read = false;
  bool wants_write = false;
  bool awaits_read = false;
  bool awaits_write = false;
};

DnsChannel::DnsChannel(asio::io_context& loop) : loop_(loop) {}

DnsChannel::~DnsChannel() {
  if (channel_ != nullptr) ares_destroy(channel_);
}

absl::StatusOr<std::unique_ptr<DnsChannel>> DnsChannel::Make(
    asio::io_context& loop, const DnsServer& server, Duration timeout,
    int tries) {
  static const int library = ares_library_init(ARES_LIB_INIT_ALL);
  if (library != ARES_SUCCESS) return Failure("start", library);

  std::unique_ptr<DnsChannel> result(new DnsChannel(loop));
  char lookups[] = "b";  // DNS only, no /etc/hosts
  char resolv_conf[] = "/dev/null";
  ares_options options{};
  options.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES |
                  ARES_FLAG_NOCHECKRESP | ARES_FLAG_EDNS;
  options.timeout = static_cast<int>(std::max<int64_t>(timeout.count(), 1));
  options.tries = tries;
  options.lookups = lookups;
  options.sock_state_cb = &OnSocketState;
  options.sock_state_cb_data = result.get();
  options.socket_send_buffer_size = kSocketBuffer;
  options.socket_receive_buffer_size = kSocketBuffer;
  options.ednspsz = kEdnsSize;
  options.resolvconf_path = resolv_conf;
  const int status = ares_init_options(
      &result->channel_, &options,
      ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
          ARES_OPT_SOCK_STATE_CB | ARES_OPT_SOCK_SNDBUF | ARES_OPT_SOCK_RCVBUF |
          ARES_OPT_EDNSPSZ | ARES_OPT_RESOLVCONF | ARES_OPT_DOMAINS);
  if (status != ARES_SUCCESS) {
    result->channel_ = nullptr;
    return Failure("make a channel", status);
  }
  ares_addr_port_node node = NodeOf(server);
  if (const int set = ares_set_servers_ports(result->channel_, &node);
      set != ARES_SUCCESS) {
    return Failure("set the server", set);
  }
  return result;
}

void DnsChannel::Query(const std::string& name, DnsType type, Done done) {
  ares_query(channel_, name.c_str(), ns_c_in, DnsTypeNumber(type), &OnAnswer,
             new Question{.type = type, .done = std::move(done)});
}

void DnsChannel::Tick() {
  ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

void DnsChannel::OnAnswer(void* argument, int status, int /*timeouts*/,
                          unsigned char* message, int length) noexcept {
  const std::unique_ptr<Question> question(static_cast<Question*>(argument));
  // An error that a server stated comes with its message.
  question->done(message != nullptr && length > 0
                     ? ParseDnsAnswer({message, static_cast<size_t>(length)},
                                      question->type)
                     : DnsAnswer{.outcome = OutcomeOf(status)});
}

void DnsChannel::OnSocketState(void* self, ares_socket_t socket, int readable,
                               int writable) noexcept {
  static_cast<DnsChannel*>(self)->SetSocketState(socket, readable != 0,
                                                 writable != 0);
}

void DnsChannel::SetSocketState(ares_socket_t number, bool readable,
                                bool writable) {
  const auto place = sockets_.find(number);
  if (!readable && !writable) {  // c-ares is about to close it
    if (place == sockets_.end()) return;
    place->second->open = false;
    place->second->descriptor.release();
    sockets_.erase(place);
    return;
  }
  std::shared_ptr<Socket> socket =
      place != sockets_.end()
          ? place->second
          : sockets_.emplace(number, std::make_shared<Socket>(loop_, number))
                .first->second;
  socket->wants_read = readable;
  socket->wants_write = writable;
  Watch(socket);
}

void DnsChannel::Watch(const std::shared_ptr<Socket>& socket) {
  using Descriptor = asio::posix::stream_descriptor;
  if (socket->wants_read && !socket->awaits_read) {
    socket->awaits_read = true;
    socket->descriptor.async_wait(
        Descriptor::wait_read, [this, socket](const asio::error_code& error) {
          socket->awaits_read = false;
          if (!socket->open || error) return;
          ares_process_fd(channel_, socket->descriptor.native_handle(),
                          ARES_SOCKET_BAD);
          if (socket->open) Watch(socket);
        });
  }
  if (socket->wants_write && !socket->awaits_write) {
    socket->awaits_write = true;
    socket->descriptor.async_wait(
        Descriptor::wait_write, [this, socket](const asio::error_code& error) {
          socket->awaits_write = false;
          if (!socket->open || error) return;
          ares_process_fd(channel_, ARES_SOCKET_BAD,
                          socket->descriptor.native_handle());
          if (socket->open) Watch(socket);
        });
  }
}

}  // namespace breakwater
