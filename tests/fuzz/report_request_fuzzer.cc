// What comes over the report socket.

#include "daemon/protocol/report_request.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace breakwater;
  const absl::StatusOr<ReportRequest> request = ParseReport(AsText(data, size));
  if (!request.ok()) {
    Require(IsPrintable(std::string(request.status().message())),
            "an error can be shown");
    return 0;
  }
  const Offence offence = request->ToOffence();
  Require(IsPrintable(offence.detail), "a detail can be shown");
  Require(offence.detail.size() <= 262, "a detail is bounded");
  Require(offence.kind == request->kind, "a kind stays what it is");
  const absl::StatusOr<ReportRequest> again =
      ParseReport(FormatReport(*request));
  Require(again.ok() && *again == *request, "what is written is read back");
  return 0;
}
