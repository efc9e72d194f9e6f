#ifndef BREAKWATER_TESTS_INTEGRATION_HARNESS_POSTFIX_H_
#define BREAKWATER_TESTS_INTEGRATION_HARNESS_POSTFIX_H_

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

struct PostfixOptions {
  // Appended, so that a line of these wins over the harness's own.
  std::vector<std::string> main_cf = {};
  std::vector<std::string> master_cf = {};
  // How many smtpd may run: the slots that a wave fights for.
  int process_limit = 100;
  // Who has a mailbox at mail.test. All other recipients are unknown.
  std::vector<std::string> users = {"honest", "good"};
};

// A Postfix of its own, listening on port 25 of every address of a namespace,
// IPv4 and IPv6. It asks no DNS, limits no client and relays nothing. As
// Debian has it, smtpd and cleanup are in a jail in the queue directory.
class Postfix {
 public:
  static absl::StatusOr<std::unique_ptr<Postfix>> Start(
      const Namespace& where, PostfixOptions options = {});

  Postfix(const Postfix&) = delete;
  Postfix& operator=(const Postfix&) = delete;
  ~Postfix();

  // Ends every process of it. The mail stays until the destructor.
  void Stop();
  // Replaces the options' main.cf lines and has Postfix read them, which lets
  // each smtpd finish its session first. Returns once the next one reads them.
  absl::Status Reload(const std::vector<std::string>& main_cf);

  // From outside, without a trailing slash.
  std::string QueueDirectory() const;
  // The directory for Breakwater's sockets, which Postfix knows as
  // unix:breakwater/NAME: the daemon may make them there, Postfix's group,
  // which the new sockets inherit, may use them.
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

  // Processes that hold or await a session.
  size_t SmtpdCount() const;
  // Established on port 25, waiting to be accepted included.
  size_t OpenSessions() const;

  const MtaRoot& root() const { return *root_; }

 private:
  Postfix(const Namespace& where, std::unique_ptr<MtaRoot> root,
          PostfixOptions options)
      : where_(where), root_(std::move(root)), options_(std::move(options)) {}
  absl::Status Configure() const;
  std::string MainCf() const;
  std::string MasterCf() const;
  pid_t MasterPid() const;  // 0 when it does not run

  const Namespace& where_;
  std::unique_ptr<MtaRoot> root_;
  PostfixOptions options_;
};

}  // namespace breakwater::testing

#endif  // BREAKWATER_TESTS_INTEGRATION_HARNESS_POSTFIX_H_
