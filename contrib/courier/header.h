#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace breakwater {

// The fields of the header with which a message begins (RFC 5322 section 2.2),
// each as one line, "Name: value", without what ended its lines. Any input is
// allowed. It ends at the empty line, or where something stands that is no
// field: Courier takes messages without a header too. A field that the end of
// the bytes has cut is cut.
std::vector<std::string> HeaderFields(std::string_view message);

}  // namespace breakwater
