#include "daemon/memory/sqlite.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace breakwater {
namespace {

absl::Status ErrorOf(sqlite3* database) {
  const char* path = sqlite3_db_filename(database, "main");
  const bool is_named = path != nullptr && *path != '\0';
  const std::string message = absl::StrCat(
      is_named ? path : "", is_named ? ": " : "", sqlite3_errmsg(database));
  switch (sqlite3_errcode(database) & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR:  // our SQL is right: the tables are not ours
      return absl::DataLossError(message);
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(message);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::AbortedError(message);
    default:
      return absl::UnavailableError(message);
  }
}

}  // namespace

SqliteStatement& SqliteStatement::Bind(int64_t value) {
  sqlite3_bind_int64(statement_.get(), ++bound_, value);
  return *this;
}

SqliteStatement& SqliteStatement::Bind(double value) {
  sqlite3_bind_double(statement_.get(), ++bound_, value);
  return *this;
}

SqliteStatement& SqliteStatement::Bind(absl::string_view text) {
  sqlite3_bind_text(statement_.get(), ++bound_, text.data(),
                    static_cast<int>(text.size()), SQLITE_TRANSIENT);
  return *this;
}

SqliteStatement& SqliteStatement::BindNull() {
  ++bound_;  // what is not bound is NULL
  return *this;
}

absl::StatusOr<bool> SqliteStatement::Next() {
  switch (sqlite3_step(statement_.get())) {
    case SQLITE_ROW:
      return true;
    case SQLITE_DONE:
      Reset();
      return false;
    default: {
      absl::Status status = ErrorOf(database_);
      Reset();
      return status;
    }
  }
}

bool SqliteStatement::IsNull(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

int64_t SqliteStatement::Integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

double SqliteStatement::Real(int column) const {
  return sqlite3_column_double(statement_.get(), column);
}

std::string SqliteStatement::Text(int column) const {
  const auto* text = reinterpret_cast<const char*>(
      sqlite3_column_text(statement_.get(), column));
  if (text == nullptr) return "";
  return {text,
          static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

absl::Status SqliteStatement::Run() {
  while (true) {
    const absl::StatusOr<bool> row = Next();
    if (!row.ok()) return row.status();
    if (!*row) return absl::OkStatus();
  }
}

void SqliteStatement::Reset() {
  // What it returns is the error of the last step, which is known.
  sqlite3_reset(statement_.get());
  sqlite3_clear_bindings(statement_.get());
  bound_ = 0;
}

absl::StatusOr<SqliteFile> SqliteFile::Open(const std::string& path) {
  // SQLite gives its other files the permissions of this one.
  FileDescriptor lock(
      open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600));
  if (!lock.is_open()) {
    return absl::UnavailableError(
        absl::StrCat("cannot open ", path, ": ", strerror(errno)));
  }
  // SQLite would wait at a FIFO for ever.
  struct stat found;
  if (fstat(lock.get(), &found) != 0 || !S_ISREG(found.st_mode)) {
    return absl::UnavailableError(absl::StrCat(path, " is no regular file"));
  }
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return absl::AbortedError(
        absl::StrCat(path, " is used by another breakwaterd"));
  }
  sqlite3* handle = nullptr;
  const int result = sqlite3_open_v2(
      path.c_str(), &handle,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
      nullptr);
  SqliteFile file(std::move(lock), handle);
  if (handle == nullptr) return absl::UnavailableError("out of memory");
  if (result != SQLITE_OK) return ErrorOf(handle);
  return file;
}

absl::StatusOr<SqliteFile> SqliteFile::OpenToRead(const std::string& path) {
  const std::string uri = absl::StrCat(
      "file:",
      absl::StrReplaceAll(path, {{"%", "%25"}, {"?", "%3f"}, {"#", "%23"}}),
      "?immutable=1");
  sqlite3* handle = nullptr;
  const int result =
      sqlite3_open_v2(uri.c_str(), &handle,
                      SQLITE_OPEN_READONLY | SQLITE_OPEN_URI |
                          SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                      nullptr);
  SqliteFile file(FileDescriptor(), handle);
  if (handle == nullptr) return absl::UnavailableError("out of memory");
  if (result != SQLITE_OK) return ErrorOf(handle);
  return file;
}

absl::Status SqliteFile::Run(const char* sql) {
  if (sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr) ==
      SQLITE_OK) {
    return absl::OkStatus();
  }
  return ErrorOf(database_.get());
}

bool SqliteFile::HasMoved() {
  int moved = 0;
  if (sqlite3_file_control(database_.get(), "main", SQLITE_FCNTL_HAS_MOVED,
                           &moved) == SQLITE_OK &&
      moved != 0) {
    return true;
  }
  // SQLite does not say it of the log, which lasts as long as we have it open.
  const char* path = sqlite3_db_filename(database_.get(), "main");
  struct stat found;
  if (stat(absl::StrCat(path, "-wal").c_str(), &found) != 0) {
    return log_.has_value();
  }
  const std::pair log(found.st_dev, found.st_ino);
  if (!log_) log_ = log;
  return log_ != log;
}

absl::StatusOr<SqliteStatement> SqliteFile::Prepare(absl::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v3(
          database_.get(), sql.data(), static_cast<int>(sql.size()),
          SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK) {
    return ErrorOf(database_.get());
  }
  return SqliteStatement(database_.get(), statement);
}

}  // namespace breakwater
