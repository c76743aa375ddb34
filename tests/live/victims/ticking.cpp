// SPDX-License-Identifier: MIT
// Interval timers and POSIX timers, one with a gap in the numbers in front of it and one to a
// thread of its own: a round is over when each has told its end once more. One far in the future
// must count down and not come early. Lanes: how often each has told its end.
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include <cstring>
#include <thread>

#include "tests/live/victims/victim.h"

namespace {

constexpr long kSoon = 3'000'000;  // ns
constexpr int kFar = 100'000;      // s
std::atomic<int> ends[5];
std::atomic<pid_t> told_thread = 0;
std::atomic<int> wrong_thread = 0;

void on_signal(int signal, siginfo_t* info, void*) {
  if (signal == SIGALRM) {
    ends[0].fetch_add(1);
  } else if (signal == SIGPROF) {
    ends[1].fetch_add(1);
  } else {
    ends[info->si_value.sival_int].fetch_add(1);
    wrong_thread.fetch_add(signal == 43 && syscall(SYS_gettid) != told_thread.load() ? 1 : 0);
  }
}

int make(clockid_t clock, int notify, int signal, int value) {
  sigevent event{};
  event.sigev_notify = notify;
  event.sigev_signo = signal;
  event.sigev_value.sival_int = value;
  event._sigev_un._tid = told_thread.load();
  int id = -1;
  VICTIM_CHECK(syscall(SYS_timer_create, clock, &event, &id) == 0);
  return id;
}

void start(int id, long seconds, long nanoseconds) {
  const itimerspec value{{seconds, nanoseconds}, {seconds, nanoseconds}};
  VICTIM_CHECK(syscall(SYS_timer_settime, id, 0, &value, nullptr) == 0);
}

}  // namespace

int main() {
  victim::page();
  struct sigaction action {};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  for (const int signal : {SIGALRM, SIGPROF, 42, 43}) {
    sigaction(signal, &action, nullptr);
  }
  std::thread told([] {
    told_thread.store(static_cast<pid_t>(syscall(SYS_gettid)));
    while (victim::goes_on()) {
      usleep(1000);
    }
  });
  while (told_thread.load() == 0) {
    usleep(100);
  }
  const itimerval real{{0, 3000}, {0, 3000}};
  setitimer(ITIMER_REAL, &real, nullptr);
  setitimer(ITIMER_PROF, &real, nullptr);
  const int gone = make(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0);
  const int signalled = make(CLOCK_MONOTONIC, SIGEV_SIGNAL, 42, 2);
  const int threaded = make(CLOCK_REALTIME, SIGEV_THREAD_ID, 43, 3);
  const int far = make(CLOCK_BOOTTIME, SIGEV_SIGNAL, 42, 4);
  syscall(SYS_timer_delete, gone);
  start(signalled, 0, kSoon);
  start(threaded, 0, kSoon);
  start(far, kFar, 0);
  victim::ready();
  while (victim::goes_on()) {
    int seen[4];
    for (int i = 0; i < 4; ++i) {
      seen[i] = ends[i].load();
    }
    for (bool all = false; !all && victim::goes_on();) {
      all = true;
      for (int i = 0; i < 4; ++i) {
        all = all && ends[i].load() != seen[i];
        victim::page().lanes[i].store(static_cast<std::uint64_t>(ends[i].load()));
      }
    }
    itimerspec left{};
    VICTIM_CHECK(syscall(SYS_timer_gettime, far, &left) == 0);
    VICTIM_CHECK(left.it_value.tv_sec > kFar - 100 && left.it_interval.tv_sec == kFar);
    itimerval own{};
    VICTIM_CHECK(getitimer(ITIMER_PROF, &own) == 0 && own.it_interval.tv_usec == 3000);
    VICTIM_CHECK(ends[4].load() == 0 && wrong_thread.load() == 0);
    victim::round_done();
  }
  told.join();
  return 0;
}
