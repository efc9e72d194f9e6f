#include "core/rules/trap_list.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "core/base/list_file.h"
#include "core/base/text.h"
#include "core/rules/mailbox.h"

namespace breakwater {
namespace {

constexpr size_t kLongestEntry = 512;
// Each pattern costs about as many steps, for whoever the recipient is of.
constexpr size_t kLongestMatched = 320;
// RFC 1035 section 2.3.4.
constexpr size_t kLongestDomain = 255;

constexpr char kKinds[] =
    "write user@domain.example, @domain.example for every address of a domain, "
    "@.domain.example for those of its subdomains, user@ for a local part in "
    "every domain, or a pattern like info-*@domain.example";

absl::Status Refusal(std::string_view entry, const char* why) {
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", Escaped(entry, 80), "\" is no trap: it ", why, "; ", kKinds));
}

bool IsAscii(std::string_view text) {
  return std::ranges::all_of(text,
                             [](char c) { return absl::ascii_isascii(c); });
}

bool IsWild(std::string_view text) {
  return text.find_first_of("*?") != std::string_view::npos;
}

// Letters, digits, "-", "_" and what is beyond ASCII, in labels; wildcards in
// their place; or an address in brackets.
bool IsDomain(std::string_view domain) {
  if (domain.starts_with('[')) return domain.ends_with(']');
  for (size_t begin = 0; begin <= domain.size();) {
    const size_t end = std::min(domain.find('.', begin), domain.size());
    const std::string_view label = domain.substr(begin, end - begin);
    if (label.empty() || !std::ranges::all_of(label, [](unsigned char c) {
          return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '*' ||
                 c == '?' || c >= 0x80;
        })) {
      return false;
    }
    begin = end + 1;
  }
  return true;
}

// * stands for any characters, none too; ? for one.
bool Matches(std::string_view pattern, std::string_view text) {
  size_t p = 0;
  size_t t = 0;
  size_t star = std::string_view::npos;  // the last one, and
  size_t behind = 0;                     // what it must reach at least
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      behind = t;
    } else if (p < pattern.size() &&
               (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++behind;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

// Nothing that would tell an address from another.
bool IsAnything(std::string_view pattern) {
  return pattern.find_first_not_of("*?.") == std::string_view::npos;
}

absl::Status TooMany(const char* what, size_t most) {
  return absl::InvalidArgumentError(absl::StrCat(
      "there are more than ", most, " ", what, "; leave some out"));
}

}  // namespace

absl::StatusOr<TrapList> TrapList::Parse(
    absl::Span<const std::string> entries) {
  TrapList list;
  for (const std::string& entry : entries) {
    if (const absl::Status added = list.Add(EntryOf(entry)); !added.ok()) {
      return added;
    }
  }
  return list;
}

absl::StatusOr<TrapList> TrapList::ParseText(std::string_view text,
                                             std::string_view name) {
  if (text.size() > kLargestFile) {
    return absl::InvalidArgumentError(
        absl::StrCat(std::string(name), ": is larger than ", kLargestFile >> 20,
                     " MiB; leave some of the traps out"));
  }
  TrapList list;
  const absl::Status read =
      ForEachLine(text, [&list, name](size_t number, std::string_view line) {
        const std::string_view entry = EntryOf(line);
        if (entry.empty()) return absl::OkStatus();
        const absl::Status added = list.Add(entry);
        if (added.ok()) return added;
        return absl::InvalidArgumentError(absl::StrCat(
            std::string(name), ":", number, ": ", added.message()));
      });
  if (!read.ok()) return read;
  return list;
}

absl::Status TrapList::Add(std::string_view entry) {
  if (entry.size() > kLongestEntry) return Refusal(entry, "is too long");
  if (std::ranges::any_of(
          entry, [](unsigned char c) { return c < ' ' || c == 0x7f; })) {
    return Refusal(entry, "holds a control character");
  }
  // ".domain.example" is short for "@.domain.example".
  std::optional<Mailbox> mailbox = ReadMailbox(
      entry.starts_with('.') ? "@" + std::string(entry) : std::string(entry));
  if (!mailbox) return Refusal(entry, "has a quote without its end");
  std::string& local = mailbox->local;
  std::string& domain = mailbox->domain;
  if (!mailbox->has_at) return Refusal(entry, "has no @");
  if (!mailbox->quoted &&
      local.find_first_of("@<>,:; \t") != std::string::npos) {
    return Refusal(entry, "is more than one address");
  }
  const bool subdomains = local.empty() && domain.starts_with('.');
  if (!domain.empty() &&
      !IsDomain(std::string_view(domain).substr(subdomains ? 1 : 0))) {
    return Refusal(entry, "has something behind the @ that is no domain");
  }
  if (!mailbox->quoted && IsAnything(local) && IsAnything(domain)) {
    return Refusal(entry, "would be nearly every address there is");
  }
  // These need not be tried in turn.
  if (!mailbox->quoted && local == "*") local.clear();
  if (domain == "*") domain.clear();
  const bool wild_local = !mailbox->quoted && IsWild(local);
  if (wild_local || IsWild(domain)) {
    if (subdomains) {
      return Refusal(entry, "is a pattern for subdomains, which are *.domain");
    }
    if (mailbox->quoted) {
      return Refusal(entry, "has a pattern and quotes");
    }
    if (!IsAscii(domain)) {
      return Refusal(entry,
                     "has * or ? within a label beyond ASCII, which domains "
                     "are not compared by: write its A-label, xn--...");
    }
    return AddPattern({.local = local.empty() ? "*" : local,
                       .domain = domain.empty() ? "*" : domain});
  }
  if (local.empty() && mailbox->quoted)
    return Refusal(entry, "has nothing before the @");
  std::string key = absl::StrCat(local, "@", domain);
  if (size() >= kMostEntries && !exact_.contains(key)) {
    return TooMany("traps", kMostEntries);
  }
  exact_.insert(std::move(key));
  return absl::OkStatus();
}

absl::Status TrapList::AddPattern(Pattern pattern) {
  if (std::ranges::find(patterns_, pattern) != patterns_.end()) {
    return absl::OkStatus();
  }
  if (patterns_.size() >= kMostPatterns) {
    return TooMany("traps with * or ?", kMostPatterns);
  }
  patterns_.push_back(std::move(pattern));
  return absl::OkStatus();
}

absl::Status TrapList::Merge(const TrapList& other) {
  for (const std::string& entry : other.exact_) {
    if (size() >= kMostEntries && !exact_.contains(entry)) {
      return TooMany("traps", kMostEntries);
    }
    exact_.insert(entry);
  }
  for (const Pattern& pattern : other.patterns_) {
    if (const absl::Status added = AddPattern(pattern); !added.ok()) {
      return added;
    }
  }
  return absl::OkStatus();
}

bool TrapList::Holds(std::string_view recipient) const {
  if (empty()) return false;
  const std::optional<Mailbox> mailbox = ReadRecipient(recipient);
  if (!mailbox || mailbox->domain.size() > kLongestDomain) return false;
  const std::string& local = mailbox->local;
  const std::string& domain = mailbox->domain;
  if (!local.empty() && exact_.contains(absl::StrCat(local, "@"))) return true;
  if (!domain.empty()) {
    if (exact_.contains(absl::StrCat(local, "@", domain)) ||
        exact_.contains(absl::StrCat("@", domain))) {
      return true;
    }
    // Each of the domains that it is in.
    for (size_t dot = domain.find('.'); dot != std::string::npos;
         dot = domain.find('.', dot + 1)) {
      if (exact_.contains(absl::StrCat("@", domain.substr(dot)))) return true;
    }
  }
  if (local.size() + domain.size() > kLongestMatched) return false;
  return std::ranges::any_of(patterns_, [&](const Pattern& pattern) {
    return Matches(pattern.domain, domain) && Matches(pattern.local, local);
  });
}

absl::StatusOr<TrapList> LoadTrapFile(const std::string& path) {
  const absl::StatusOr<std::string> text =
      ReadTextFile(path, TrapList::kLargestFile);
  if (!text.ok()) return text.status();
  return TrapList::ParseText(*text, path);
}

}  // namespace breakwater
