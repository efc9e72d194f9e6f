#include "contrib/courier/decision.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "contrib/adapter/policy_client.h"
#include "contrib/courier/envelope.h"
#include "contrib/courier/header.h"
#include "contrib/courier/question.h"

namespace breakwater {
namespace {

// Of each control file; that of 100 recipients has some 10 KiB.
constexpr size_t kMostOfControlFile = 256 * 1024;

// Of a process's environment.
constexpr size_t kMostOfEnvironment = 64 * 1024;

// The beginning of a file, as far as wanted; nothing if it cannot be read.
std::optional<std::string> ReadBeginning(const std::string& path, size_t most) {
  // Whatever else it may be, it shall not make us wait.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return std::nullopt;
  std::string text(most, '\0');
  size_t size = 0;
  ssize_t got = 0;
  while (size < most && (got = read(fd, text.data() + size, most - size)) > 0) {
    size += static_cast<size_t>(got);
  }
  const int error = errno;
  close(fd);
  errno = error;
  if (got < 0) return std::nullopt;
  text.resize(size);
  return text;
}

MessageDecision Unasked(const std::string& why) {
  return {.reply = MessageDecision().reply, .complaint = why};
}

}  // namespace

MessageDecision DecideMessage(const FilterRequest& request,
                              const CourierOptions& options) {
  const std::vector<std::string>& files = request.files;
  if (files.size() < 2) return Unasked("Courier named no control file");
  Envelope envelope;
  for (size_t i = 1; i < files.size(); ++i) {
    const auto text = ReadBeginning(files[i], kMostOfControlFile);
    if (!text) return Unasked("reading " + files[i] + ": " + strerror(errno));
    TakeControlFile(*text, envelope);
  }
  if (!envelope.IsStrangers()) return {};

  // Without the ports a client can be judged just as well, but its session is
  // not known, and would be ended before it has its reply.
  if (request.asker > 0) {
    const std::string path =
        "/proc/" + std::to_string(request.asker) + "/environ";
    TakeEnvironment(ReadBeginning(path, kMostOfEnvironment).value_or(""),
                    envelope);
  }
  // Without its header a message is still its client's.
  const auto beginning = ReadBeginning(files[0], Question::kMostOfHeader);
  const Question question(std::move(envelope),
                          HeaderFields(beginning.value_or("")));
  const PolicyAnswer answer =
      AskPolicyServer(options.socket, question.attributes(), options.patience);
  if (answer.action.empty()) return Unasked(answer.error);
  const PolicyDecision decision = ParsePolicyAction(answer.action);
  if (decision.odd) return Unasked("an action that is none: " + answer.action);
  if (!decision.Refuses()) return {};
  return {.reply = decision.reply, .complaint = ""};
}

}  // namespace breakwater
