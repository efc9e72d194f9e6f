// A line of a file that is imported.

#include "core/types/record.h"
#include "daemon/cli/ban_file.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace breakwater;
  const absl::StatusOr<std::vector<BanEntry>> entries =
      ReadBanLine(AsText(data, size), std::chrono::seconds(600));
  if (!entries.ok()) {
    Require(IsPrintable(std::string(entries.status().message())),
            "an error can be shown");
    return 0;
  }
  for (const BanEntry& entry : *entries) {
    Require(entry.left.count() >= 1 && entry.left.count() <= kLongestBanSeconds,
            "the kernel can count it");
    Require(entry.network == Network::OfClient(entry.network.address),
            "it is one client's");
    Require(IsPrintable(entry.reason) && IsPrintable(entry.label) &&
                IsPrintable(entry.id),
            "it can be shown");
    const auto again = ParseBanEntries(FormatBanEntries({entry}));
    Require(again.ok() && again->size() == 1 && again->front() == entry,
            "what is sent is read back");
  }
  return 0;
}
