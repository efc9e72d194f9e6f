#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/integration/breakwater_test.h"
#include "tests/integration/harness/process.h"
#include "tests/integration/harness/temp_directory.h"

namespace breakwater::testing {

// breakwater-tcp where rblsmtpd would stand: a real tcpserver starts it for
// each connection, and it starts tcp_smtpd, a small SMTP server of the tests'
// own.
class TcpserverDoorTest : public BreakwaterTest {
 protected:
  struct Door {
    bool ipv6 = false;                       // tcpserver of ucspi-tcp-ipv6
    bool rules = true;                       // the firewall's
    std::vector<std::string> tcprules = {};  // as tcprules(1) reads them
    std::vector<std::string> options = {};   // of breakwater-tcp
    std::vector<std::string> before = {};    // a program in front of it
    int slots = 40;
    std::string mode = "enforce";
    std::vector<DnsListEntry> listed = {
        {kListed}, {kListedToo}, {"2001:db8:bad1::/48"}};
  };

  // Fails the test if something does not start, or skips it; the caller then
  // returns.
  void StartDoor(const Door& door);

  // Whether a whole message goes through and is there.
  void ExpectMailFlows(const std::string& from);
  // What arrived, tcp_smtpd's header first.
  std::vector<std::string> Messages() const;

  // tcpserver's children, not yet waited for included: its slots in use.
  size_t SlotsUsed() const;
  bool WaitForFreeSlots();
  // tcpserver's lines and breakwater-tcp's.
  std::string Log() const { return tcpserver_->Log(); }

  std::unique_ptr<Process> tcpserver_;

 private:
  std::string PolicySocket() const;
  absl::StatusOr<std::vector<std::string>> CommandLine(const Door& door);
  absl::Status MakeDirectories();
  absl::Status MakeRules(const std::vector<std::string>& lines);

  std::unique_ptr<TempDirectory> directory_;
};

}  // namespace breakwater::testing
