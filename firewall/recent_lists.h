#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/rules/names.h"
#include "firewall/sets/ban_sets.h"
#include "firewall/sets/set_endings.h"

namespace breakwater {

struct RecentListOptions {
  std::string prefix = kUsualPrefix;
  size_t most_bans = 1'000'000;  // of which the lists should have room
};

// The lists of iptables' match `recent`, by way of /proc/net/xt_recent:
// `breakwater` for IPv4 addresses and `breakwater6` for IPv6 networks of /64.
//
// A list is there while a rule names it, and gone with the last one. How long
// an address is kept out the rule says, for all of them, and whether a hit
// starts the time anew (--update) or not (--rcheck). When a list is full, the
// kernel drops who was seen longest ago, without a word.
//
// The files are root's: they are opened while we still are root, or must be
// given to the enforcer's user. Reading a list takes the kernel a time that
// grows with its square, and stops the packets meanwhile: never more than its
// beginning is read.
//
// One thread.
class RecentLists final : public BanSets {
 public:
  // Lists that cannot be opened yet are tried again by Check.
  static std::unique_ptr<RecentLists> Open(const RecentListOptions& options);
  ~RecentLists() override;

  const char* name() const override { return "xt_recent"; }
  Capabilities capabilities() const override {
    return {.own_timeout_per_ban = false,
            .makes_sets = false,
            .lists = false,
            .prefixes = false,
            .evicts_unasked = true,
            .capacity = capacity_};
  }

  std::string SetName(size_t number) const override {
    return FirewallNames(prefix_).recent[number];
  }
  SetsCheck Check() override;
  absl::StatusOr<SetNumbers> WithoutRule(bool& restored) override;
  std::vector<ElementFailure> Add(
      absl::Span<const TimedNetwork> elements) override;
  std::vector<ElementFailure> Remove(
      absl::Span<const Network> networks) override;
  absl::StatusOr<std::vector<TimedNetwork>> List() override;

 private:
  struct File {
    std::string path;
    int fd = -1;
    bool has_rule = true;  // the last time that it was looked for
    SetEndings endings;
  };
  enum class State { kGone, kEmpty, kFilled };

  explicit RecentLists(const RecentListOptions& options);

  absl::Status OpenFile(File& file);
  void CloseFile(File& file);
  static absl::StatusOr<State> Look(const File& file);
  File& FileOf(const Network& network) {
    return files_[network.IsV4() ? 0 : 1];
  }
  static absl::Status Write(const File& file, char sign,
                            const Network& network);

  const std::string prefix_;
  std::array<File, 2> files_;
  std::optional<size_t> capacity_;  // ip_list_tot, where we may read it
};

}  // namespace breakwater
