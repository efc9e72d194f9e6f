#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/integration/harness/breakwater.h"
#include "tests/integration/harness/dns_list.h"
#include "tests/integration/harness/integration_test.h"
#include "tests/integration/harness/ip_set.h"
#include "tests/integration/harness/smtp_client.h"

namespace breakwater::testing {

// All but the mail server: a DNS list, Breakwater and the firewall's rules, in
// a network of their own; the world outside is the test. The addresses below
// are the world's.
class BreakwaterTest : public IntegrationTest {
 protected:
  static constexpr char kListed[] = "198.18.0.5";
  static constexpr char kListedToo[] = "198.18.0.6";
  static constexpr char kListed6[] = "2001:db8:bad1::5";
  static constexpr char kClean[] = "203.0.113.9";
  static constexpr char kClean6[] = "2001:db8:900d::9";

  // As which the daemon runs: its sockets are made as this user.
  static constexpr uid_t kDaemonUid = 65534;

  struct Service {
    std::string milter;               // socket, as in the configuration
    std::vector<std::string> policy;  // sockets
    bool rules = true;
    std::string mode = "enforce";
    std::string config;  // more tables
    std::string dns_server = "127.0.0.1";
    std::string dns_deadline = "1500ms";
    std::vector<DnsListEntry> listed = {
        {kListed}, {kListedToo}, {"2001:db8:bad1::/48"}};
    std::vector<std::string> listed_names = {};  // in the zone dbl.test
  };

  // Fails the test if something does not start; the caller then returns.
  void StartService(const Service& service);
  // The programs alone, with the configuration that is there.
  void StartBreakwater();
  std::string ConfigText(const Service& service) const;

  // A connection, with its first reply read.
  struct Session {
    SmtpClient client;
    SmtpReply banner;
  };
  absl::StatusOr<Session> Open(const std::string& from, uint16_t port = 25);
  // Whether a new connection is dropped on its way.
  bool IsDropped(const std::string& from);

  // What the operator's command says, as JSON text.
  std::string Ask(std::vector<std::string> words);
  bool IsBanned(const std::string& address);

  std::unique_ptr<DnsList> list_;
  std::unique_ptr<Breakwater> breakwater_;
  std::unique_ptr<IpSets> sets_;
};

}  // namespace breakwater::testing
