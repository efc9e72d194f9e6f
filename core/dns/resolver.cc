#include "core/dns/resolver.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "asio/post.hpp"
#include "asio/steady_timer.hpp"
#include "core/dns/dns_channel.h"

namespace breakwater {
namespace {

constexpr Duration kTick = std::chrono::milliseconds(20);

// What no list says of a client: a resolver invents it, or lists do not serve
// those who use it.
bool IsOdd(uint32_t address) {
  return (address & 0xff000000) != 0x7f000000 ||  // 127.0.0.0/8
         (address & 0xffffff00) == 0x7fffff00 ||  // 127.255.255.0/24
         address == 0x7f000001;
}

// Another server may know what this one does not.
bool IsServersFault(const DnsAnswer& answer, DnsType type) {
  switch (answer.outcome) {
    case DnsOutcome::kTimeout:
    case DnsOutcome::kUnreachable:
    case DnsOutcome::kServerFailure:
    case DnsOutcome::kRefused:
    case DnsOutcome::kFormatError:
    case DnsOutcome::kGarbled:
      return true;
    case DnsOutcome::kRecords:
      return type == DnsType::kA &&
             std::ranges::any_of(answer.addresses, IsOdd);
    default:
      return false;
  }
}

class AresResolver : public Resolver {
 public:
  AresResolver(asio::io_context& loop, size_t most_in_flight)
      : loop_(loop), timer_(loop), most_in_flight_(most_in_flight) {}

  ~AresResolver() override {
    closing_ = true;
    self_.reset();
    channels_.clear();
    while (!early_.empty()) FlushEarly();
  }

  absl::Status AddServers(const ResolverOptions& options) {
    // With more servers than tries each is asked once.
    const int servers = static_cast<int>(options.servers.size());
    const int tries = std::max(1, (options.tries + servers - 1) / servers);
    for (const DnsServer& server : options.servers) {
      auto channel = DnsChannel::Make(loop_, server, options.timeout, tries);
      if (!channel.ok()) return channel.status();
      channels_.push_back(*std::move(channel));
    }
    return absl::OkStatus();
  }

  void Query(const std::string& name, DnsType type, Done done) override {
    if (closing_ || in_flight_ >= most_in_flight_) {
      FinishLater(std::move(done), {.outcome = DnsOutcome::kOverloaded});
      return;
    }
    ++in_flight_;
    Ask({.name = name,
         .type = type,
         .done = std::move(done),
         .server = preferred_});
    if (!ticking_) StartTicking();
  }

  size_t in_flight() const override { return in_flight_; }

 private:
  struct Question {
    std::string name;
    DnsType type;
    Done done;
    size_t server = 0;                  // which is asked now
    size_t asked = 0;                   // how many have been, before it
    bool again = false;                 // this one, since it may not know EDNS
    std::optional<DnsAnswer> odd = {};  // the last odd answer of those
  };
  struct Early {
    Done done;
    DnsAnswer answer;
  };

  void Ask(Question question) {
    const bool was_asking = std::exchange(asking_, true);
    DnsChannel& channel = *channels_[question.server];
    const std::string name = question.name;
    const DnsType type = question.type;
    channel.Query(
        name, type,
        [this, question = std::move(question)](DnsAnswer answer) mutable {
          OnAnswer(std::move(question), std::move(answer));
        });
    asking_ = was_asking;
  }

  void OnAnswer(Question question, DnsAnswer answer) {
    const bool is_fault = IsServersFault(answer, question.type);
    // c-ares asks without EDNS then, but of the questions that were on their
    // way only the first.
    if (!closing_ && answer.outcome == DnsOutcome::kFormatError &&
        !std::exchange(question.again, true)) {
      Ask(std::move(question));
      return;
    }
    if (!closing_ && is_fault && question.asked + 1 < channels_.size()) {
      if (!IsDnsError(answer.outcome)) question.odd = std::move(answer);
      ++question.asked;
      question.again = false;
      question.server = (question.server + 1) % channels_.size();
      Ask(std::move(question));
      return;
    }
    if (!is_fault) preferred_ = question.server;
    // It tells more than that the others failed.
    if (!closing_ && IsDnsError(answer.outcome) && question.odd) {
      answer = *std::move(question.odd);
    }
    --in_flight_;
    if (asking_) {
      FinishLater(std::move(question.done), std::move(answer));
    } else {
      question.done(std::move(answer));
    }
  }

  // For what is known before Query has returned.
  void FinishLater(Done done, DnsAnswer answer) {
    if (closing_) answer = {.outcome = DnsOutcome::kCancelled};
    early_.push_back({.done = std::move(done), .answer = std::move(answer)});
    if (early_.size() > 1) return;
    asio::post(loop_, [weak = std::weak_ptr<AresResolver>(self_)] {
      if (const auto self = weak.lock()) self->FlushEarly();
    });
  }

  void FlushEarly() {
    for (Early& early : std::exchange(early_, {})) {
      if (closing_) early.answer = {.outcome = DnsOutcome::kCancelled};
      early.done(std::move(early.answer));
    }
  }

  void StartTicking() {
    ticking_ = true;
    timer_.expires_after(kTick);
    timer_.async_wait([weak = std::weak_ptr<AresResolver>(self_)](
                          const asio::error_code& error) {
      const auto self = weak.lock();
      if (self == nullptr || error) return;
      for (const auto& channel : self->channels_) channel->Tick();
      self->ticking_ = false;
      if (self->in_flight_ > 0) self->StartTicking();
    });
  }

  asio::io_context& loop_;
  asio::steady_timer timer_;
  const size_t most_in_flight_;
  std::vector<std::unique_ptr<DnsChannel>> channels_;  // one for each server
  size_t preferred_ = 0;  // the server that answered last
  size_t in_flight_ = 0;
  std::vector<Early> early_;
  bool asking_ = false;   // within a channel's Query
  bool ticking_ = false;  // the timer runs
  bool closing_ = false;
  // Tells what is still queued on the loop that this is gone; owns nothing.
  std::shared_ptr<AresResolver> self_{this, [](AresResolver*) {}};
};

}  // namespace

absl::StatusOr<std::unique_ptr<Resolver>> Resolver::Make(
    asio::io_context& loop, const ResolverOptions& options) {
  if (options.servers.empty()) {
    return absl::InvalidArgumentError("resolver: no DNS server is configured");
  }
  auto resolver = std::make_unique<AresResolver>(loop, options.most_in_flight);
  if (const absl::Status status = resolver->AddServers(options); !status.ok()) {
    return status;
  }
  return resolver;
}

}  // namespace breakwater
