#pragma once

#include <toml++/toml.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "core/base/clock.h"

namespace breakwater {

// What a value of the file is, apart from its key: from a node to a value of
// ours, or what is wrong with it and what would be right.
template <typename T>
using Parser = std::function<absl::StatusOr<T>(const toml::node&)>;

// "is a number; write RIGHT".
absl::Status WrongType(const toml::node& node, const char* right);

absl::StatusOr<std::string> ParseText(const toml::node& node);
absl::StatusOr<bool> ParseFlag(const toml::node& node);
absl::StatusOr<uint16_t> ParsePort(const toml::node& node);
absl::StatusOr<int64_t> ParseReplyCode(const toml::node& node);
Parser<int64_t> Number(int64_t least, int64_t most);
Parser<Duration> Length(Duration least, Duration most);

// A parser of nodes from one of texts.
template <typename T>
Parser<T> FromText(absl::StatusOr<T> (*parse)(std::string_view)) {
  return [parse](const toml::node& node) -> absl::StatusOr<T> {
    const absl::StatusOr<std::string> text = ParseText(node);
    if (!text.ok()) return text.status();
    return parse(*text);
  };
}

}  // namespace breakwater
