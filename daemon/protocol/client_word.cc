#include "daemon/protocol/client_word.h"

#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/base/text.h"
#include "core/net/width.h"

namespace breakwater {
namespace {

constexpr uint8_t kAllBits = 128;

absl::Status Wrong(std::string_view word, const char* why) {
  return absl::InvalidArgumentError(absl::StrCat(
      "address: ",
      word.empty() ? "the word" : absl::StrCat("\"", Escaped(word, 60), "\""),
      " ", why));
}

absl::StatusOr<Network> ParseNetwork(std::string_view word) {
  if (word.find('/') == std::string_view::npos) {
    return Wrong(word, "is not an IP address; write 192.0.2.5 or 2001:db8::5");
  }
  absl::StatusOr<Network> network = Network::Parse(word);
  if (network.ok()) return network;
  return absl::InvalidArgumentError(
      absl::StrCat("address: ", network.status().message()));
}

}  // namespace

absl::StatusOr<IpAddress> ParseClient(std::string_view word) {
  if (const auto address = IpAddress::Parse(word)) return *address;
  const absl::StatusOr<Network> network = ParseNetwork(word);
  if (!network.ok()) return network.status();
  if (network->length == kAllBits || IsClient(*network)) {
    return network->address;
  }
  return Wrong(word,
               "is not one client's; write an address, or what bans shows: "
               "192.0.2.5 or 2001:db8::/64");
}

absl::StatusOr<Network> ParseClientOrWide(std::string_view word) {
  const absl::StatusOr<IpAddress> client = ParseClient(word);
  if (client.ok()) return Network::OfClient(*client);
  if (const auto network = Network::Parse(word);
      network.ok() && WidthOf(*network)) {
    return *network;
  }
  if (!Network::Parse(word).ok()) return client.status();
  return Wrong(word,
               "is no network that a ban may have; write one as bans shows it: "
               "192.0.2.5, 192.0.2.0/24, 2001:db8::/64, /56 or /48");
}

}  // namespace breakwater
