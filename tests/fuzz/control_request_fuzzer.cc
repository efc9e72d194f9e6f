// What comes over the control socket.

#include "daemon/protocol/control_request.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace breakwater;
  const absl::StatusOr<ControlRequest> request =
      ParseControlRequest(AsText(data, size));
  if (!request.ok()) {
    Require(IsPrintable(std::string(request.status().message())),
            "an error can be shown");
    return 0;
  }
  Require(request->limit <= kMostBansShown, "the limit is bounded");
  Require(IsPrintable(request->reason), "a reason can be shown");
  Require(request->entries.size() <= kMostEntries, "an import is bounded");
  const absl::StatusOr<ControlRequest> again =
      ParseControlRequest(FormatControlRequest(*request));
  Require(again.ok() && *again == *request, "what is written is read back");
  return 0;
}
