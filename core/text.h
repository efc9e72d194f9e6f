#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace breakwater {

// What strangers send is never printed as it came.

// At most `longest` bytes of `text` (then "..."), everything but printable
// ASCII as \xNN and a quote or backslash escaped: for error messages and log
// lines.
std::string Escaped(std::string_view text, size_t longest = 200);

// The text reduced to what an SMTP reply may carry (RFC 5321 section 4.2):
// printable ASCII and single spaces, at most `longest` bytes. Everything else
// becomes '?', white space a space.
std::string SafeReplyText(std::string_view text, size_t longest);

// A list's own words without the list's name, which may hold a paid key and
// which some lists repeat: the name becomes the label, and what of it is not in
// the label "***".
std::string WithoutZoneName(std::string_view words, std::string_view name,
                            std::string_view label);

}  // namespace breakwater
