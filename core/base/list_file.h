#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace breakwater {

// Files that people and their scripts write: lists of networks, of names, of
// traps, of bans, and the configuration itself. All of them are read here, so
// that all take the same and refuse the same.
//
// What is taken is a regular file, read to its end. Whoever names a directory
// would else get an empty list, whoever names a pipe would wait for ever, and
// of a file on a failing disk the rest would be missing, all without a word. An
// error names the file.
//
// A mark of the byte order is taken away (editors of Windows leave one), so is
// the carriage return at a line's end; UTF-16 is refused.
class ListFile {
 public:
  // `largest`: in bytes.
  static absl::StatusOr<ListFile> Open(const std::string& path, size_t largest);
  // This one may be anything that can be read; it is not closed.
  static ListFile StandardInput();

  ListFile(ListFile&& other) noexcept;
  ListFile& operator=(ListFile&&) = delete;
  ~ListFile();

  // The next line, until the next call; nothing at the end.
  absl::StatusOr<std::optional<std::string_view>> NextLine();
  size_t number() const { return number_; }  // of that line, from 1
  const std::string& name() const { return name_; }

 private:
  ListFile(int fd, bool is_ours, std::string name, size_t largest)
      : fd_(fd), is_ours_(is_ours), name_(std::move(name)), largest_(largest) {}

  friend absl::StatusOr<std::string> ReadTextFile(const std::string& path,
                                                  size_t largest);
  // Reads on; false at the end.
  absl::StatusOr<bool> Fill();
  absl::Status Failure(int error, const char* what) const;

  int fd_;
  const bool is_ours_;
  const std::string name_;
  const size_t largest_;
  size_t promised_ = 0;  // as large as the file said that it is
  size_t read_ = 0;
  bool at_end_ = false;
  std::string buffer_;
  size_t begin_ = 0;   // of what is not taken yet
  size_t looked_ = 0;  // until here there is no line's end
  size_t number_ = 0;
};

// The whole of it.
absl::StatusOr<std::string> ReadTextFile(const std::string& path,
                                         size_t largest);

// What stands in a line before a comment, without the white space around: "#"
// begins one at the line's beginning or behind white space.
std::string_view EntryOf(std::string_view line);

// Calls `take` with each line of a text, as ListFile::NextLine gives them, and
// with its number. The first error ends it.
absl::Status ForEachLine(
    std::string_view text,
    absl::FunctionRef<absl::Status(size_t, std::string_view)> take);

}  // namespace breakwater
