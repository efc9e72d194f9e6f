#pragma once

#include <toml++/toml.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "core/net/address.h"
#include "core/rules/dns_options.h"
#include "core/rules/zone.h"
#include "daemon/config/config.h"
#include "daemon/toml/complaints.h"

namespace breakwater {

// How one key's value gets into a Config and back into the file's notation.
// Made by the functions below; each keeps a reference to the slot that it
// fills, and leaves it alone when the value is wrong.
struct Field {
  std::function<void(const toml::node&, std::string_view key, Complaints&)>
      read;
  std::function<std::string()> show;
};

using TextCheck = absl::Status (*)(std::string_view);

Field TextField(std::string& slot, TextCheck check);
Field TextsField(std::vector<std::string>& slot, TextCheck check);
// One of `words`; the slot gets its index.
Field ChoiceField(const std::vector<std::string>& words,
                  const std::function<void(size_t)>& set,
                  const std::function<size_t()>& get);
Field FlagField(bool& slot);
Field PermissionsField(uint32_t& slot);
Field LengthField(Duration& slot, Duration least, Duration most);
Field LengthField(std::chrono::seconds& slot, Duration least, Duration most);
Field NumberField(int& slot, int64_t least, int64_t most);
Field NumberField(uint32_t& slot, int64_t least, int64_t most);
Field NumberField(size_t& slot, int64_t least, int64_t most);
Field PortsField(std::vector<uint16_t>& slot);
Field BanPortsField(BanPorts& slot);
// "ipset", ["ipset", "nftables"], or "none".
Field BackendsField(std::vector<FirewallBackend>& slot);
Field DnsServersField(std::vector<DnsServer>& slot);
Field NetworksField(NetworkSet& slot);

// What a [[zone]] may leave out.
Field ZoneNameField(std::string& slot);
Field AnswersField(std::optional<std::vector<AnswerRange>>& slot);
Field OptionalNumberField(std::optional<int>& slot, int64_t least,
                          int64_t most);
Field OptionalFlagField(std::optional<bool>& slot);
Field OptionalLengthField(std::optional<Duration>& slot, Duration least,
                          Duration most);
Field ReplyCodeField(std::optional<int>& slot);
Field ZoneKindField(ZoneKind& slot);
Field ZoneTypeField(ZoneType& slot);
Field NameKindsField(std::optional<std::vector<NameKind>>& slot);
Field ReplyTemplateField(std::optional<std::string>& slot);
Field ReplyCodeField(int& slot);

}  // namespace breakwater
