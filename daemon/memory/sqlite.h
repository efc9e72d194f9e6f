#pragma once

#include <sqlite3.h>
#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/base/file_descriptor.h"

namespace breakwater {

// SQLite (sqlite3.h) with owners and errors. One thread.
//
// Errors name the file and what SQLite says:
//   kDataLoss           the file is no database, a broken one, or lacks a table
//                       or column
//   kResourceExhausted  the disk is full
//   kAborted            another process has it locked
//   kUnavailable        all else, which may pass
class SqliteStatement {
 public:
  // From the left, beginning with the first; after a Run or the last row with
  // the first again.
  SqliteStatement& Bind(int64_t value);
  SqliteStatement& Bind(double value);
  SqliteStatement& Bind(absl::string_view text);
  SqliteStatement& BindNull();

  // Whether there is a row, of which the columns count from 0.
  absl::StatusOr<bool> Next();
  bool IsNull(int column) const;
  int64_t Integer(int column) const;
  double Real(int column) const;
  std::string Text(int column) const;

  // To the end, for its effect.
  absl::Status Run();

 private:
  friend class SqliteFile;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const {
      sqlite3_finalize(statement);
    }
  };
  SqliteStatement(sqlite3* database, sqlite3_stmt* statement)
      : database_(database), statement_(statement) {}
  void Reset();

  sqlite3* database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int bound_ = 0;
};

class SqliteFile {
 public:
  // Makes the file if it is missing, readable by its owner alone. kAborted if a
  // process has it that opened it so, too.
  static absl::StatusOr<SqliteFile> Open(const std::string& path);
  // What is in the file itself, and not what stands in a "-wal" beside it, with
  // no more than the right to read it. Nobody may write into it meanwhile.
  static absl::StatusOr<SqliteFile> OpenToRead(const std::string& path);

  // One or more statements without parameters.
  absl::Status Run(const char* sql);
  // Must not outlive this. SQL that cannot be prepared is an error of ours, or
  // the file has not the tables that it should have.
  absl::StatusOr<SqliteStatement> Prepare(absl::string_view sql);
  // Whether the file, or the log of what was written last, is no longer in its
  // place: somebody has moved or deleted it, or put another there.
  bool HasMoved();
  // Rows that the last statement has changed.
  int64_t changes() const { return sqlite3_changes64(database_.get()); }

 private:
  struct Close {
    void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
  };
  SqliteFile(FileDescriptor lock, sqlite3* database)
      : lock_(std::move(lock)), database_(database) {}

  // The log of what was written last, once it has been seen.
  std::optional<std::pair<dev_t, ino_t>> log_;
  // Outlives the database: closing any descriptor of a file gives up all of
  // this process' POSIX locks on it, and SQLite's are such.
  FileDescriptor lock_;
  std::unique_ptr<sqlite3, Close> database_;
};

}  // namespace breakwater
