#pragma once

#include <string>
#include <string_view>

namespace breakwater {

// The one form in which names are compared, those of the configuration and
// those that clients tell: with A-labels (idna.h), in lower case, without the
// root's dot. A dot before it, which stands for all that is below, stays. What
// is beyond ASCII and has no A-labels stays as it is. `text` may be anything.
std::string NormalName(std::string_view text);

}  // namespace breakwater
