#pragma once

#include <cstdint>
#include <string>

#include "asio/awaitable.hpp"
#include "asio/io_context.hpp"
#include "asio/ip/tcp.hpp"
#include "tests/bench/wave_connection.h"
#include "tests/bench/wave_report.h"

namespace breakwater {

// Who a wave is made of.
struct WaveOptions {
  asio::ip::tcp::endpoint server;
  Milliseconds time{30000};
  // Sessions at once, so that a server that stands still does not take all
  // descriptors.
  uint64_t max_open = 15000;

  // Zombies, at addresses from this one on. They do not mind what they are
  // told, sit on their connection and come again.
  asio::ip::address zombie_from;
  uint32_t zombies = 0;
  // How many sessions each tries to hold.
  uint32_t zombie_sessions = 1;
  // They arrive one after the other within this time.
  Milliseconds zombie_ramp{5000};
  // Between two of its lines.
  Milliseconds zombie_pace{0};
  // How long it sits after the 5xx.
  Milliseconds zombie_sit{60000};
  Milliseconds zombie_connect_patience{10000};
  Milliseconds zombie_pause{1000};

  // Or: this many new ones per second, each from the next address, once.
  double arrivals = 0;
  // They leave when they have read their reply, rather than sit.
  bool leave = false;

  // Honest senders, at addresses from this one on, who take turns.
  asio::ip::address honest_from;
  uint32_t honest = 4;
  double mails = 0;  // per second, together
  int honest_tries = 5;
  Milliseconds honest_patience{30000};
  Milliseconds honest_pause{1000};
  std::string recipient = "honest@mail.test";
};

// The clients, as coroutines on one loop. Their number follows a plan, not the
// server's speed: one that is slow meets more at once.
class WaveClients {
 public:
  WaveClients(asio::io_context& loop, const WaveOptions& options,
              Report& report)
      : loop_(loop), options_(options), report_(report) {}

  // Both return at once; stopping the loop ends what they began.
  void StartZombies();
  void StartHonestSenders();

 private:
  asio::awaitable<void> Resident(asio::ip::address from, Milliseconds delay);
  asio::awaitable<void> Arrivals();
  asio::awaitable<void> ZombieSession(asio::ip::address from);
  asio::awaitable<void> TalkAndSit(SmtpConnection& connection,
                                   const asio::ip::address& from);

  asio::awaitable<void> Mails();
  asio::awaitable<void> OneMail(asio::ip::address from);
  // The whole conversation; whether the server took the mail.
  asio::awaitable<bool> Deliver(SmtpConnection& connection);

  asio::awaitable<void> Sleep(Milliseconds time);
  void NoteOpen();

  asio::io_context& loop_;
  const WaveOptions& options_;
  Report& report_;
};

}  // namespace breakwater
