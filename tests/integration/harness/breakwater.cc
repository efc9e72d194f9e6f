#include "tests/integration/harness/breakwater.h"

#include <signal.h>
#include <sys/stat.h>

#include <cstdlib>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "tests/integration/harness/wait.h"

namespace breakwater::testing {
namespace {

std::string NameOf(pid_t pid) {
  std::string name = ReadFile(absl::StrCat("/proc/", pid, "/comm"));
  return std::string(absl::StripSuffix(name, "\n"));
}

std::vector<pid_t> ChildrenOf(pid_t pid) {
  std::vector<pid_t> children;
  std::string text =
      ReadFile(absl::StrCat("/proc/", pid, "/task/", pid, "/children"));
  for (const auto& word : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    int child = 0;
    if (absl::SimpleAtoi(word, &child)) children.push_back(child);
  }
  return children;
}

}  // namespace

std::string Breakwater::ProgramPath(const std::string& name) {
  const char* directory = getenv("BREAKWATER_BIN");
  return absl::StrCat(directory != nullptr ? directory : BREAKWATER_BUILD_BIN,
                      "/", name);
}

absl::StatusOr<std::unique_ptr<Breakwater>> Breakwater::Make(
    const Namespace& where) {
  absl::StatusOr<TempDirectory> directory = TempDirectory::Make();
  if (!directory.ok()) return directory.status();
  return std::unique_ptr<Breakwater>(
      new Breakwater(where, *std::move(directory)));
}

Breakwater::~Breakwater() { Stop(); }

absl::Status Breakwater::WriteConfig(const std::string& text) {
  absl::Status status = WriteFile(config_path(), text);
  // The programs may refuse one that others could write.
  chmod(config_path().c_str(), 0644);
  return status;
}

absl::Status Breakwater::Start(const std::string& ready,
                               std::chrono::milliseconds patience) {
  Stop();
  size_t before = Log().size();
  InNamespace here(where_);
  absl::StatusOr<std::unique_ptr<Process>> process = Process::Start(
      {ProgramPath("breakwaterd"), "--config", config_path()}, LogPath());
  if (!process.ok()) return process.status();
  process_ = *std::move(process);
  // An earlier run may have said it in the same log.
  auto there = [&] { return Log().find(ready, before) != std::string::npos; };
  WaitUntil([&] { return there() || !process_->Running(); }, patience);
  if (there()) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(
      "breakwaterd did not say \"", ready, "\":\n", Log().substr(before)));
}

bool Breakwater::Stop() {
  if (process_ == nullptr) return true;
  std::vector<pid_t> children = ChildrenOf(process_->pid());
  std::vector<std::string> names;
  for (pid_t pid : children) names.push_back(NameOf(pid));
  bool clean = process_->Stop();
  for (size_t i = 0; i < children.size(); ++i) {
    // A pid is looked at again before it is believed.
    auto left = [&] {
      return !names[i].empty() && NameOf(children[i]) == names[i];
    };
    if (WaitUntil([&] { return !left(); }, std::chrono::seconds(2))) continue;
    clean = false;
    if (left()) kill(children[i], SIGKILL);
  }
  process_.reset();
  return clean;
}

CommandResult Breakwater::Command(std::vector<std::string> words) const {
  words.insert(words.begin(),
               {ProgramPath("breakwater"), "--config", config_path()});
  return RunIn(where_, words);
}

pid_t Breakwater::ChildPid(const std::string& name) const {
  if (process_ == nullptr) return 0;
  // The kernel cuts a process' name off (proc(5), comm).
  constexpr size_t kLongestName = 15;
  for (pid_t pid : ChildrenOf(process_->pid())) {
    if (NameOf(pid) == name.substr(0, kLongestName)) return pid;
  }
  return 0;
}

std::string Breakwater::Log() const { return ReadFile(LogPath()); }

bool Breakwater::WaitForLog(const std::string& text,
                            std::chrono::milliseconds patience) const {
  return WaitUntil([&] { return Log().find(text) != std::string::npos; },
                   patience);
}

}  // namespace breakwater::testing
