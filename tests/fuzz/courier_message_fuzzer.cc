// What Courier's filter reads of a message: the control files, which hold what
// the client said, the header, and the environment of who asks.

#include <numeric>
#include <string>

#include "contrib/courier/envelope.h"
#include "contrib/courier/filter_socket.h"
#include "contrib/courier/header.h"
#include "contrib/courier/question.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace breakwater;
  const std::string_view text = AsText(data, size);
  Envelope envelope;
  TakeControlFile(text, envelope);
  TakeEnvironment(text, envelope);
  for (const std::string& recipient : envelope.recipients) {
    Require(recipient.find('\n') == std::string::npos, "an address is a line");
  }
  for (const std::string& name : ParseFileNames(text)) {
    Require(!name.empty() && name.find('\n') == std::string::npos,
            "a name is a line");
  }
  std::vector<std::string> header = HeaderFields(text);
  const size_t kept = std::accumulate(
      header.begin(), header.end(), size_t{0},
      [](size_t sum, const std::string& field) { return sum + field.size(); });
  Require(kept <= size, "no more is kept than was there");

  // Whatever it is, the server takes it for one request.
  const Question question(std::move(envelope), std::move(header));
  const std::string request = FormatPolicyRequest(question.attributes());
  Require(request.size() <= 64 * 1024, "a request is bounded");
  Require(request.find("\n\n") == request.size() - 2, "a request ends once");
  return 0;
}
