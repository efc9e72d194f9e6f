#include "daemon/command_line.h"

#include <algorithm>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/closest_word.h"
#include "core/text.h"

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

// " did you mean X?", by the whole word or how it begins.
std::string Meant(const std::string& unknown, const Words& known) {
  std::vector<std::string_view> words(known.begin(), known.end());
  std::optional<std::string> meant = ClosestWord(unknown, words);
  if (!meant) {
    for (std::string_view& word : words) word = word.substr(0, unknown.size());
    if (const auto beginning = ClosestWord(unknown, words)) {
      meant = known[static_cast<size_t>(std::ranges::find(words, *beginning) -
                                        words.begin())];
    }
  }
  return meant ? absl::StrCat("; did you mean ", *meant, "?") : "";
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
                        Meant(word, OptionsOf(given)));
  }
  const Words commands = CommandsOf(*given.back());
  if (commands.empty()) return absl::StrCat(shown, " is too much");
  const std::string meant = Meant(word, commands);
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
