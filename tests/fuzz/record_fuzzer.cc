// What a taken-over daemon may send to the enforcer.

#include <algorithm>

#include "core/types/record.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace breakwater;
  const absl::StatusOr<Record> record = DecodeRecord({data, size});
  if (!record.ok()) {
    Require(IsPrintable(std::string(record.status().message())),
            "an error can be shown");
    return 0;
  }
  Require(size == kRecordSize, "a record has its size");
  Require(std::ranges::equal(EncodeRecord(*record),
                             absl::Span<const uint8_t>(data, size)),
          "what was read is all that was there");
  Require(record->seconds <= kLongestBanSeconds, "a ban has an end");
  Require(Network::Of(record->network.address, record->network.length) ==
              record->network,
          "a network has no bits behind its prefix");
  return 0;
}
