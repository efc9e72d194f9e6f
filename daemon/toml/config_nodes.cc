#include "daemon/toml/config_nodes.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/base/duration.h"
#include "core/judge/reply.h"

namespace breakwater {
namespace {

std::string TypeName(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::string:
      return "a text";
    case toml::node_type::integer:
      return "a number";
    case toml::node_type::floating_point:
      return "a number with a point";
    case toml::node_type::boolean:
      return "a truth value";
    default:
      return "a date or time";
  }
}

}  // namespace

absl::Status WrongType(const toml::node& node, const char* right) {
  return absl::InvalidArgumentError(
      absl::StrCat("is ", TypeName(node), "; write ", right));
}

absl::StatusOr<std::string> ParseText(const toml::node& node) {
  const auto* text = node.as_string();
  if (text == nullptr) return WrongType(node, "a text in double quotes");
  return text->get();
}

Parser<int64_t> Number(int64_t least, int64_t most) {
  return [least, most](const toml::node& node) -> absl::StatusOr<int64_t> {
    const auto* number = node.as_integer();
    if (number == nullptr) return WrongType(node, "a whole number, unquoted");
    if (number->get() < least || number->get() > most) {
      return absl::InvalidArgumentError(absl::StrCat(
          number->get(), " is out of range; write ", least, " to ", most));
    }
    return number->get();
  };
}

absl::StatusOr<uint16_t> ParsePort(const toml::node& node) {
  const absl::StatusOr<int64_t> port = Number(1, 65'535)(node);
  if (!port.ok()) return port.status();
  return static_cast<uint16_t>(*port);
}

Parser<Duration> Length(Duration least, Duration most) {
  return [least, most](const toml::node& node) -> absl::StatusOr<Duration> {
    if (!node.is_string()) {
      return WrongType(node, "a length of time with its unit, as in \"10m\"");
    }
    const absl::StatusOr<Duration> length = FromText(ParseDuration)(node);
    if (!length.ok() || (*length >= least && *length <= most)) return length;
    return absl::InvalidArgumentError(
        absl::StrCat(FormatDuration(*length), " is out of range; write ",
                     FormatDuration(least), " to ", FormatDuration(most)));
  };
}

absl::StatusOr<bool> ParseFlag(const toml::node& node) {
  const auto* flag = node.as_boolean();
  if (flag == nullptr) return WrongType(node, "true or false, unquoted");
  return flag->get();
}

absl::StatusOr<int64_t> ParseReplyCode(const toml::node& node) {
  const auto* code = node.as_integer();
  if (code == nullptr) return WrongType(node, "a reply code like 521");
  const int64_t value = std::clamp<int64_t>(code->get(), -1, 1'000'000);
  if (const absl::Status status = CheckReplyCode(static_cast<int>(value));
      !status.ok()) {
    return status;
  }
  return value;
}

}  // namespace breakwater
