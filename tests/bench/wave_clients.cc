#include "tests/bench/wave_clients.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <vector>

#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "asio/experimental/as_tuple.hpp"
#include "asio/steady_timer.hpp"
#include "asio/use_awaitable.hpp"
#include "tests/bench/wave_address.h"

namespace breakwater {
namespace {

using asio::awaitable;

// How often those who are due are sent on their way.
constexpr Milliseconds kTick{2};

constexpr std::array kZombieLines = {"EHLO zombie.example",
                                     "MAIL FROM:<z@example.org>",
                                     "RCPT TO:<honest@mail.test>"};
constexpr char kMessage[] =
    "From: friend@example.org\r\nSubject: hello\r\n\r\n"
    "Not spam.\r\n.";

// How many of a steady rate are due by now.
uint64_t DueBy(WaveClock::duration time, double rate) {
  return static_cast<uint64_t>(std::chrono::duration<double>(time).count() *
                               rate) +
         1;
}

// Counts while it lives.
class Held {
 public:
  explicit Held(uint64_t& count) : count_(count) { ++count_; }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  ~Held() { --count_; }

 private:
  uint64_t& count_;
};

}  // namespace

awaitable<void> WaveClients::Sleep(Milliseconds time) {
  asio::steady_timer timer(loop_, time);
  co_await timer.async_wait(asio::experimental::as_tuple(asio::use_awaitable));
}

void WaveClients::NoteOpen() {
  report_.open_peak =
      std::max(report_.open_peak, report_.zombies_open + report_.honest_open);
}

void WaveClients::StartZombies() {
  if (options_.arrivals > 0) co_spawn(loop_, Arrivals(), asio::detached);
  const uint32_t sessions = options_.zombies * options_.zombie_sessions;
  for (uint32_t i = 0; i < sessions; ++i) {
    co_spawn(loop_,
             Resident(AddressAt(options_.zombie_from, i % options_.zombies),
                      options_.zombie_ramp * i / sessions),
             asio::detached);
  }
}

awaitable<void> WaveClients::Resident(asio::ip::address from,
                                      Milliseconds delay) {
  co_await Sleep(delay);
  while (true) {
    co_await ZombieSession(from);
    co_await Sleep(options_.zombie_pause);
  }
}

awaitable<void> WaveClients::Arrivals() {
  const WaveClock::time_point start = WaveClock::now();
  uint32_t next = 0;
  while (true) {
    const uint64_t due = DueBy(WaveClock::now() - start, options_.arrivals);
    for (; next < due; ++next) {
      if (report_.zombies_open + report_.zombies_waiting >= options_.max_open) {
        ++report_.zombies_skipped;
        continue;
      }
      co_spawn(loop_, ZombieSession(AddressAt(options_.zombie_from, next)),
               asio::detached);
    }
    co_await Sleep(kTick);
  }
}

awaitable<void> WaveClients::ZombieSession(asio::ip::address from) {
  const WaveClock::time_point start = WaveClock::now();
  ++report_.zombies_begun;
  SmtpConnection connection(loop_.get_executor(), from);
  {
    const Held waiting(report_.zombies_waiting);
    co_await connection.Connect(options_.server,
                                options_.zombie_connect_patience);
  }
  if (connection.connected()) {
    ++report_.zombies_connected;
    const Held open(report_.zombies_open);
    NoteOpen();
    co_await TalkAndSit(connection, from);
  } else if (connection.ending() == Ending::kTimeout) {
    ++report_.zombies_connect_timeout;
    co_return;
  }
  switch (connection.ending()) {
    case Ending::kClosed:
      ++report_.zombies_closed;
      report_.connect_to_closed.Add(WaveClock::now() - start);
      break;
    case Ending::kReset:
      ++report_.zombies_reset;
      report_.connect_to_closed.Add(WaveClock::now() - start);
      break;
    case Ending::kRefused:
      ++report_.zombies_refused;
      break;
    case Ending::kTimeout:
    case Ending::kNone:
      ++report_.zombies_left;
      break;
  }
}

// Says its lines until it is told a 5xx, and then nothing more.
awaitable<void> WaveClients::TalkAndSit(SmtpConnection& connection,
                                        const asio::ip::address& from) {
  std::optional<SmtpReply> reply =
      co_await connection.ReadReply(options_.zombie_sit);
  for (const char* line : kZombieLines) {
    if (!reply || reply->code >= 400) break;
    co_await Sleep(options_.zombie_pace);
    reply = co_await connection.Ask(line, options_.zombie_sit);
  }
  if (reply && reply->code >= 500) {
    ++report_.zombies_rejected;
    if (report_.reply.empty()) {
      report_.reply = reply->text;
      report_.reply_to = from.to_string();
    }
  }
  if (options_.leave) co_return;
  co_await connection.WaitForEnd(options_.zombie_sit);
}

void WaveClients::StartHonestSenders() {
  if (options_.mails > 0) co_spawn(loop_, Mails(), asio::detached);
}

awaitable<void> WaveClients::Mails() {
  const WaveClock::time_point start = WaveClock::now();
  uint32_t next = 0;
  while (true) {
    const uint64_t due = DueBy(WaveClock::now() - start, options_.mails);
    for (; next < due; ++next) {
      co_spawn(loop_,
               OneMail(AddressAt(options_.honest_from, next % options_.honest)),
               asio::detached);
    }
    co_await Sleep(kTick);
  }
}

awaitable<void> WaveClients::OneMail(asio::ip::address from) {
  const WaveClock::time_point start = WaveClock::now();
  ++report_.honest_sent;
  const auto waiting = report_.honest_waiting_since.insert(start);
  for (int tries = 0; tries < options_.honest_tries; ++tries) {
    if (tries > 0) {
      ++report_.honest_retries;
      co_await Sleep(options_.honest_pause);
    }
    SmtpConnection connection(loop_.get_executor(), from);
    co_await connection.Connect(options_.server, options_.honest_patience);
    if (!connection.connected()) continue;
    const Held open(report_.honest_open);
    NoteOpen();
    const bool taken = co_await Deliver(connection);
    if (!taken) continue;
    ++report_.honest_delivered;
    report_.honest_waiting_since.erase(waiting);
    report_.honest_delay.Add(WaveClock::now() - start);
    // The mail is the server's from here on.
    co_await connection.Ask("QUIT", options_.honest_patience);
    co_return;
  }
  ++report_.honest_failed;
  report_.honest_waiting_since.erase(waiting);
  report_.honest_given_up.Add(WaveClock::now() - start);
}

awaitable<bool> WaveClients::Deliver(SmtpConnection& connection) {
  std::optional<SmtpReply> reply =
      co_await connection.ReadReply(options_.honest_patience);
  // g++ 12 loses the temporaries of a list that is written into the loop.
  const std::vector<std::string> lines = {
      "EHLO honest.example", "MAIL FROM:<friend@example.org>",
      "RCPT TO:<" + options_.recipient + ">", "DATA", kMessage};
  for (const std::string& line : lines) {
    if (!reply || reply->code >= 400) co_return false;
    reply = co_await connection.Ask(line, options_.honest_patience);
  }
  co_return reply && reply->code == 250;
}

}  // namespace breakwater
