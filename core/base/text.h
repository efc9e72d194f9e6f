#pragma once

#include <cstddef>
#include <cstdint>
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

// For a terminal: the same of each line, with its newlines, however long.
std::string Printable(std::string_view text);

// "1 ban", "2 bans": the words for one and for any other number.
std::string Counted(uint64_t count, std::string_view one,
                    std::string_view many);

// A list's own words without what of its name may be a paid key, which some
// lists repeat. Where the label is the end of the name, that is all before it,
// and the name becomes the label; else it is each long component. Alone, such a
// part becomes "***".
std::string WithoutZoneName(std::string_view words, std::string_view name,
                            std::string_view label);

}  // namespace breakwater
