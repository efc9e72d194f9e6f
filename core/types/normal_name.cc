#include "core/types/normal_name.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "core/base/idna.h"

namespace breakwater {

std::string NormalName(std::string_view text) {
  std::string name(text);
  if (std::ranges::any_of(name,
                          [](char c) { return !absl::ascii_isascii(c); })) {
    name = ToALabels(text).value_or(std::move(name));
  }
  if (name.ends_with('.')) name.pop_back();
  absl::AsciiStrToLower(&name);
  return name;
}

}  // namespace breakwater
