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
#include "tests/integration/harness/syslog.h"

namespace breakwater::testing {

struct CourierOptions {
  // Lines of /etc/courier/esmtpd, a shell script. Appended, so that a line of
  // these wins over the harness's own and Debian's.
  std::vector<std::string> esmtpd = {};
  // Programs to be copied into the root directory before anything starts, with
  // those of their libraries that are not in there.
  struct Program {
    std::string from;
    std::string to;  // inside
  };
  std::vector<Program> programs = {};
  // Of /usr/lib/courier/filters, to be enabled as `filterctl start` does.
  std::vector<std::string> filters = {};
  // How many courieresmtpd may run (MAXDAEMONS): the slots that a wave fights
  // for. Debian's 40.
  int process_limit = 40;
  // Who has a mailbox at mail.test. All other recipients are unknown. Each may
  // log in with kCourierPassword once ESMTPAUTH is set.
  std::vector<std::string> users = {"honest", "good"};
};

inline constexpr char kCourierPassword[] = "secret";

// A Courier of its own, listening on port 25 of every address of a namespace by
// one socket for both families: IPv4 clients are mapped addresses to the
// kernel. As Debian builds and configures it, but that it asks no DNS and
// limits no client but by its slots. It offers STARTTLS with the certificate
// that Debian's package made, and answers an error after eight seconds
// (TARPIT).
class Courier {
 public:
  static absl::StatusOr<std::unique_ptr<Courier>> Start(
      const Namespace& where, CourierOptions options = {});

  Courier(const Courier&) = delete;
  Courier& operator=(const Courier&) = delete;
  ~Courier();

  // Ends every process of it. The mail stays until the destructor.
  void Stop();

  // The directory for Breakwater's sockets, from outside; programs inside know
  // it as kSocketDirectory. The daemon may make them there, Courier's group,
  // which the new sockets inherit, may use them.
  static constexpr char kSocketDirectory[] = "/run/breakwater/courier";
  absl::StatusOr<std::string> MakeSocketDirectory(uid_t owner);

  // The messages delivered to a user, in no order.
  std::vector<std::string> Mailbox(const std::string& user) const;
  bool WaitForMail(
      const std::string& user, size_t count,
      std::chrono::milliseconds patience = std::chrono::seconds(10)) const;

  std::string Log() const;
  bool LogContains(const std::string& text) const;
  bool WaitForLog(const std::string& text, std::chrono::milliseconds patience =
                                               std::chrono::seconds(10)) const;

  // The children of couriertcpd: each holds one of the slots, whatever program
  // it runs.
  std::vector<pid_t> Children() const;
  size_t ChildCount() const { return Children().size(); }
  // The processes with that name: courieresmtpd, submit (its child, from EHLO
  // on), couriertls (nobody's child, holds the socket after STARTTLS).
  std::vector<pid_t> Processes(const std::string& name) const;
  size_t ProcessCount(const std::string& name) const {
    return Processes(name).size();
  }
  // Whatever exists because of a session.
  size_t SessionProcessCount() const;
  // Established on port 25, waiting to be accepted included.
  size_t OpenSessions() const;

  const MtaRoot& root() const { return *root_; }

 private:
  Courier(const Namespace& where, std::unique_ptr<MtaRoot> root,
          CourierOptions options)
      : where_(where), root_(std::move(root)), options_(std::move(options)) {}
  absl::Status Configure() const;
  absl::Status AddUsers() const;
  absl::Status AddPrograms() const;
  absl::Status AddFile(const std::string& from, const std::string& to) const;
  absl::Status StartDaemons();

  const Namespace& where_;
  std::unique_ptr<MtaRoot> root_;
  CourierOptions options_;
  std::unique_ptr<Syslog> syslog_;
};

}  // namespace breakwater::testing
