#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "asio/awaitable.hpp"
#include "core/dnsbl/ledger.h"
#include "core/judge/judge.h"
#include "core/net/address.h"
#include "core/types/domain_name.h"
#include "core/types/listing.h"
#include "core/zones/zone_trust.h"

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
  // Zones that might condemn the client and of which nothing is known: nothing
  // that they have said within the time for which an answer holds. They are not
  // believed now (and were, or are new), do not answer, may not be asked, or
  // their stage was not reached.
  std::vector<size_t> unheard;

  // Whether none of these could change what is done: only then is a client
  // that no list holds known to be on none.
  bool AllHeard() const;
};

// A zone is found to list the world. What it said before it was refused, or we
// were restarted, counts as what it said while it was believed.
struct ZoneLie {
  std::string label;
  Family family = Family::kIpv4;
  Instant proven_at;         // it still told the truth; at most that is sure
  size_t listings = 0;       // which the cache held, and has dropped
  bool was_believed = true;  // until now
};

// The DNS lists, as the screener sees them. Loop thread only.
class Lists {
 public:
  virtual ~Lists() = default;

  // The zones and deadlines that count from now on. Lookups under way end
  // under the rules with which they began.
  virtual void SetRules(std::shared_ptr<const Rules> rules) = 0;

  // What is known without asking: every zone's answer is in the cache, or what
  // is there settles the matter. A zone that is not believed or does not answer
  // (zone_trust.h) is not asked, here and below; nor is anything known before
  // the first probe of each zone is in. A look that counts nothing: who decides
  // by it says so (NoteSaving).
  virtual std::optional<Answers> Cached(const IpAddress& client) = 0;

  // Asks the zones that the cache does not answer: those of one stage (see
  // Zone::after) in parallel, the next when these have answered or have had
  // their share of the time. Ends when no outstanding answer can change what is
  // done, or at the deadline. Not called again for a client while one is under
  // way: the screener joins equal questions.
  virtual asio::awaitable<Answers> Lookup(IpAddress client) = 0;

  // Asks the zones of domains about that client's names: each about those of
  // the kinds that it is for, and once about each. `known` is what the zones of
  // addresses said; its rules are used, and its listings come back with the new
  // ones. (If the zones were changed since by a reload, it comes back as it
  // is.) Ends when no outstanding answer can change what is done, at the latest
  // at `deadline`. Equal questions under way are joined.
  virtual asio::awaitable<Answers> LookupNames(IpAddress client,
                                               std::vector<AskedName> names,
                                               Answers known,
                                               Instant deadline) = 0;

  // The zone's own words about a listing (RFC 5782 section 2.1, TXT), as
  // received, or nothing within 200 ms.
  virtual asio::awaitable<std::string> ReasonText(IpAddress client,
                                                  std::string zone_name) = 0;
  // The same about a name of that client's.
  virtual asio::awaitable<std::string> ReasonText(IpAddress client,
                                                  std::string name,
                                                  std::string zone_name) = 0;

  // Whether the zone of that label is still trusted as far as a ban of this
  // client needs: between verdict and ban there may be a while.
  virtual bool MayBan(const std::string& label, const IpAddress& client) = 0;
  // Who is to be told when a zone has lied; one listener.
  using LieListener = std::function<void(const ZoneLie&)>;
  virtual void SetLieListener(LieListener listener) = 0;

  // For the ledger: the client was judged without being looked up. To be told
  // once for each time that it was judged.
  virtual void NoteSaving(const IpAddress& /*client*/, Saving /*saving*/) {}
};

}  // namespace breakwater
