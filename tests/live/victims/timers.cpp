// SPDX-License-Identifier: MIT
// Periodic timers that have nearly always run out without anybody having looked: a timerfd that is
// not read, a POSIX timer whose signal is blocked. Looked at, each must run out again.
#include <poll.h>
#include <signal.h>
#include <sys/timerfd.h>
#include <time.h>

#include "tests/live/victims/victim.h"

namespace {

constexpr itimerspec kPeriod = {{0, 1'000'000}, {0, 1'000'000}};

bool runs_out(int timer) {
  pollfd one{timer, POLLIN, 0};
  std::uint64_t times = 0;
  return poll(&one, 1, 10'000) == 1 && read(timer, &times, sizeof times) == sizeof times &&
         times > 0;
}

bool is_signalled(const sigset_t& wanted) {
  const timespec longest{10, 0};
  return sigtimedwait(&wanted, nullptr, &longest) == SIGRTMIN;
}

}  // namespace

int main() {
  victim::page();
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGRTMIN);
  sigprocmask(SIG_BLOCK, &blocked, nullptr);
  sigevent event{};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGRTMIN;
  timer_t timer{};
  timer_create(CLOCK_MONOTONIC, &event, &timer);
  timer_settime(timer, 0, &kPeriod, nullptr);
  const int descriptor = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
  timerfd_settime(descriptor, 0, &kPeriod, nullptr);
  victim::ready();
  while (victim::goes_on()) {
    usleep(20'000);
    for (int time = 0; time < 3; ++time) {
      VICTIM_CHECK(runs_out(descriptor));
      VICTIM_CHECK(is_signalled(blocked));
    }
    victim::round_done();
  }
}
