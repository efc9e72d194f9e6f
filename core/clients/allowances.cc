#include "core/clients/allowances.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace breakwater {
absl::Status Allowances::Allow(Allowance allowance) {
  const std::optional<Allowance> before = End(allowance.network);
  if (!before && list_.size() >= kMost) {
    return absl::ResourceExhaustedError(
        absl::StrCat("there are ", kMost,
                     " allowances, which is as many as there can be; what is "
                     "to last stands better in protect.networks"));
  }
  const auto place =
      std::ranges::upper_bound(list_, allowance.until, {}, &Allowance::until);
  list_.insert(place, std::move(allowance));
  return absl::OkStatus();
}

std::optional<Allowance> Allowances::End(const Network& network) {
  const auto place = std::ranges::find(list_, network, &Allowance::network);
  if (place == list_.end()) return std::nullopt;
  Allowance ended = std::move(*place);
  list_.erase(place);
  return ended;
}

std::vector<Allowance> Allowances::Expire(Instant now) {
  const auto first =
      std::ranges::upper_bound(list_, now, {}, &Allowance::until);
  std::vector<Allowance> ended(std::make_move_iterator(list_.begin()),
                               std::make_move_iterator(first));
  list_.erase(list_.begin(), first);
  return ended;
}

bool Allowances::Has(const Network& network) const {
  return Of(network).has_value();
}

std::optional<Allowance> Allowances::Of(const Network& network) const {
  const auto place = std::ranges::find(list_, network, &Allowance::network);
  return place == list_.end() ? std::nullopt : std::optional(*place);
}

std::optional<Allowance> Allowances::Find(const IpAddress& address) const {
  return Find(Network{.address = address, .length = 128});
}

std::optional<Allowance> Allowances::Find(const Network& network) const {
  const Allowance* found = nullptr;
  for (const Allowance& allowance : list_) {
    if (!allowance.network.Contains(network)) continue;
    if (found == nullptr || found->network.length < allowance.network.length) {
      found = &allowance;
    }
  }
  return found == nullptr ? std::nullopt : std::optional(*found);
}

}  // namespace breakwater
