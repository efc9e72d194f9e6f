#include "contrib/courier/question.h"

#include <algorithm>
#include <utility>

namespace breakwater {
namespace {

// As FormatPolicyRequest cuts values.
constexpr size_t kLongestValue = 1000;

}  // namespace

Question::Question(Envelope envelope, std::vector<std::string> header)
    : envelope_(std::move(envelope)),
      header_(std::move(header)),
      recipient_count_(std::to_string(envelope_.recipients.size())) {
  attributes_ = {{"protocol_state", "END-OF-MESSAGE"},
                 {"protocol_name", "ESMTP"},
                 {"client_address", envelope_.client_address},
                 {"client_port", envelope_.client_port},
                 {"server_address", envelope_.server_address},
                 {"server_port", envelope_.server_port},
                 {"helo_name", envelope_.helo},
                 {"sender", envelope_.sender},
                 {"recipient_count", recipient_count_},
                 {"queue_id", envelope_.message_id}};
  if (!envelope_.recipients.empty()) {
    attributes_.emplace_back("recipient", envelope_.recipients.front());
  }
  AddEach("breakwater_recipient", envelope_.recipients, kMostOfRecipients);
  AddEach("breakwater_header", header_, kMostOfHeader);
}

void Question::AddEach(std::string_view name,
                       const std::vector<std::string>& values, size_t most) {
  for (const std::string& value : values) {
    const size_t size = name.size() + std::min(value.size(), kLongestValue) + 2;
    if (size > most) return;
    most -= size;
    attributes_.emplace_back(name, value);
  }
}

}  // namespace breakwater
