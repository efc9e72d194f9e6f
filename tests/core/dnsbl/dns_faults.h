#pragma once

#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "core/zones/zone_probe.h"
#include "tests/fakes/dns_server.h"

namespace breakwater {

// Something that goes wrong between us and a list, in all answers alike.
struct DnsFault {
  std::string name;
  // What becomes of an honest answer; the number is that of the question.
  std::function<FakeReply(FakeReply honest, size_t number)> spoil;

  // What a zone is found to be when no resolver has anything better to say.
  // kOk: it does no harm. Nothing: now this, now that.
  std::optional<ZoneStanding> standing = ZoneStanding::kUnreachable;
  // Whether a resolver without the fault makes good for one that has it.
  bool another_helps = true;
};

// Everything that has been seen, and some more. Answers that come too late do
// so after a second.
std::vector<DnsFault> DnsFaults();

inline std::ostream& operator<<(std::ostream& out, const DnsFault& fault) {
  return out << fault.name;
}

}  // namespace breakwater
