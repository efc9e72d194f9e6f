#include "contrib/tcp/options.h"

#include <unistd.h>

#include <charconv>
#include <cstring>

namespace breakwater {
namespace {

bool TakeSeconds(const char* text, unsigned least,
                 std::chrono::seconds& seconds) {
  constexpr unsigned kDay = 24 * 60 * 60;
  unsigned number = 0;
  const char* const end = text + std::strlen(text);
  const auto [parsed, error] = std::from_chars(text, end, number);
  if (error != std::errc() || parsed != end || number < least ||
      number > kDay) {
    return false;
  }
  seconds = std::chrono::seconds(number);
  return true;
}

}  // namespace

bool ParseTcpOptions(int argc, char** argv, TcpOptions& options) {
  opterr = 0;
  optind = 0;  // glibc: from the beginning, also for a second time
  bool sound = true;
  // "+": what follows the program's name is the program's.
  for (int c; (c = getopt(argc, argv, "+AbBcCt:r:a:p:w:")) != -1;) {
    switch (c) {
      case 'A':
        options.ask_about_all = true;
        break;
      case 'b':
        options.temporary = false;
        break;
      case 'B':
        options.temporary = true;
        break;
      case 'a':
      case 'c':
      case 'C':
      case 'r':
        options.lookups_named = true;
        break;
      case 'p':
        options.socket = optarg;
        break;
      case 't':
        sound = sound && TakeSeconds(optarg, 0, options.dialogue);
        break;
      case 'w':
        sound = sound && TakeSeconds(optarg, 1, options.patience);
        break;
      default:
        return false;
    }
  }
  options.program = argv + optind;
  return sound && *options.program != nullptr;
}

}  // namespace breakwater
