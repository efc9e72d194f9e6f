#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"
#include "core/base/interned.h"
#include "core/types/ban.h"

namespace breakwater {

// Bans as they are kept: some 80 bytes each, of which there may be a million. A
// ban has a number as long as it is kept. What many have in common is kept
// once: the list, what they rest on, and the reply, which differs by no more
// than the client's address and the id. Not thread-safe.
class BanRows {
 public:
  // A million are as quickly put in as a few.
  explicit BanRows(size_t expected);

  uint32_t Add(const Ban& ban);
  void Erase(uint32_t number);
  std::optional<uint32_t> Find(const Network& network) const;

  // Numbers are below it; those that nobody has are not kept.
  uint32_t end() const { return end_; }
  bool IsKept(uint32_t number) const { return RowAt(number).is_kept; }
  size_t size() const { return numbers_.size(); }

  // All of it, as it was put in. A client's address that is not of its network
  // is not kept.
  Ban At(uint32_t number) const;
  const Network& network(uint32_t number) const {
    return RowAt(number).network;
  }
  Instant expires(uint32_t number) const { return RowAt(number).expires; }
  Instant imposed(uint32_t number) const { return RowAt(number).imposed; }
  Origin origin(uint32_t number) const { return RowAt(number).origin; }
  const Evidence& evidence(uint32_t number) const {
    return evidence_[RowAt(number).evidence].value;
  }

  void SetEvidence(uint32_t number, const Evidence& evidence);
  // It was imposed once more.
  void Count(uint32_t number, uint32_t members);
  void Prolong(uint32_t number, Instant expires) {
    RowAt(number).expires = expires;
  }
  // Where somebody else keeps it.
  uint32_t place(uint32_t number) const { return RowAt(number).place; }
  void SetPlace(uint32_t number, uint32_t place) {
    RowAt(number).place = place;
  }

 private:
  struct Row {
    Network network;
    Origin origin;
    bool is_kept : 1;
    bool has_client : 1;
    bool has_number : 1;  // its id is one, of eight digits
    uint16_t code;
    uint32_t id;  // or an interned text
    uint32_t count;
    uint32_t members;
    uint32_t label;
    uint32_t text;
    uint32_t evidence;
    uint32_t place;  // of who is not kept: whose number is free next
    uint64_t host;   // the client's address, but for its network's /64
    Instant expires;
    Instant imposed;
  };
  struct KeptEvidence {
    Evidence value;

    bool operator==(const KeptEvidence& other) const {
      return value.rules == other.value.rules &&
             value.listings == other.value.listings &&
             value.offences == other.value.offences;
    }
    template <typename H>
    friend H AbslHashValue(H h, const KeptEvidence& kept) {
      for (const Listing& listing : kept.value.listings) {
        h = H::combine(std::move(h), listing.zone, listing.filters);
      }
      return H::combine(std::move(h), kept.value.rules.get(),
                        kept.value.offences);
    }
  };
  // All that it holds is compared.
  static_assert(sizeof(Evidence) == sizeof(std::shared_ptr<const Rules>) +
                                        sizeof(std::vector<Listing>) +
                                        sizeof(std::vector<OffenceKind>));
  static constexpr uint32_t kChunk = 4096;
  static constexpr uint32_t kNone = ~uint32_t{0};
  struct Hash {
    using is_transparent = void;
    const BanRows* rows;
    size_t operator()(uint32_t number) const {
      return (*this)(rows->network(number));
    }
    size_t operator()(const Network& network) const {
      return absl::Hash<Network>()(network);
    }
  };
  struct Equal {
    using is_transparent = void;
    const BanRows* rows;
    bool operator()(uint32_t a, uint32_t b) const { return a == b; }
    bool operator()(uint32_t a, const Network& b) const {
      return rows->network(a) == b;
    }
    bool operator()(const Network& a, uint32_t b) const {
      return rows->network(b) == a;
    }
  };

  Row& RowAt(uint32_t number) {
    return chunks_[number / kChunk][number % kChunk];
  }
  const Row& RowAt(uint32_t number) const {
    return chunks_[number / kChunk][number % kChunk];
  }
  uint32_t NewNumber();
  IpAddress ClientOf(const Row& row) const;
  std::string IdOf(const Row& row) const;

  // In pieces, so that none of a million is ever moved.
  std::vector<std::unique_ptr<Row[]>> chunks_;
  uint32_t end_ = 0;
  uint32_t free_ = kNone;
  absl::flat_hash_set<uint32_t, Hash, Equal> numbers_;
  Interned<std::string> words_;  // labels, and ids that are no numbers
  Interned<std::string> texts_;  // with signs for address and id
  Interned<KeptEvidence> evidence_;
};

}  // namespace breakwater
