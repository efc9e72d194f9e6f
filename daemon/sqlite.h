#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace breakwater {

// SQLite (sqlite3.h) with owners and errors. One thread.
//
// Errors name the file and what SQLite says:
//   kDataLoss           the file is no database, or a broken one
//   kResourceExhausted  the disk is full
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
  // Makes the file if it is missing, readable by its owner alone.
  static absl::StatusOr<SqliteFile> Open(const std::string& path);

  // One or more statements without parameters.
  absl::Status Run(const char* sql);
  // Must not outlive this. SQL that cannot be prepared is an error of ours, or
  // the file has not the tables that it should have.
  absl::StatusOr<SqliteStatement> Prepare(absl::string_view sql);
  // Rows that the last statement has changed.
  int64_t changes() const { return sqlite3_changes64(database_.get()); }

 private:
  struct Close {
    void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
  };
  explicit SqliteFile(sqlite3* database) : database_(database) {}

  std::unique_ptr<sqlite3, Close> database_;
};

}  // namespace breakwater
