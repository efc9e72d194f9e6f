#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/net/address.h"

namespace breakwater {

// What Postfix' parameter mynetworks says (postconf(5)).
struct Mynetworks {
  std::vector<Network> networks;  // each once, at most kMostNetworks
  // What is no list of networks: "hash:/etc/postfix/nets", "!192.0.2.1", files
  // that cannot be read, and what is too much.
  std::vector<std::string> left_out;
  std::vector<std::string> files;  // whose contents are among them

  static constexpr size_t kMostNetworks = 1000;
};

// `value` is a list of networks, separated by blanks and commas; IPv6 addresses
// stand in brackets, and "/path" stands for what that file holds, which is read
// here.
Mynetworks ParseMynetworks(std::string_view value);

// Asks Postfix by `postconf`: the program and what else it takes to find the
// configuration, as in {"postconf", "-c", "/etc/postfix-in"}. The files on
// which the answer rests, main.cf among them, are `files`. The error says what
// was tried and why it failed.
absl::StatusOr<Mynetworks> AskMynetworks(
    const std::vector<std::string>& postconf);

}  // namespace breakwater
