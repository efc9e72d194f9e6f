#include "firewall/ip_sets.h"

#include <arpa/inet.h>

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

extern "C" {
#include <libipset/session.h>
#include <libipset/types.h>
}

namespace breakwater {
namespace {

constexpr char kType[] = "hash:ip";
constexpr uint8_t kNetmaskV6 = 64;
// "6-extend" and the terminating zero must fit behind the prefix.
constexpr size_t kLongestPrefix = IPSET_MAXNAMELEN - 9;

bool IsCovered(const Network& network) {
  return network == Network::OfClient(network.address);
}

absl::Status NotCovered(const Network& network) {
  return absl::InvalidArgumentError(
      absl::StrCat("a ban covers one IPv4 address or an IPv6 /64, not ",
                   network.ToString()));
}

const char* FamilyName(uint8_t family) {
  return family == AF_INET ? "inet" : family == AF_INET6 ? "inet6" : "none";
}

// libipset gives no error numbers, only its text.
absl::StatusCode CodeOf(absl::string_view text) {
  if (absl::StrContains(text, "does not exist")) {
    return absl::StatusCode::kNotFound;
  }
  if (absl::StrContains(text, "is full")) {
    return absl::StatusCode::kResourceExhausted;
  }
  if (absl::StrContains(text, "not permitted")) {
    return absl::StatusCode::kPermissionDenied;
  }
  return absl::StatusCode::kInternal;
}

// Nothing is asked of libipset that it would print.
extern "C" int PrintNothing(ipset_session*, void*, const char*, ...) {
  return 0;
}

// What the set would have to be, if it is not; empty if it is right.
std::string Wrong(const IpSetDescription& found, uint8_t family) {
  if (found.type != kType) {
    return absl::StrCat("has type ", found.type, ", not ", kType);
  }
  if (found.family != family) {
    return absl::StrCat("has family ", FamilyName(found.family), ", not ",
                        FamilyName(family));
  }
  if (!found.has_timeout) return "was made without a timeout";
  const int whole = family == AF_INET ? 32 : 128;
  const int wanted = family == AF_INET ? 32 : kNetmaskV6;
  const int netmask = found.netmask == 0 ? whole : found.netmask;
  if (netmask != wanted) {
    return absl::StrCat("has netmask ", netmask, ", not ", wanted);
  }
  return "";
}

// Adds the others to the elements; of what is in both, the later end.
void KeepLater(std::vector<TimedNetwork>& elements,
               const std::vector<TimedNetwork>& others) {
  absl::flat_hash_map<Network, uint32_t> rest;
  for (const auto& [network, seconds] : others) rest[network] = seconds;
  for (auto& [network, seconds] : elements) {
    const auto other = rest.find(network);
    if (other == rest.end()) continue;
    seconds = std::max(seconds, other->second);
    rest.erase(other);
  }
  for (const auto& [network, seconds] : rest) {
    elements.push_back({network, seconds});
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<IpSets>> IpSets::Open(IpSetOptions options) {
  if (options.prefix.empty() || options.prefix.size() > kLongestPrefix) {
    return absl::InvalidArgumentError(
        absl::StrCat("the sets' prefix \"", options.prefix,
                     "\" must have 1 to ", kLongestPrefix, " characters"));
  }
  absl::StatusOr<IpSetReader> reader = IpSetReader::Open();
  if (!reader.ok()) return reader.status();

  [[maybe_unused]] static const bool kLoaded = (ipset_load_types(), true);
  ipset_session* session = ipset_session_init(PrintNothing, nullptr);
  if (session == nullptr) {
    return absl::ResourceExhaustedError("cannot begin a libipset session");
  }
  // Adding what is there makes its timeout new; removing what is not there is
  // no error.
  ipset_envopt_set(session, IPSET_ENV_EXIST);
  auto sets = std::unique_ptr<IpSets>(
      new IpSets(std::move(options), *std::move(reader), session));

  for (Set& set : sets->sets_) {
    // Sets of an earlier configuration may still hold bans.
    if (!set.extends || sets->options_.extend) continue;
    absl::StatusOr<std::optional<IpSetDescription>> found =
        sets->reader_.Header(set.name);
    if (!found.ok()) return found.status();
    set.in_use = found->has_value();
  }
  absl::StatusOr<int> made = sets->MakeMissing();
  if (!made.ok()) return made.status();
  return sets;
}

IpSets::IpSets(IpSetOptions options, IpSetReader reader, ipset_session* session)
    : options_(std::move(options)),
      reader_(std::move(reader)),
      session_(session),
      sets_{{{absl::StrCat(options_.prefix, "4"), AF_INET, false},
             {absl::StrCat(options_.prefix, "6"), AF_INET6, false},
             {absl::StrCat(options_.prefix, "4-extend"), AF_INET, true},
             {absl::StrCat(options_.prefix, "6-extend"), AF_INET6, true}}} {}

IpSets::~IpSets() { ipset_session_fini(session_); }

// ---- The sets ---------------------------------------------------------------

absl::StatusOr<int> IpSets::MakeMissing() {
  int made = 0;
  for (Set& set : sets_) {
    if (!set.in_use) continue;
    const absl::StatusOr<std::optional<IpSetDescription>> found =
        reader_.Header(set.name);
    if (!found.ok()) return found.status();
    absl::Status status;
    if (!found->has_value()) {
      status = Create(set);
      ++made;
    } else if (!set.checked) {
      status = Check(set);
    }
    if (!status.ok()) return status;
  }
  return made;
}

absl::Status IpSets::Create(Set& set) {
  set.endings.Clear();
  set.checked = false;
  ipset_data* data = ipset_session_data(session_);
  ipset_data_set(data, IPSET_SETNAME, set.name.c_str());
  ipset_data_set(data, IPSET_OPT_TYPENAME, kType);
  ipset_data_set(data, IPSET_OPT_FAMILY, &set.family);
  set.type = ipset_type_get(session_, IPSET_CMD_CREATE);
  if (set.type == nullptr) return TakeError("make", set);
  ipset_data_set(data, IPSET_OPT_TIMEOUT, &options_.usual_seconds);
  ipset_data_set(data, IPSET_OPT_HASHSIZE, &options_.hash_size);
  ipset_data_set(data, IPSET_OPT_MAXELEM, &options_.most_entries);
  if (set.family == AF_INET6) {
    ipset_data_set(data, IPSET_OPT_NETMASK, &kNetmaskV6);
  }
  if (ipset_cmd(session_, IPSET_CMD_CREATE, 0) < 0) {
    return TakeError("make", set);
  }
  set.checked = true;
  return absl::OkStatus();
}

// Looks at a set that somebody else has made, or we in an earlier life.
absl::Status IpSets::Check(Set& set) {
  const absl::StatusOr<IpSetDescription> found = reader_.Describe(set.name);
  if (!found.ok()) return found.status();
  if (const std::string wrong = Wrong(*found, set.family); !wrong.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("set ", set.name, " exists, but ", wrong,
                     "; remove it with \"ipset destroy ", set.name,
                     "\" (and the rules that name it), or choose another "
                     "firewall.set_prefix"));
  }
  if (absl::Status status = LearnType(set); !status.ok()) return status;

  const absl::StatusOr<std::vector<TimedNetwork>> elements =
      reader_.Elements(set.name);
  if (!elements.ok()) return elements.status();
  const Instant now = Clock::now();
  for (const TimedNetwork& element : *elements) {
    set.endings.Prolong(element.network, element.seconds, now);
  }
  set.checked = true;
  return absl::OkStatus();
}

// The type's description is asked for once: without it libipset would ask the
// kernel before each command.
absl::Status IpSets::LearnType(Set& set) {
  // What it may remember of a set of this name that is no more.
  ipset_cache_del(set.name.c_str());
  ipset_data_set(ipset_session_data(session_), IPSET_SETNAME, set.name.c_str());
  set.type = ipset_type_get(session_, IPSET_CMD_ADD);
  ipset_data_reset(ipset_session_data(session_));
  return set.type != nullptr ? absl::OkStatus() : TakeError("look at", set);
}

// ---- The elements -----------------------------------------------------------

size_t IpSets::SetFor(const TimedNetwork& element) const {
  const bool extends =
      options_.extend && element.seconds == options_.usual_seconds;
  return (extends ? 2 : 0) + (element.network.IsV4() ? 0 : 1);
}

std::vector<ElementFailure> IpSets::Add(
    absl::Span<const TimedNetwork> elements) {
  std::vector<ElementFailure> failures;
  std::array<std::vector<Element>, kSets> shares;
  const Instant now = Clock::now();
  for (size_t i = 0; i < elements.size(); ++i) {
    const auto& [network, seconds] = elements[i];
    if (!IsCovered(network)) {
      failures.push_back({i, NotCovered(network)});
      continue;
    }
    const size_t set = SetFor(elements[i]);
    shares[set].push_back(
        {i, network, sets_[set].endings.Prolong(network, seconds, now)});
  }
  for (size_t i = 0; i < kSets; ++i) {
    Apply(IPSET_CMD_ADD, sets_[i], shares[i], failures);
  }
  return failures;
}

std::vector<ElementFailure> IpSets::Remove(absl::Span<const Network> networks) {
  std::vector<ElementFailure> failures;
  std::array<std::vector<Element>, kSets> shares;
  for (size_t i = 0; i < networks.size(); ++i) {
    if (!IsCovered(networks[i])) {
      failures.push_back({i, NotCovered(networks[i])});
      continue;
    }
    // It may be in both sets of its family.
    for (size_t set = networks[i].IsV4() ? 0 : 1; set < kSets; set += 2) {
      if (!sets_[set].in_use) continue;
      sets_[set].endings.Forget(networks[i]);
      shares[set].push_back({i, networks[i], 0});
    }
  }
  for (size_t i = 0; i < kSets; ++i) {
    Apply(IPSET_CMD_DEL, sets_[i], shares[i], failures);
  }
  return failures;
}

void IpSets::Apply(int command, const Set& set,
                   absl::Span<const Element> elements,
                   std::vector<ElementFailure>& failures) {
  if (elements.empty()) return;
  absl::Status status;
  uint32_t line = 0;
  for (const Element& element : elements) {
    if (!status.ok()) break;
    status = Command(command, set, element, elements.size() == 1 ? 0 : ++line);
  }
  if (status.ok()) status = Commit(set);
  if (status.ok()) return;

  if (elements.size() == 1 || absl::IsNotFound(status)) {
    for (const Element& element : elements) {
      failures.push_back({element.index, status});
    }
    return;
  }
  // The kernel stops at the first element that it refuses, and passes over
  // the rest of the message: each gets its own.
  for (const Element& element : elements) {
    if (absl::Status alone = Command(command, set, element, 0); !alone.ok()) {
      failures.push_back({element.index, std::move(alone)});
    }
  }
}

// With a line number libipset collects commands until a page is full or
// something else comes; without one it sends at once.
absl::Status IpSets::Command(int command, const Set& set,
                             const Element& element, uint32_t line) {
  ipset_data* data = ipset_session_data(session_);
  ipset_data_set(data, IPSET_SETNAME, set.name.c_str());
  ipset_data_set(data, IPSET_OPT_FAMILY, &set.family);
  ipset_data_set(data, IPSET_OPT_TYPE, set.type);
  const uint8_t* address = element.network.address.bytes.data();
  ipset_data_set(data, IPSET_OPT_IP,
                 set.family == AF_INET ? address + 12 : address);
  if (command == IPSET_CMD_ADD) {
    ipset_data_set(data, IPSET_OPT_TIMEOUT, &element.seconds);
  }
  if (ipset_cmd(session_, static_cast<enum ipset_cmd>(command), line) < 0) {
    return TakeError(absl::StrCat(command == IPSET_CMD_ADD ? "add " : "remove ",
                                  element.network.ToString(), ":"),
                     set);
  }
  return absl::OkStatus();
}

absl::Status IpSets::Commit(const Set& set) {
  if (ipset_commit(session_) < 0) return TakeError("change", set);
  return absl::OkStatus();
}

absl::Status IpSets::TakeError(absl::string_view what, const Set& set) {
  std::string text = ipset_session_report_msg(session_);
  ipset_session_report_reset(session_);
  ipset_data_reset(ipset_session_data(session_));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return absl::Status(CodeOf(text),
                      absl::StrCat(what, " set ", set.name, ": ", text));
}

absl::StatusOr<std::vector<TimedNetwork>> IpSets::List() {
  std::vector<TimedNetwork> result;
  for (size_t i = 0; i < kSets / 2; ++i) {
    const Set& fixed = sets_[i];
    const Set& extending = sets_[i + kSets / 2];
    absl::StatusOr<std::vector<TimedNetwork>> elements =
        reader_.Elements(fixed.name);
    if (!elements.ok()) return elements.status();
    if (extending.in_use) {
      const auto others = reader_.Elements(extending.name);
      if (!others.ok()) return others.status();
      KeepLater(*elements, *others);
    }
    result.insert(result.end(), elements->begin(), elements->end());
  }
  return result;
}

}  // namespace breakwater
