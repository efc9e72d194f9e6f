#pragma once

#include <toml++/toml.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace breakwater {

// What is wrong in a file, all of it: one line for each thing, in the order of
// the file.
class Complaints {
 public:
  explicit Complaints(std::string_view path) : path_(path) {}

  // `message` says what is wrong and what would be right. Without a key the
  // line is about the file as such.
  void Add(const toml::source_region& where, std::string_view key,
           std::string_view message);
  void Add(const toml::source_region& where, std::string_view key,
           const absl::Status& status);
  bool empty() const { return lines_.empty(); }
  // "FILE:LINE:COLUMN: key: message", the lines joined by newlines.
  absl::Status ToStatus() const;

 private:
  struct Line {
    uint32_t line;
    uint32_t column;
    std::string text;
  };
  std::string path_;
  std::vector<Line> lines_;
};

}  // namespace breakwater
