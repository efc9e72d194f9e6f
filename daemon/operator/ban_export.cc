#include "daemon/operator/ban_export.h"

#include <algorithm>
#include <utility>

#include "daemon/status/operator_report.h"

namespace breakwater {
namespace {

using nlohmann::json;

json Failure(const char* why) { return {{"ok", false}, {"error", why}}; }

}  // namespace

json BanExport::Page(uint64_t snapshot, size_t offset, std::vector<Network> who,
                     const FirewallNames& names, Instant now) {
  // Whoever asks no more has gone.
  std::erase_if(snapshots_, [now](const Snapshot& candidate) {
    return candidate.used + kIdle < now;
  });
  if (snapshot == 0) {
    if (snapshots_.size() >= kMostSnapshots) {
      return Failure("four exports run already; try again in a minute");
    }
    snapshot = ++last_number_;
    snapshots_.push_back(
        {.number = snapshot, .used = now, .networks = std::move(who)});
  }
  const auto place = std::ranges::find(snapshots_, snapshot, &Snapshot::number);
  if (place == snapshots_.end()) {
    return Failure("the export took a pause of a minute, or has ended");
  }
  place->used = now;
  const std::vector<Network>& networks = place->networks;
  const size_t begin = std::min(offset, networks.size());
  const size_t end = std::min(begin + kPage, networks.size());
  json bans = json::array();
  for (size_t i = begin; i < end; ++i) {
    const std::optional<Ban> ban = bans_.Find(networks[i], now);
    if (ban) bans.push_back(DescribeBan(*ban, now));
  }
  json answer = {{"ok", true},
                 {"snapshot", snapshot},
                 {"total", networks.size()},
                 {"next", nullptr},
                 {"sets", {names.sets[0], names.sets[1]}},
                 {"bans", std::move(bans)}};
  if (end < networks.size()) {
    answer["next"] = end;
  } else {
    snapshots_.erase(place);
  }
  return answer;
}

}  // namespace breakwater
