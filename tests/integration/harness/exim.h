#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/integration/harness/mta_root.h"
#include "tests/integration/harness/network.h"

namespace breakwater::testing {

struct EximOptions {
  // The ACL for each connection, without its name.
  std::string connect_acl = "accept\n";
  // Who has a mailbox at mail.test. All other recipients are unknown.
  std::vector<std::string> users = {"honest", "good"};
};

// An Exim of its own, Debian's, listening on port 25 of every address of a
// namespace, IPv4 and IPv6. It asks no DNS and relays nothing.
class Exim {
 public:
  static absl::StatusOr<std::unique_ptr<Exim>> Start(const Namespace& where,
                                                     EximOptions options = {});

  Exim(const Exim&) = delete;
  Exim& operator=(const Exim&) = delete;
  ~Exim();

  // Ends every process of it. The mail stays until the destructor.
  void Stop();

  // The directory for Breakwater's sockets, from outside; Exim knows it as
  // /run/breakwater. Exim's group, which new sockets inherit, may use them.
  absl::StatusOr<std::string> MakeSocketDirectory(uid_t owner);

  // The messages delivered to a user, in no order.
  std::vector<std::string> Mailbox(const std::string& user) const;
  bool WaitForMail(
      const std::string& user, size_t count,
      std::chrono::milliseconds patience = std::chrono::seconds(10)) const;

  std::string Log() const;
  bool WaitForLog(const std::string& text, std::chrono::milliseconds patience =
                                               std::chrono::seconds(10)) const;

 private:
  Exim(const Namespace& where, std::unique_ptr<MtaRoot> root,
       EximOptions options)
      : where_(where), root_(std::move(root)), options_(std::move(options)) {}
  absl::Status Configure() const;

  const Namespace& where_;
  std::unique_ptr<MtaRoot> root_;
  EximOptions options_;
};

}  // namespace breakwater::testing
