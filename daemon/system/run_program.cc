#include "daemon/system/run_program.h"

#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "core/base/file_descriptor.h"

namespace breakwater {

std::string ProgramPath(const std::string& program) {
  if (program.find('/') != std::string::npos) return program;
  for (const char* directory :
       {"/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/", "/usr/local/sbin/"}) {
    const std::string path = directory + program;
    if (access(path.c_str(), X_OK) == 0) return path;
  }
  return "";
}

namespace {

// A file in memory: whoever writes never waits for who reads.
FileDescriptor MemoryFile(const std::string& content) {
  FileDescriptor file(memfd_create("breakwater", MFD_CLOEXEC));
  size_t at = 0;
  while (at < content.size()) {
    const ssize_t size =
        write(file.get(), content.data() + at, content.size() - at);
    if (size < 0) return FileDescriptor();
    at += static_cast<size_t>(size);
  }
  lseek(file.get(), 0, SEEK_SET);
  return file;
}

std::string ContentOf(const FileDescriptor& file) {
  std::string content;
  std::array<char, 65536> part;
  ssize_t size;
  while ((size = pread(file.get(), part.data(), part.size(),
                       static_cast<off_t>(content.size()))) > 0) {
    content.append(part.data(), static_cast<size_t>(size));
  }
  return content;
}

// Whether it becomes readable in time. A signal that comes to us (poll(2) is
// never restarted) neither ends nor prolongs that.
bool IsReadableWithin(const FileDescriptor& file, Duration patience) {
  const Instant end = Clock::now() + patience;
  pollfd waiting{.fd = file.get(), .events = POLLIN, .revents = 0};
  int ready;
  do {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(
        std::max<Clock::duration>(end - Clock::now(), {}));
    ready = poll(&waiting, 1, static_cast<int>(left.count()));
  } while (ready < 0 && errno == EINTR);
  return ready > 0;
}

// The exit code, or nothing if it did not end in time and was killed.
absl::StatusOr<int> WaitFor(pid_t pid, Duration patience) {
  const FileDescriptor handle(
      static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  // A kernel from before 5.3 knows no such descriptor: then it is waited for.
  const bool late = handle.is_open() && !IsReadableWithin(handle, patience);
  if (late) kill(pid, SIGKILL);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return absl::ErrnoToStatus(errno, "waiting");
  }
  if (late) return absl::DeadlineExceededError("it did not end in time");
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

absl::Status ProgramResult::ToStatus(const std::string& doing) const {
  if (exit_code == 0) return absl::OkStatus();
  const std::string words(absl::StripAsciiWhitespace(err.empty() ? out : err));
  return absl::InternalError(absl::StrCat(
      doing, ": ",
      words.empty() ? absl::StrCat("exit code ", exit_code) : words));
}

absl::StatusOr<ProgramResult> RunProgram(const std::vector<std::string>& words,
                                         const std::string& input,
                                         Duration patience) {
  const std::string path = ProgramPath(words.front());
  if (path.empty()) {
    return absl::NotFoundError(
        absl::StrCat(words.front(), " is not installed"));
  }
  const FileDescriptor in = MemoryFile(input);
  const FileDescriptor out = MemoryFile("");
  const FileDescriptor err = MemoryFile("");
  if (!in.is_open() || !out.is_open() || !err.is_open()) {
    return absl::ErrnoToStatus(errno, "making files in memory");
  }
  std::vector<char*> argv;
  for (const std::string& word : words) {
    argv.push_back(const_cast<char*>(word.c_str()));
  }
  argv.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, in.get(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&files, out.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&files, err.get(), STDERR_FILENO);
  pid_t pid = 0;
  const int error =
      posix_spawn(&pid, path.c_str(), &files, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  if (error != 0) {
    return absl::ErrnoToStatus(error, absl::StrCat("starting ", path));
  }
  const absl::StatusOr<int> code = WaitFor(pid, patience);
  if (!code.ok()) {
    return absl::Status(code.status().code(),
                        absl::StrCat(path, ": ", code.status().message()));
  }
  return ProgramResult{*code, ContentOf(out), ContentOf(err)};
}

}  // namespace breakwater
