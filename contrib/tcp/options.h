#pragma once

#include <chrono>
#include <string>

namespace breakwater {

// rblsmtpd's command line (ucspi-tcp), and what it does not have.
struct TcpOptions {
  std::string socket = "unix:/run/breakwater/policy.sock";  // -p
  std::chrono::seconds patience{5};  // -w: for the whole question
  // -t: how long to speak with a client that RBLSMTPD refuses; 0: the reply is
  // the banner.
  std::chrono::seconds dialogue{0};
  // -B: 4xx in place of the daemon's 5xx.
  bool temporary = false;
  // -A: ask about clients with RELAYCLIENT too.
  bool ask_about_all = false;
  // One of -a, -c, -C, -r was given, which mean nothing here.
  bool lookups_named = false;
  char** program = nullptr;  // and its arguments, as execvp takes them
};

inline constexpr char kTcpUsage[] =
    "breakwater-tcp: usage: breakwater-tcp [ -AbB ] [ -p socket ] [ -w wait ] "
    "[ -t timeout ] program [ arg ... ]\n";

// False if it is to end with the usage.
bool ParseTcpOptions(int argc, char** argv, TcpOptions& options);

}  // namespace breakwater
