#include "daemon/system/command_line.h"

#include <algorithm>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/closest_word.h"
#include "core/base/text.h"

namespace breakwater {
namespace {

using Words = std::vector<std::string>;

// The commands that were given, from the program itself on.
std::vector<const CLI::App*> Given(const CLI::App& app) {
  std::vector<const CLI::App*> given = {&app};
  while (true) {
    const std::vector<CLI::App*> next = given.back()->get_subcommands();
    if (next.empty()) return given;
    given.push_back(next.front());
  }
}

std::string NameOf(const std::vector<const CLI::App*>& given) {
  std::string name = given.front()->get_name();
  for (size_t i = 1; i < given.size(); ++i) {
    absl::StrAppend(&name, " ", given[i]->get_name());
  }
  return name;
}

// Those that could stand behind the last one.
Words CommandsOf(const CLI::App& app) {
  Words names;
  for (const CLI::App* command : app.get_subcommands({})) {
    names.push_back(command->get_name());
  }
  return names;
}

Words OptionsOf(const std::vector<const CLI::App*>& given) {
  Words names;
  for (const CLI::App* app : given) {
    for (const CLI::Option* option : app->get_options()) {
      for (const std::string& name : option->get_lnames()) {
        names.push_back("--" + name);
      }
    }
  }
  return names;
}

std::string DidYouMean(const std::string& word) {
  return absl::StrCat("; did you mean ", word, "?");
}

// By the whole word.
std::string MeantCommand(const std::string& unknown, const Words& known) {
  const auto meant = ClosestWord(unknown, {known.begin(), known.end()});
  return meant ? DidYouMean(*meant) : "";
}

// By how it begins: options are long, and some stop short of their end.
std::string MeantOption(const std::string& unknown, const Words& known) {
  if (!unknown.starts_with("--")) return "";
  std::vector<std::string_view> beginnings;
  for (const std::string_view word : known) {
    beginnings.push_back(word.substr(0, unknown.size()));
  }
  const auto meant = ClosestWord(unknown, beginnings);
  if (!meant) return "";
  const auto place = std::ranges::find(beginnings, *meant);
  return DidYouMean(known[static_cast<size_t>(place - beginnings.begin())]);
}

// What is too much, or nothing.
std::string OfUnknown(const std::vector<const CLI::App*>& given) {
  const Words left = given.front()->remaining(/*recurse=*/true);
  if (left.empty()) return "";
  const auto option = std::ranges::find_if(
      left, [](const std::string& word) { return word.starts_with("-"); });
  const std::string& word = option == left.end() ? left.front() : *option;
  const std::string shown = absl::StrCat("\"", Escaped(word, 60), "\"");
  if (option != left.end()) {
    return absl::StrCat("unknown option ", shown,
                        MeantOption(word, OptionsOf(given)));
  }
  const Words commands = CommandsOf(*given.back());
  if (commands.empty()) return absl::StrCat(shown, " is too much");
  const std::string meant = MeantCommand(word, commands);
  return absl::StrCat(
      "unknown command ", shown,
      meant.empty() ? "; write " + absl::StrJoin(commands, ", ") : meant);
}

// What is missing, or nothing.
std::string OfMissing(const std::vector<const CLI::App*>& given) {
  for (const CLI::App* app : given) {
    for (const CLI::Option* option : app->get_options()) {
      if (!option->get_required() || option->count() > 0) continue;
      return absl::StrCat(option->get_name(),
                          " is missing: ", option->get_description());
    }
  }
  if (given.back()->get_require_subcommand_min() == 0) return "";
  return absl::StrCat("a command is missing; write ",
                      absl::StrJoin(CommandsOf(*given.back()), ", "));
}

std::string Explain(const CLI::App& app, const CLI::ParseError& error) {
  const std::vector<const CLI::App*> given = Given(app);
  std::string why;
  const int code = error.get_exit_code();
  if (code == static_cast<int>(CLI::ExitCodes::ExtrasError) ||
      code == static_cast<int>(CLI::ExitCodes::RequiredError)) {
    why = OfUnknown(given);
    if (why.empty()) why = OfMissing(given);
  }
  if (why.empty()) why = error.what();
  const std::string name = NameOf(given);
  return absl::StrCat(name, ": ", why, "\n`", name, " --help` tells more\n");
}

}  // namespace

std::optional<int> ReadCommandLine(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    std::cerr << Explain(app, error);
    return kWrongUsage;
  }
  return std::nullopt;
}

}  // namespace breakwater
