// The first line is a recipient, as a stranger writes it; the rest is a file of
// traps.

#include <algorithm>
#include <optional>

#include "core/rules/mailbox.h"
#include "core/rules/trap_list.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace breakwater;
  std::string_view text = AsText(data, size);
  const size_t end = std::min(text.find('\n'), text.size());
  const std::string_view recipient = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));

  const std::optional<Mailbox> mailbox = ReadRecipient(recipient);
  if (mailbox) {
    // The domain may be longer: it is in A-labels.
    Require(mailbox->local.size() <= recipient.size(),
            "a local part is no more than what was said");
    Require(mailbox->has_at || mailbox->domain.empty(),
            "a domain stands behind an @");
  }
  const absl::StatusOr<TrapList> traps = TrapList::ParseText(text, "traps");
  if (!traps.ok()) {
    Require(IsPrintable(std::string_view(traps.status().message().data(),
                                         traps.status().message().size())),
            "an error can be shown");
    return 0;
  }
  const bool holds = traps->Holds(recipient);
  Require(!holds || (mailbox && !traps->empty()),
          "nobody is in an empty list, and nothing unreadable in any");
  TrapList merged;
  Require(merged.Merge(*traps).ok(), "a list fits where nothing is");
  Require(merged.size() == traps->size(), "whole");
  Require(merged.Holds(recipient) == holds, "and means the same there");
  // No list that could be written holds everybody.
  Require(!traps->Holds("<>") && !traps->Holds(""), "nobody is no trap");
  return 0;
}
