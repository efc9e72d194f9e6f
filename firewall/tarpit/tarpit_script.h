#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace breakwater {

// What a tarpit says, byte by byte, and where it first waits for the client to
// have said a line:
//
//   220 mail.example.org ESMTP
//     (EHLO, whatever it is)      250 mail.example.org
//     (MAIL, whatever it is)      521 5.7.1 This address is kept out ...
//
// Lines that the client says ahead of time count, so that one that waits for
// nothing hears the same.
class TarpitScript {
 public:
  // The last reply is a 4xx or 5xx with its text, as it goes over the wire but
  // for the line's end.
  static absl::StatusOr<TarpitScript> Make(std::string_view host,
                                           std::string_view last_reply);

  size_t size() const { return text_.size(); }
  const char* ByteAt(size_t position) const { return &text_[position]; }
  // Whether the client must say a line before this byte is said.
  bool WaitsAt(size_t position) const;

  const std::string& text() const { return text_; }

 private:
  std::string text_;
  std::vector<size_t> waits_;
};

}  // namespace breakwater
