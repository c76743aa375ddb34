// SPDX-License-Identifier: MIT
// Two children without memory in common: one shares the descriptor table, one the folders and the
// umask. Each round the child changes them and the parent looks.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <array>
#include <cstring>

#include "tests/live/victims/victim.h"

namespace {

constexpr int kNumber = 200;  // a descriptor that nobody has but those who share

template <class Body>
pid_t start(unsigned long flags, Body body) {
  const auto pid = static_cast<pid_t>(syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0));
  if (pid == 0) {
    alarm(victim::kLongestLife);
    body();
    _exit(0);
  }
  return pid;
}

// Lane `own` says what was asked, lane `own` + 1 what was done.
template <class Change>
void serve(int own, Change change) {
  auto& lanes = victim::page().lanes;
  while (victim::goes_on()) {
    if (const std::uint64_t asked = lanes[own].load(); lanes[own + 1].load() != asked) {
      change(asked);
      lanes[own + 1].store(asked);
    }
    usleep(100);
  }
}

void ask(int own, std::uint64_t what) {
  auto& lanes = victim::page().lanes;
  lanes[own].store(what);
  while (lanes[own + 1].load() != what && victim::goes_on()) {
    usleep(100);
  }
}

}  // namespace

int main() {
  victim::page();
  start(CLONE_FILES, [] {
    serve(10, [](std::uint64_t asked) {
      if (asked % 2 == 1) {
        const int file = open("/dev/null", O_RDONLY);
        dup2(file, kNumber);
        close(file);
      } else {
        close(kNumber);
      }
    });
  });
  start(CLONE_FS, [] {
    serve(20, [](std::uint64_t asked) {
      VICTIM_CHECK(chdir(asked % 2 == 1 ? "/usr" : "/tmp") == 0);
      umask(asked % 2 == 1 ? 0123 : 0321);
    });
  });
  victim::ready();
  for (std::uint64_t round = 1; victim::goes_on(); ++round) {
    const bool odd = round % 2 == 1;
    ask(10, round);
    ask(20, round);
    if (!victim::goes_on()) {
      break;
    }
    VICTIM_CHECK((fcntl(kNumber, F_GETFD) >= 0) == odd);
    std::array<char, 64> cwd{};
    VICTIM_CHECK(getcwd(cwd.data(), cwd.size()) != nullptr);
    VICTIM_CHECK(strcmp(cwd.data(), odd ? "/usr" : "/tmp") == 0);
    const mode_t mask = umask(0);
    umask(mask);
    VICTIM_CHECK(mask == (odd ? 0123 : 0321));
    victim::round_done();
  }
  return 0;
}
