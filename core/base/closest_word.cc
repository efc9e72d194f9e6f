#include "core/base/closest_word.h"

#include <algorithm>
#include <numeric>

namespace breakwater {
namespace {

// Longer ones are noise, and the distance takes its time.
constexpr size_t kLongest = 64;

// How many single-character changes lie between two texts.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t change = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({change, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

}  // namespace

std::optional<std::string> ClosestWord(
    std::string_view unknown, const std::vector<std::string_view>& known) {
  if (unknown.size() > kLongest) return std::nullopt;
  std::optional<std::string> closest;
  size_t least = unknown.size() / 3 + 1;
  for (const std::string_view word : known) {
    const size_t distance = EditDistance(unknown, word);
    if (distance <= least && (!closest || distance < least)) {
      least = distance;
      closest = std::string(word);
    }
  }
  return closest;
}

}  // namespace breakwater
