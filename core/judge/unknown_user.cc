#include "core/judge/unknown_user.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace breakwater {
namespace {

constexpr std::string_view kRejected = "Recipient address rejected: ";
constexpr size_t kLongestWords = 200;

// In lower case; empty for an address without one.
std::string DomainOf(std::string_view recipient) {
  if (recipient.ends_with('>')) recipient.remove_suffix(1);
  const size_t at = recipient.rfind('@');
  if (at == recipient.npos) return "";
  const std::string_view domain = recipient.substr(at + 1);
  return absl::AsciiStrToLower({domain.data(), domain.size()});
}

}  // namespace

void UnknownUser::Learn(std::string_view recipient, std::string_view words) {
  // Sendmail tells the whole reply, Postfix without the code.
  constexpr std::string_view kCodes = "550 5.1.1 ";
  if (words.starts_with(kCodes)) words.remove_prefix(kCodes.size());
  if (words.starts_with(kRejected)) words.remove_prefix(kRejected.size());
  // What names an address is about that one: "undeliverable address: ...".
  if (words.empty() || words.size() > kLongestWords ||
      words.find_first_of("@<{}") != words.npos) {
    return;
  }
  const std::lock_guard lock(mutex_);
  last_ = words;
  std::string domain = DomainOf(recipient);
  if (by_domain_.size() < kMostDomains || by_domain_.contains(domain)) {
    by_domain_[std::move(domain)] = words;
  }
}

std::string UnknownUser::TextFor(std::string_view recipient,
                                 std::string_view until_learned) const {
  const std::lock_guard lock(mutex_);
  const auto place = by_domain_.find(DomainOf(recipient));
  if (place != by_domain_.end()) return place->second;
  return last_.empty() ? std::string(until_learned) : last_;
}

std::string PostfixPrefix(std::string_view recipient) {
  return absl::StrCat(std::string(recipient), ": ", std::string(kRejected));
}

}  // namespace breakwater
