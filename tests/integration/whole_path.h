#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/integration/breakwater_test.h"
#include "tests/integration/harness/postfix.h"

namespace breakwater::testing {

// The whole path on real parts, with a Postfix.
class WholePathTest : public BreakwaterTest {
 protected:
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
    std::vector<std::string> listed_names = {};  // in the zone dbl.test
  };

  // Fails the test if something does not start; the caller then returns.
  void StartParts(const Parts& parts);
  Service ServiceOf(const Parts& parts) const;

  // Whether a whole message goes through and arrives.
  void ExpectMailFlows(const std::string& from);

  std::unique_ptr<Postfix> postfix_;
};

}  // namespace breakwater::testing
