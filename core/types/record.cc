#include "core/types/record.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace breakwater {
namespace {

// Where the fields stand in the 80 bytes.
enum Offset : size_t {
  kKindAt = 0,
  kDetailAt = 1,
  kLengthAt = 2,
  kZeroAt = 3,
  kSerialAt = 4,
  kNetworkAt = 8,
  kClientAt = 24,
  kServerAt = 40,
  kClientPortAt = 56,
  kServerPortAt = 58,
  kSecondsAt = 60,
  kNumberAt = 64,
  kReservedAt = 72,
};

template <typename T>
void Put(RecordBytes& bytes, size_t at, const T& value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

template <typename T>
T Get(absl::Span<const uint8_t> bytes, size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

bool IsKnown(uint8_t kind) {
  const auto in = [kind](RecordKind first, RecordKind last) {
    return static_cast<uint8_t>(first) <= kind &&
           kind <= static_cast<uint8_t>(last);
  };
  return in(RecordKind::kHello, RecordKind::kHello) ||
         in(RecordKind::kBan, RecordKind::kReload) ||
         in(RecordKind::kProtected, RecordKind::kNoRule);
}

bool NeedsConnection(RecordKind kind) {
  return kind == RecordKind::kEndAfterReply || kind == RecordKind::kDestroy ||
         kind == RecordKind::kSpare || kind == RecordKind::kForget;
}

uint8_t LastDetail(RecordKind kind) {
  switch (kind) {
    case RecordKind::kProtected:
      return static_cast<uint8_t>(ProtectionSource::kLast);
    case RecordKind::kRefused:
      return static_cast<uint8_t>(Refusal::kTooWide);
    case RecordKind::kCounter:
      return static_cast<uint8_t>(EnforcerCounter::kLast);
    case RecordKind::kNoRule:
      return static_cast<uint8_t>(SetsOf::kLast);
    default:
      return 0;
  }
}

bool IsTimed(RecordKind kind) {
  return kind == RecordKind::kBan || kind == RecordKind::kEntry;
}

absl::Status Bad(const char* field, uint64_t value) {
  return absl::InvalidArgumentError(
      absl::StrCat("record: ", field, " is ", value));
}

}  // namespace

const char* RefusalName(Refusal refusal) {
  switch (refusal) {
    case Refusal::kProtected:
      return "protected";
    case Refusal::kTooFast:
      return "too-fast";
    case Refusal::kSetFull:
      return "set-full";
    case Refusal::kKernel:
      return "kernel";
    case Refusal::kTooWide:
      return "too-wide";
  }
  return "unknown";
}

const char* EnforcerCounterName(EnforcerCounter counter) {
  switch (counter) {
    case EnforcerCounter::kAdded:
      return "added";
    case EnforcerCounter::kRemoved:
      return "removed";
    case EnforcerCounter::kRefused:
      return "refused";
    case EnforcerCounter::kDestroyed:
      return "destroyed";
    case EnforcerCounter::kDumps:
      return "dumps";
    case EnforcerCounter::kSetsMade:
      return "sets_made";
    case EnforcerCounter::kKernelErrors:
      return "kernel_errors";
    case EnforcerCounter::kSetsFlushed:
      return "sets_flushed";
    case EnforcerCounter::kEvicted:
      return "evicted";
    case EnforcerCounter::kSetsWrong:
      return "sets_wrong";
    case EnforcerCounter::kUnprotected:
      return "unprotected";
    case EnforcerCounter::kSetsLeftOver:
      return "sets_left_over";
    case EnforcerCounter::kAddressesLeftOver:
      return "addresses_left_over";
  }
  return "unknown";
}

uint32_t ToSeconds(Duration length) {
  const auto whole = std::chrono::ceil<std::chrono::seconds>(length).count();
  return static_cast<uint32_t>(
      std::clamp<int64_t>(whole, 1, kLongestBanSeconds));
}

Record TimedRecord(RecordKind kind, const Network& network, Instant ends,
                   Instant now) {
  const auto end = std::chrono::ceil<Duration>(ends.time_since_epoch());
  return {.kind = kind,
          .network = network,
          .seconds = ToSeconds(std::chrono::ceil<Duration>(ends - now)),
          .number = static_cast<uint64_t>(std::max<int64_t>(end.count(), 1))};
}

Duration LeftOf(const Record& record, Instant now) {
  const Duration most = std::chrono::seconds(record.seconds);
  const auto passed =
      std::chrono::floor<Duration>(now.time_since_epoch()).count();
  // A stranger's number may be anything.
  if (record.number >= static_cast<uint64_t>(passed + most.count()))
    return most;
  return Duration(static_cast<int64_t>(record.number) - passed);
}

RecordBytes EncodeRecord(const Record& record) {
  RecordBytes bytes{};
  Put(bytes, kKindAt, record.kind);
  Put(bytes, kDetailAt, record.detail);
  Put(bytes, kLengthAt, record.network.length);
  Put(bytes, kSerialAt, record.serial);
  Put(bytes, kNetworkAt, record.network.address.bytes);
  Put(bytes, kClientAt, record.connection.client.bytes);
  Put(bytes, kServerAt, record.connection.server.bytes);
  Put(bytes, kClientPortAt, record.connection.client_port);
  Put(bytes, kServerPortAt, record.connection.server_port);
  Put(bytes, kSecondsAt, record.seconds);
  Put(bytes, kNumberAt, record.number);
  return bytes;
}

absl::StatusOr<Record> DecodeRecord(absl::Span<const uint8_t> bytes) {
  if (bytes.size() != kRecordSize) return Bad("size", bytes.size());
  const auto kind = Get<uint8_t>(bytes, kKindAt);
  if (!IsKnown(kind)) return Bad("kind", kind);
  if (const auto zero = Get<uint8_t>(bytes, kZeroAt); zero != 0) {
    return Bad("padding", zero);
  }
  if (const auto zero = Get<uint64_t>(bytes, kReservedAt); zero != 0) {
    return Bad("reserved", zero);
  }

  Record record;
  record.kind = static_cast<RecordKind>(kind);
  record.detail = Get<uint8_t>(bytes, kDetailAt);
  record.serial = Get<uint32_t>(bytes, kSerialAt);
  record.network.address.bytes =
      Get<std::array<uint8_t, 16>>(bytes, kNetworkAt);
  record.network.length = Get<uint8_t>(bytes, kLengthAt);
  record.connection.client.bytes =
      Get<std::array<uint8_t, 16>>(bytes, kClientAt);
  record.connection.server.bytes =
      Get<std::array<uint8_t, 16>>(bytes, kServerAt);
  record.connection.client_port = Get<uint16_t>(bytes, kClientPortAt);
  record.connection.server_port = Get<uint16_t>(bytes, kServerPortAt);
  record.seconds = Get<uint32_t>(bytes, kSecondsAt);
  record.number = Get<uint64_t>(bytes, kNumberAt);

  const uint8_t last = LastDetail(record.kind);
  if (record.detail > last || (last > 0 && record.detail == 0)) {
    return Bad("detail", record.detail);
  }
  if (record.network.length > 128) {
    return Bad("prefix length", record.network.length);
  }
  if (Network::Of(record.network.address, record.network.length) !=
      record.network) {
    return absl::InvalidArgumentError(
        absl::StrCat("record: network ", record.network.ToString(),
                     " has bits set behind its prefix"));
  }
  if (record.seconds > kLongestBanSeconds) {
    return Bad("seconds", record.seconds);
  }
  if (IsTimed(record.kind) && record.seconds == 0) {
    return Bad("seconds of a ban", record.seconds);
  }
  if (IsTimed(record.kind) && record.number == 0) {
    return Bad("end of a ban", record.number);
  }
  if (record.kind == RecordKind::kNoRule &&
      record.number >> kSetsOfBackend != 0) {
    return Bad("number of sets", record.number);
  }
  if (NeedsConnection(record.kind) && !record.connection.IsComplete()) {
    return absl::InvalidArgumentError("record: connection is incomplete");
  }
  return record;
}

}  // namespace breakwater
