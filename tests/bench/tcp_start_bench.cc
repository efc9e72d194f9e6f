// What a program in front of another one costs when it is started for each
// connection: runs command lines in turns, many times, and prints what each
// took beside the first one.
//
//   tcp_start_bench RUNS COMMAND ... [-- COMMAND ...]...
//
// tcp_start.sh calls it.

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

using Microseconds = std::chrono::duration<double, std::micro>;

struct Command {
  std::vector<char*> argv;  // and the null
  std::vector<double> means = {};
};

std::vector<Command> ParseCommands(char** words) {
  std::vector<Command> commands(1);
  for (; *words != nullptr; ++words) {
    if (std::strcmp(*words, "--") == 0) {
      commands.emplace_back();
    } else {
      commands.back().argv.push_back(*words);
    }
  }
  for (Command& command : commands) command.argv.push_back(nullptr);
  return commands;
}

// From its start until it has been waited for.
void RunOnce(const Command& command) {
  pid_t pid = -1;
  const int error = posix_spawn(&pid, command.argv[0], nullptr, nullptr,
                                command.argv.data(), environ);
  int status = 0;
  if (error != 0 || waitpid(pid, &status, 0) != pid || status != 0) {
    std::fprintf(stderr, "%s: error %d, status %d\n", command.argv[0], error,
                 status);
    std::exit(1);
  }
}

double MeanOf(const Command& command, int runs) {
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < runs; ++i) RunOnce(command);
  return Microseconds(std::chrono::steady_clock::now() - begin).count() / runs;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  constexpr int kRounds = 10;
  if (argc < 3) return 100;
  const int runs = std::atoi(argv[1]) / kRounds;
  std::vector<Command> commands = ParseCommands(argv + 2);
  // What the programs say is not of interest.
  const int nowhere = open("/dev/null", O_RDWR);
  const int out = dup(STDOUT_FILENO);
  dup2(nowhere, STDOUT_FILENO);
  dup2(nowhere, STDERR_FILENO);
  for (int round = 0; round < kRounds; ++round) {
    for (Command& command : commands) {
      command.means.push_back(MeanOf(command, runs));
    }
  }
  const double first = Median(commands[0].means);
  for (const Command& command : commands) {
    std::string line;
    for (const char* word : command.argv) {
      if (word != nullptr) line += std::string(" ") + word;
    }
    const double median = Median(command.means);
    dprintf(out, "%8.0f us  %5.2f %s\n", median, median / first, line.c_str());
  }
  return 0;
}
