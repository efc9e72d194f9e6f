#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace breakwater {

// The name with A-labels (RFC 5890) in the place of what is beyond ASCII, as
// DNS and its lists know it: "bücher.example" is "xn--bcher-kva.example". What
// only looks otherwise (wide letters, soft hyphens, the dots of other scripts)
// is mapped first, as UTS #46 says and as mail servers do. Nothing for what
// cannot be a name, also UTF-8 that is none; `text` may be anything. Any
// thread.
//
// By libidn2, but for the enforcer, which uses no name and has a stand-in of
// its own (daemon/enforcer_names.cc).
std::optional<std::string> ToALabels(std::string_view text);

}  // namespace breakwater
