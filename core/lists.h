#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/container/inlined_vector.h"
#include "asio/awaitable.hpp"
#include "core/address.h"
#include "core/judge.h"
#include "core/listing.h"

namespace breakwater {

// What the lists said about one client.
struct Answers {
  // The rules whose zones the listings' indices mean.
  std::shared_ptr<const Rules> rules;
  absl::InlinedVector<Listing, 2> listings;
  size_t errors = 0;        // zones whose answer was an error
  bool overdue = false;     // the deadline came before some answers
  bool overloaded = false;  // some zone was not asked: too much in flight
};

// The DNS lists, as the screener sees them. Loop thread only.
class Lists {
 public:
  virtual ~Lists() = default;

  // The zones and deadlines that count from now on. Lookups under way end
  // under the rules with which they began.
  virtual void SetRules(std::shared_ptr<const Rules> rules) = 0;

  // What is known without asking: every zone's answer is in the cache, or what
  // is there settles the matter.
  virtual std::optional<Answers> Cached(const IpAddress& client) = 0;

  // Asks every zone that the cache does not answer, in parallel. Ends when all
  // have answered, when no outstanding answer can change the judgement, or at
  // the deadline. Not called again for a client while one is under way: the
  // screener joins equal questions.
  virtual asio::awaitable<Answers> Lookup(IpAddress client) = 0;

  // The zone's own words about a listing (RFC 5782 section 2.1, TXT), as
  // received, or nothing within 200 ms.
  virtual asio::awaitable<std::string> ReasonText(IpAddress client,
                                                  std::string zone_name) = 0;
};

}  // namespace breakwater
