#pragma once

#include <string_view>

namespace breakwater {

// A line on standard error, which courierfilter hands to syslog. Bounded, made
// printable, and in one write; a log that is full or gone costs the line, not
// the mail. Any thread.
void Log(std::string_view line);

// The same for what goes wrong with each message while something is away: once
// in ten seconds, with the number of those that were held back.
void LogNowAndThen(std::string_view line);

}  // namespace breakwater
