#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/clock.h"
#include "core/base/file_descriptor.h"
#include "core/types/record.h"

namespace breakwater {

// The enforcer's end of the conversation with one daemon: packets of records
// in, packets of records out. Never blocks; one thread.
class EnforcerChannel {
 public:
  explicit EnforcerChannel(FileDescriptor socket);
  // What was sent last is still read by the daemon, whatever it has sent.
  ~EnforcerChannel();
  EnforcerChannel(const EnforcerChannel&) = delete;
  EnforcerChannel& operator=(const EnforcerChannel&) = delete;

  // The records of the next packet, or nothing if none has come yet.
  // InvalidArgument if it is not made of records, Unavailable if the daemon
  // has gone.
  absl::StatusOr<std::optional<std::vector<Record>>> Receive();

  // Puts the record behind those that wait.
  void Queue(const Record& record) { unsent_.push_back(record); }
  // Sends what waits, as far as the daemon takes it. Unavailable if it has
  // gone.
  absl::Status Flush(Instant now);
  size_t unsent() const { return unsent_.size() - sent_; }
  // Since when it takes nothing, if it does not.
  std::optional<Instant> blocked_since() const { return blocked_since_; }

  int fd() const { return socket_.get(); }

 private:
  FileDescriptor socket_;
  std::vector<uint8_t> buffer_;
  std::vector<Record> unsent_;
  size_t sent_ = 0;  // of unsent_
  std::optional<Instant> blocked_since_;
};

}  // namespace breakwater
