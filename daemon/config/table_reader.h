#pragma once

#include <toml++/toml.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "daemon/config/config_keys.h"
#include "daemon/toml/complaints.h"

namespace breakwater {

// A table is read in two steps: first all that stands in it is found, so that
// every unknown key is told, then each known key is read.
class TableReader {
 public:
  // Both must outlive it.
  TableReader(const std::vector<ConfigKey>& keys, Complaints& complaints)
      : keys_(keys), complaints_(complaints) {}

  // `prefix` is what stands before the table's own keys: "" or "zone.". The
  // keys `except` are left to the caller.
  void Read(const toml::table& table, const std::string& prefix,
            absl::Span<const std::string_view> except = {});

  // Null if the key is not there.
  const toml::node* Node(std::string_view name) const;
  // Where to complain about a key: at its value, or at the table that lacks it.
  const toml::source_region& Place(std::string_view key,
                                   const toml::table& table) const;

 private:
  void Find(const toml::table& table, const std::string& prefix,
            absl::Span<const std::string_view> except);
  bool IsKey(std::string_view name) const;
  bool IsTable(std::string_view name) const;

  const std::vector<ConfigKey>& keys_;
  Complaints& complaints_;
  std::map<std::string, const toml::node*, std::less<>> nodes_;
};

}  // namespace breakwater
