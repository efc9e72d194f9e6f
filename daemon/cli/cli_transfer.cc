#include "daemon/cli/cli_transfer.h"

#include <sys/stat.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/list_file.h"
#include "core/base/text.h"
#include "daemon/cli/ban_file.h"
#include "daemon/cli/cli_tables.h"
#include "daemon/protocol/cli_json.h"
#include "daemon/protocol/control_client.h"
#include "daemon/protocol/control_request.h"

namespace breakwater {
namespace {

using nlohmann::json;

constexpr size_t kMostComplaints = 50;
constexpr size_t kLargestFile = size_t{4} << 30;

absl::StatusOr<json> Ask(DaemonConnection& daemon, const std::string& request) {
  const absl::StatusOr<std::string> line = daemon.Ask(request);
  if (!line.ok()) return line.status();
  json answer = json::parse(*line, nullptr, /*allow_exceptions=*/false);
  if (!answer.is_object()) {
    return absl::UnavailableError("what answers is not breakwaterd");
  }
  if (!IsTrue(answer, "ok")) {
    return absl::FailedPreconditionError(Text(answer, "error"));
  }
  return answer;
}

// Collects entries and sends them, many at a time.
class Importer {
 public:
  Importer(DaemonConnection daemon, std::string file, std::ostream& complaints)
      : daemon_(std::move(daemon)),
        file_(std::move(file)),
        complaints_(complaints) {}

  void Complain(size_t line, const std::string& what) {
    if (complained_++ < kMostComplaints) {
      complaints_ << file_ << ":" << line << ": " << Printable(what) << "\n";
    }
  }
  absl::Status Add(const BanEntry& entry, size_t line) {
    std::string text = DescribeBanEntry(entry).dump();
    if (lines_.size() == kMostEntries ||
        entries_.size() + text.size() + 16 > kLongestImportLine) {
      if (absl::Status status = Send(); !status.ok()) return status;
    }
    absl::StrAppend(&entries_, lines_.empty() ? "" : ",", text);
    lines_.push_back(line);
    return absl::OkStatus();
  }
  absl::Status Send() {
    if (lines_.empty()) return absl::OkStatus();
    const absl::StatusOr<json> answer =
        Ask(daemon_, absl::StrCat(kImportBegin, "[", entries_, "]"));
    if (!answer.ok()) return answer.status();
    const auto began = static_cast<size_t>(Number(*answer, "new"));
    const auto prolonged = static_cast<size_t>(Number(*answer, "prolonged"));
    size_t refused = 0;
    for (const json& one : Member(*answer, "refused")) {
      const auto index = static_cast<size_t>(Number(one, "entry"));
      Complain(index < lines_.size() ? lines_[index] : 0, Text(one, "error"));
      ++refused;
    }
    counts_.began += began;
    counts_.prolonged += prolonged;
    counts_.refused += refused;
    counts_.as_before += lines_.size() - began - prolonged - refused;
    counts_.note = Text(*answer, "note");
    lines_.clear();
    entries_.clear();
    return absl::OkStatus();
  }
  ImportCounts& counts() { return counts_; }
  size_t untold() const {
    return complained_ - std::min(complained_, kMostComplaints);
  }

 private:
  DaemonConnection daemon_;
  const std::string file_;
  std::ostream& complaints_;
  size_t complained_ = 0;
  std::string entries_;        // JSON objects with commas between
  std::vector<size_t> lines_;  // whose they are
  ImportCounts counts_;
};

// A pipe, a terminal, a socket.
bool IsStream(const std::string& path) {
  struct stat about {};
  return stat(path.c_str(), &about) == 0 &&
         (S_ISFIFO(about.st_mode) || S_ISCHR(about.st_mode) ||
          S_ISSOCK(about.st_mode));
}

absl::Status ReadAll(ListFile& file, std::chrono::seconds usual,
                     Importer& importer) {
  while (true) {
    const absl::StatusOr<std::optional<std::string_view>> line =
        file.NextLine();
    if (!line.ok()) return line.status();
    if (!*line) return importer.Send();
    const size_t number = file.number();
    const absl::StatusOr<std::vector<BanEntry>> entries =
        ReadBanLine(**line, usual);
    if (absl::IsNotFound(entries.status())) {
      ++importer.counts().ended;
    } else if (!entries.ok()) {
      ++importer.counts().bad;
      importer.Complain(number, std::string(entries.status().message()));
    } else {
      for (const BanEntry& entry : *entries) {
        absl::Status status = importer.Add(entry, number);
        if (!status.ok()) return status;
      }
    }
  }
}

}  // namespace

void AddTransferCommands(CLI::App& app, TransferCommand& command) {
  CLI::App* const out =
      app.add_subcommand("export", "Print every ban, to be imported elsewhere")
          ->fallthrough();
  out->add_option("--for", command.format,
                  "json, with all that is known, or ipset, for \"ipset "
                  "restore\"")
      ->check(CLI::IsMember({"json", "ipset"}))
      ->type_name("FORMAT")
      ->capture_default_str();
  CLI::App* const in =
      app.add_subcommand("import", "Ban whom a file names")->fallthrough();
  in->add_option("FILE", command.file,
                 "What export or \"ipset save\" has printed, or addresses; - "
                 "is the standard input")
      ->required();
  in->add_option("--for", command.length,
                 "How long to ban those of whom the file does not say it; else "
                 "ban.duration")
      ->type_name("TIME");
}

absl::Status ExportBans(const std::string& socket,
                        const TransferCommand& command, std::ostream& out) {
  absl::StatusOr<DaemonConnection> daemon =
      DaemonConnection::Open(socket, PatienceFor(Verb::kExport));
  if (!daemon.ok()) return daemon.status();
  const bool is_json = command.format == "json";
  std::string request = VerbName(Verb::kExport);
  std::string before = "[\n";
  while (!request.empty()) {
    const absl::StatusOr<json> page = Ask(*daemon, request);
    if (!page.ok()) return page.status();
    std::vector<std::string> sets;
    for (const json& set : Member(*page, "sets")) sets.push_back(Text(set));
    for (const json& ban : Member(*page, "bans")) {
      if (is_json) {
        out << std::exchange(before, ",\n") << ban.dump(-1, ' ', true);
      } else {
        out << IpsetLine(ban, sets);
      }
    }
    const json& next = Member(*page, "next");
    request = next.is_number() ? absl::StrCat(VerbName(Verb::kExport), " ",
                                              Text(*page, "snapshot"), " ",
                                              next.get<uint64_t>())
                               : "";
    if (!out.good()) break;
  }
  if (is_json) out << (before == "[\n" ? "[\n]\n" : "\n]\n");
  out.flush();
  return out.good() ? absl::OkStatus()
                    : absl::DataLossError("the output cannot be written");
}

absl::StatusOr<ImportCounts> ImportBans(const std::string& socket,
                                        const TransferCommand& command,
                                        std::chrono::seconds usual,
                                        std::ostream& complaints) {
  absl::StatusOr<ListFile> file =
      command.file == "-" ? ListFile::StandardInput()
                          : ListFile::Open(command.file, kLargestFile);
  if (!file.ok()) {
    // Also /dev/stdin, and what a shell puts in place of <(...).
    const bool is_stream = IsStream(command.file);
    // What is wrong with a file's name is no wrong usage.
    return absl::NotFoundError(absl::StrCat(
        file.status().message(),
        is_stream ? "; \"import -\" reads the standard input" : ""));
  }
  absl::StatusOr<DaemonConnection> daemon =
      DaemonConnection::Open(socket, PatienceFor(Verb::kImport));
  if (!daemon.ok()) return daemon.status();
  Importer importer(*std::move(daemon), file->name(), complaints);
  const absl::Status status = ReadAll(*file, usual, importer);
  if (importer.untold() > 0) {
    complaints << "and " << importer.untold() << " lines more\n";
  }
  if (!status.ok()) {
    return absl::Status(status.code(),
                        absl::StrCat(status.message(), "; by then, ",
                                     ShowImport(importer.counts())));
  }
  return importer.counts();
}

std::string ShowImport(const ImportCounts& counts) {
  std::string out =
      absl::StrCat(counts.began, " new, ", counts.prolonged, " prolonged, ",
                   counts.as_before, " as before");
  const auto add = [&out](size_t count, const char* what) {
    if (count > 0) absl::StrAppend(&out, ", ", count, what);
  };
  add(counts.ended, " already over");
  add(counts.refused, " refused");
  add(counts.bad, " not understood");
  if (!counts.note.empty()) absl::StrAppend(&out, "; ", counts.note);
  return out;
}

}  // namespace breakwater
