#include "core/base/idna.h"

#include <idn2.h>

#include <memory>

namespace breakwater {
namespace {

// A name has 253 octets at most, and a few times as many in UTF-8: what is
// longer need not be looked at.
constexpr size_t kLongestText = 1024;

}  // namespace

std::optional<std::string> ToALabels(std::string_view text) {
  const std::string terminated(text);
  if (text.size() > kLongestText || terminated.find('\0') != text.npos) {
    return std::nullopt;
  }
  char* labels = nullptr;
  if (idn2_to_ascii_8z(terminated.c_str(), &labels,
                       IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK) {
    return std::nullopt;
  }
  const std::unique_ptr<char, decltype(&idn2_free)> owned(labels, &idn2_free);
  return std::string(labels);
}

}  // namespace breakwater
