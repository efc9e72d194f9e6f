#include "daemon/toml/config_values.h"

#include <sys/un.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "core/base/text.h"
#include "core/judge/header_verdict.h"
#include "core/net/address.h"
#include "core/net/socket_address.h"
#include "core/rules/trap_list.h"
#include "core/types/domain_name.h"
#include "core/types/normal_name.h"

namespace breakwater {
namespace {

// Room for the 32 nibbles and dots that RFC 5782 section 2.4 puts in front.
constexpr size_t kLongestZoneName = 253 - 64;
constexpr size_t kLongestLabel = 63;  // of a domain name, RFC 1035
constexpr size_t kLongestShown = 80;
// ipset names have 31 bytes; ours end in things like "6-extend".
constexpr size_t kLongestSetPrefix = 16;

absl::Status Refusal(std::string_view text, std::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", Escaped(text, kLongestShown), "\" ",
                   absl::string_view(why.data(), why.size())));
}

constexpr std::string_view kUnix = "unix:";

bool IsUnix(std::string_view socket) { return socket.starts_with(kUnix); }

std::vector<std::string_view> Labels(std::string_view name) {
  std::vector<std::string_view> labels;
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('.', begin), name.size());
    labels.push_back(name.substr(begin, end - begin));
    begin = end + 1;
  }
  return labels;
}

bool IsDomainLabel(std::string_view label) {
  return !label.empty() && label.size() <= kLongestLabel &&
         label.front() != '-' && label.back() != '-' &&
         std::ranges::all_of(label, [](unsigned char c) {
           return absl::ascii_isalnum(c) || c == '-' || c == '_';
         });
}

bool IsDigits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, absl::ascii_isdigit);
}

// Lists of domain names. Asked about an address, some answer with an error that
// looks like a listing.
bool IsDomainList(const std::vector<std::string_view>& labels) {
  // With a paid key in front, too.
  for (size_t i = 0; i < 2 && i + 1 < labels.size(); ++i) {
    if (labels[i] == "dbl" || labels[i] == "zrd") return true;
  }
  // "rhsbl" is what all the world calls them: "nomail.rhsbl.sorbs.net".
  if (std::ranges::find(labels, "rhsbl") != labels.end()) return true;
  const size_t n = labels.size();
  return n > 2 && labels[n - 1] == (labels[n - 2] == "surbl" ? "org" : "com") &&
         (labels[n - 2] == "surbl" || labels[n - 2] == "uribl");
}

// "zen.spamhaus.org", "KEY.zen.dq.spamhaus.net", "bl.spamcop.net" and such.
bool IsAddressList(const std::vector<std::string_view>& labels) {
  const size_t n = labels.size();
  if (n < 3) return false;
  const std::string_view owner = labels[n - 2];
  if (owner == "spamhaus") {
    constexpr std::array kLists = {"zen", "sbl", "xbl", "pbl", "sbl-xbl"};
    return std::ranges::any_of(kLists, [&](std::string_view list) {
      return labels[0] == list || labels[1] == list;
    });
  }
  return (owner == "spamcop" && labels[0] == "bl") ||
         (owner == "barracudacentral" && labels[0] == "b");
}

}  // namespace

absl::StatusOr<DnsServer> ParseDnsServer(std::string_view text) {
  if (const auto address = IpAddress::Parse(text)) {
    return DnsServer{.address = *address};
  }
  if (const auto endpoint = ParseEndpoint(text);
      endpoint && endpoint->port != 0) {
    return DnsServer{.address = endpoint->address, .port = endpoint->port};
  }
  return Refusal(text,
                 "is not the address of a DNS server; write 127.0.0.1, "
                 "127.0.0.1:5353, ::1 or [::1]:5353");
}

std::string FormatDnsServer(const DnsServer& server) {
  std::string address = server.address.ToString();
  if (server.port == 53) return address;
  return server.address.IsV4() ? absl::StrCat(address, ":", server.port)
                               : absl::StrCat("[", address, "]:", server.port);
}

absl::StatusOr<uint32_t> ParsePermissions(std::string_view text) {
  uint32_t mode = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), mode, 8);
  if (error != std::errc() || end != text.data() + text.size() ||
      text.size() < 3 || mode > 0777) {
    return Refusal(text,
                   "is not a permission in octal; write \"0660\" for owner and "
                   "group or \"0600\" for the owner alone");
  }
  return mode;
}

std::string FormatPermissions(uint32_t mode) {
  return absl::StrFormat("%04o", mode);
}

absl::StatusOr<std::string> ParseZoneName(std::string_view text) {
  // Errors go into logs. A paid key does not, and where a name is mistyped it
  // cannot be told from the rest, so no error shows any of it.
  std::string name = NormalName(text);
  const std::vector<std::string_view> labels = Labels(name);
  if (labels.size() < 2 || !std::ranges::all_of(labels, IsDomainLabel)) {
    return absl::InvalidArgumentError(
        "is not a domain name; write the list's zone, as in "
        "\"zen.spamhaus.org\"");
  }
  if (IsDigits(labels.back())) {
    return absl::InvalidArgumentError(
        "is an address; write the list's zone, as in \"zen.spamhaus.org\"");
  }
  if (name.size() > kLongestZoneName) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the name has ", name.size(), " characters; at most ", kLongestZoneName,
        " leave room for a reversed IPv6 address in front"));
  }
  return name;
}

std::optional<ZoneType> KnownTypeOf(std::string_view zone_name) {
  const std::vector<std::string_view> labels = Labels(zone_name);
  if (IsDomainList(labels)) return ZoneType::kDomain;
  if (IsAddressList(labels)) return ZoneType::kAddress;
  return std::nullopt;
}

const char* WrongZoneType(ZoneType known) {
  return known == ZoneType::kDomain
             ? "this is a list of domain names, which cannot be asked about a "
               "client's address; write type = \"domain\" in a [[zone]] of its "
               "own, so that it is asked about the client's names"
             : "this is a list of addresses, which cannot be asked about a "
               "client's names; leave out type = \"domain\"";
}

namespace {

// What of a name a key cannot be in: of three components or more the last two.
std::string WithoutKey(std::string_view name) {
  const std::vector<std::string_view> labels = Labels(name);
  const size_t n = labels.size();
  if (n < 2 || !std::ranges::all_of(labels, IsDomainLabel) ||
      !KeyInZoneName(std::string(labels[n - 2])).empty()) {
    return "...";
  }
  const std::string end =
      std::string(labels[n - 2]) + "." + std::string(labels[n - 1]);
  return n == 2 ? end : "..." + end;
}

// Which of the entries of a text is meant: the how-manieth, from 1, and as it
// was written, but for what may be a key.
absl::Status OfSite(size_t number, absl::string_view site,
                    const absl::Status& status) {
  const size_t end = std::min(site.find_first_of("=*"), site.size());
  const std::string rest(site.substr(end));
  return absl::InvalidArgumentError(
      absl::StrCat("entry ", number, ", \"", WithoutKey({site.data(), end}),
                   Escaped(rest, kLongestShown), "\": ", status.message()));
}

}  // namespace

absl::StatusOr<std::vector<ZoneSite>> ParseZoneSites(std::string_view text) {
  std::vector<ZoneSite> sites;
  for (const absl::string_view part :
       absl::StrSplit(absl::string_view(text.data(), text.size()),
                      absl::ByAnyChar(", \t\r\n"), absl::SkipEmpty())) {
    absl::StatusOr<ZoneSite> site = ParseZoneSite({part.data(), part.size()});
    const size_t number = sites.size() + 1;
    if (!site.ok()) return OfSite(number, part, site.status());
    absl::StatusOr<std::string> name = ParseZoneName(site->domain);
    if (!name.ok()) return OfSite(number, part, name.status());
    if (KnownTypeOf(*name) == ZoneType::kDomain) {
      return OfSite(
          number, part,
          absl::InvalidArgumentError(WrongZoneType(ZoneType::kDomain)));
    }
    if (!KeyInZoneName(*name).empty()) {
      return OfSite(number, part,
                    absl::InvalidArgumentError(
                        "the name seems to hold a paid key that nobody should "
                        "see; write it as a [[zone]] with a label"));
    }
    site->domain = *std::move(name);
    sites.push_back(*std::move(site));
  }
  if (sites.empty()) {
    return absl::InvalidArgumentError(
        "names no zone; write it as in \"zen.spamhaus.org=127.0.0.[2..11]*3\"");
  }
  return sites;
}

absl::Status CheckZoneSites(std::string_view text) {
  return ParseZoneSites(text).status();
}

std::string_view KeyInZoneName(std::string_view name) {
  for (const std::string_view label : Labels(name)) {
    const auto digits = std::ranges::count_if(label, absl::ascii_isdigit);
    const bool plain = std::ranges::all_of(label, absl::ascii_isalnum);
    if (!plain) continue;
    if (label.size() >= 24 || (label.size() >= 16 && digits >= 2)) return label;
  }
  return {};
}

absl::Status CheckSocketPath(std::string_view text) {
  if (!text.starts_with('/') || text.ends_with('/') ||
      text.find('\0') != std::string_view::npos) {
    return Refusal(text,
                   "is not an absolute path; write /run/breakwater/NAME or, "
                   "for a socket of Postfix, "
                   "/var/spool/postfix/breakwater/NAME");
  }
  if (!IsSocketPath(text)) {
    return Refusal(
        text, absl::StrCat("is too long for a unix socket; at most ",
                           sizeof(sockaddr_un::sun_path) - 1, " bytes fit"));
  }
  return absl::OkStatus();
}

absl::Status CheckMilterSocket(std::string_view text) {
  if (text.empty() || ParseMilterSocket(text)) return absl::OkStatus();
  if (IsUnix(text)) return CheckSocketPath(text.substr(kUnix.size()));
  return Refusal(text,
                 "is not a milter's socket; write \"unix:/path\", "
                 "\"inet:8890@127.0.0.1\" or \"inet6:8890@::1\"");
}

absl::Status CheckReportSocket(std::string_view text) {
  if (text.empty()) return absl::OkStatus();
  if (IsUnix(text)) return CheckSocketPath(text.substr(kUnix.size()));
  return Refusal(text,
                 "is not a report socket; write "
                 "\"unix:/run/breakwater/report.sock\"");
}

absl::Status CheckPolicySocket(std::string_view text) {
  const std::optional<SocketAddress> address = ParseSocketAddress(text);
  if (address && (!address->path.empty() || address->endpoint.port != 0)) {
    return absl::OkStatus();
  }
  if (IsUnix(text)) return CheckSocketPath(text.substr(kUnix.size()));
  return Refusal(text,
                 "is not a policy server's socket; write \"unix:/path\", "
                 "\"inet:127.0.0.1:10025\" or \"inet:[::1]:10025\"");
}

bool IsReachableFromOutside(std::string_view socket) {
  std::optional<SocketAddress> address = ParseSocketAddress(socket);
  if (!address) address = ParseMilterSocket(socket);
  if (!address || !address->path.empty()) return false;
  const IpAddress& ip = address->endpoint.address;
  return !(ip.IsV4() ? ip.V4() >> 24 == 127 : ip == *IpAddress::Parse("::1"));
}

absl::Status CheckUserName(std::string_view text) {
  // What useradd(8) allows, and plain numbers.
  const bool sound =
      !text.empty() && text.size() <= 32 && text.front() != '-' &&
      std::ranges::all_of(text, [](unsigned char c) {
        return absl::ascii_isalnum(c) || c == '_' || c == '-' || c == '.';
      });
  if (sound) return absl::OkStatus();
  return Refusal(text, "is not a name in the user or group database");
}

absl::Status CheckProgramUser(std::string_view text) {
  const bool zero = !text.empty() && std::ranges::count(text, '0') ==
                                         static_cast<ptrdiff_t>(text.size());
  if (text == "root" || zero) {
    return Refusal(text, "may do anything; write a user without privileges");
  }
  return CheckUserName(text);
}

absl::Status CheckGroupName(std::string_view text) {
  return text.empty() ? absl::OkStatus() : CheckUserName(text);
}

absl::Status CheckSetPrefix(std::string_view text) {
  const bool sound = !text.empty() && text.size() <= kLongestSetPrefix &&
                     text[0] != '-' &&  // to ipset that is an option
                     std::ranges::all_of(text, [](unsigned char c) {
                       return absl::ascii_isalnum(c) || c == '_' || c == '-';
                     });
  if (sound) return absl::OkStatus();
  return Refusal(text,
                 absl::StrCat("cannot begin the names of sets; write at most ",
                              kLongestSetPrefix,
                              " letters, digits, \"-\" and \"_\", and no \"-\" "
                              "first, as in \"breakwater\""));
}

absl::Status CheckFilePath(std::string_view text) {
  if (!text.starts_with('/') || text.ends_with('/') ||
      text.find('\0') != std::string_view::npos) {
    return Refusal(text, "is not an absolute path; write /etc/breakwater/NAME");
  }
  return absl::OkStatus();
}

absl::Status CheckMemoryFile(std::string_view text) {
  if (text.empty() || CheckFilePath(text).ok()) return absl::OkStatus();
  return Refusal(
      text, "is not an absolute path; write /var/lib/breakwater/memory.db");
}

absl::Status CheckWord(std::string_view text) {
  if (text.empty() || text.find('\0') != std::string_view::npos) {
    return Refusal(text, "is no word of a command");
  }
  return absl::OkStatus();
}

absl::Status CheckSparedName(std::string_view text) {
  const std::string_view name = text.substr(text.starts_with('.') ? 1 : 0);
  if (!ListedName(name)) {
    return Refusal(text,
                   "is neither a host's name nor, with a dot before it, a "
                   "domain; write mx.example.org or .example.org");
  }
  return absl::OkStatus();
}

absl::Status CheckTrap(std::string_view text) {
  return TrapList::Parse({std::string(text)}).status();
}

absl::Status CheckHeader(std::string_view text) {
  return ParseHeaderRule({text.data(), text.size()}, OffenceKind::kSpam)
      .status();
}

absl::Status CheckHeloName(std::string_view text) {
  if (!ListedName(text)) {
    return Refusal(text, "is not a host's name; write mail.example.org");
  }
  return absl::OkStatus();
}

absl::Status CheckLabel(std::string_view text) {
  const bool sound = !text.empty() && text.size() <= 100 &&
                     SafeReplyText(text, text.size()) == text &&
                     text.find_first_of("\"\\{}") == std::string_view::npos;
  if (sound) return absl::OkStatus();
  return Refusal(text,
                 "is not a label; write up to 100 printable ASCII characters "
                 "without quotes, backslashes or braces, as in "
                 "\"zen.spamhaus.org\"");
}

}  // namespace breakwater
