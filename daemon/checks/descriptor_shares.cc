#include "daemon/checks/descriptor_shares.h"

#include <sys/resource.h>

#include <algorithm>

namespace breakwater {
namespace {

// Some 45 at rest, 32 connections of operators, those that are accepted only to
// be turned away or are about to be closed.
constexpr size_t kReserve = 128;
constexpr size_t kMostReporters = 256;
// More than any host has clients.
constexpr size_t kMostDescriptors = 1'000'000;

}  // namespace

DescriptorShares ShareDescriptors(size_t limit, const Config& config) {
  limit = std::min(limit, kMostDescriptors);
  size_t left = limit - std::min(kReserve, limit / 2);
  DescriptorShares shares;
  if (!config.report.socket.empty()) {
    shares.report = std::min(left / 8, kMostReporters);
    left -= shares.report;
  }
  const bool milter = !config.milter.socket.empty();
  if (!config.policy.sockets.empty()) {
    shares.policy =
        std::min(milter ? left / 2 : left, config.policy.most_connections);
    left -= shares.policy;
  }
  if (milter) shares.milter = left;
  return shares;
}

size_t DescriptorLimit() {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return 1024;
  return files.rlim_cur;
}

}  // namespace breakwater
