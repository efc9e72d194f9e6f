#include "daemon/enforcer/enforcer_channel.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace breakwater {
namespace {

constexpr size_t kLargestPacket = kMostRecords * kRecordSize;

}  // namespace

EnforcerChannel::EnforcerChannel(FileDescriptor socket)
    : socket_(std::move(socket)), buffer_(kLargestPacket) {}

EnforcerChannel::~EnforcerChannel() {
  // A unix socket closed with something unread in it resets the other end,
  // which then hears of the reset before our goodbye.
  shutdown(socket_.get(), SHUT_RDWR);
  while (recv(socket_.get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT) >
         0) {
  }
}

absl::StatusOr<std::optional<std::vector<Record>>> EnforcerChannel::Receive() {
  // MSG_TRUNC: the length is that of the packet, even if it does not fit.
  const ssize_t received = recv(socket_.get(), buffer_.data(), buffer_.size(),
                                MSG_DONTWAIT | MSG_TRUNC);
  if (received < 0) {
    if (errno == EAGAIN || errno == EINTR) return std::nullopt;
    return absl::UnavailableError(
        absl::ErrnoToStatus(errno, "read from the daemon").message());
  }
  if (received == 0) return absl::UnavailableError("the daemon has gone");
  const auto size = static_cast<size_t>(received);
  if (size > kLargestPacket) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a packet has ", size, " bytes, more than ", kLargestPacket));
  }
  if (size % kRecordSize != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a packet has ", size, " bytes, no multiple of ", kRecordSize));
  }
  std::vector<Record> records;
  records.reserve(size / kRecordSize);
  for (size_t at = 0; at < size; at += kRecordSize) {
    const absl::StatusOr<Record> record =
        DecodeRecord(absl::MakeConstSpan(buffer_).subspan(at, kRecordSize));
    if (!record.ok()) {
      return absl::InvalidArgumentError(record.status().message());
    }
    records.push_back(*record);
  }
  return records;
}

absl::Status EnforcerChannel::Flush(Instant now) {
  while (unsent() > 0) {
    const size_t count = std::min(unsent(), kMostRecords);
    std::vector<uint8_t> packet;
    packet.reserve(count * kRecordSize);
    for (size_t i = 0; i < count; ++i) {
      const RecordBytes bytes = EncodeRecord(unsent_[sent_ + i]);
      packet.insert(packet.end(), bytes.begin(), bytes.end());
    }
    if (send(socket_.get(), packet.data(), packet.size(),
             MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == ENOBUFS) {
        if (!blocked_since_) blocked_since_ = now;
        return absl::OkStatus();
      }
      return absl::UnavailableError(
          absl::ErrnoToStatus(errno, "write to the daemon").message());
    }
    sent_ += count;
    blocked_since_.reset();
  }
  unsent_.clear();
  sent_ = 0;
  return absl::OkStatus();
}

}  // namespace breakwater
