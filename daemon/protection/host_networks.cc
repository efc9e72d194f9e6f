#include "daemon/protection/host_networks.h"

#include <linux/rtnetlink.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

namespace breakwater {
namespace {

constexpr uint32_t kGroups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
                             RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
constexpr Duration kRegular = std::chrono::seconds(30);
constexpr Duration kShortestPause = std::chrono::milliseconds(500);
constexpr int kReadShare = 20;

// The address in an attribute, whose length tells the family.
std::optional<IpAddress> ReadAddress(const nlattr* attribute) {
  if (attribute == nullptr) return std::nullopt;
  const size_t size = mnl_attr_get_payload_len(attribute);
  const void* payload = mnl_attr_get_payload(attribute);
  if (size == sizeof(in_addr)) {
    in_addr in;
    std::memcpy(&in, payload, sizeof in);
    return IpAddress::From(in);
  }
  if (size == sizeof(in6_addr)) {
    in6_addr in6;
    std::memcpy(&in6, payload, sizeof in6);
    return IpAddress::From(in6);
  }
  return std::nullopt;
}

// RTA_VIA is a gateway of the other family: struct rtvia, the family in two
// bytes and the address behind it.
std::optional<IpAddress> ReadVia(const nlattr* attribute) {
  if (attribute == nullptr) return std::nullopt;
  const size_t size = mnl_attr_get_payload_len(attribute);
  const auto* payload =
      static_cast<const char*>(mnl_attr_get_payload(attribute));
  if (size != sizeof(uint16_t) + sizeof(in6_addr)) return std::nullopt;
  in6_addr in6;
  std::memcpy(&in6, payload + sizeof(uint16_t), sizeof in6);
  return IpAddress::From(in6);
}

class Collector {
 public:
  void Add(std::optional<IpAddress> address, ProtectionSource source) {
    if (!address || AlwaysProtected().Find(*address)) return;
    found_.push_back({.network = {.address = *address}, .source = source});
  }

  void AddOwn(const nlmsghdr& message) {
    if (message.nlmsg_type != RTM_NEWADDR) return;
    const NetlinkAttributes attributes(message, sizeof(ifaddrmsg));
    // Of a point-to-point link IFA_ADDRESS is the other end.
    const nlattr* local = attributes.Find(IFA_LOCAL);
    Add(ReadAddress(local != nullptr ? local : attributes.Find(IFA_ADDRESS)),
        ProtectionSource::kOwnAddress);
  }

  void AddGateways(const nlmsghdr& message) {
    if (message.nlmsg_type != RTM_NEWROUTE) return;
    const NetlinkAttributes attributes(message, sizeof(rtmsg));
    AddGateway(attributes);
    if (const nlattr* paths = attributes.Find(RTA_MULTIPATH)) AddPaths(*paths);
  }

  std::vector<ProtectedNetwork> Take() {
    std::ranges::sort(found_);
    const auto rest = std::ranges::unique(found_);
    found_.erase(rest.begin(), rest.end());
    return std::move(found_);
  }

 private:
  void AddGateway(const NetlinkAttributes& attributes) {
    Add(ReadAddress(attributes.Find(RTA_GATEWAY)), ProtectionSource::kGateway);
    Add(ReadVia(attributes.Find(RTA_VIA)), ProtectionSource::kGateway);
  }

  // A route over several next hops: struct rtnexthop, each followed by its own
  // attributes.
  void AddPaths(const nlattr& paths) {
    const auto* at = static_cast<const char*>(mnl_attr_get_payload(&paths));
    size_t left = mnl_attr_get_payload_len(&paths);
    rtnexthop hop;
    while (left >= sizeof hop) {
      std::memcpy(&hop, at, sizeof hop);
      if (hop.rtnh_len < sizeof hop || hop.rtnh_len > left) return;
      ForEachAttribute(at + sizeof hop, hop.rtnh_len - sizeof hop,
                       [this](const nlattr& attribute) {
                         const uint16_t type = mnl_attr_get_type(&attribute);
                         if (type == RTA_GATEWAY) {
                           Add(ReadAddress(&attribute),
                               ProtectionSource::kGateway);
                         } else if (type == RTA_VIA) {
                           Add(ReadVia(&attribute), ProtectionSource::kGateway);
                         }
                       });
      const size_t step = std::min<size_t>(RTNH_ALIGN(hop.rtnh_len), left);
      at += step;
      left -= step;
    }
  }

  std::vector<ProtectedNetwork> found_;
};

template <typename Header>
absl::Status Dump(NetlinkSocket& socket, uint16_t type, uint8_t family,
                  absl::FunctionRef<void(const nlmsghdr&)> each) {
  alignas(nlmsghdr) char bytes[64] = {};
  nlmsghdr* request = mnl_nlmsg_put_header(bytes);
  request->nlmsg_type = type;
  request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  // ifaddrmsg and rtmsg both begin with the family.
  *static_cast<uint8_t*>(mnl_nlmsg_put_extra_header(request, sizeof(Header))) =
      family;
  return socket.Query(request, each);
}

}  // namespace

absl::StatusOr<HostNetworks> HostNetworks::Open() {
  absl::StatusOr<NetlinkSocket> questions = NetlinkSocket::Open(NETLINK_ROUTE);
  if (!questions.ok()) return questions.status();
  absl::StatusOr<NetlinkSocket> changes =
      NetlinkSocket::Open(NETLINK_ROUTE, kGroups);
  if (!changes.ok()) return changes.status();
  return HostNetworks(*std::move(questions), *std::move(changes));
}

absl::StatusOr<bool> HostNetworks::Refresh(Instant now) {
  // Before the reading, so that what changes during it is not missed.
  if (changes_.Drain()) changed_ = true;
  const bool due = !has_read_ || now >= next_regular_ || changed_;
  if (!due || now < not_before_) return false;

  const Instant begin = Clock::now();
  absl::StatusOr<std::vector<ProtectedNetwork>> read = Read();
  not_before_ = now + std::max<Clock::duration>(
                          kShortestPause, kReadShare * (Clock::now() - begin));
  next_regular_ = now + kRegular;
  if (!read.ok()) return read.status();
  changed_ = false;
  const bool another = !has_read_ || *read != networks_;
  has_read_ = true;
  networks_ = *std::move(read);
  return another;
}

absl::StatusOr<std::vector<ProtectedNetwork>> HostNetworks::Read() {
  Collector collector;
  for (const uint8_t family : {uint8_t{AF_INET}, uint8_t{AF_INET6}}) {
    absl::Status status = Dump<ifaddrmsg>(
        questions_, RTM_GETADDR, family,
        [&](const nlmsghdr& message) { collector.AddOwn(message); });
    if (status.ok()) {
      status = Dump<rtmsg>(
          questions_, RTM_GETROUTE, family,
          [&](const nlmsghdr& message) { collector.AddGateways(message); });
    }
    if (!status.ok()) {
      return absl::Status(
          status.code(), absl::StrCat("read this host's addresses and routes: ",
                                      status.message()));
    }
  }
  return collector.Take();
}

}  // namespace breakwater
