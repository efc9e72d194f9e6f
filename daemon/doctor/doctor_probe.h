#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/file_descriptor.h"
#include "core/net/address.h"

namespace breakwater {

// A network namespace at the other end of a cable, from which addresses speak
// that nobody has, of ranges kept for examples (RFC 5737, RFC 3849). The host
// gets no address and no rule for it, only an interface, and routes to them;
// all of it is gone with this object, and at the latest with the process. Needs
// root.
class DoctorProbe {
 public:
  static constexpr char kInterface[] = "bw-doctor";

  // Who speaks from there.
  struct Clients {
    const char* banned;
    const char* allowed;
  };
  static constexpr Clients kIpv4 = {"198.51.100.2", "198.51.100.3"};
  // Each in a /64 of its own, as a ban covers one.
  static constexpr Clients kIpv6 = {"2001:db8:0:bad::2", "2001:db8:0:900d::3"};

  enum class Answer : uint8_t { kNone, kAccepted, kReset };

  static absl::StatusOr<std::unique_ptr<DoctorProbe>> Make();
  ~DoctorProbe();

  // Lays the way from the clients of its family to that address of this host's.
  absl::Status Lead(const IpAddress& server);

  // Sends SYNs and waits for what comes back. The mail server never sees a
  // connection: what it would answer to is reset.
  absl::StatusOr<Answer> Send(const std::string& from, const IpAddress& server,
                              uint16_t port);

 private:
  DoctorProbe(FileDescriptor home, FileDescriptor there)
      : home_(std::move(home)), there_(std::move(there)) {}
  absl::Status RunThere(const std::vector<std::string>& words);

  const FileDescriptor home_;
  const FileDescriptor there_;
};

}  // namespace breakwater
