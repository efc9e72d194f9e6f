#pragma once

#include <libmnl/libmnl.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace breakwater {

// A netlink socket for questions to the kernel: the host's addresses, its
// sockets, its sets. It acts in the network namespace of the thread that
// opened it. Blocking, but never for longer than two seconds: the kernel
// answers within the call or not at all. One thread at a time.
class NetlinkSocket {
 public:
  // `protocol` is NETLINK_ROUTE and the like; `groups` are the bits of the
  // multicast groups whose messages Drain sees.
  static absl::StatusOr<NetlinkSocket> Open(int protocol, uint32_t groups = 0);

  NetlinkSocket(NetlinkSocket&& other) noexcept;
  NetlinkSocket& operator=(NetlinkSocket&& other) noexcept;
  ~NetlinkSocket();

  // Sends the message and calls `each` for all that the kernel answers. An
  // error of the kernel's comes back as absl::ErrnoToStatus makes it: ENOENT
  // is NotFound, EPERM is PermissionDenied.
  absl::Status Query(nlmsghdr* request,
                     absl::FunctionRef<void(const nlmsghdr&)> each);

  // The number that the kernel gave the last Query's error: subsystems have
  // some that errno(3) has not. 0 if it gave none.
  int last_error() const { return last_error_; }

  // Sends messages that the kernel carries out together or not at all, as
  // nfnetlink's batches. Each was numbered by NextSequence, from `first` on;
  // the last that does something asks for an answer (NLM_F_ACK) and is number
  // `last`. Calls `each` for those that failed, with the error. The error that
  // is returned is about the batch as a whole: what has no number of its own.
  absl::Status QueryBatch(
      const void* messages, size_t size, uint32_t first, uint32_t last,
      absl::FunctionRef<void(uint32_t sequence, int error)> each);
  uint32_t NextSequence() { return ++sequence_; }

  // Reads what the groups have sent, without waiting. Whether anything came,
  // or was lost because too much of it did.
  bool Drain();

  int fd() const { return mnl_socket_get_fd(socket_); }

 private:
  explicit NetlinkSocket(mnl_socket* socket);

  mnl_socket* socket_;
  uint32_t sequence_ = 0;
  int last_error_ = 0;
  std::vector<char> buffer_;
};

// Calls `each` for the attributes in these bytes, or in a nest, and ends at the
// first that is not whole. (libmnl's macros for this are not C++.)
void ForEachAttribute(const void* begin, size_t size,
                      absl::FunctionRef<void(const nlattr&)> each);
void ForEachNested(const nlattr& nest,
                   absl::FunctionRef<void(const nlattr&)> each);

// The attributes of one nest or message, by type; types that none of our
// questions is about are left out.
class NetlinkAttributes {
 public:
  // `header` is the size of what stands before the attributes.
  NetlinkAttributes(const nlmsghdr& message, size_t header);
  explicit NetlinkAttributes(const nlattr& nest);

  // The attribute if it is there and has at least `size` bytes.
  const nlattr* Find(uint16_t type, size_t size = 0) const;

 private:
  void Note(const nlattr& attribute);

  std::array<const nlattr*, 48> attributes_{};
};

}  // namespace breakwater
