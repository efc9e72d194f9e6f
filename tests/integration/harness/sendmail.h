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

struct SendmailOptions {
  // Lines of m4 after the harness's own and before the mailers.
  std::vector<std::string> mc = {};
  // DAEMON_OPTIONS. One socket for both families, unless said otherwise: IPv4
  // clients then are mapped addresses to the kernel.
  std::vector<std::string> daemons = {
      "Name=MTA, Family=inet6, Port=25, Addr=::"};
  // How many children there may be: the slots that a wave fights for.
  int process_limit = 100;
  // Who has a mailbox at mail.test. All other recipients are unknown.
  std::vector<std::string> users = {"honest", "good"};
  // Offers STARTTLS with a certificate that it signed itself.
  bool tls = false;
};

// A Sendmail of its own, listening on port 25 of every address of a namespace,
// IPv4 and IPv6, as Debian builds and configures it. It asks no DNS, looks at
// no load and limits no client but by its slots.
class Sendmail {
 public:
  static absl::StatusOr<std::unique_ptr<Sendmail>> Start(
      const Namespace& where, SendmailOptions options = {});

  Sendmail(const Sendmail&) = delete;
  Sendmail& operator=(const Sendmail&) = delete;
  ~Sendmail();

  // Ends every process of it. The mail stays until the destructor.
  void Stop();

  // The directory for Breakwater's sockets, from outside; Sendmail knows it as
  // kSocketDirectory. Nobody but the owner may write there, or Sendmail will
  // not use what is in it.
  static constexpr char kSocketDirectory[] = "/run/breakwater-sendmail";
  absl::StatusOr<std::string> MakeSocketDirectory(uid_t owner);

  // The messages delivered to a user, in their order.
  std::vector<std::string> Mailbox(const std::string& user) const;
  bool WaitForMail(
      const std::string& user, size_t count,
      std::chrono::milliseconds patience = std::chrono::seconds(10)) const;
  // Messages that were taken and are neither delivered nor given up.
  size_t Queued() const;

  std::string Log() const;
  bool LogContains(const std::string& text) const;
  bool WaitForLog(const std::string& text, std::chrono::milliseconds patience =
                                               std::chrono::seconds(10)) const;

  // The command of a submission from inside: SMTP on standard input, one line
  // after the reply to the one before.
  std::vector<std::string> SubmitCommand() const;

  // The processes that hold a session.
  std::vector<pid_t> Children() const;
  size_t ChildCount() const { return Children().size(); }
  // Established on port 25, waiting to be accepted included.
  size_t OpenSessions() const;

  const MtaRoot& root() const { return *root_; }

 private:
  Sendmail(const Namespace& where, std::unique_ptr<MtaRoot> root,
           SendmailOptions options)
      : where_(where), root_(std::move(root)), options_(std::move(options)) {}
  absl::Status Configure() const;
  absl::Status MakeCertificate() const;
  absl::Status StartDaemon();
  std::string Mc() const;

  const Namespace& where_;
  std::unique_ptr<MtaRoot> root_;
  SendmailOptions options_;
  std::unique_ptr<Syslog> syslog_;
  std::unique_ptr<Process> daemon_;
};

}  // namespace breakwater::testing
