#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace breakwater {

// Cuts what arrives on a connection, in pieces of any size, into requests.
// Bounded, and looks at each byte once.
class RequestBuffer {
 public:
  // Room for what arrives next; at least one byte, unless IsFull. Ends the
  // life of what Next returned.
  std::span<char> Space();
  // That much of the room was filled.
  void Filled(size_t bytes);

  // The next whole request, without the empty line that ends it.
  std::optional<std::string_view> Next();

  // A request has begun, and its end has not come.
  bool HasPart() const { return begin_ < end_; }
  // ... and will not come within the longest that a request may be.
  bool IsFull() const;

 private:
  std::vector<char> bytes_;
  size_t begin_ = 0;    // of the request that is arriving
  size_t scanned_ = 0;  // no empty line begins before it
  size_t end_ = 0;      // of what has arrived
};

}  // namespace breakwater
