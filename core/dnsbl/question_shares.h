#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/net/address.h"

namespace breakwater {

// What part of a list's questions of a day has gone to which clients, so that
// nobody who owns a few networks can have them all spent. Who asks about a
// client's addresses and names, and how often, is the client's choice: an IPv6
// host has 2^64 addresses, and anybody as many HELO names as he likes.
//
// Of the questions of a day at most
//
//   a 50th, or 10   are about one client (an IPv4 address, an IPv6 /64),
//   a 20th, or 20   about one network (an IPv4 /24, an IPv6 /48),
//   a 5th,  or 40   about one wide network (an IPv4 /16, an IPv6 /32),
//
// whichever is more. The last fifth is a reserve for networks about which it
// was not asked that day, one question each, and of one wide network at most a
// 50th of the day's questions, or 10, whenever they were asked.
//
// Counts are sketches of a fixed size: 256 KiB, and a byte for each question of
// the budget, up to 4 MiB. They never count too little; too much by at most a
// thousandth of the budget for 98 in 100 networks. Their hashes are seeded, so
// that nobody can choose with whom to collide. Pure. Loop thread only.
class QuestionShares {
 public:
  static constexpr uint64_t kClient = 50;
  static constexpr uint64_t kNetwork = 20;
  static constexpr uint64_t kWide = 5;
  static constexpr uint64_t kWideOfReserve = 50;
  // That many everybody has, however small the budget.
  static constexpr uint64_t kLeastClient = 10;
  static constexpr uint64_t kLeastNetwork = 20;
  static constexpr uint64_t kLeastWide = 40;

  QuestionShares(uint64_t budget, uint64_t seed);

  // A network of the client's that has had its share.
  struct Spent {
    Network network;
    uint64_t share = 0;  // questions
  };
  std::optional<Spent> FindSpent(const IpAddress& client) const;
  // Whether the reserve is for this client.
  bool IsForReserve(const IpAddress& client) const;

  // A question about it is asked.
  void Note(const IpAddress& client);
  // Another day has begun.
  void Clear();

  size_t bytes() const;

 private:
  static constexpr size_t kRows = 4;
  static constexpr size_t kColumns = 1 << 14;

  uint64_t CountOf(const Network& network) const;
  uint32_t& At(const Network& network, size_t row);
  size_t ColumnOf(const Network& network, size_t row) const;
  size_t BitOf(const Network& network, size_t row) const;

  const uint64_t budget_;
  const uint64_t seed_;
  std::vector<uint32_t> counts_;  // row by row
  std::vector<uint64_t> seen_;    // bits of networks that were asked about
};

}  // namespace breakwater
