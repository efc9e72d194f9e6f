#include "core/net/socket_address.h"

#include <sys/un.h>

#include <charconv>

namespace breakwater {
namespace {

std::optional<uint16_t> ParsePort(std::string_view text) {
  uint16_t port = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return port;
}

// What follows "unix:", "inet:" or "inet6:", if that is how the text begins.
std::optional<std::string_view> After(std::string_view prefix,
                                      std::string_view text) {
  if (!text.starts_with(prefix)) return std::nullopt;
  return text.substr(prefix.size());
}

std::optional<SocketAddress> ParseUnix(std::string_view path) {
  if (!IsSocketPath(path)) return std::nullopt;
  return SocketAddress{.path = std::string(path), .endpoint = {}};
}

}  // namespace

bool IsSocketPath(std::string_view path) {
  return path.starts_with('/') && !path.ends_with('/') &&
         path.find('\0') == std::string_view::npos &&
         path.size() < sizeof(sockaddr_un::sun_path);
}

std::optional<Endpoint> ParseEndpoint(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const std::optional<uint16_t> port = ParsePort(text.substr(colon + 1));
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  const std::optional<IpAddress> address = IpAddress::Parse(host);
  if (!port || !address || bracketed == address->IsV4()) return std::nullopt;
  return Endpoint{.address = *address, .port = *port};
}

std::optional<SocketAddress> ParseSocketAddress(std::string_view text) {
  if (const auto path = After("unix:", text)) return ParseUnix(*path);
  const auto inet = After("inet:", text);
  if (!inet) return std::nullopt;
  const std::optional<Endpoint> endpoint = ParseEndpoint(*inet);
  if (!endpoint) return std::nullopt;
  return SocketAddress{.path = "", .endpoint = *endpoint};
}

std::optional<SocketAddress> ParseMilterSocket(std::string_view text) {
  if (const auto path = After("unix:", text)) return ParseUnix(*path);
  const auto v4 = After("inet:", text);
  const auto v6 = After("inet6:", text);
  if (!v4 && !v6) return std::nullopt;
  const std::string_view rest = v4 ? *v4 : *v6;
  const size_t at = rest.find('@');
  if (at == std::string_view::npos) return std::nullopt;
  const std::optional<uint16_t> port = ParsePort(rest.substr(0, at));
  const std::optional<IpAddress> address =
      IpAddress::Parse(rest.substr(at + 1));
  if (!port || *port == 0 || !address || address->IsV4() != v4.has_value()) {
    return std::nullopt;
  }
  return SocketAddress{.path = "",
                       .endpoint = {.address = *address, .port = *port}};
}

}  // namespace breakwater
