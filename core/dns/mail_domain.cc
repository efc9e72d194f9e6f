#include "core/dns/mail_domain.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "asio/experimental/as_tuple.hpp"
#include "asio/steady_timer.hpp"
#include "asio/use_awaitable.hpp"
#include "core/net/asked_address.h"
#include "core/types/domain_name.h"

namespace breakwater {
namespace {

bool IsRoutable(const IpAddress& address) {
  return AskedAddress(address).has_value();
}

bool HasRoutable(const DnsAnswer& answer) {
  return std::ranges::any_of(answer.addresses6, IsRoutable) ||
         std::ranges::any_of(answer.addresses, [](uint32_t address) {
           return IsRoutable(IpAddress::FromV4(address));
         });
}

bool IsNullMx(const std::vector<MailExchange>& exchanges) {
  return exchanges.size() == 1 && exchanges[0] == MailExchange{};
}

}  // namespace

const char* MailDomainName(MailDomain state) {
  switch (state) {
    case MailDomain::kReceives:
      return "receives";
    case MailDomain::kNoRecords:
      return "no-records";
    case MailDomain::kNullMx:
      return "null-mx";
    case MailDomain::kUnroutable:
      return "unroutable";
    case MailDomain::kUnknown:
      return "unknown";
  }
  return "?";
}

struct MailDomains::Wait {
  Wait(asio::io_context& loop, Instant deadline) : timer(loop, deadline) {}

  void End(MailDomain said) {
    state = said;
    timer.cancel();
  }

  asio::steady_timer timer;
  MailDomain state = MailDomain::kUnknown;
};

struct MailDomains::Inquiry {
  std::string domain;
  std::vector<std::weak_ptr<Wait>> waits;

  std::vector<std::string> exchanges;  // that are still to be asked, best first
  size_t outstanding = 0;              // questions
  bool settled = false;
  bool doubt = false;        // something could not be found out
  bool has_special = false;  // an address, but none that mail could reach
  std::chrono::seconds ttl = std::chrono::seconds::max();
};

MailDomains::MailDomains(asio::io_context& loop, Resolver& resolver,
                         const MailDomainOptions& options)
    : loop_(loop), resolver_(resolver), options_(options) {}

MailDomains::~MailDomains() {
  for (const auto& [domain, inquiry] : inquiries_) {
    for (const std::weak_ptr<Wait>& waiting : inquiry->waits) {
      if (const auto wait = waiting.lock()) wait->End(MailDomain::kUnknown);
    }
  }
}

asio::awaitable<MailDomain> MailDomains::Look(std::string domain,
                                              Instant deadline) {
  const std::optional<std::string> name = ListedName(domain);
  if (!name) co_return MailDomain::kUnknown;
  if (const auto known = Known(*name, Clock::now())) co_return *known;

  const auto place = inquiries_.find(*name);
  std::shared_ptr<Inquiry> inquiry;
  if (place != inquiries_.end()) {
    inquiry = place->second;
  } else if (inquiries_.size() >= kMostInquiries) {
    co_return MailDomain::kUnknown;
  } else {
    inquiry = std::make_shared<Inquiry>();
    inquiry->domain = *name;
    inquiries_.emplace(*name, inquiry);
    Ask(inquiry, *name, DnsType::kMx);
  }
  // What began before may outlast many who wait.
  std::erase_if(inquiry->waits, [](const std::weak_ptr<Wait>& waiting) {
    return waiting.expired();
  });
  const auto wait = std::make_shared<Wait>(loop_, deadline);
  inquiry->waits.push_back(wait);
  inquiry.reset();
  // No member from here on: this may be gone when the wait is over.
  co_await wait->timer.async_wait(
      asio::experimental::as_tuple(asio::use_awaitable));
  co_return wait->state;
}

std::optional<MailDomain> MailDomains::Known(const std::string& domain,
                                             Instant now) const {
  const std::optional<std::string> name = ListedName(domain);
  if (!name) return std::nullopt;
  const std::lock_guard lock(mutex_);
  const auto place = places_.find(*name);
  if (place == places_.end() || place->second->expires <= now) {
    return std::nullopt;
  }
  return place->second->state;
}

size_t MailDomains::size() const {
  const std::lock_guard lock(mutex_);
  return places_.size();
}

void MailDomains::Ask(const std::shared_ptr<Inquiry>& inquiry,
                      const std::string& name, DnsType type) {
  ++inquiry->outstanding;
  resolver_.Query(name, type,
                  [weak = std::weak_ptr<MailDomains>(self_), inquiry,
                   type](const DnsAnswer& answer) {
                    if (const auto self = weak.lock()) {
                      self->Take(inquiry, type, answer);
                    }
                  });
}

void MailDomains::AskAddresses(const std::shared_ptr<Inquiry>& inquiry,
                               const std::string& host) {
  Ask(inquiry, host, DnsType::kHostA);
  Ask(inquiry, host, DnsType::kAaaa);
}

void MailDomains::Take(const std::shared_ptr<Inquiry>& inquiry, DnsType type,
                       const DnsAnswer& answer) {
  --inquiry->outstanding;
  if (inquiry->settled) return;
  inquiry->ttl =
      std::min(inquiry->ttl, answer.ttl.value_or(options_.negative_ttl));
  if (IsDnsError(answer.outcome) || answer.alias_only) inquiry->doubt = true;
  if (type == DnsType::kMx) {
    TakeExchanges(inquiry, answer);
    return;
  }
  if (HasRoutable(answer)) {
    Settle(inquiry, MailDomain::kReceives);
    return;
  }
  if (answer.outcome == DnsOutcome::kRecords) inquiry->has_special = true;
  if (inquiry->outstanding > 0) return;
  if (!inquiry->exchanges.empty()) {
    AskNextExchanges(inquiry);
  } else if (inquiry->doubt) {
    Settle(inquiry, MailDomain::kUnknown);
  } else {
    Settle(inquiry, inquiry->has_special ? MailDomain::kUnroutable
                                         : MailDomain::kNoRecords);
  }
}

void MailDomains::TakeExchanges(const std::shared_ptr<Inquiry>& inquiry,
                                const DnsAnswer& answer) {
  if (IsDnsError(answer.outcome)) {
    Settle(inquiry, MailDomain::kUnknown);
    return;
  }
  if (answer.outcome == DnsOutcome::kNone) {
    AskAddresses(inquiry, inquiry->domain);
    return;
  }
  if (IsNullMx(answer.exchanges)) {
    Settle(inquiry, MailDomain::kNullMx);
    return;
  }
  std::vector<MailExchange> exchanges = answer.exchanges;
  std::ranges::stable_sort(exchanges, {}, &MailExchange::preference);
  for (const MailExchange& exchange : exchanges) {
    // An address, the root beside others, or nothing that can be asked for.
    const std::optional<std::string> host = ListedName(exchange.host);
    if (host && std::ranges::find(inquiry->exchanges, *host) !=
                    inquiry->exchanges.end()) {
      continue;
    }
    if (!host || inquiry->exchanges.size() == kExchangesLookedAt) {
      inquiry->doubt = true;
      continue;
    }
    inquiry->exchanges.push_back(*host);
  }
  if (inquiry->exchanges.empty()) {
    Settle(inquiry, MailDomain::kUnknown);
    return;
  }
  // Nearly always the first one has an address.
  AskAddresses(inquiry, inquiry->exchanges.front());
  inquiry->exchanges.erase(inquiry->exchanges.begin());
}

void MailDomains::AskNextExchanges(const std::shared_ptr<Inquiry>& inquiry) {
  for (const std::string& host : std::exchange(inquiry->exchanges, {})) {
    AskAddresses(inquiry, host);
  }
}

void MailDomains::Settle(const std::shared_ptr<Inquiry>& inquiry,
                         MailDomain state) {
  inquiry->settled = true;
  inquiries_.erase(inquiry->domain);
  const auto ttl =
      state == MailDomain::kUnknown
          ? options_.ttl_floor
          : std::clamp(inquiry->ttl, options_.ttl_floor, options_.ttl_ceiling);
  Put(inquiry->domain, state, Clock::now() + ttl);
  for (const std::weak_ptr<Wait>& waiting : inquiry->waits) {
    if (const auto wait = waiting.lock()) wait->End(state);
  }
}

void MailDomains::Put(const std::string& domain, MailDomain state,
                      Instant expires) {
  const std::lock_guard lock(mutex_);
  const auto place = places_.find(domain);
  if (place != places_.end()) {
    entries_.erase(place->second);
    places_.erase(place);
  }
  if (options_.capacity == 0) return;
  if (places_.size() >= options_.capacity) {
    places_.erase(entries_.front().domain);
    entries_.pop_front();
  }
  entries_.push_back({.domain = domain, .state = state, .expires = expires});
  places_.emplace(entries_.back().domain, std::prev(entries_.end()));
}

}  // namespace breakwater
