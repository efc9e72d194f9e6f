#include "tests/integration/ban_watch.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace breakwater::testing {
namespace {

using std::chrono::duration;
using std::chrono::milliseconds;
using std::chrono::seconds;

// The kernel counts in ticks of its own, and what is put in anew once it was
// lost is given whole seconds.
constexpr milliseconds kSlack(1500);
constexpr size_t kMostFaults = 10;

// "1h59m3s250ms", as nft says it.
milliseconds ParseNftTime(absl::string_view text) {
  static constexpr std::pair<absl::string_view, int64_t> kUnits[] = {
      {"ms", 1},
      {"d", 86'400'000},
      {"h", 3'600'000},
      {"m", 60'000},
      {"s", 1000}};
  int64_t sum = 0;
  while (!text.empty()) {
    const size_t digits = text.find_first_not_of("0123456789");
    int64_t number = 0;
    if (digits == absl::string_view::npos ||
        !absl::SimpleAtoi(text.substr(0, digits), &number)) {
      return milliseconds(-1);
    }
    text.remove_prefix(digits);
    const auto* const unit =
        std::ranges::find_if(kUnits, [text](const auto& candidate) {
          return absl::StartsWith(text, candidate.first);
        });
    if (unit == std::end(kUnits)) return milliseconds(-1);
    sum += number * unit->second;
    text.remove_prefix(unit->first.size());
  }
  return milliseconds(sum);
}

double Seconds(BanWatch::Clock::duration time) {
  return duration<double>(time).count();
}

}  // namespace

void BanWatch::Look() {
  const Clock::time_point before = Clock::now();
  Compare(kind_ == Kind::kIpset ? ReadIpset() : ReadNft(), before);
}

void BanWatch::Expect(const std::string& address, seconds length,
                      Clock::time_point by) {
  const Clock::time_point end = Clock::now() + length;
  known_.try_emplace(address, Known{.end = {end - kSlack, end + kSlack},
                                    .must_be_in_from = by});
}

size_t BanWatch::LastingLongerThan(seconds left) const {
  const Clock::time_point then = Clock::now() + left;
  return static_cast<size_t>(std::ranges::count_if(
      last_,
      [then](const auto& entry) { return entry.second.earliest > then; }));
}

BanWatch::Entries BanWatch::ReadIpset() {
  Entries entries;
  for (const char* set : {"breakwater4", "breakwater6"}) {
    const Clock::time_point before = Clock::now();
    const CommandResult saved = RunIn(where_, {"ipset", "save", set});
    const Clock::time_point after = Clock::now();
    if (!saved.ok()) Fault(saved.err);
    for (const auto& line : absl::StrSplit(saved.out, '\n')) {
      // add SET ENTRY timeout SECONDS
      const std::vector<std::string> words = absl::StrSplit(line, ' ');
      if (words.size() < 3 || words[0] != "add") continue;
      int64_t left = 0;
      if (words.size() < 5 || words[3] != "timeout" ||
          !absl::SimpleAtoi(words[4], &left) || left == 0) {
        Fault(absl::StrCat("has no end: ", std::string(line)));
        continue;
      }
      // One that ends right now is shown with less than nothing left.
      if (left > 2'147'483) continue;
      // Of its time, the fraction of a second is cut off; but of the last
      // second it shows all.
      entries[words[2]] = {left == 1 ? before : before + seconds(left),
                           after + seconds(left + 1)};
    }
  }
  return entries;
}

BanWatch::Entries BanWatch::ReadNft() {
  Entries entries;
  for (const char* set : {"breakwater4", "breakwater6"}) {
    const Clock::time_point before = Clock::now();
    const CommandResult listed =
        RunIn(where_, {"nft", "list", "set", "inet", "breakwater", set});
    const Clock::time_point after = Clock::now();
    if (!listed.ok()) Fault(listed.err);
    const size_t begin = listed.out.find("elements = {");
    if (begin == std::string::npos) continue;
    const size_t end = listed.out.find('}', begin);
    const std::string text = listed.out.substr(begin + 12, end - begin - 12);
    for (const auto& element : absl::StrSplit(text, ',')) {
      // ENTRY timeout TIME expires TIME
      const std::vector<std::string> words =
          absl::StrSplit(element, absl::ByAnyChar(" \t\n"), absl::SkipEmpty());
      if (words.empty()) continue;
      const auto expires = std::ranges::find(words, "expires");
      if (expires == words.end() || expires + 1 == words.end()) {
        // One that ends right now is shown with nothing left.
        if (std::ranges::find(words, "timeout") == words.end()) {
          Fault(absl::StrCat("has no end: ", std::string(element)));
        }
        continue;
      }
      const milliseconds left = ParseNftTime(*(expires + 1));
      if (left < milliseconds(0))
        Fault(absl::StrCat("what is ", *(expires + 1)));
      entries[words[0]] = {before + left, after + left + milliseconds(10)};
    }
  }
  return entries;
}

bool BanWatch::IsIn(const std::string& address) {
  const std::string set =
      absl::StrContains(address, ':') ? "breakwater6" : "breakwater4";
  if (kind_ == Kind::kIpset) {
    return RunIn(where_, {"ipset", "-q", "test", set, address}).ok();
  }
  // nft reads much besides, and gives up when a batch comes in between, as
  // under load it does several times in a row: that says nothing of the
  // element.
  constexpr int kMostTries = 50;
  CommandResult found;
  for (int i = 0; i < kMostTries; ++i) {
    found = RunIn(where_, {"nft", "get", "element", "inet", "breakwater", set,
                           absl::StrCat("{ ", address, " }")});
    if (!absl::StrContains(found.err, "Interrupted system call")) break;
  }
  // Only that it is not there counts, and not that nobody could be asked.
  const bool is_out = absl::StrContains(found.err, "No such file");
  if (!found.ok() && !is_out) Fault(absl::StrCat(address, ": ", found.err));
  return !is_out;
}

void BanWatch::Compare(const Entries& now_in, Clock::time_point before) {
  const Clock::time_point after = Clock::now();
  for (const auto& [address, end] : now_in) {
    const auto [place, is_new] = known_.try_emplace(address, Known{.end = end});
    Known& known = place->second;
    if (is_new) ++seen_;
    latest_end_ = std::max(latest_end_, end.latest);
    if (end.earliest > known.end.latest + kSlack) {
      Fault(absl::StrCat(address, " ends ",
                         Seconds(end.earliest - known.end.latest),
                         " s later than it did"));
    }
    // From now on it is known as exactly as it was ever seen.
    known.end.latest = std::min(known.end.latest, end.latest);
    known.must_be_in_from = {};
  }
  for (auto known = known_.begin(); known != known_.end();) {
    const auto& [address, what] = *known;
    if (now_in.contains(address) || what.must_be_in_from >= before) {
      ++known;
      continue;
    }
    const auto left = what.end.earliest - kSlack - after;
    if (left > Clock::duration::zero()) {
      if (IsIn(address)) {
        ++known;
        continue;
      }
      Fault(absl::StrCat(address, " is gone ", Seconds(left),
                         " s before its end"));
    }
    known = known_.erase(known);
  }
  in_force_ = now_in.size();
  last_ = now_in;
}

void BanWatch::Fault(const std::string& what) {
  if (faults_.size() < kMostFaults) faults_.push_back(what);
}

}  // namespace breakwater::testing
