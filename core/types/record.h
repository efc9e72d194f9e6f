#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/base/clock.h"
#include "core/net/address.h"
#include "core/types/client.h"

namespace breakwater {

// What the daemon and the enforcer say to each other: packets of fixed-size
// binary records over a SOCK_SEQPACKET unix socket on one host, so numbers are
// in host order. There is no text in it and nothing of variable length.
//
// A conversation: each side begins with one kHello. The enforcer then says
// what it protects (kProtected ..., kProtectedEnd), the daemon asks for what
// the sets hold (kList; kEntry ..., kEntriesEnd) and from then on sends orders.
// Each packet of orders is answered by one kApplied with its serial, after
// everything in it is in the kernel; the daemon has one such packet on its way
// at a time, and what comes meanwhile goes into the next.
enum class RecordKind : uint8_t {
  kHello = 1,  // number: kProtocolVersion

  // The daemon's orders.
  kBan = 16,       // network, how long (TimedRecord)
  kUnban,          // network
  kEndAfterReply,  // connection: close it once our reply was acknowledged
  kDestroy,        // connection: close it now
  kSpare,          // connection: authenticated, never to be destroyed
  kForget,         // connection: is over, stop sparing it
  kList,           // asks for kEntry ... kEntriesEnd
  kReload,         // read your section of the configuration again

  // The enforcer's words.
  kProtected = 32,  // network, detail: ProtectionSource
  kProtectedEnd,    // number: 1 if those configured stay as they were said
  kApplied,         // serial
  kRefused,         // serial, network, detail: Refusal
  kEntry,           // network, what is left (TimedRecord)
  kEntriesEnd,
  kSetsMade,  // sets were missing or emptied and are there: say all bans
  kCounter,   // detail: EnforcerCounter, number: since the enforcer started
  kGoodbye,   // it was told to end, and does
  kNoRule,    // detail: SetsOf, number: its sets that no rule looks into
};

// Whose sets. Which of them, a kNoRule says in bits: 0 to 3 those of clients
// (IPv4, IPv6, then those that a hit extends), 4 to 6 those of networks, by
// Width; of xt_recent's lists 0 and 1.
enum class SetsOf : uint8_t {
  kIpset = 1,
  kNftables,
  kXtRecent,
  kLast = kXtRecent,
};
inline constexpr size_t kSetsOfBackend = 7;

enum class ProtectionSource : uint8_t {
  kConfigured = 1,  // the root-owned configuration names it
  kOwnAddress,      // an interface of this host has it
  kGateway,         // a route of this host goes through it
  kResolver,        // it is asked for names, by us or by this host
  kMynetworks,      // Postfix' mynetworks
  kSshPeer,         // somebody works on this host from there
  kSpecialRange,    // no client of the internet has such an address
  kLast = kSpecialRange,
};

enum class Refusal : uint8_t {
  kProtected = 1,  // the network holds a protected address
  kTooFast,        // beyond the enforcer's own rate limit
  kSetFull,
  kKernel,   // the kernel refused; the enforcer's log says why
  kTooWide,  // the configuration widens no ban so
};

const char* RefusalName(Refusal refusal);  // "too-fast", ... as logged

enum class EnforcerCounter : uint8_t {
  kAdded = 1,     // elements put into a set or refreshed
  kRemoved,       // elements taken out
  kRefused,       // orders refused
  kDestroyed,     // sockets destroyed
  kDumps,         // socket dumps made
  kSetsMade,      // times that sets had to be made again
  kKernelErrors,  // netlink calls that failed
  kSetsFlushed,   // times that somebody had emptied sets
  kEvicted,       // elements taken out early to make room
  kSetsWrong,     // no count: sets that are not as they must be now
  kUnprotected,   // no count: sources of protected networks that fail now
  // No counts: sets that nobody fills any more and that hold or may hold
  // addresses, and how many these are as far as the kernel tells.
  kSetsLeftOver,
  kAddressesLeftOver,
  kLast = kAddressesLeftOver,
};

// As metrics and the operator name it: "added", "destroyed" ...
const char* EnforcerCounterName(EnforcerCounter counter);

inline constexpr uint64_t kProtocolVersion = 5;
// Timeouts in the kernel's sets are seconds below 2^31 / 1000 (ipset(8)).
inline constexpr uint32_t kLongestBanSeconds = 2'147'483;

struct Record {
  RecordKind kind = RecordKind::kHello;
  uint8_t detail = 0;
  uint32_t serial = 0;
  Network network{.address = {}, .length = 0};
  Connection connection;
  uint32_t seconds = 0;
  uint64_t number = 0;

  bool operator==(const Record&) const = default;
};

inline constexpr size_t kRecordSize = 80;
// Records in one packet; 20 KiB fit any socket buffer.
inline constexpr size_t kMostRecords = 256;

// A kBan or kEntry that ends then. `number` is the end in milliseconds of the
// clock that all programs of the host share (CLOCK_MONOTONIC): what waits, or
// is said again and again, must not end later or earlier for it. `seconds` is
// the most that may be left, in case that one of both runs by another clock.
Record TimedRecord(RecordKind kind, const Network& network, Instant ends,
                   Instant now);
// What is left of it; zero or less if it has ended.
Duration LeftOf(const Record& timed, Instant now);
// Whole seconds as the kernel counts them: never less than that, at least 1
// and at most kLongestBanSeconds.
uint32_t ToSeconds(Duration length);

using RecordBytes = std::array<uint8_t, kRecordSize>;
RecordBytes EncodeRecord(const Record& record);

// Reads exactly one record; `bytes` may be anything. The error names the
// field. What is returned is sound: a known kind, a prefix without bits behind
// it, a detail that its kind allows, complete connections where one is due.
absl::StatusOr<Record> DecodeRecord(absl::Span<const uint8_t> bytes);

}  // namespace breakwater
