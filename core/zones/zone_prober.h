#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/random/random.h"
#include "asio/awaitable.hpp"
#include "asio/io_context.hpp"
#include "asio/steady_timer.hpp"
#include "core/dns/resolver.h"
#include "core/zones/zone_trust.h"

namespace breakwater {

// Probes zones when their trust says that it is due, all at the same time if
// need be. Loop thread only; what the constructor takes must outlive it.
class ZoneProber {
 public:
  struct Subject {
    std::string name;  // of the zone, as queried
    ZoneType type = ZoneType::kAddress;
    std::shared_ptr<ZoneTrust> trust;
    std::function<void(ZoneOutcome)> count;  // what came of each question
    // A probe is in; the families for which the zone has lied.
    std::function<void(const std::vector<ZoneTrust::Lie>&)> probed;
  };

  ZoneProber(asio::io_context& loop, Resolver& resolver);
  ~ZoneProber();
  ZoneProber(const ZoneProber&) = delete;
  ZoneProber& operator=(const ZoneProber&) = delete;

  // Probes that are on their way for others come to nothing but to their trust.
  void SetSubjects(std::vector<Subject> subjects);
  // A probe may have become due.
  void Wake();

  // Whether the first probe of each zone is in.
  bool AllProbed() const;
  // Until it is, but no longer than that; false if the prober has gone.
  asio::awaitable<bool> UntilAllProbed(Duration longest);

 private:
  static asio::awaitable<void> Probe(std::weak_ptr<ZoneProber> prober,
                                     Subject subject, std::string label);
  std::string NewLabel();

  asio::io_context& loop_;
  Resolver& resolver_;
  std::vector<Subject> subjects_;
  asio::steady_timer timer_;
  Instant armed_ = Instant::max();
  std::vector<std::shared_ptr<asio::steady_timer>> waiting_;
  absl::BitGen random_;
  // Tells what is still on the loop that this is gone; owns nothing.
  std::shared_ptr<ZoneProber> self_{this, [](ZoneProber*) {}};
};

}  // namespace breakwater
