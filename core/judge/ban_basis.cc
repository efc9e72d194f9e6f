#include "core/judge/ban_basis.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/judge/judge.h"

namespace breakwater {
namespace {

constexpr char kItself[] = ".";

std::optional<size_t> ZoneOf(const Rules& rules, std::string_view label) {
  const auto zone = std::ranges::find(rules.zones, label, &Zone::label);
  if (zone == rules.zones.end()) return std::nullopt;
  return static_cast<size_t>(zone - rules.zones.begin());
}

std::optional<Listing> ReadListing(std::string_view line, const Ban& ban,
                                   const Rules& rules) {
  Listing listing{.may_ban = !line.starts_with('-')};
  if (!listing.may_ban) line.remove_prefix(1);
  const char* const end = line.data() + line.size();
  const auto [stopped, error] =
      std::from_chars(line.data(), end, listing.filters, 16);
  if (error != std::errc() || listing.filters == 0) return std::nullopt;
  std::string_view label = ban.label;
  if (stopped != end) {
    label = line.substr(static_cast<size_t>(stopped - line.data()));
    if (label[0] != ' ') return std::nullopt;
    label.remove_prefix(1);
  }
  const std::optional<size_t> zone = ZoneOf(rules, label);
  if (!zone) return std::nullopt;
  listing.zone = *zone;
  return listing;
}

}  // namespace

std::string BasisOf(const Ban& ban) {
  const Evidence& evidence = ban.evidence;
  if (evidence.rules == nullptr) return kItself;
  std::string basis;
  const auto begin_line = [&basis] {
    if (!basis.empty()) basis += '\n';
  };
  for (const Listing& listing : evidence.listings) {
    begin_line();
    const std::string& label = evidence.rules->zones[listing.zone].label;
    absl::StrAppend(&basis, listing.may_ban ? "" : "-",
                    absl::Hex(listing.filters));
    if (label != ban.label) absl::StrAppend(&basis, " ", label);
  }
  for (const OffenceKind kind : evidence.offences) {
    begin_line();
    absl::StrAppend(&basis, "+", OffenceName(kind));
  }
  return basis.empty() ? kItself : basis;
}

Evidence EvidenceFrom(std::string_view basis, const Ban& ban,
                      std::shared_ptr<const Rules> rules) {
  Evidence evidence;
  if (basis == kItself) return evidence;
  if (basis.empty() && ban.origin == Origin::kList) basis = "1";
  for (const absl::string_view text :
       absl::StrSplit(absl::string_view(basis.data(), basis.size()), '\n')) {
    const std::string_view line(text.data(), text.size());
    if (line.starts_with('+')) {
      const auto kind = ParseOffence(line.substr(1));
      if (kind) evidence.offences.push_back(*kind);
    } else if (const auto listing = ReadListing(line, ban, *rules)) {
      evidence.listings.push_back(*listing);
    }
  }
  if (!evidence.listings.empty() || !evidence.offences.empty()) {
    evidence.rules = std::move(rules);
  }
  return evidence;
}

}  // namespace breakwater
