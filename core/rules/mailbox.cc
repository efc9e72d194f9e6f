#include "core/rules/mailbox.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "core/types/normal_name.h"

namespace breakwater {
namespace {

std::string_view Trimmed(std::string_view text) {
  const absl::string_view trimmed =
      absl::StripAsciiWhitespace(absl::string_view(text.data(), text.size()));
  return {trimmed.data(), trimmed.size()};
}

// Behind "@relay.example,@[IPv6:2001:db8::1]:", if there is such a route.
std::string_view WithoutRoute(std::string_view text) {
  if (!text.starts_with('@')) return text;
  bool in_brackets = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '[') in_brackets = true;
    if (text[i] == ']') in_brackets = false;
    if (text[i] == ':' && !in_brackets) return text.substr(i + 1);
  }
  return text;
}

}  // namespace

std::optional<Mailbox> ReadMailbox(std::string_view text) {
  Mailbox mailbox;
  // What has been read of the local part, and of it what stood before the @
  // that may be the last one.
  std::string local;
  bool in_quotes = false;
  size_t at = text.size();
  size_t local_size = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\' && i + 1 < text.size()) {
      local.push_back(text[++i]);
      mailbox.quoted = true;
    } else if (c == '"') {
      in_quotes = !in_quotes;
      mailbox.quoted = true;
    } else {
      if (c == '@' && !in_quotes) {
        at = i;
        local_size = local.size();
        mailbox.has_at = true;
      }
      local.push_back(c);
    }
  }
  if (in_quotes) return std::nullopt;
  if (mailbox.has_at) {
    local.resize(local_size);
    text.remove_prefix(at + 1);
    mailbox.domain = NormalName(text);
  }
  mailbox.local = std::move(local);
  absl::AsciiStrToLower(&mailbox.local);
  return mailbox;
}

std::optional<Mailbox> ReadRecipient(std::string_view text) {
  text = Trimmed(text);
  if (text.starts_with('<')) text.remove_prefix(1);
  if (text.ends_with('>')) text.remove_suffix(1);
  return ReadMailbox(WithoutRoute(text));
}

}  // namespace breakwater
