#include "firewall/ipset/ip_sets.h"

#include <arpa/inet.h>

#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

extern "C" {
#include <libipset/session.h>
#include <libipset/types.h>
}

namespace breakwater {
namespace {

constexpr char kType[] = "hash:ip";
// "6-extend" and the terminating zero must fit behind the prefix.
constexpr size_t kLongestPrefix = IPSET_MAXNAMELEN - 9;

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
std::string Wrong(const IpSetDescription& found, uint8_t family, int bits) {
  if (found.type != kType) {
    return absl::StrCat("has type ", found.type, ", not ", kType);
  }
  if (found.family != family) {
    return absl::StrCat("has family ", FamilyName(found.family), ", not ",
                        FamilyName(family));
  }
  if (!found.has_timeout) return "was made without a timeout";
  const int whole = family == AF_INET ? 32 : 128;
  const int netmask = found.netmask == 0 ? whole : found.netmask;
  if (netmask != bits) {
    return absl::StrCat("has netmask ", netmask, ", not ", bits);
  }
  return "";
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
  for (const absl::Status& wrong : sets->Check().wrong) {
    if (absl::IsPermissionDenied(wrong)) return wrong;
  }
  return sets;
}

IpSets::IpSets(IpSetOptions options, IpSetReader reader, ipset_session* session)
    : TimedSets(options),
      hash_size_(options.hash_size),
      reader_(std::move(reader)),
      session_(session) {}

IpSets::~IpSets() { ipset_session_fini(session_); }

// ---- The sets ---------------------------------------------------------------

absl::StatusOr<TimedSets::Look> IpSets::LookFor(const Set& set) {
  const absl::StatusOr<std::optional<IpSetDescription>> found =
      reader_.Header(set.name);
  if (!found.ok()) return found.status();
  if (!found->has_value()) return Look::kMissing;
  const bool right = (*found)->type == kType && (*found)->family == set.family;
  return right ? Look::kRight : Look::kUnclear;
}

absl::Status IpSets::Create(Set& set) {
  ipset_data* data = ipset_session_data(session_);
  ipset_data_set(data, IPSET_SETNAME, set.name.c_str());
  ipset_data_set(data, IPSET_OPT_TYPENAME, kType);
  ipset_data_set(data, IPSET_OPT_FAMILY, &set.family);
  TypeOf(set) = ipset_type_get(session_, IPSET_CMD_CREATE);
  if (TypeOf(set) == nullptr) return TakeError("make", set);
  ipset_data_set(data, IPSET_OPT_TIMEOUT, &options().usual_seconds);
  const uint32_t hash_size = set.width ? WideHashSize(hash_size_) : hash_size_;
  ipset_data_set(data, IPSET_OPT_HASHSIZE, &hash_size);
  ipset_data_set(data, IPSET_OPT_MAXELEM, &set.most_entries);
  if (const uint8_t bits = set.Bits(); bits != 32) {
    ipset_data_set(data, IPSET_OPT_NETMASK, &bits);
  }
  if (ipset_cmd(session_, IPSET_CMD_CREATE, 0) < 0) {
    return TakeError("make", set);
  }
  return absl::OkStatus();
}

absl::Status IpSets::Inspect(Set& set) {
  const absl::StatusOr<IpSetDescription> found = reader_.Describe(set.name);
  if (!found.ok()) return found.status();
  if (const std::string wrong = Wrong(*found, set.family, set.Bits());
      !wrong.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("set ", set.name, " exists, but ", wrong,
                     "; remove it with \"ipset destroy ", set.name,
                     "\" (and the rules that name it), or choose another "
                     "firewall.set_prefix"));
  }
  if (absl::Status status = LearnType(set); !status.ok()) return status;

  if (set.endings.size() > 0) return absl::OkStatus();
  const absl::StatusOr<std::vector<TimedNetwork>> elements = ElementsOf(set);
  if (!elements.ok()) return elements.status();
  const Instant now = Clock::now();
  for (const TimedNetwork& element : *elements) {
    set.endings.Note(element.network, element.left, now);
  }
  return absl::OkStatus();
}

// The type's description is asked for once: without it libipset would ask the
// kernel before each command.
absl::Status IpSets::LearnType(const Set& set) {
  // What it may remember of a set of this name that is no more.
  ipset_cache_del(set.name.c_str());
  ipset_data_set(ipset_session_data(session_), IPSET_SETNAME, set.name.c_str());
  TypeOf(set) = ipset_type_get(session_, IPSET_CMD_ADD);
  ipset_data_reset(ipset_session_data(session_));
  return TypeOf(set) != nullptr ? absl::OkStatus() : TakeError("look at", set);
}

const ipset_type*& IpSets::TypeOf(const Set& set) {
  return types_[static_cast<size_t>(&set - sets().data())];
}

// ---- The elements -----------------------------------------------------------

absl::StatusOr<bool> IpSets::Holds(const Set& set, const Network& network) {
  return reader_.Holds(set.name, network);
}

absl::StatusOr<SetNumbers> IpSets::WithRule(const SetNumbers& wanted,
                                            bool& /*restored*/) {
  SetNumbers with;
  for (size_t i = 0; i < kSets; ++i) {
    if (!wanted[i]) continue;
    const absl::StatusOr<bool> has = reader_.IsReferenced(sets()[i].name);
    // One that has just gone is a matter of Check's.
    if (!has.ok() && !absl::IsNotFound(has.status())) return has.status();
    with[i] = !has.ok() || *has;
  }
  return with;
}

std::vector<ElementFailure> IpSets::Put(
    Set& set, absl::Span<const TimedNetwork> elements) {
  return Apply(IPSET_CMD_ADD, set, elements);
}

std::vector<ElementFailure> IpSets::TakeOut(
    Set& set, absl::Span<const Network> networks) {
  std::vector<TimedNetwork> elements;
  elements.reserve(networks.size());
  for (const Network& network : networks) elements.push_back({network, {}});
  return Apply(IPSET_CMD_DEL, set, elements);
}

std::vector<ElementFailure> IpSets::Apply(
    int command, const Set& set, absl::Span<const TimedNetwork> elements) {
  std::vector<ElementFailure> failures;
  absl::Status status;
  uint32_t line = 0;
  for (const TimedNetwork& element : elements) {
    if (!status.ok()) break;
    status = Command(command, set, element, elements.size() == 1 ? 0 : ++line);
  }
  if (status.ok()) status = Commit(set);
  if (status.ok()) return failures;

  const bool all = elements.size() == 1 || absl::IsNotFound(status);
  // The kernel stops at the first element that it refuses, and passes over
  // the rest of the message: each gets its own.
  for (size_t i = 0; i < elements.size(); ++i) {
    absl::Status alone = all ? status : Command(command, set, elements[i], 0);
    if (!alone.ok()) failures.push_back({i, std::move(alone)});
  }
  return failures;
}

// With a line number libipset collects commands until a page is full or
// something else comes; without one it sends at once.
absl::Status IpSets::Command(int command, const Set& set,
                             const TimedNetwork& element, uint32_t line) {
  ipset_data* data = ipset_session_data(session_);
  ipset_data_set(data, IPSET_SETNAME, set.name.c_str());
  ipset_data_set(data, IPSET_OPT_FAMILY, &set.family);
  ipset_data_set(data, IPSET_OPT_TYPE, TypeOf(set));
  const uint8_t* address = element.network.address.bytes.data();
  ipset_data_set(data, IPSET_OPT_IP,
                 set.family == AF_INET ? address + 12 : address);
  if (command == IPSET_CMD_ADD) {
    const uint32_t seconds = ToSeconds(element.left);
    ipset_data_set(data, IPSET_OPT_TIMEOUT, &seconds);
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

absl::StatusOr<std::vector<TimedNetwork>> IpSets::ElementsOf(const Set& set) {
  absl::StatusOr<std::vector<IpSetElement>> found = reader_.Elements(set.name);
  if (!found.ok()) return found.status();
  std::vector<TimedNetwork> elements;
  elements.reserve(found->size());
  for (const IpSetElement& element : *found) {
    elements.push_back({set.ElementAt(element.address),
                        std::chrono::seconds(element.seconds)});
  }
  return elements;
}

absl::StatusOr<std::vector<TimedNetwork>> IpSets::List() {
  return ListEach([this](const Set& set) { return ElementsOf(set); });
}

}  // namespace breakwater
