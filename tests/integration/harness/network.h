#ifndef BREAKWATER_TESTS_INTEGRATION_HARNESS_NETWORK_H_
#define BREAKWATER_TESTS_INTEGRATION_HARNESS_NETWORK_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/integration/harness/process.h"

namespace breakwater::testing {

// A network namespace with a name that `ip netns` knows, so that one can look
// inside while a test is held. Its loopback is up. When it goes, processes
// that are still in it are killed: nobody else's can be.
class Namespace {
 public:
  // The name becomes bw-PID-COUNT-name.
  static absl::StatusOr<std::unique_ptr<Namespace>> Make(
      const std::string& name);

  Namespace(const Namespace&) = delete;
  Namespace& operator=(const Namespace&) = delete;
  ~Namespace();

  const std::string& name() const { return name_; }
  int fd() const { return fd_; }

  // Sets net.KEY of this namespace, as in sysctl; the key with slashes.
  absl::Status SetSysctl(const std::string& key, const std::string& value);
  std::vector<pid_t> Processes() const;

 private:
  explicit Namespace(std::string name) : name_(std::move(name)) {}

  std::string name_;
  int fd_ = -1;
};

// While it lives, the calling thread is in a namespace: sockets that it opens
// and programs that it starts belong there, and stay there.
class InNamespace {
 public:
  explicit InNamespace(const Namespace& where);
  InNamespace(const InNamespace&) = delete;
  InNamespace& operator=(const InNamespace&) = delete;
  ~InNamespace();

 private:
  int home_;
};

CommandResult RunIn(
    const Namespace& where, const std::vector<std::string>& argv,
    std::chrono::milliseconds patience = std::chrono::seconds(30),
    const std::string& input = "");

// The connections to a port in there that are established, those included that
// wait to be accepted.
size_t OpenConnections(const Namespace& where, uint16_t port);

// Two namespaces and a cable:
//
//   mta    192.0.2.25, 2001:db8:25::25    the mail server and Breakwater
//   world  192.0.2.1,  2001:db8:25::1     everybody else; mta's gateway
//
// The world may speak from any address of these without adding it first, since
// a wave comes from more addresses than one would want to add:
//
//   198.18.0.0/15, 198.51.100.0/24, 203.0.113.0/24, 2001:db8:8000::/33
class Network {
 public:
  static constexpr char kMtaAddress[] = "192.0.2.25";
  static constexpr char kMtaAddress6[] = "2001:db8:25::25";
  static constexpr char kGateway[] = "192.0.2.1";
  static constexpr char kGateway6[] = "2001:db8:25::1";

  static absl::StatusOr<std::unique_ptr<Network>> Make();

  Namespace& mta() { return *mta_; }
  Namespace& world() { return *world_; }

 private:
  Network() = default;
  absl::Status Connect();

  std::unique_ptr<Namespace> mta_;
  std::unique_ptr<Namespace> world_;
};

// Ends what is left of tests that died: the processes in their namespaces,
// then the namespaces.
void RemoveStaleNamespaces();

}  // namespace breakwater::testing

#endif  // BREAKWATER_TESTS_INTEGRATION_HARNESS_NETWORK_H_
