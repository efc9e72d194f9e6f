#include "daemon/config/config_fields.h"

#include <algorithm>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "core/base/duration.h"
#include "core/base/text.h"
#include "core/judge/reply.h"
#include "core/rules/zone_site.h"
#include "daemon/toml/config_nodes.h"
#include "daemon/toml/config_values.h"

namespace breakwater {
namespace {

// As TOML wants it, so that what is shown can be read again.
std::string Quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result.push_back('\\');
    if (absl::ascii_iscntrl(c)) {
      absl::StrAppendFormat(&result, "\\u%04x", c);
    } else {
      result.push_back(c);
    }
  }
  return result + "\"";
}

template <typename T>
using Shower = std::function<std::string(const T&)>;

// A slot of type Slot that one value of type T fills.
template <typename Slot, typename T>
Field Scalar(Slot& slot, Parser<T> parse, Shower<Slot> show) {
  return Field{.read =
                   [&slot, parse](const toml::node& node, std::string_view key,
                                  Complaints& complaints) {
                     const absl::StatusOr<T> value = parse(node);
                     if (value.ok()) {
                       slot = static_cast<Slot>(*value);
                     } else {
                       complaints.Add(node.source(), key, value.status());
                     }
                   },
               .show = [&slot, show] { return show(slot); }};
}

// A list; each wrong element is told at its own place, and so is the second of
// two that are equal.
template <typename T>
void ReadList(const toml::node& node, std::string_view key,
              Complaints& complaints, const Parser<T>& parse, const char* right,
              std::vector<T>& result) {
  const toml::array* array = node.as_array();
  if (array == nullptr) {
    complaints.Add(node.source(), key, WrongType(node, right));
    return;
  }
  result.clear();
  for (const toml::node& element : *array) {
    const absl::StatusOr<T> value = parse(element);
    if (!value.ok()) {
      complaints.Add(element.source(), key, value.status());
    } else if (std::ranges::find(result, *value) != result.end()) {
      complaints.Add(element.source(), key,
                     "stands here twice; remove one of the two");
    } else {
      result.push_back(*value);
    }
  }
}

template <typename T>
std::string ShowList(const std::vector<T>& list, const Shower<T>& show) {
  return absl::StrCat(
      "[",
      absl::StrJoin(list, ", ",
                    [&show](std::string* out, const T& element) {
                      out->append(show(element));
                    }),
      "]");
}

template <typename T>
Field List(std::vector<T>& slot, Parser<T> parse, const char* right,
           Shower<T> show) {
  return Field{
      .read =
          [&slot, parse, right](const toml::node& node, std::string_view key,
                                Complaints& complaints) {
            ReadList(node, key, complaints, parse, right, slot);
          },
      .show = [&slot, show] { return ShowList(slot, show); }};
}

Parser<std::string> CheckedText(TextCheck check) {
  return [check](const toml::node& node) -> absl::StatusOr<std::string> {
    absl::StatusOr<std::string> text = ParseText(node);
    if (!text.ok()) return text;
    if (const absl::Status status = check(*text); !status.ok()) return status;
    return text;
  };
}

template <typename Integer>
Field NumberFieldOf(Integer& slot, int64_t least, int64_t most) {
  return Scalar<Integer, int64_t>(
      slot, Number(least, most),
      [](const Integer& value) { return absl::StrCat(value); });
}

std::string ShowLength(const Duration& length) {
  return Quoted(FormatDuration(length));
}

std::string ShowPort(const uint16_t& port) { return absl::StrCat(port); }

// An optional slot shows nothing: what it stands for when left out is a matter
// of other keys.
template <typename T>
std::string ShowNothing(const std::optional<T>&) {
  return "";
}

}  // namespace

Field TextField(std::string& slot, TextCheck check) {
  return Scalar<std::string, std::string>(
      slot, CheckedText(check),
      [](const std::string& text) { return Quoted(text); });
}

Field TextsField(std::vector<std::string>& slot, TextCheck check) {
  return List<std::string>(
      slot, CheckedText(check), "a list of texts, as in [\"...\", \"...\"]",
      [](const std::string& text) { return Quoted(text); });
}

Field ChoiceField(const std::vector<std::string>& words,
                  const std::function<void(size_t)>& set,
                  const std::function<size_t()>& get) {
  const auto read = [words, set](const toml::node& node, std::string_view key,
                                 Complaints& complaints) {
    const std::string right =
        absl::StrCat("\"", absl::StrJoin(words, "\" or \""), "\"");
    const auto* text = node.as_string();
    if (text == nullptr) {
      complaints.Add(node.source(), key, WrongType(node, right.c_str()));
      return;
    }
    const auto found = std::ranges::find(words, text->get());
    if (found != words.end()) {
      set(found - words.begin());
      return;
    }
    complaints.Add(node.source(), key,
                   absl::StrCat("\"", Escaped(text->get(), 60),
                                "\" is not a choice; write ", right));
  };
  return Field{.read = read,
               .show = [words, get] { return Quoted(words[get()]); }};
}

Field FlagField(bool& slot) {
  return Scalar<bool, bool>(slot, ParseFlag, [](const bool& flag) {
    return std::string(flag ? "true" : "false");
  });
}

Field PermissionsField(uint32_t& slot) {
  return Scalar<uint32_t, uint32_t>(
      slot, FromText(ParsePermissions),
      [](const uint32_t& mode) { return Quoted(FormatPermissions(mode)); });
}

Field LengthField(Duration& slot, Duration least, Duration most) {
  return Scalar<Duration, Duration>(slot, Length(least, most), ShowLength);
}

Field LengthField(std::chrono::seconds& slot, Duration least, Duration most) {
  const auto parse =
      [inner = Length(least, most)](
          const toml::node& node) -> absl::StatusOr<std::chrono::seconds> {
    const absl::StatusOr<Duration> length = inner(node);
    if (!length.ok()) return length.status();
    return std::chrono::floor<std::chrono::seconds>(*length);
  };
  return Scalar<std::chrono::seconds, std::chrono::seconds>(
      slot, parse,
      [](const std::chrono::seconds& length) { return ShowLength(length); });
}

Field NumberField(int& slot, int64_t least, int64_t most) {
  return NumberFieldOf(slot, least, most);
}
Field NumberField(uint32_t& slot, int64_t least, int64_t most) {
  return NumberFieldOf(slot, least, most);
}
Field NumberField(size_t& slot, int64_t least, int64_t most) {
  return NumberFieldOf(slot, least, most);
}

Field PortsField(std::vector<uint16_t>& slot) {
  return List<uint16_t>(slot, ParsePort, "a list of ports, as in [465, 587]",
                        ShowPort);
}

Field BanPortsField(BanPorts& slot) {
  const auto read = [&slot](const toml::node& node, std::string_view key,
                            Complaints& complaints) {
    BanPorts ports{.all = false, .listed = {}};
    if (const auto* text = node.as_string();
        text != nullptr && text->get() == "all") {
      slot = BanPorts{.all = true, .listed = {}};
      return;
    }
    const Parser<uint16_t> parse =
        [&ports](const toml::node& element) -> absl::StatusOr<uint16_t> {
      // Zero is no port: it stands for "all" until the list is read.
      if (const auto* text = element.as_string();
          text != nullptr && text->get() == "all") {
        ports.all = true;
        return uint16_t{0};
      }
      return ParsePort(element);
    };
    ReadList(node, key, complaints, parse, "a list of ports, [25], or \"all\"",
             ports.listed);
    std::erase(ports.listed, 0);
    const toml::array* const list = node.as_array();
    if (list != nullptr && list->empty()) {
      complaints.Add(node.source(), key,
                     "names no port, so no ban would hold; write [25]");
      return;
    }
    slot = ports;
  };
  const auto show = [&slot] {
    if (!slot.all) return ShowList<uint16_t>(slot.listed, ShowPort);
    if (slot.listed.empty()) return std::string("\"all\"");
    return absl::StrCat("[\"all\", ", absl::StrJoin(slot.listed, ", "), "]");
  };
  return Field{.read = read, .show = show};
}

Field BackendsField(std::vector<FirewallBackend>& slot) {
  static constexpr char kRight[] =
      "\"ipset\", \"nftables\", \"xt_recent\" or \"none\", or a list of "
      "several, as in [\"ipset\", \"nftables\"]";
  const Parser<FirewallBackend> parse =
      [](const toml::node& node) -> absl::StatusOr<FirewallBackend> {
    const auto* text = node.as_string();
    if (text == nullptr) return WrongType(node, kRight);
    if (text->get() == "none") {
      return absl::InvalidArgumentError(
          "\"none\" stands for no backend at all, and in no list; write "
          "firewall.backend = \"none\", or leave it out of the list");
    }
    for (const FirewallBackend backend :
         {FirewallBackend::kIpset, FirewallBackend::kNftables,
          FirewallBackend::kXtRecent}) {
      if (text->get() == FirewallBackendName(backend)) return backend;
    }
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", Escaped(text->get(), 60), "\" is not a choice; write ", kRight));
  };
  const auto read = [&slot, parse](const toml::node& node, std::string_view key,
                                   Complaints& complaints) {
    if (const auto* text = node.as_string()) {
      if (text->get() == "none") {
        slot.clear();
      } else if (const auto backend = parse(node); backend.ok()) {
        slot = {*backend};
      } else {
        complaints.Add(node.source(), key, backend.status());
      }
      return;
    }
    std::vector<FirewallBackend> backends;
    ReadList(node, key, complaints, parse, kRight, backends);
    if (node.as_array() != nullptr && node.as_array()->empty()) {
      complaints.Add(node.source(), key, "names no backend; write \"none\"");
      return;
    }
    slot = std::move(backends);
  };
  const auto show = [&slot] {
    const Shower<FirewallBackend> name = [](const FirewallBackend& backend) {
      return Quoted(FirewallBackendName(backend));
    };
    if (slot.empty()) return Quoted("none");
    return slot.size() == 1 ? name(slot[0]) : ShowList(slot, name);
  };
  return Field{.read = read, .show = show};
}

Field DnsServersField(std::vector<DnsServer>& slot) {
  Field field = List<DnsServer>(
      slot, FromText(ParseDnsServer),
      "a list of addresses, as in [\"127.0.0.1\"]",
      [](const DnsServer& server) { return Quoted(FormatDnsServer(server)); });
  field.read = [read = field.read](const toml::node& node, std::string_view key,
                                   Complaints& complaints) {
    read(node, key, complaints);
    if (node.as_array() != nullptr && node.as_array()->empty()) {
      complaints.Add(node.source(), key,
                     "names no server; write [\"127.0.0.1\"]");
    }
  };
  return field;
}

Field NetworksField(NetworkSet& slot) {
  const auto read = [&slot](const toml::node& node, std::string_view key,
                            Complaints& complaints) {
    std::vector<Network> networks;
    ReadList<Network>(node, key, complaints, FromText(Network::Parse),
                      "a list of networks, as in [\"192.0.2.0/24\"]", networks);
    slot = NetworkSet(std::move(networks));
  };
  const auto show = [&slot] {
    return ShowList<Network>(slot.networks(), [](const Network& network) {
      return Quoted(network.ToString());
    });
  };
  return Field{.read = read, .show = show};
}

Field ZoneNameField(std::string& slot) {
  return Scalar<std::string, std::string>(
      slot, FromText(ParseZoneName),
      [](const std::string& text) { return Quoted(text); });
}

Field AnswersField(std::optional<std::vector<AnswerRange>>& slot) {
  const auto read = [&slot](const toml::node& node, std::string_view key,
                            Complaints& complaints) {
    std::vector<std::vector<AnswerRange>> lists;
    ReadList<std::vector<AnswerRange>>(
        node, key, complaints, FromText(ParseAnswers),
        "a list of answers, as in [\"127.0.0.2\"]", lists);
    std::vector<AnswerRange> answers;
    for (const auto& list : lists) {
      answers.insert(answers.end(), list.begin(), list.end());
    }
    if (node.as_array() != nullptr && node.as_array()->empty()) {
      complaints.Add(node.source(), key,
                     "counts no answer at all; write [\"127.0.0.2\"] or leave "
                     "the key out");
    }
    if (!answers.empty()) slot = std::move(answers);
  };
  return Field{.read = read, .show = [] { return std::string(); }};
}

Field ZoneKindField(ZoneKind& slot) {
  return ChoiceField(
      {"block", "allow"},
      [&slot](size_t choice) { slot = static_cast<ZoneKind>(choice); },
      [&slot] { return static_cast<size_t>(slot); });
}

Field ZoneTypeField(ZoneType& slot) {
  return ChoiceField(
      {"address", "domain"},
      [&slot](size_t choice) { slot = static_cast<ZoneType>(choice); },
      [&slot] { return static_cast<size_t>(slot); });
}

Field NameKindsField(std::optional<std::vector<NameKind>>& slot) {
  const auto parse = [](std::string_view text) -> absl::StatusOr<NameKind> {
    for (const NameKind kind : kNameKinds) {
      if (text == NameKindName(kind)) return kind;
    }
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", Escaped(text, 60),
        "\" is none of a client's names; write \"helo\", \"reverse\" or "
        "\"sender\""));
  };
  const auto read = [&slot, parse](const toml::node& node, std::string_view key,
                                   Complaints& complaints) {
    std::vector<NameKind> kinds;
    ReadList<NameKind>(node, key, complaints, FromText<NameKind>(parse),
                       "a list of names, as in [\"helo\", \"sender\"]", kinds);
    if (node.as_array() != nullptr && node.as_array()->empty()) {
      complaints.Add(
          node.source(), key,
          "names nothing, so the zone would never be asked; write "
          "[\"helo\", \"reverse\", \"sender\"] or leave the key out");
    }
    slot = std::move(kinds);
  };
  return Field{.read = read, .show = [] { return std::string(); }};
}

Field OptionalNumberField(std::optional<int>& slot, int64_t least,
                          int64_t most) {
  return Scalar<std::optional<int>, int64_t>(slot, Number(least, most),
                                             ShowNothing<int>);
}

Field OptionalFlagField(std::optional<bool>& slot) {
  return Scalar<std::optional<bool>, bool>(slot, ParseFlag, ShowNothing<bool>);
}

Field OptionalLengthField(std::optional<Duration>& slot, Duration least,
                          Duration most) {
  return Scalar<std::optional<Duration>, Duration>(slot, Length(least, most),
                                                   ShowNothing<Duration>);
}

Field ReplyCodeField(std::optional<int>& slot) {
  return Scalar<std::optional<int>, int64_t>(slot, ParseReplyCode,
                                             ShowNothing<int>);
}

Field ReplyTemplateField(std::optional<std::string>& slot) {
  return Scalar<std::optional<std::string>, std::string>(
      slot, CheckedText(CheckReplyTemplate), ShowNothing<std::string>);
}

Field ReplyCodeField(int& slot) {
  return Scalar<int, int64_t>(
      slot, ParseReplyCode, [](const int& code) { return absl::StrCat(code); });
}

}  // namespace breakwater
