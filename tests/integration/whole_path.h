#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/integration/harness/breakwater.h"
#include "tests/integration/harness/dns_list.h"
#include "tests/integration/harness/integration_test.h"
#include "tests/integration/harness/ip_set.h"
#include "tests/integration/harness/postfix.h"
#include "tests/integration/harness/smtp_client.h"

namespace breakwater::testing {

// The whole path on real parts: a DNS list, a Postfix, Breakwater beside it
// and the firewall's rules, in a network of their own; the world outside is
// the test. The addresses below are the world's.
class WholePathTest : public IntegrationTest {
 protected:
  static constexpr char kListed[] = "198.18.0.5";
  static constexpr char kListedToo[] = "198.18.0.6";
  static constexpr char kListed6[] = "2001:db8:bad1::5";
  static constexpr char kClean[] = "203.0.113.9";
  static constexpr char kClean6[] = "2001:db8:900d::9";

  struct Parts {
    bool policy = false;
    bool milter = false;
    bool rules = true;
    std::string mode = "enforce";
    std::string config;                // more tables
    std::vector<std::string> main_cf;  // more lines
    std::vector<std::string> master_cf;
    std::string dns_server = "127.0.0.1";
    std::vector<DnsListEntry> listed = {
        {kListed}, {kListedToo}, {"2001:db8:bad1::/48"}};
  };

  // Fails the test if something does not start; the caller then returns.
  void StartParts(const Parts& parts);
  void StartBreakwater();
  std::string ConfigText(const Parts& parts) const;

  // A connection, with its first reply read.
  struct Session {
    SmtpClient client;
    SmtpReply banner;
  };
  absl::StatusOr<Session> Open(const std::string& from, uint16_t port = 25);
  // Whether a new connection is dropped on its way.
  bool IsDropped(const std::string& from);
  // Whether a whole message goes through and arrives.
  void ExpectMailFlows(const std::string& from);

  // What the operator's command says, as JSON text.
  std::string Ask(std::vector<std::string> words);
  bool IsBanned(const std::string& address);

  std::unique_ptr<Postfix> postfix_;
  std::unique_ptr<DnsList> list_;
  std::unique_ptr<Breakwater> breakwater_;
  std::unique_ptr<IpSets> sets_;
};

}  // namespace breakwater::testing
