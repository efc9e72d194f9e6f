#include "core/clients/echoes.h"

#include "absl/hash/hash.h"
#include "absl/strings/ascii.h"

namespace breakwater {
namespace {

constexpr Duration kAtOnce = std::chrono::seconds(5);
constexpr size_t kMost = 16'384;

// "<A@b.test>" for the milter is "A@b.test" for the policy server.
size_t HashOf(std::string_view what) {
  if (what.starts_with('<')) what.remove_prefix(1);
  if (what.ends_with('>')) what.remove_suffix(1);
  return absl::HashOf(absl::AsciiStrToLower({what.data(), what.size()}));
}

}  // namespace

bool Echoes::IsEcho(const Client& client, std::string_view what, Instant now) {
  const Connection& connection = client.connection;
  if (connection.client_port == 0) return false;
  while (!order_.empty() &&
         (order_.front().second + kAtOnce <= now || order_.size() > kMost)) {
    const auto oldest = told_.find(order_.front().first);
    if (oldest != told_.end() && oldest->second.at == order_.front().second) {
      told_.erase(oldest);
    }
    order_.pop_front();
  }
  const Key key{{connection.client, connection.client_port}, HashOf(what)};
  const auto place = told_.find(key);
  if (place != told_.end()) {
    const Told& told = place->second;
    const bool is_same =
        told.socket == 0 || client.socket == 0 || told.socket == client.socket;
    if (is_same && told.front != client.front) {
      told_.erase(place);
      return true;
    }
  }
  told_[key] = {.front = client.front, .socket = client.socket, .at = now};
  order_.emplace_back(key, now);
  return false;
}

}  // namespace breakwater
