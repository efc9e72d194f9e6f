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
  size_t stale = 0;         // zones for which an earlier answer had to do
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

  // Asks the zones that the cache does not answer: those of one stage (see
  // Zone::after) in parallel, the next when these have answered or have had
  // their share of the time. Ends when no outstanding answer can change what is
  // done, or at the deadline. Not called again for a client while one is under
  // way: the screener joins equal questions.
  virtual asio::awaitable<Answers> Lookup(IpAddress client) = 0;

  // The zone's own words about a listing (RFC 5782 section 2.1, TXT), as
  // received, or nothing within 200 ms.
  virtual asio::awaitable<std::string> ReasonText(IpAddress client,
                                                  std::string zone_name) = 0;
};

}  // namespace breakwater
