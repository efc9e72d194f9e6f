#include "core/types/domain_name.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "core/types/normal_name.h"

namespace breakwater {
namespace {

// RFC 1035 section 2.3.4, without the octets of the wire's format.
constexpr size_t kLongestName = 253;
constexpr size_t kLongestLabel = 63;

bool IsLabel(std::string_view label) {
  return !label.empty() && label.size() <= kLongestLabel &&
         label.front() != '-' && label.back() != '-' &&
         std::ranges::all_of(label, [](unsigned char c) {
           return absl::ascii_isalnum(c) || c == '-' || c == '_';
         });
}

}  // namespace

const char* NameKindName(NameKind kind) {
  switch (kind) {
    case NameKind::kHelo:
      return "helo";
    case NameKind::kReverse:
      return "reverse";
    case NameKind::kSender:
      return "sender";
  }
  return "?";
}

std::optional<std::string> ListedName(std::string_view written) {
  std::string name = NormalName(written);
  const std::string_view text = name;
  if (text.size() > kLongestName) return std::nullopt;
  size_t labels = 0;
  std::string_view last;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('.', begin), text.size());
    last = text.substr(begin, end - begin);
    if (!IsLabel(last)) return std::nullopt;
    ++labels;
    begin = end + 1;
  }
  // No top-level domain is a number, so it is an address, or meant to be one.
  if (labels < 2 || std::ranges::all_of(last, absl::ascii_isdigit)) {
    return std::nullopt;
  }
  return name;
}

std::optional<std::string> DomainOfSender(std::string_view sender) {
  if (sender.ends_with('>')) sender.remove_suffix(1);
  // The last one: a quoted local part and a source route may hold others.
  const size_t at = sender.rfind('@');
  if (at == std::string_view::npos) return std::nullopt;
  return ListedName(sender.substr(at + 1));
}

bool FitsBefore(std::string_view name, std::string_view zone) {
  return name.size() + 1 + zone.size() <= kLongestName;
}

}  // namespace breakwater
