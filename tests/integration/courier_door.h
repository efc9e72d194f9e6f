#pragma once

#include <signal.h>
#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/integration/breakwater_test.h"
#include "tests/integration/harness/courier.h"

namespace breakwater::testing {

// The whole path with a Courier: breakwater-tcp before courieresmtpd, the
// filter behind the end of a message, or both.
class CourierDoor : public BreakwaterTest {
 protected:
  struct Parts {
    bool wrapper = false;
    bool filter = false;
    // Debian's: an error is answered after eight seconds.
    bool tarpit = false;
    bool rules = true;
    std::string mode = "enforce";
    std::string config = {};               // more tables
    std::vector<std::string> esmtpd = {};  // more lines
    std::vector<DnsListEntry> listed = {
        {kListed}, {kListedToo}, {"2001:db8:bad1::/48"}};
  };

  // Fails the test if something does not start; the caller then returns.
  void StartParts(const Parts& parts);

  // Whether a whole message goes through and arrives.
  void ExpectMailFlows(const std::string& from);
  // Nothing but what somebody else sends now comes to the mailbox.
  void ExpectNothingElseArrives();

  void Say(SmtpClient& client, const std::vector<std::string>& lines);
  // As far as the end of DATA, which is not sent.
  void SayUpToData(SmtpClient& client);
  absl::Status Filterctl(const std::string& verb);

  // Slots, and what else exists because of a session.
  bool WaitForNoSession();

  std::unique_ptr<Courier> courier_;
};

// A program of ours is there and does nothing.
class Paused {
 public:
  explicit Paused(pid_t pid) : pid_(pid) { kill(pid_, SIGSTOP); }
  ~Paused() { kill(pid_, SIGCONT); }
  Paused(const Paused&) = delete;
  Paused& operator=(const Paused&) = delete;

 private:
  const pid_t pid_;
};

}  // namespace breakwater::testing
