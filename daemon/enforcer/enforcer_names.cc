// The enforcer reads the whole configuration and uses no name that stands in
// it. So it needs no library for those beyond ASCII: something that is a name,
// and another for each, stands for them.

#include <functional>

#include "absl/strings/str_format.h"
#include "core/base/idna.h"

namespace breakwater {

std::optional<std::string> ToALabels(std::string_view text) {
  return absl::StrFormat("xn--%x.not-looked-up",
                         std::hash<std::string_view>()(text));
}

}  // namespace breakwater
