#include "tests/integration/harness/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "tests/integration/harness/temp_directory.h"
#include "tests/integration/harness/wait.h"

namespace breakwater::testing {
namespace {

using std::chrono::steady_clock;

// The three files that a child starts with.
struct Files {
  int in = -1;
  int out = -1;
  int err = -1;
};

// posix_spawn from the calling thread: the child gets that thread's namespace.
absl::StatusOr<pid_t> Spawn(const std::vector<std::string>& argv,
                            const Files& files) {
  std::vector<char*> arguments;
  for (const std::string& argument : argv) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, files.in, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, files.out, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, files.err, STDERR_FILENO);

  // A test may have blocked or ignored signals; its children start clean.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  pid_t pid = -1;
  int error = posix_spawnp(&pid, arguments[0], &actions, &attributes,
                           arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) {
    return absl::ErrnoToStatus(error, absl::StrCat("starting ", argv[0]));
  }
  return pid;
}

int ExitCode(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

struct Pipe {
  Pipe() {
    if (pipe2(ends, O_CLOEXEC) != 0) ends[0] = ends[1] = -1;
  }
  ~Pipe() {
    CloseReader();
    CloseWriter();
  }
  void CloseReader() { Close(ends[0]); }
  void CloseWriter() { Close(ends[1]); }
  static void Close(int& fd) {
    if (fd >= 0) close(fd);
    fd = -1;
  }
  int ends[2];
};

// Takes what is there; closes the pipe at its end.
void Drain(int& fd, std::string& text) {
  char buffer[65536];
  ssize_t size = read(fd, buffer, sizeof buffer);
  if (size > 0) {
    text.append(buffer, static_cast<size_t>(size));
  } else if (size == 0 || errno != EINTR) {
    Pipe::Close(fd);
  }
}

// Something to read `text` from: unlike a pipe it needs nobody to feed it, and
// raises no SIGPIPE when it is not read.
int FileWith(const std::string& text) {
  int fd = memfd_create("input", MFD_CLOEXEC);
  for (size_t done = 0; done < text.size();) {
    ssize_t size = write(fd, text.data() + done, text.size() - done);
    if (size < 0) break;
    done += static_cast<size_t>(size);
  }
  lseek(fd, 0, SEEK_SET);
  return fd;
}

}  // namespace

absl::Status CommandResult::ToStatus(const std::string& doing) const {
  if (ok()) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat(doing, ": exit code ", exit_code, ": ",
                   absl::StripSuffix(err.empty() ? out : err, "\n")));
}

CommandResult Run(const std::vector<std::string>& argv,
                  std::chrono::milliseconds patience,
                  const std::string& input) {
  CommandResult result;
  Pipe out, err;
  int in = FileWith(input);
  absl::StatusOr<pid_t> pid =
      Spawn(argv, {.in = in, .out = out.ends[1], .err = err.ends[1]});
  close(in);
  out.CloseWriter();
  err.CloseWriter();
  if (!pid.ok()) {
    result.err = std::string(pid.status().message());
    return result;
  }
  auto end = steady_clock::now() + patience;
  while (out.ends[0] >= 0 || err.ends[0] >= 0) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        end - steady_clock::now());
    pollfd fds[] = {{out.ends[0], POLLIN, 0}, {err.ends[0], POLLIN, 0}};
    if (left.count() <= 0 ||
        poll(fds, 2, static_cast<int>(left.count())) == 0) {
      kill(*pid, SIGKILL);
      waitpid(*pid, nullptr, 0);
      absl::StrAppend(&result.err, "took too long: ", absl::StrJoin(argv, " "));
      return result;
    }
    if (fds[0].revents != 0) Drain(out.ends[0], result.out);
    if (fds[1].revents != 0) Drain(err.ends[0], result.err);
  }
  int status = 0;
  waitpid(*pid, &status, 0);
  result.exit_code = ExitCode(status);
  return result;
}

absl::StatusOr<std::unique_ptr<Process>> Process::Start(
    const std::vector<std::string>& argv, std::string log_path) {
  int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
  int log =
      open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log < 0) {
    int error = errno;
    close(in);
    return absl::ErrnoToStatus(error, absl::StrCat("opening ", log_path));
  }
  absl::StatusOr<pid_t> pid = Spawn(argv, {.in = in, .out = log, .err = log});
  close(in);
  close(log);
  if (!pid.ok()) return pid.status();
  return std::unique_ptr<Process>(new Process(*pid, std::move(log_path)));
}

Process::~Process() { Stop(); }

bool Process::Running() {
  if (exit_code_) return false;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) == 0) return true;
  exit_code_ = ExitCode(status);
  return false;
}

bool Process::Stop(std::chrono::milliseconds patience) {
  if (!Running()) return true;
  // One that was paused could not hear the other.
  kill(pid_, SIGTERM);
  kill(pid_, SIGCONT);
  if (WaitForExit(patience)) return true;
  kill(pid_, SIGKILL);
  int status = 0;
  waitpid(pid_, &status, 0);
  exit_code_ = ExitCode(status);
  return false;
}

void Process::Signal(int signal) {
  // Not once it has been waited for: the pid may be another's by then.
  if (Running()) kill(pid_, signal);
}

bool Process::WaitForExit(std::chrono::milliseconds patience) {
  return WaitUntil([this] { return !Running(); }, patience);
}

std::string Process::Log() const { return ReadFile(log_path_); }

bool Process::WaitForLog(const std::string& text,
                         std::chrono::milliseconds patience) {
  auto there = [&] { return Log().find(text) != std::string::npos; };
  WaitUntil([&] { return there() || !Running(); }, patience);
  return there();
}

}  // namespace breakwater::testing
