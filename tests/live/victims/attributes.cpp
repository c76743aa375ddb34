// SPDX-License-Identifier: MIT
// What a process has once, set to something unusual and looked at all the time: limits, scheduling,
// personality, umask, name, folder, oom score, the other prctls; a second thread has its own nice
// value, policy and name.
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <array>
#include <cstdio>
#include <string>
#include <thread>

#include "tests/live/victims/victim.h"

namespace {

constexpr int kThpDisable = 41;  // PR_SET_THP_DISABLE, PR_GET_ is one more

std::string read(const char* path) {
  std::array<char, 256> text{};
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  const ssize_t got = ::read(file, text.data(), text.size() - 1);
  close(file);
  return {text.data(), static_cast<std::size_t>(got > 0 ? got : 0)};
}

std::string describe() {
  std::string out;
  const auto add = [&](const std::string& text) { out += text + "\n"; };
  for (int i = 0; i < 16; ++i) {
    rlimit limit{};
    getrlimit(static_cast<__rlimit_resource>(i), &limit);
    add(std::to_string(limit.rlim_cur) + " " + std::to_string(limit.rlim_max));
  }
  const mode_t mask = umask(0);
  umask(mask);
  std::array<char, 16> name{};
  prctl(PR_GET_NAME, name.data());
  int reaper = -1;
  prctl(PR_GET_CHILD_SUBREAPER, &reaper);
  std::array<char, 512> cwd{};
  add(std::to_string(mask) + " " + name.data() + " " + std::to_string(reaper) + " " +
      (getcwd(cwd.data(), cwd.size()) != nullptr ? cwd.data() : "?"));
  add(std::to_string(personality(0xffffffff)) + " " + std::to_string(getpriority(PRIO_PROCESS, 0)));
  add(std::to_string(sched_getscheduler(0)) + " " + std::to_string(prctl(PR_GET_DUMPABLE)) + " " +
      std::to_string(prctl(kThpDisable + 1, 0, 0, 0, 0)));
  add(read("/proc/self/oom_score_adj"));
  return out;
}

std::atomic<bool> is_set = false;

void second() {
  prctl(PR_SET_NAME, "second one");
  setpriority(PRIO_PROCESS, 0, 7);
  sched_param param{};
  VICTIM_CHECK(sched_setscheduler(0, SCHED_BATCH, &param) == 0);
  is_set = true;
  while (victim::goes_on()) {
    std::array<char, 16> name{};
    prctl(PR_GET_NAME, name.data());
    VICTIM_CHECK(strcmp(name.data(), "second one") == 0);
    VICTIM_CHECK(getpriority(PRIO_PROCESS, 0) == 7);
    VICTIM_CHECK(sched_getscheduler(0) == SCHED_BATCH);
    victim::page().lanes[1].fetch_add(1);
    usleep(1000);
  }
}

}  // namespace

int main() {
  victim::page();
  const rlimit files{77, 99};
  setrlimit(RLIMIT_NOFILE, &files);
  const rlimit core{1 << 20, 1 << 21};
  setrlimit(RLIMIT_CORE, &core);
  umask(0135);
  prctl(PR_SET_NAME, "new \n name");
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  prctl(kThpDisable, 1, 0, 0, 0);
  personality(ADDR_NO_RANDOMIZE);
  setpriority(PRIO_PROCESS, 0, 3);
  VICTIM_CHECK(chdir("/usr/lib") == 0);
  const int score = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  VICTIM_CHECK(write(score, "345", 3) == 3);
  close(score);
  prctl(PR_SET_DUMPABLE, 0);
  std::thread other(second);
  while (!is_set) {
    usleep(100);
  }
  const std::string then = describe();
  victim::ready();
  while (victim::goes_on()) {
    VICTIM_CHECK(describe() == then);
    victim::round_done();
    usleep(1000);
  }
  other.join();
  return 0;
}
