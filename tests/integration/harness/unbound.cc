#include "tests/integration/harness/unbound.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/substitute.h"
#include "tests/integration/harness/temp_directory.h"

namespace breakwater::testing {
namespace {

constexpr char kConfigPath[] = "/etc/unbound/test.conf";

// Without the validator: it would want the keys of the root zone.
constexpr char kConfig[] = R"(server:
  interface: $0
  access-control: 127.0.0.0/8 allow
  do-ip6: no
  num-threads: 1
  use-syslog: no
  logfile: ""
  chroot: ""
  pidfile: ""
  module-config: "iterator"
  do-not-query-localhost: no
  local-zone: "test." nodefault
  domain-insecure: "test"
$1
remote-control:
  control-enable: no
)";

}  // namespace

absl::StatusOr<std::unique_ptr<Unbound>> Unbound::Start(
    const Namespace& where, const Options& options) {
  absl::StatusOr<std::unique_ptr<MtaRoot>> root = MtaRoot::Make("postfix");
  if (!root.ok()) return root.status();
  std::unique_ptr<Unbound> unbound(new Unbound(*std::move(root)));
  std::string config =
      absl::Substitute(kConfig, options.address, options.server);
  for (const Stub& stub : options.stubs) {
    absl::StrAppend(&config, "stub-zone:\n  name: \"", stub.zone,
                    "\"\n  stub-addr: ", stub.address, "\n");
  }
  absl::Status status = WriteFile(unbound->root_->Path(kConfigPath), config);
  if (!status.ok()) return status;

  InNamespace here(where);
  absl::StatusOr<std::unique_ptr<Process>> server =
      Process::Start(unbound->root_->Chroot(
                         {"/usr/sbin/unbound", "-d", "-p", "-c", kConfigPath}),
                     unbound->root_->Path("/var/log/unbound.log"));
  if (!server.ok()) return server.status();
  unbound->server_ = *std::move(server);
  if (!unbound->server_->WaitForLog("start of service")) {
    return absl::UnavailableError(
        absl::StrCat("unbound does not start: ", unbound->Log()));
  }
  return unbound;
}

}  // namespace breakwater::testing
