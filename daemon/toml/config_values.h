#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/rules/dns_options.h"
#include "core/rules/zone_site.h"

namespace breakwater {

// The texts that stand as values in breakwater.toml(5). Pure functions of one
// text each; an error says what is wrong and what would be right, and names
// neither file nor key.

// "127.0.0.1", "127.0.0.1:5353", "::1", "[::1]:5353".
absl::StatusOr<DnsServer> ParseDnsServer(std::string_view text);
std::string FormatDnsServer(const DnsServer& server);

// "0660": the permissions of a socket file, in octal.
absl::StatusOr<uint32_t> ParsePermissions(std::string_view text);
std::string FormatPermissions(uint32_t mode);

// The name of a DNS list, as NormalName makes it. Refuses what
// cannot be asked: what is no domain name, an address, and a name so long that
// an IPv6 client's nibbles do not fit before it.
absl::StatusOr<std::string> ParseZoneName(std::string_view text);

// What the list is known to hold; nothing of most.
std::optional<ZoneType> KnownTypeOf(std::string_view zone_name);
// What is wrong where a list is configured as one of the other type.
const char* WrongZoneType(ZoneType known);

// What stands in one text of `zones`: one or more of postscreen's sites, with
// commas or blanks between them.
absl::StatusOr<std::vector<ZoneSite>> ParseZoneSites(std::string_view text);
absl::Status CheckZoneSites(std::string_view text);

// The component of a zone's name that looks like a paid key: long and random.
// Empty if there is none.
std::string_view KeyInZoneName(std::string_view name);

// An absolute path that fits into a sockaddr_un.
absl::Status CheckSocketPath(std::string_view text);
// "unix:/path" or "inet:PORT@ADDRESS", as libmilter has it; or empty.
absl::Status CheckMilterSocket(std::string_view text);
// "unix:/path"; or empty.
absl::Status CheckReportSocket(std::string_view text);
// "unix:/path" or "inet:ADDRESS:PORT".
absl::Status CheckPolicySocket(std::string_view text);
// Whether a socket that passed one of the two checks can be reached from other
// hosts.
bool IsReachableFromOutside(std::string_view socket);

// A name that a user or a group can have, or a number.
absl::Status CheckUserName(std::string_view text);
// Of a program that talks to strangers or changes the kernel: not root, as far
// as the text tells (FindProgramUser).
absl::Status CheckProgramUser(std::string_view text);
absl::Status CheckGroupName(std::string_view text);  // may be empty
// The beginning of the kernel's set names, which may have 31 bytes in all.
absl::Status CheckSetPrefix(std::string_view text);
// The absolute path of a file to be read.
absl::Status CheckFilePath(std::string_view text);
// The same of one to be written, or nothing.
absl::Status CheckMemoryFile(std::string_view text);
// A program, or a word for one.
absl::Status CheckWord(std::string_view text);
// A host's name, or with a dot before it all names below it.
absl::Status CheckSparedName(std::string_view text);
// As trap_list.h and header_verdict.h have them.
absl::Status CheckTrap(std::string_view text);
absl::Status CheckHeader(std::string_view text);
absl::Status CheckHeloName(std::string_view text);
// What is shown for a zone: printable, and harmless in a reply and in a metric.
absl::Status CheckLabel(std::string_view text);

}  // namespace breakwater
