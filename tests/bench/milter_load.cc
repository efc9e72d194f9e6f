#include "tests/bench/milter_load.h"

#include <poll.h>

#include <list>

#include "absl/strings/str_cat.h"

namespace breakwater {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::duration_cast;
using std::chrono::microseconds;

class Conversation {
 public:
  Conversation(const std::string& path, MilterSession& session)
      : session_(session), began_(Clock::now()), client_(path) {
    client_.SendNegotiate({});
  }

  int fd() const { return client_.fd(); }

  // A reply is there. False when that was the last one.
  bool Step() {
    const char reply = client_.Receive().command;
    switch (++replies_) {
      case 1:
        client_.SendConnect(session_.address, 4711, PostfixMacros());
        return reply == 'O';
      case 2:
        mail_began_ = Clock::now();
        if (!session_.helo.empty()) {
          // With the NUL behind it.
          client_.SendPacket('H',
                             {session_.helo.c_str(), session_.helo.size() + 1});
        }
        client_.SendMail();
        return reply == 'c';
      case 3:
        session_.mail = Since(mail_began_);
        session_.verdict = reply;
        if (reply == 'c') {
          client_.SendRecipient();
          return true;
        }
        break;
    }
    client_.Quit();
    session_.whole = Since(began_);
    return false;
  }

 private:
  static microseconds Since(Clock::time_point start) {
    return duration_cast<microseconds>(Clock::now() - start);
  }

  MilterSession& session_;
  const Clock::time_point began_;
  Clock::time_point mail_began_;
  int replies_ = 0;
  MilterClient client_;
};

// One that is not waited for until MAIL.
struct Burst {
  MilterSession* session;
  std::unique_ptr<MilterClient> client;
  int replies = 0;
};

}  // namespace

void RunBurst(const std::string& path, std::vector<MilterSession>& sessions) {
  const Clock::time_point began = Clock::now();
  std::list<Burst> open;
  for (MilterSession& session : sessions) {
    open.push_back({&session, std::make_unique<MilterClient>(path)});
    MilterClient& client = *open.back().client;
    client.SendNegotiate({});
    client.SendConnect(session.address, 4711, PostfixMacros());
    client.SendMail();
  }
  std::vector<pollfd> waits;
  while (!open.empty()) {
    waits.clear();
    for (const Burst& burst : open) {
      waits.push_back(
          {.fd = burst.client->fd(), .events = POLLIN, .revents = 0});
    }
    if (poll(waits.data(), waits.size(), 10'000) <= 0) return;
    auto burst = open.begin();
    for (const pollfd& wait : waits) {
      const auto here = burst++;
      if (wait.revents == 0) continue;
      const char reply = here->client->Receive().command;
      if (++here->replies < 3) continue;
      here->session->verdict = reply;
      here->session->mail = here->session->whole =
          duration_cast<microseconds>(Clock::now() - began);
      here->client->Quit();
      open.erase(here);
    }
  }
}

void RunSessions(const std::string& path, std::vector<MilterSession>& sessions,
                 size_t at_once) {
  std::list<Conversation> open;
  size_t next = 0;
  std::vector<pollfd> waits;
  while (next < sessions.size() || !open.empty()) {
    while (open.size() < at_once && next < sessions.size()) {
      open.emplace_back(path, sessions[next++]);
    }
    waits.clear();
    for (const Conversation& conversation : open) {
      waits.push_back(
          {.fd = conversation.fd(), .events = POLLIN, .revents = 0});
    }
    if (poll(waits.data(), waits.size(), 10'000) <= 0) return;
    auto conversation = open.begin();
    for (const pollfd& wait : waits) {
      const auto here = conversation++;
      if (wait.revents != 0 && !here->Step()) open.erase(here);
    }
  }
}

std::vector<std::unique_ptr<MilterClient>> OpenIdle(const std::string& path,
                                                    size_t count) {
  std::vector<std::unique_ptr<MilterClient>> idle;
  for (size_t i = 0; i < count; ++i) {
    idle.push_back(std::make_unique<MilterClient>(path));
    idle.back()->Negotiate();
    idle.back()->Connect(
        absl::StrCat("11.", i / 65536, ".", i / 256 % 256, ".", i % 256), 4711,
        PostfixMacros());
  }
  return idle;
}

}  // namespace breakwater
