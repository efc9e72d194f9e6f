#include "core/base/list_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace breakwater {
namespace {

constexpr size_t kAtOnce = 64 * 1024;

const char* KindOf(mode_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

std::string SizeText(size_t bytes) {
  return bytes < 1 << 20 ? absl::StrCat(bytes >> 10, " KiB")
                         : absl::StrCat(bytes >> 20, " MiB");
}

bool IsUtf16(std::string_view text) {
  return text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff");
}

void DropMark(std::string_view& text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
}

std::string_view WithoutReturn(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace

absl::StatusOr<ListFile> ListFile::Open(const std::string& path,
                                        size_t largest) {
  // Without O_NONBLOCK, a pipe would be waited for until somebody writes.
  ListFile file(
      open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY),
      /*is_ours=*/true, path, largest);
  if (file.fd_ < 0) return file.Failure(errno, "cannot be read");
  struct stat about {};
  if (fstat(file.fd_, &about) != 0) {
    return file.Failure(errno, "cannot be read");
  }
  if (!S_ISREG(about.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": cannot be read: it is ", KindOf(about.st_mode),
                     ", not a regular file"));
  }
  file.promised_ = static_cast<size_t>(about.st_size);
  return file;
}

ListFile ListFile::StandardInput() {
  return ListFile(STDIN_FILENO, /*is_ours=*/false, "standard input", SIZE_MAX);
}

ListFile::ListFile(ListFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      is_ours_(other.is_ours_),
      name_(other.name_),
      largest_(other.largest_),
      promised_(other.promised_),
      read_(other.read_),
      at_end_(other.at_end_),
      buffer_(std::move(other.buffer_)),
      begin_(other.begin_),
      looked_(other.looked_),
      number_(other.number_) {}

ListFile::~ListFile() {
  if (is_ours_ && fd_ >= 0) close(fd_);
}

absl::Status ListFile::Failure(int error, const char* what) const {
  return absl::Status(
      absl::ErrnoToStatusCode(error),
      absl::StrCat(name_, ": ", what, ": ", std::strerror(error)));
}

absl::StatusOr<bool> ListFile::Fill() {
  buffer_.erase(0, begin_);
  looked_ -= begin_;
  begin_ = 0;
  const size_t before = buffer_.size();
  buffer_.resize(before + kAtOnce);
  ssize_t got = 0;
  do {
    got = read(fd_, buffer_.data() + before, kAtOnce);
  } while (got < 0 && errno == EINTR);
  const int error = errno;
  buffer_.resize(before + static_cast<size_t>(std::max<ssize_t>(got, 0)));
  if (got < 0) return Failure(error, "cannot be read to its end");
  const bool is_first = read_ == 0;
  read_ += static_cast<size_t>(got);
  if (read_ > largest_) {
    return absl::InvalidArgumentError(
        absl::StrCat(name_, ": is larger than ", SizeText(largest_)));
  }
  if (got == 0 && read_ < promised_) {
    return absl::DataLossError(
        absl::StrCat(name_, ": cannot be read to its end: it has ", promised_,
                     " bytes, and only ", read_, " came"));
  }
  if (is_first && got > 0) {
    std::string_view text = buffer_;
    if (IsUtf16(text)) {
      return absl::InvalidArgumentError(absl::StrCat(
          name_, ": is UTF-16; store it as UTF-8 or as plain ASCII"));
    }
    DropMark(text);
    buffer_.erase(0, buffer_.size() - text.size());
  }
  at_end_ = got == 0;
  return !at_end_;
}

absl::StatusOr<std::optional<std::string_view>> ListFile::NextLine() {
  size_t end = buffer_.find('\n', looked_);
  while (end == std::string::npos && !at_end_) {
    looked_ = buffer_.size();
    const absl::StatusOr<bool> more = Fill();
    if (!more.ok()) return more.status();
    end = buffer_.find('\n', looked_);
  }
  if (end == std::string::npos && begin_ == buffer_.size()) {
    return std::optional<std::string_view>();
  }
  end = std::min(end, buffer_.size());
  const std::string_view line =
      std::string_view(buffer_).substr(begin_, end - begin_);
  begin_ = looked_ = std::min(end + 1, buffer_.size());
  ++number_;
  return std::optional(WithoutReturn(line));
}

absl::StatusOr<std::string> ReadTextFile(const std::string& path,
                                         size_t largest) {
  absl::StatusOr<ListFile> file = ListFile::Open(path, largest);
  if (!file.ok()) return file.status();
  absl::StatusOr<bool> more = true;
  while (more.ok() && *more) more = file->Fill();
  if (!more.ok()) return more.status();
  return std::move(file->buffer_);
}

std::string_view EntryOf(std::string_view line) {
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '#' && (i == 0 || absl::ascii_isspace(line[i - 1]))) {
      line = line.substr(0, i);
      break;
    }
  }
  const absl::string_view trimmed =
      absl::StripAsciiWhitespace(absl::string_view(line.data(), line.size()));
  return {trimmed.data(), trimmed.size()};
}

absl::Status ForEachLine(
    std::string_view text,
    absl::FunctionRef<absl::Status(size_t, std::string_view)> take) {
  DropMark(text);
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    absl::Status status = take(number, WithoutReturn(text.substr(0, end)));
    if (!status.ok()) return status;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return absl::OkStatus();
}

}  // namespace breakwater
