#include "core/zones/zone_prober.h"

#include <algorithm>
#include <utility>

#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "asio/experimental/as_tuple.hpp"
#include "asio/use_awaitable.hpp"
#include "core/zones/zone_probe.h"

namespace breakwater {

ZoneProber::ZoneProber(asio::io_context& loop, Resolver& resolver)
    : loop_(loop), resolver_(resolver), timer_(loop) {}

ZoneProber::~ZoneProber() {
  for (const auto& timer : waiting_) timer->cancel();
}

void ZoneProber::SetSubjects(std::vector<Subject> subjects) {
  subjects_ = std::move(subjects);
  Wake();
}

void ZoneProber::Wake() {
  const Instant now = Clock::now();
  Instant next = Instant::max();
  for (const Subject& subject : subjects_) {
    if (subject.trust->probe_due() <= now) {
      subject.trust->NoteProbing();
      asio::co_spawn(loop_, Probe(self_, subject, NewLabel()), asio::detached);
    }
    next = std::min(next, subject.trust->probe_due());
  }
  if (next == armed_) return;
  armed_ = next;
  timer_.expires_at(next);
  if (next == Instant::max()) return;
  timer_.async_wait(
      [weak = std::weak_ptr<ZoneProber>(self_)](const asio::error_code& error) {
        const auto self = weak.lock();
        if (self == nullptr || error) return;
        self->armed_ = Instant::max();
        self->Wake();
      });
}

asio::awaitable<void> ZoneProber::Probe(std::weak_ptr<ZoneProber> prober,
                                        Subject subject, std::string label) {
  const Instant asked = Clock::now();
  asio::awaitable<ZoneProbe> asking;
  if (const auto self = prober.lock()) {
    asking = ProbeZone(self->loop_, self->resolver_, subject.name, subject.type,
                       label, subject.count);
  } else {
    co_return;
  }
  const ZoneProbe probe = co_await std::move(asking);
  const std::vector<ZoneTrust::Lie> lies =
      subject.trust->NoteProbe(probe, asked, Clock::now());
  const auto self = prober.lock();
  if (self == nullptr) co_return;
  subject.probed(lies);
  if (self->AllProbed()) {
    for (const auto& timer : std::exchange(self->waiting_, {})) {
      timer->cancel();
    }
  }
  self->Wake();
}

bool ZoneProber::AllProbed() const {
  return std::ranges::all_of(subjects_, [](const Subject& subject) {
    return subject.trust->is_probed();
  });
}

asio::awaitable<bool> ZoneProber::UntilAllProbed(Duration longest) {
  const std::weak_ptr<ZoneProber> weak = self_;
  if (!AllProbed()) {
    const auto timer = std::make_shared<asio::steady_timer>(loop_, longest);
    waiting_.push_back(timer);
    co_await timer->async_wait(
        asio::experimental::as_tuple(asio::use_awaitable));
    if (const auto self = weak.lock()) std::erase(self->waiting_, timer);
  }
  co_return !weak.expired();
}

std::string ZoneProber::NewLabel() {
  std::string label(20, ' ');
  for (char& letter : label) {
    letter = static_cast<char>('a' + absl::Uniform(random_, 0, 26));
  }
  return label;
}

}  // namespace breakwater
