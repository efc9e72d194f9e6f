#include "daemon/config/table_reader.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "core/base/text.h"

namespace breakwater {
namespace {

// As it stands in the file: "ban.duration" where the key is a table with that.
std::string Written(std::string_view key, const toml::node& node) {
  const toml::table* const table = node.as_table();
  if (table == nullptr || table->empty()) return std::string(key);
  const auto first = table->begin();
  return Written(
      absl::StrCat(std::string(key), ".", std::string(first->first.str())),
      first->second);
}

// The usual slip in TOML: what stands below a heading belongs to it. Nothing if
// it is none.
std::string Landed(const toml::key& key, const toml::node& node,
                   const std::string& prefix, const toml::table& table) {
  const std::string meant = Written(key.str(), node);
  const auto begins = table.source().begin.line;
  // What is only a table there would be the next error: a zone's "score = 2".
  if (prefix.empty() || begins >= key.source().begin.line ||
      !IsKnownKey(meant)) {
    return "";
  }
  if (meant.starts_with(prefix)) {
    return absl::StrCat(meant, " stands below its heading already; write ",
                        meant.substr(prefix.size()));
  }
  const size_t dot = meant.rfind('.');
  return absl::StrCat(
      meant, " has landed in the table ", prefix.substr(0, prefix.size() - 1),
      ", which begins in line ", begins, "; move it above the first heading",
      dot == std::string::npos
          ? ""
          : absl::StrCat(", or as ", meant.substr(dot + 1), " below [",
                         meant.substr(0, dot), "]"));
}

// "duration" of a zone is its ban_duration, not the ban's for all, its "reply"
// the reply_template, and its "score" what it adds to that.
std::optional<std::string> KeyOfSameTable(std::string_view name,
                                          const std::vector<ConfigKey>& keys) {
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const std::string table(name.substr(0, dot + 1));
  const std::string word(name.substr(dot + 1));
  for (const ConfigKey& key : keys) {
    if (!key.name.starts_with(table)) continue;
    if (key.name.ends_with("_" + word) ||
        key.name == table + word + "_template" ||
        (word.starts_with("score") && key.name == table + "weight")) {
      return std::string(key.name);
    }
  }
  return std::nullopt;
}

// A list of tables by the name of what limits or lists them all.
std::string_view MeantList(std::string_view name) {
  if (name == "zones") return "[[zone]]";
  if (name == "offences") return "[[offence]]";
  return "";
}

std::string Unknown(std::string_view name, const std::vector<ConfigKey>& keys) {
  std::optional<std::string> meant = KeyOfSameTable(name, keys);
  if (!meant) meant = ClosestKey(name);
  return meant ? absl::StrCat("unknown key; did you mean ", *meant, "?")
               : "unknown key; breakwater.toml(5) lists the known ones";
}

}  // namespace

void TableReader::Read(const toml::table& table, const std::string& prefix,
                       absl::Span<const std::string_view> except) {
  Find(table, prefix, except);
  for (const ConfigKey& key : keys_) {
    if (const toml::node* node = Node(key.name)) {
      key.field.read(*node, key.name, complaints_);
    }
  }
}

const toml::node* TableReader::Node(std::string_view name) const {
  const auto found = nodes_.find(name);
  return found == nodes_.end() ? nullptr : found->second;
}

const toml::source_region& TableReader::Place(std::string_view key,
                                              const toml::table& table) const {
  const toml::node* node = Node(key);
  return node != nullptr ? node->source() : table.source();
}

void TableReader::Find(const toml::table& table, const std::string& prefix,
                       absl::Span<const std::string_view> except) {
  for (const auto& [key, node] : table) {
    const std::string name = prefix + std::string(key.str());
    if (std::ranges::find(except, name) != except.end()) continue;
    if (const std::string_view list = MeantList(name);
        !list.empty() && node.is_array_of_tables()) {
      complaints_.Add(
          node.source(), name,
          absl::StrCat("is no list of tables; write ", std::string(list)));
      continue;
    }
    if (const std::string landed = Landed(key, node, prefix, table);
        !landed.empty() && (node.is_table() ? !IsTable(name) : !IsKey(name))) {
      const std::string own =
          absl::StrReplaceAll(Written(key.str(), node), {{".", "_"}});
      complaints_.Add(
          key.source(), Escaped(name, 80),
          IsKey(prefix + own)
              ? absl::StrCat(landed, ", or write ", own, " for this one alone")
              : landed);
    } else if (IsKey(name)) {
      nodes_.emplace(name, &node);
    } else if (!IsTable(name)) {
      complaints_.Add(key.source(), Escaped(name, 80), Unknown(name, keys_));
    } else if (const toml::table* inner = node.as_table()) {
      Find(*inner, name + ".", except);
    } else {
      complaints_.Add(node.source(), name,
                      absl::StrCat("must be a table; write [", name, "]"));
    }
  }
}

bool TableReader::IsKey(std::string_view name) const {
  return std::ranges::find(keys_, name, &ConfigKey::name) != keys_.end();
}

bool TableReader::IsTable(std::string_view name) const {
  const std::string prefix = std::string(name) + ".";
  return std::ranges::any_of(keys_, [&prefix](const ConfigKey& key) {
    return key.name.starts_with(prefix);
  });
}

}  // namespace breakwater
