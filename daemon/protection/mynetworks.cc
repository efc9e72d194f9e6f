#include "daemon/protection/mynetworks.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/base/list_file.h"
#include "core/base/text.h"
#include "daemon/system/run_program.h"

namespace breakwater {
namespace {

// It answers within some hundredths of a second; meanwhile bans wait.
constexpr Duration kPatience = std::chrono::seconds(3);
constexpr size_t kMostFiles = 20;
constexpr size_t kMostLeftOut = 20;
constexpr size_t kLargestFile = 8 << 20;

std::string_view View(absl::string_view text) {
  return {text.data(), text.size()};
}

// "[2001:db8::]/32" without its brackets.
std::string WithoutBrackets(std::string_view item) {
  std::string text(item);
  if (!text.starts_with('[')) return text;
  std::erase_if(text, [](char c) { return c == '[' || c == ']'; });
  return text;
}

class Reader {
 public:
  void Read(std::string_view list) {
    const absl::string_view text(list.data(), list.size());
    for (const absl::string_view item :
         absl::StrSplit(text, absl::ByAnyChar(" \t\r\n,"), absl::SkipEmpty())) {
      Add(View(item));
    }
  }
  Mynetworks Take() { return std::move(found_); }

 private:
  void Add(std::string_view item) {
    if (item.starts_with('/')) return ReadFile(std::string(item));
    const absl::StatusOr<Network> network =
        Network::Parse(WithoutBrackets(item));
    if (!network.ok()) return LeaveOut(item);
    std::vector<Network>& networks = found_.networks;
    if (std::ranges::find(networks, *network) != networks.end()) return;
    if (networks.size() >= Mynetworks::kMostNetworks) return LeaveOut(item);
    networks.push_back(*network);
  }

  // A file may name others, and itself.
  void ReadFile(const std::string& path) {
    std::vector<std::string>& files = found_.files;
    if (std::ranges::find(files, path) != files.end()) return;
    if (files.size() >= kMostFiles) return LeaveOut(path);
    files.push_back(path);
    const absl::StatusOr<std::string> text = ReadTextFile(path, kLargestFile);
    if (!text.ok()) return LeaveOut(path);
    for (const absl::string_view line : absl::StrSplit(*text, '\n')) {
      if (!absl::StartsWith(line, "#")) Read(View(line));
    }
  }

  void LeaveOut(std::string_view item) {
    if (found_.left_out.size() >= kMostLeftOut) return;
    found_.left_out.push_back(Escaped(item, 100));
  }

  Mynetworks found_;
};

}  // namespace

Mynetworks ParseMynetworks(std::string_view value) {
  Reader reader;
  reader.Read(value);
  return reader.Take();
}

absl::StatusOr<Mynetworks> AskMynetworks(
    const std::vector<std::string>& postconf) {
  std::vector<std::string> words = postconf;
  words.insert(words.end(), {"-xh", "config_directory", "mynetworks"});
  const absl::StatusOr<ProgramResult> result = RunProgram(words, "", kPatience);
  if (!result.ok()) return result.status();
  if (absl::Status status = result->ToStatus(words.front()); !status.ok()) {
    return status;
  }
  // A value each line, in the order of the question.
  const size_t end = result->out.find('\n');
  if (end == std::string::npos || !result->out.starts_with('/')) {
    return absl::InternalError(
        absl::StrCat(words.front(), ": is not Postfix' postconf: it says \"",
                     Escaped(result->out, 60), "\""));
  }
  Mynetworks found =
      ParseMynetworks(std::string_view(result->out).substr(end + 1));
  found.files.push_back(absl::StrCat(result->out.substr(0, end), "/main.cf"));
  return found;
}

}  // namespace breakwater
