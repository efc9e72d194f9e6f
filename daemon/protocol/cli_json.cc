#include "daemon/protocol/cli_json.h"

#include "core/base/text.h"

namespace breakwater {

using nlohmann::json;

const json& Member(const json& object, const char* key) {
  static const json nothing;
  if (!object.is_object()) return nothing;
  const auto found = object.find(key);
  return found == object.end() ? nothing : *found;
}

std::string Text(const json& value) {
  if (value.is_string()) return Printable(value.get<std::string>());
  return value.is_null() ? "" : value.dump();
}

std::string Text(const json& object, const char* key) {
  return Text(Member(object, key));
}

int64_t Number(const json& object, const char* key) {
  const json& value = Member(object, key);
  return value.is_number() ? value.get<int64_t>() : 0;
}

bool IsTrue(const json& object, const char* key) {
  return Member(object, key) == json(true);
}

}  // namespace breakwater
