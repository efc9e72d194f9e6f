#include "firewall/tarpit/tarpit_script.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "core/base/text.h"

namespace breakwater {
namespace {

// RFC 5321 section 4.5.3.1.5, the line's end included.
constexpr size_t kLongestReply = 512;

bool IsReply(std::string_view text) {
  return text.size() > 4 && (text[0] == '4' || text[0] == '5') &&
         absl::ascii_isdigit(text[1]) && absl::ascii_isdigit(text[2]) &&
         text[3] == ' ' && text.size() + 2 <= kLongestReply &&
         std::all_of(text.begin(), text.end(), absl::ascii_isprint);
}

}  // namespace

absl::StatusOr<TarpitScript> TarpitScript::Make(std::string_view host,
                                                std::string_view last_reply) {
  if (!IsReply(last_reply)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", Escaped(last_reply),
        "\" is no reply; write a code and a text, such as \"521 5.7.1 No\""));
  }
  const std::string name = SafeReplyText(host, 255);
  TarpitScript script;
  script.text_ = absl::StrCat("220 ", name, " ESMTP\r\n");
  script.waits_.push_back(script.text_.size());
  absl::StrAppend(&script.text_, "250 ", name, "\r\n");
  script.waits_.push_back(script.text_.size());
  script.text_.append(last_reply).append("\r\n");
  return script;
}

bool TarpitScript::WaitsAt(size_t position) const {
  return std::find(waits_.begin(), waits_.end(), position) != waits_.end();
}

}  // namespace breakwater
