#ifndef BREAKWATER_TESTS_INTEGRATION_HARNESS_UNBOUND_H_
#define BREAKWATER_TESTS_INTEGRATION_HARNESS_UNBOUND_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/integration/harness/mta_root.h"
#include "tests/integration/harness/network.h"
#include "tests/integration/harness/process.h"

namespace breakwater::testing {

// The resolver on loopback that a mail server should have: unbound, which finds
// the zones below test. where it is told.
class Unbound {
 public:
  struct Stub {
    std::string zone;
    std::string address;  // of the server that holds it
  };
  struct Options {
    std::string address = "127.0.0.4";
    std::vector<Stub> stubs = {};
    std::string server = "";  // more lines of that section
  };

  static absl::StatusOr<std::unique_ptr<Unbound>> Start(const Namespace& where,
                                                        const Options& options);

  std::string Log() const { return server_->Log(); }

 private:
  explicit Unbound(std::unique_ptr<MtaRoot> root) : root_(std::move(root)) {}

  std::unique_ptr<MtaRoot> root_;
  std::unique_ptr<Process> server_;
};

}  // namespace breakwater::testing

#endif  // BREAKWATER_TESTS_INTEGRATION_HARNESS_UNBOUND_H_
