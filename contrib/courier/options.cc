#include "contrib/courier/options.h"

#include <unistd.h>

#include <charconv>
#include <cstring>

namespace breakwater {
namespace {

// Courier's submit gives a filter five minutes.
constexpr unsigned kLongestPatience = 120;

bool TakePatience(const char* text, std::chrono::seconds& patience) {
  unsigned number = 0;
  const char* const end = text + std::strlen(text);
  const auto [parsed, error] = std::from_chars(text, end, number);
  if (error != std::errc() || parsed != end || number == 0 ||
      number > kLongestPatience) {
    return false;
  }
  patience = std::chrono::seconds(number);
  return true;
}

}  // namespace

bool ParseCourierOptions(int argc, char** argv, CourierOptions& options) {
  opterr = 0;
  optind = 0;  // glibc: from the beginning, also for a second time
  for (int c; (c = getopt(argc, argv, "p:w:d:")) != -1;) {
    switch (c) {
      case 'p':
        options.socket = optarg;
        break;
      case 'w':
        if (!TakePatience(optarg, options.patience)) return false;
        break;
      case 'd':
        options.directory = optarg;
        break;
      default:
        return false;
    }
  }
  return optind == argc;
}

}  // namespace breakwater
