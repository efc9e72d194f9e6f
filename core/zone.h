#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/clock.h"

namespace breakwater {

// Which A records of a DNS list are listings (RFC 5782 section 2.3). Both ends
// belong to the range; both lie in 127.0.0.0/8.
struct AnswerRange {
  uint32_t first = 0;  // host order
  uint32_t last = 0;

  bool Contains(uint32_t answer) const {
    return first <= answer && answer <= last;
  }
  auto operator<=>(const AnswerRange&) const = default;
};

// "127.0.0.2" or "127.0.0.2-127.0.0.11". Refuses what cannot be a listing:
// addresses outside 127.0.0.0/8, 127.0.0.1, 127.255.255.0/24 (where lists
// report errors), and a range that ends before it begins.
absl::StatusOr<AnswerRange> ParseAnswerRange(std::string_view text);

// What counts when a zone names no answers of its own.
inline constexpr AnswerRange kDefaultAnswers = {0x7f000002, 0x7f0000fe};

// How a client is answered: an SMTP reply code and the text behind the
// enhanced status code. The code is 4xx or 5xx and the template is safe ASCII.
struct ReplyForm {
  int code = 521;
  std::string text_template;

  bool operator==(const ReplyForm&) const = default;
};

// A DNS list. Its name may hold a paid key, so people only ever see `label`.
struct Zone {
  std::string name;   // as queried: "zen.spamhaus.org", no trailing dot
  std::string label;  // as shown
  std::vector<AnswerRange> answers = {kDefaultAnswers};
  // Whether a listing here condemns the address in the kernel too. Lists of
  // dynamic ranges are a reason to reject and a weak one to ban.
  bool ban = true;
  std::optional<Duration> ban_duration;  // else Rules::ban_duration
  std::optional<ReplyForm> reply;        // else Rules::reply

  bool Counts(uint32_t answer) const;
};

}  // namespace breakwater
