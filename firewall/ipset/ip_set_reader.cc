#include "firewall/ipset/ip_set_reader.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

extern "C" {
#include <libipset/linux_ip_set.h>
}

namespace breakwater {
namespace {

constexpr size_t kHeader = sizeof(nfgenmsg);

// A request about one set in its buffer.
class Request {
 public:
  Request(enum ipset_cmd command, const std::string& name, uint16_t flags) {
    message_ = mnl_nlmsg_put_header(bytes_);
    message_->nlmsg_type =
        static_cast<uint16_t>((NFNL_SUBSYS_IPSET << 8) | command);
    message_->nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
    auto* family = static_cast<nfgenmsg*>(
        mnl_nlmsg_put_extra_header(message_, sizeof(nfgenmsg)));
    *family = {
        .nfgen_family = AF_INET, .version = NFNETLINK_V0, .res_id = htons(0)};
    mnl_attr_put_u8(message_, IPSET_ATTR_PROTOCOL, IPSET_PROTOCOL);
    if (!name.empty()) {
      mnl_attr_put_strz(message_, IPSET_ATTR_SETNAME, name.c_str());
    }
  }
  void OnlyNames() {
    mnl_attr_put_u32(message_, IPSET_ATTR_FLAGS | NLA_F_NET_BYTEORDER,
                     htonl(IPSET_FLAG_LIST_SETNAME));
  }
  void OnlyHeader() {
    mnl_attr_put_u32(message_, IPSET_ATTR_FLAGS | NLA_F_NET_BYTEORDER,
                     htonl(IPSET_FLAG_LIST_HEADER));
  }
  void Element(const Network& network) {
    const bool v4 = network.IsV4();
    const uint8_t* bytes = network.address.bytes.data();
    nlattr* data = mnl_attr_nest_start(message_, IPSET_ATTR_DATA);
    nlattr* ip = mnl_attr_nest_start(message_, IPSET_ATTR_IP);
    if (v4) {
      mnl_attr_put(message_, IPSET_ATTR_IPADDR_IPV4 | NLA_F_NET_BYTEORDER, 4,
                   bytes + 12);
    } else {
      mnl_attr_put(message_, IPSET_ATTR_IPADDR_IPV6 | NLA_F_NET_BYTEORDER, 16,
                   bytes);
    }
    mnl_attr_nest_end(message_, ip);
    mnl_attr_nest_end(message_, data);
  }
  void SecondName(const std::string& name) {
    mnl_attr_put_strz(message_, IPSET_ATTR_SETNAME2, name.c_str());
  }
  nlmsghdr* message() { return message_; }

 private:
  alignas(nlmsghdr) char bytes_[256] = {};
  nlmsghdr* message_;
};

uint32_t ReadNumber(const nlattr* attribute) {
  return attribute == nullptr ? 0 : ntohl(mnl_attr_get_u32(attribute));
}

// Fills what this message tells; a listing may need several.
void ReadDescription(const nlmsghdr& message, IpSetDescription& description) {
  const NetlinkAttributes set(message, kHeader);
  if (const nlattr* type = set.Find(IPSET_ATTR_TYPENAME, 1)) {
    const char* text = mnl_attr_get_str(type);
    description.type =
        std::string(text, strnlen(text, mnl_attr_get_payload_len(type)));
  }
  if (const nlattr* family = set.Find(IPSET_ATTR_FAMILY, 1)) {
    description.family = mnl_attr_get_u8(family);
  }
  const nlattr* nest = set.Find(IPSET_ATTR_DATA);
  if (nest == nullptr) return;
  const NetlinkAttributes data(*nest);
  if (const nlattr* netmask = data.Find(IPSET_ATTR_NETMASK, 1)) {
    description.netmask = mnl_attr_get_u8(netmask);
  }
  description.has_timeout = data.Find(IPSET_ATTR_TIMEOUT) != nullptr;
  description.most_entries = ReadNumber(data.Find(IPSET_ATTR_MAXELEM, 4));
  description.entries = ReadNumber(data.Find(IPSET_ATTR_ELEMENTS, 4));
}

std::optional<IpAddress> ReadAddress(const nlattr& nest) {
  const NetlinkAttributes address(nest);
  if (const nlattr* v4 = address.Find(IPSET_ATTR_IPADDR_IPV4, 4)) {
    in_addr in;
    std::memcpy(&in, mnl_attr_get_payload(v4), sizeof in);
    return IpAddress::From(in);
  }
  if (const nlattr* v6 = address.Find(IPSET_ATTR_IPADDR_IPV6, 16)) {
    in6_addr in6;
    std::memcpy(&in6, mnl_attr_get_payload(v6), sizeof in6);
    return IpAddress::From(in6);
  }
  return std::nullopt;
}

// ipset(8): milliseconds are counted in 32 bits, half of which are a time.
constexpr uint32_t kLongestTimeout = 2'147'483;

void ReadElements(const nlmsghdr& message, std::vector<IpSetElement>& into) {
  const NetlinkAttributes set(message, kHeader);
  const nlattr* elements = set.Find(IPSET_ATTR_ADT);
  if (elements == nullptr) return;
  ForEachNested(*elements, [&into](const nlattr& element) {
    const NetlinkAttributes data(element);
    const nlattr* ip = data.Find(IPSET_ATTR_IP);
    if (ip == nullptr) return;
    const uint32_t seconds = ReadNumber(data.Find(IPSET_ATTR_TIMEOUT, 4));
    // One that ends while it is read is shown with less than nothing left.
    if (seconds > kLongestTimeout) return;
    if (const std::optional<IpAddress> address = ReadAddress(*ip)) {
      into.push_back({.address = *address, .seconds = seconds});
    }
  });
}

absl::Status About(const absl::Status& status, absl::string_view what,
                   const std::string& name) {
  return absl::Status(
      status.code(), absl::StrCat(what, " set ", name, ": ", status.message()));
}

}  // namespace

absl::StatusOr<IpSetReader> IpSetReader::Open() {
  absl::StatusOr<NetlinkSocket> socket = NetlinkSocket::Open(NETLINK_NETFILTER);
  if (!socket.ok()) return socket.status();
  return IpSetReader(*std::move(socket));
}

absl::StatusOr<std::vector<std::string>> IpSetReader::Names() {
  Request request(IPSET_CMD_LIST, "", NLM_F_DUMP);
  request.OnlyNames();
  std::vector<std::string> names;
  const absl::Status status =
      socket_.Query(request.message(), [&](const nlmsghdr& message) {
        const NetlinkAttributes set(message, kHeader);
        if (const nlattr* name = set.Find(IPSET_ATTR_SETNAME, 1)) {
          names.emplace_back(mnl_attr_get_str(name));
        }
      });
  if (!status.ok()) return About(status, "list", "names");
  return names;
}

absl::Status IpSetReader::Flush(const std::string& name) {
  Request request(IPSET_CMD_FLUSH, name, NLM_F_ACK);
  const absl::Status status =
      socket_.Query(request.message(), [](const nlmsghdr&) {});
  return status.ok() ? status : About(status, "empty", name);
}

absl::Status IpSetReader::Delete(const std::string& name,
                                 const Network& network) {
  Request request(IPSET_CMD_DEL, name, NLM_F_ACK);
  request.Element(network);
  const absl::Status status =
      socket_.Query(request.message(), [](const nlmsghdr&) {});
  return status.ok() ? status : About(status, "take out of", name);
}

absl::StatusOr<std::optional<IpSetDescription>> IpSetReader::Header(
    const std::string& name) {
  Request request(IPSET_CMD_HEADER, name, 0);
  IpSetDescription description;
  const absl::Status status = socket_.Query(
      request.message(),
      [&](const nlmsghdr& message) { ReadDescription(message, description); });
  if (absl::IsNotFound(status)) return std::nullopt;
  if (!status.ok()) return About(status, "look for", name);
  return description;
}

absl::StatusOr<IpSetDescription> IpSetReader::Describe(
    const std::string& name) {
  Request request(IPSET_CMD_LIST, name, NLM_F_DUMP);
  request.OnlyHeader();
  IpSetDescription description;
  const absl::Status status = socket_.Query(
      request.message(),
      [&](const nlmsghdr& message) { ReadDescription(message, description); });
  if (!status.ok()) return About(status, "describe", name);
  return description;
}

absl::StatusOr<std::vector<IpSetElement>> IpSetReader::Elements(
    const std::string& name) {
  Request request(IPSET_CMD_LIST, name, NLM_F_DUMP);
  std::vector<IpSetElement> elements;
  const absl::Status status = socket_.Query(
      request.message(),
      [&](const nlmsghdr& message) { ReadElements(message, elements); });
  if (!status.ok()) return About(status, "list", name);
  return elements;
}

// A listing tells the number of references, but counts the elements first: 50
// to 80 ms for a million. A set that is referred to cannot be renamed, and no
// set can be given a name that there is, its own included: so that the kernel
// changes nothing and says which of the two it is.
absl::StatusOr<bool> IpSetReader::IsReferenced(const std::string& name) {
  Request request(IPSET_CMD_RENAME, name, NLM_F_ACK);
  request.SecondName(name);
  const absl::Status status =
      socket_.Query(request.message(), [](const nlmsghdr&) {});
  if (socket_.last_error() == IPSET_ERR_REFERENCED) return true;
  if (socket_.last_error() == IPSET_ERR_EXIST_SETNAME2 || status.ok()) {
    return false;
  }
  return About(status, "look for rules of", name);
}

absl::StatusOr<bool> IpSetReader::Holds(const std::string& name,
                                        const Network& network) {
  Request request(IPSET_CMD_TEST, name, NLM_F_ACK);
  request.Element(network);
  const absl::Status status =
      socket_.Query(request.message(), [](const nlmsghdr&) {});
  if (status.ok()) return true;
  if (socket_.last_error() == IPSET_ERR_EXIST) return false;
  return About(status, "test", name);
}

}  // namespace breakwater
