#include "daemon/enforcer/order_batch.h"

#include <algorithm>

namespace breakwater {

OrderBatch::Fate& OrderBatch::FateOf(const Network& network) {
  const auto [place, is_new] = index_.try_emplace(network, fates_.size());
  if (is_new) fates_.push_back({.network = network});
  return fates_[place->second];
}

void OrderBatch::Ban(const Network& network, Duration left) {
  Fate& fate = FateOf(network);
  fate.left = std::max(fate.left, left);
}

void OrderBatch::Unban(const Network& network) {
  Fate& fate = FateOf(network);
  fate.remove = true;
  fate.left = {};
}

void OrderBatch::AddConnection(const Record& record) {
  switch (record.kind) {
    case RecordKind::kDestroy:
      work_.destroy.push_back(record.connection);
      break;
    case RecordKind::kEndAfterReply:
      work_.end_after_reply.push_back(record.connection);
      break;
    case RecordKind::kSpare:
    case RecordKind::kForget:
      work_.sparings.push_back(
          {record.connection, record.kind == RecordKind::kSpare});
      break;
    default:
      break;
  }
}

std::vector<Network> OrderBatch::Removes() const {
  std::vector<Network> result;
  for (const Fate& fate : fates_) {
    if (fate.remove) result.push_back(fate.network);
  }
  return result;
}

std::vector<TimedNetwork> OrderBatch::Adds() const {
  std::vector<TimedNetwork> result;
  for (const Fate& fate : fates_) {
    if (fate.left > Duration::zero()) {
      result.push_back({fate.network, fate.left});
    }
  }
  return result;
}

}  // namespace breakwater
