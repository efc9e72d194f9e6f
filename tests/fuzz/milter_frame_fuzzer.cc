// What a milter's peer may send: read as libmilter reads it, in pieces of any
// size, each payload into a buffer that has exactly its size. The first byte
// says the size of the pieces.

#include <algorithm>
#include <cstring>
#include <memory>

#include "milter/frame.h"
#include "tests/fuzz/fuzz.h"

namespace breakwater {
namespace {

// What of libmilter must hold for a frame that is let through: it looks for
// these ends and does not stop at the buffer's.
void RequireEnds(char command, std::string_view payload) {
  const auto terminated = [](std::string_view text) {
    return !text.empty() && text.back() == '\0';
  };
  if (command == 'C') {
    Require(payload.find('\0') != payload.npos, "a name ends");
  }
  if (command == 'H' || command == 'U' || command == 'L') {
    Require(terminated(payload), "a text ends");
  }
  if (command == 'D' && payload.size() > 1) {
    Require(terminated(payload), "a macro ends");
    Require(std::ranges::count(payload.substr(1), '\0') % 2 == 0,
            "every macro has a value");
  }
}

}  // namespace
}  // namespace breakwater

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace breakwater;
  if (size == 0) return 0;
  const size_t piece = 1 + data[0];
  std::string_view rest = AsText(data + 1, size - 1);
  FrameReader reader;
  std::unique_ptr<char[]> payload;
  char header[5];
  char* place = header;
  while (!rest.empty()) {
    const bool in_payload = place != header && payload != nullptr;
    const size_t wanted = reader.Wanted();
    Require(wanted > 0 && wanted <= kLongestFrame, "there is an end");
    const size_t count = std::min({rest.size(), wanted, piece});
    std::memcpy(place, rest.data(), count);
    const char* fault = reader.Take(place, count);
    if (fault != nullptr) {
      Require(IsPrintable(fault), "a fault can be shown");
      return 0;
    }
    rest.remove_prefix(count);
    place += count;
    if (!reader.IsInFrame()) {
      if (in_payload) {
        const char* begin = payload.get();
        RequireEnds(header[4], {begin, static_cast<size_t>(place - begin)});
      }
      payload.reset();
      place = header;
    } else if (place == header + sizeof header) {
      payload = std::make_unique<char[]>(reader.Wanted());
      place = payload.get();
    }
  }
  return 0;
}
