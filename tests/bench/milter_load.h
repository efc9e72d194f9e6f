#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "tests/fakes/milter_client.h"

namespace breakwater {

// SMTP sessions as an MTA tells a milter of them, many at once from one thread.

struct MilterSession {
  std::string address;
  // Said before MAIL, with no answer awaited: to a filter that wants it so.
  std::string helo = {};
  // Set by RunSessions.
  std::chrono::microseconds mail{};   // from MAIL to its answer
  std::chrono::microseconds whole{};  // from the connection to QUIT
  char verdict = '!';                 // the answer to MAIL
};

// Runs them all, `at_once` at a time, each from negotiation over connect, MAIL
// and RCPT (if that is what MAIL was answered) to QUIT. Each step waits for the
// answer to the one before. Ends early when nothing happens for ten seconds.
void RunSessions(const std::string& path, std::vector<MilterSession>& sessions,
                 size_t at_once);

// Opens them all in one burst, each with everything up to MAIL sent at once,
// and waits for the verdicts. `mail` and `whole` are from the beginning of the
// burst.
void RunBurst(const std::string& path, std::vector<MilterSession>& sessions);

// Sessions that have negotiated and told of their client, and then are silent.
std::vector<std::unique_ptr<MilterClient>> OpenIdle(const std::string& path,
                                                    size_t count);

}  // namespace breakwater
