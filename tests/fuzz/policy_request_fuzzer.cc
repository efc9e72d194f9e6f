// What comes over the policy server's sockets, the TCP one from anywhere.

#include "policy/request.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace breakwater;
  const absl::StatusOr<PolicyRequest> request =
      ParsePolicyRequest(AsText(data, size));
  if (!request.ok()) {
    const std::string message(request.status().message());
    Require(IsPrintable(message), "an error can be shown");
    Require(message.size() < 1000, "an error is bounded");
    return 0;
  }
  Require(request->client.helo.find('\n') == std::string::npos,
          "a value is one line");
  size_t kept = 0;
  for (const auto* lines : {&request->recipients, &request->header}) {
    for (const std::string& line : *lines) {
      Require(line.find('\n') == std::string::npos, "a value is one line");
      kept += line.size();
    }
  }
  Require(kept <= size, "no more is kept than was sent");
  // Whatever text a verdict gets from a stranger, the answer stays one line
  // that Postfix takes for a refusal.
  const std::string action =
      PolicyAction({.action = Action::kReject,
                    .code = request->client.connection.client_port,
                    .text = request->client.helo});
  Require(IsPrintable(action) && action.size() < 512, "an action is one line");
  Require(action[0] == '4' || action[0] == '5', "a refusal refuses");
  Require(action.find(' ') != std::string::npos, "a bare code means OK");
  return 0;
}
