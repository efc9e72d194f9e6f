#include "daemon/enforcer/set_keeper.h"

#include <algorithm>
#include <chrono>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/log.h"

namespace breakwater {
namespace {

// What is wrong and stays so is said again after this time.
constexpr Duration kReminder = std::chrono::minutes(1);
// A firewall that is loaded anew takes less.
constexpr Duration kLoading = std::chrono::seconds(3);
constexpr Duration kRulesReminder = std::chrono::hours(1);

std::optional<SetsOf> IdOf(const BanSets& sets) {
  const std::string_view name = sets.name();
  if (name == "ipset") return SetsOf::kIpset;
  if (name == "nftables") return SetsOf::kNftables;
  if (name == "xt_recent") return SetsOf::kXtRecent;
  return std::nullopt;
}

// Those of clients take turns, those of networks are of their width's family.
SetNumbers OfFamilies(bool v4, bool v6) {
  SetNumbers sets;
  const size_t clients = kSetsOfBackend - kWidths;
  for (size_t i = 0; i < kSetsOfBackend; ++i) {
    const bool is_v4 =
        i < clients ? i % 2 == 0 : IsV4(static_cast<Width>(i - clients));
    sets[i] = is_v4 ? v4 : v6;
  }
  return sets;
}

std::string NamesOf(const BanSets& sets, const SetNumbers& numbers) {
  std::vector<std::string> names;
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (numbers[i]) names.push_back(sets.SetName(i));
  }
  return absl::StrJoin(names, ",");
}

absl::Status In(const BanSets& sets, const absl::Status& status) {
  return absl::Status(status.code(),
                      absl::StrCat(sets.name(), ": ", status.message()));
}

const Network& NetworkOf(const TimedNetwork& element) {
  return element.network;
}
const Network& NetworkOf(const Network& network) { return network; }

// What `act` does with those that the backend can hold.
template <typename Element, typename Act>
std::vector<ElementFailure> ForThoseItHolds(
    const BanSets& sets, const std::vector<Element>& elements, Act act) {
  const auto is_client = [](const Element& element) {
    return IsClient(NetworkOf(element));
  };
  if (sets.capabilities().prefixes ||
      std::ranges::all_of(elements, is_client)) {
    return act(elements);
  }
  std::vector<Element> held;
  std::vector<size_t> indices;
  for (size_t i = 0; i < elements.size(); ++i) {
    if (!is_client(elements[i])) continue;
    held.push_back(elements[i]);
    indices.push_back(i);
  }
  if (held.empty()) return {};
  std::vector<ElementFailure> failures = act(held);
  for (ElementFailure& failure : failures) {
    failure.index = indices[failure.index];
  }
  return failures;
}

}  // namespace

SetKeeper::SetKeeper(std::vector<std::unique_ptr<BanSets>> backends,
                     KernelErrors& errors)
    : errors_(errors) {
  for (std::unique_ptr<BanSets>& sets : backends) {
    const std::optional<SetsOf> id = IdOf(*sets);
    backends_.push_back({.sets = std::move(sets), .id = id});
  }
  // What one lists another may lack, if it is new.
  news_ = backends_.size() > 1;
}

// ---- The elements -----------------------------------------------------------

std::vector<ElementFailure> SetKeeper::Add(
    const std::vector<TimedNetwork>& elements) {
  if (elements.empty()) return {};
  const auto for_networks = static_cast<size_t>(
      std::ranges::count_if(backends_, [](const Backend& backend) {
        return backend.sets->capabilities().prefixes;
      }));
  std::vector<size_t> refusals(elements.size());
  std::vector<ElementFailure> failures;
  for (Backend& backend : backends_) {
    for (ElementFailure& failure : ForThoseItHolds(
             *backend.sets, elements,
             [&](const auto& held) { return AddTo(backend, held); })) {
      errors_.Report(In(*backend.sets, failure.status));
      const bool is_client = IsClient(elements[failure.index].network);
      if (++refusals[failure.index] ==
          (is_client ? backends_.size() : for_networks)) {
        failures.push_back(std::move(failure));
      }
    }
  }
  return failures;
}

std::vector<ElementFailure> SetKeeper::AddTo(
    Backend& backend, absl::Span<const TimedNetwork> elements) {
  std::vector<ElementFailure> failures = backend.sets->Add(elements);
  const bool vanished =
      std::ranges::any_of(failures, [](const ElementFailure& failure) {
        return absl::IsNotFound(failure.status);
      });
  if (vanished && backend.sets->capabilities().makes_sets) {
    Check(backend, Clock::now());
    failures = backend.sets->Add(elements);
  }
  return failures;
}

std::vector<ElementFailure> SetKeeper::Remove(
    const std::vector<Network>& networks) {
  if (networks.empty()) return {};
  std::vector<ElementFailure> result;
  std::vector<bool> stuck(networks.size());
  for (Backend& backend : backends_) {
    for (ElementFailure& failure : ForThoseItHolds(
             *backend.sets, networks,
             [&](const auto& held) { return backend.sets->Remove(held); })) {
      // What is in no set, or in none of ours, is out.
      if (absl::IsNotFound(failure.status) ||
          absl::IsFailedPrecondition(failure.status)) {
        continue;
      }
      errors_.Report(In(*backend.sets, failure.status));
      if (stuck[failure.index]) continue;
      stuck[failure.index] = true;
      result.push_back(std::move(failure));
    }
  }
  return result;
}

void SetKeeper::SetWidening(const WideningRules& rules) {
  for (Backend& backend : backends_) backend.sets->SetWidening(rules);
}

bool SetKeeper::lists() const {
  return std::ranges::all_of(backends_, [](const Backend& backend) {
    return backend.sets->capabilities().lists;
  });
}

std::vector<TimedNetwork> SetKeeper::List() {
  std::vector<TimedNetwork> result;
  for (Backend& backend : backends_) {
    absl::StatusOr<std::vector<TimedNetwork>> elements = backend.sets->List();
    if (!elements.ok()) {
      errors_.Report(In(*backend.sets, elements.status()));
    } else if (result.empty()) {
      result = *std::move(elements);
    }
  }
  return result;
}

void SetKeeper::RemoveProtected(const Protection& protection) {
  std::vector<Network> removes;
  for (const TimedNetwork& element : List()) {
    if (!protection.Holds(element.network)) continue;
    removes.push_back(element.network);
    Log(Severity::kWarning, "unbanned-protected")
        .Add("network", element.network.ToString());
  }
  // Nor must it have been put in before our time. What was protected before
  // has been taken out then.
  const NetworkSet more =
      protection.configured_and_derived().Without(taken_out_);
  if (!lists()) {
    for (const Network& network : more.networks()) {
      removes.push_back(Network::OfClient(network.address));
      for (const Width width : WidthsOf(network.address)) {
        removes.push_back(Widened(network.address, width));
      }
    }
    // Neighbours have networks in common.
    const absl::flat_hash_set<Network> once(removes.begin(), removes.end());
    removes.assign(once.begin(), once.end());
  }
  if (Remove(removes).empty()) taken_out_ = protection.configured_and_derived();
}

// ---- The sets ---------------------------------------------------------------

void SetKeeper::Check(Instant now) {
  for (Backend& backend : backends_) {
    Check(backend, now);
    ReportEvictions(backend);
  }
}

void SetKeeper::Check(Backend& backend, Instant now) {
  const SetsCheck check = backend.sets->Check();
  if (check.made > 0) {
    ++times_made_;
    Log line(Severity::kWarning, "sets-made");
    line.Add("backend", backend.sets->name()).Add("count", check.made);
    // The kernel lets go of no set that a rule names.
    if (check.restored_rules) {
      line.Add("rules", "put back");
    } else if (backend.sets->capabilities().makes_sets) {
      line.Add("why",
               "no rule of the firewall named them any more: load the "
               "rules again");
    }
  }
  if (check.flushed > 0) {
    ++times_flushed_;
    Log(Severity::kWarning, "sets-flushed")
        .Add("backend", backend.sets->name())
        .Add("count", check.flushed);
  }
  news_ |= check.made > 0 || check.flushed > 0;
  ReportTrouble(backend, check, now);
}

void SetKeeper::LookForRules(Instant now, bool v4, bool v6) {
  for (Backend& backend : backends_) {
    if (!backend.id) continue;
    bool restored = false;
    const absl::StatusOr<SetNumbers> unseen =
        backend.sets->WithoutRule(restored);
    if (restored) {
      Log(Severity::kWarning, "rules-restored")
          .Add("backend", backend.sets->name());
    }
    if (!unseen.ok()) {
      errors_.Report(In(*backend.sets, unseen.status()));
      continue;
    }
    const SetNumbers counted = *unseen & OfFamilies(v4, v6);
    if (counted != backend.unseen_now) backend.unseen_since = now;
    backend.unseen_now = counted;
    ReportRules(backend, now);
  }
}

void SetKeeper::ReportRules(Backend& backend, Instant now) {
  const SetNumbers before = backend.unseen;
  backend.unseen &= backend.unseen_now;
  if (now >= backend.unseen_since + kLoading) {
    backend.unseen = backend.unseen_now;
  }
  if (backend.unseen.none()) {
    if (before.any()) {
      Log(Severity::kInfo, "rules-found").Add("backend", backend.sets->name());
    }
    return;
  }
  const bool again = now >= backend.unseen_told + kRulesReminder && !observes_;
  if (backend.unseen == before && !again) return;
  backend.unseen_told = now;
  Log(observes_ ? Severity::kInfo : Severity::kError, "rules-missing")
      .Add("backend", backend.sets->name())
      .Add("sets", NamesOf(*backend.sets, backend.unseen))
      .Add("why",
           "no rule of the firewall drops who is in them, so that nobody there "
           "is kept out: load what \"breakwater firewall print\" prints");
}

std::vector<SetKeeper::Unseen> SetKeeper::without_rule() const {
  std::vector<Unseen> result;
  for (const Backend& backend : backends_) {
    if (backend.id) result.push_back({*backend.id, backend.unseen});
  }
  return result;
}

void SetKeeper::ReportTrouble(Backend& backend, const SetsCheck& check,
                              Instant now) {
  const bool was_wrong = backend.wrong > 0;
  backend.wrong = check.wrong.size();
  if (check.wrong.empty()) {
    backend.trouble.clear();
    if (was_wrong) {
      Log(Severity::kInfo, "sets-right").Add("backend", backend.sets->name());
    }
    return;
  }
  std::string trouble(check.wrong.front().message());
  if (was_wrong && trouble == backend.trouble &&
      now < backend.told + kReminder) {
    return;
  }
  backend.trouble = std::move(trouble);
  backend.told = now;
  for (const absl::Status& wrong : check.wrong) {
    Log(Severity::kError, "sets-wrong")
        .Add("backend", backend.sets->name())
        .Add("why", std::string(wrong.message()));
  }
}

void SetKeeper::ReportEvictions(Backend& backend) {
  const uint64_t evicted = backend.sets->evicted();
  if (evicted == backend.evicted_told) return;
  Log(Severity::kWarning, "sets-full")
      .Add("backend", backend.sets->name())
      .Add("evicted", evicted - backend.evicted_told);
  backend.evicted_told = evicted;
}

uint64_t SetKeeper::evicted() const {
  uint64_t sum = 0;
  for (const Backend& backend : backends_) sum += backend.sets->evicted();
  return sum;
}

uint64_t SetKeeper::wrong() const {
  uint64_t sum = 0;
  for (const Backend& backend : backends_) sum += backend.wrong;
  return sum;
}

}  // namespace breakwater
