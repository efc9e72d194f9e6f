// What the memory costs: to be told on the loop, to write a second's changes,
// and to read a million bans at a start, after a restart and after a boot. The
// limit beside it is SQLite alone, inserting rows of the same shape.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>

#include "core/base/log.h"
#include "core/judge/reply.h"
#include "daemon/memory/memory_file.h"

namespace breakwater {
namespace {

constexpr uint32_t kBatch = 10'000;

class Stopwatch {
 public:
  double Seconds() const {
    return std::chrono::duration<double>(Clock::now() - begin_).count();
  }

 private:
  const Instant begin_ = Clock::now();
};

Network Client(uint32_t number) {
  return Network::OfClient(IpAddress::FromV4(0x0b000000 + number));
}

Ban BanOf(uint32_t number) {
  const Network network = Client(number);
  return {
      .network = network,
      .client = network.address,
      .expires = Clock::now() + std::chrono::hours(24),
      .id = "5d0c7f3a",
      .label = "zen.spamhaus.org",
      .text = RenderReply(
          "Client {client} is listed by {list}{reason} [id {id}]",
          {.client = network.address,
           .list = "zen.spamhaus.org",
           .reason = "https://www.spamhaus.org/query/ip/" + network.ToString(),
           .id = "5d0c7f3a"}),
      .imposed = Clock::now()};
}

void Must(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  std::exit(1);
}

// Rows a second.
double BareSqlite(const std::string& path, uint32_t bans) {
  auto file = SqliteFile::Open(path);
  Must(file.status());
  Must(
      file->Run("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
                "CREATE TABLE t (a TEXT PRIMARY KEY, b INTEGER, c TEXT) "
                "WITHOUT ROWID"));
  auto insert = file->Prepare("INSERT INTO t VALUES (?,?,?)");
  Must(insert.status());
  const Stopwatch watch;
  for (uint32_t i = 0; i < bans; i += kBatch) {
    Must(file->Run("BEGIN"));
    for (uint32_t n = i; n < i + kBatch; ++n) {
      const Ban ban = BanOf(n);
      Must(insert->Bind(ban.network.ToString())
               .Bind(int64_t{n})
               .Bind(ban.text)
               .Run());
    }
    Must(file->Run("COMMIT"));
  }
  return bans / watch.Seconds();
}

void Told(const std::string& path) {
  asio::io_context loop;
  Metrics metrics;
  MemoryFile memory(loop, metrics, {.file = path});
  const Stopwatch watch;
  for (uint32_t n = 0; n < MemoryFile::kMostEvents; ++n) {
    memory.Changed(Client(n));
    memory.Happened({.who = Client(n), .label = "zen.spamhaus.org"});
  }
  std::printf("the loop, to say one change and one event  %8.0f ns\n",
              watch.Seconds() * 1e9 / MemoryFile::kMostEvents);
}

void Written(const std::string& path, uint32_t bans) {
  auto store = MemoryStore::Open(path);
  Must(store.status());
  const Stopwatch watch;
  for (uint32_t i = 0; i < bans; i += kBatch) {
    MemoryStore::Batch batch;
    for (uint32_t n = i; n < i + kBatch; ++n) {
      batch.changed.push_back(Client(n));
      batch.known.bans.push_back(BanOf(n));
      batch.known.growth.push_back({.who = Client(n), .times = 1});
      batch.events.push_back(
          {std::chrono::system_clock::now(),
           {.who = Client(n), .detail = batch.known.bans.back().text}});
    }
    Must((*store)->Write(batch, ClockReading::Now()));
  }
  const double bytes =
      static_cast<double>(std::filesystem::file_size(path)) / bans;
  std::printf(
      "written: ban, growth and event             %8.0f /s  %.0f bytes\n",
      bans / watch.Seconds(), bytes);
  const Stopwatch pruning;
  Must((*store)->Prune({}, ClockReading::Now()));
  std::printf("pruned, nothing to drop                    %8.2f s\n",
              pruning.Seconds());
}

void Read(const char* when, const std::string& path, const std::string& boot) {
  const Stopwatch watch;
  auto store = MemoryStore::Open(path);
  Must(store.status());
  ClockReading now = ClockReading::Now();
  now.boot += boot;
  Remembered known;
  Must((*store)->Load(now, known));
  std::printf("read after a %-8s %9zu bans          %8.2f s\n", when,
              known.bans.size(), watch.Seconds());
}

}  // namespace
}  // namespace breakwater

int main(int argc, char** argv) {
  using namespace breakwater;
  SetLeastSeverity(Severity::kError);
  const auto bans =
      static_cast<uint32_t>(argc > 1 ? std::atoi(argv[1]) : 1'000'000);
  const std::string directory =
      std::filesystem::temp_directory_path() / "breakwater-memory-bench";
  std::filesystem::remove_all(directory);
  std::filesystem::create_directory(directory);
  Told(directory + "/told.db");
  std::printf("SQLite alone, one such row                 %8.0f /s\n",
              BareSqlite(directory + "/bare.db", bans));
  const std::string path = directory + "/memory.db";
  Written(path, bans);
  Read("restart", path, "");
  Read("boot", path, "'");
  std::filesystem::remove_all(directory);
}
