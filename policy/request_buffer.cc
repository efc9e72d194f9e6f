#include "policy/request_buffer.h"

#include <algorithm>
#include <cstring>

#include "policy/request.h"

namespace breakwater {
namespace {

// A request of Postfix's takes some 700 bytes.
constexpr size_t kFirstSize = 2048;
constexpr std::string_view kEnd = "\n\n";
constexpr size_t kLongest = kLongestPolicyRequest + kEnd.size();

}  // namespace

std::span<char> RequestBuffer::Space() {
  if (begin_ > 0) {
    std::memmove(bytes_.data(), bytes_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    scanned_ -= begin_;
    begin_ = 0;
  }
  if (end_ == bytes_.size()) {
    bytes_.resize(std::clamp(2 * bytes_.size(), kFirstSize, kLongest));
  }
  return std::span(bytes_).subspan(end_);
}

void RequestBuffer::Filled(size_t bytes) { end_ += bytes; }

std::optional<std::string_view> RequestBuffer::Next() {
  const std::string_view arrived(bytes_.data(), end_);
  const size_t stop = arrived.find(kEnd, scanned_);
  if (stop == arrived.npos) {
    // The last byte may be the first of an empty line.
    scanned_ = std::max(begin_, end_ - std::min<size_t>(end_, 1));
    return std::nullopt;
  }
  const std::string_view request = arrived.substr(begin_, stop - begin_);
  begin_ = scanned_ = stop + kEnd.size();
  return request;
}

bool RequestBuffer::IsFull() const { return end_ - begin_ >= kLongest; }

}  // namespace breakwater
