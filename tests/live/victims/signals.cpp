// SPDX-License-Identifier: MIT
// Signals wait for the process and for one thread, with values and in order; handlers, flags,
// masks and an alternate stack are checked all the time. When the counter is 1 it takes the signals
// and says in lane 0 whether they are the ones that were sent.
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

#include <array>
#include <atomic>

#include "tests/live/victims/victim.h"

namespace {

std::array<char, 64 << 10> stack;
volatile sig_atomic_t caught = 0;

void on_signal(int, siginfo_t* info, void*) {
  const char* here = reinterpret_cast<const char*>(&info);
  const bool on_stack = here >= stack.data() && here < stack.data() + stack.size();
  caught = on_stack && info->si_value.sival_int == 77 ? 1 : 2;
}

struct Waiting {
  int signal;
  int value;
  bool to_thread;
};
constexpr Waiting kWaiting[] = {{40, 1, false}, {40, 2, false}, {SIGTERM, 3, false},
                                {41, 4, true},  {41, 5, true},  {SIGHUP, 6, true}};

void send(const Waiting& one) {
  siginfo_t info{};
  info.si_signo = one.signal;
  info.si_code = SI_QUEUE;
  info.si_pid = 4242;  // nobody: it must come back as it was
  info.si_uid = 17;
  info.si_value.sival_int = one.value;
  const long sent = one.to_thread
                        ? syscall(SYS_rt_tgsigqueueinfo, getpid(), getpid(), one.signal, &info)
                        : syscall(SYS_rt_sigqueueinfo, getpid(), one.signal, &info);
  VICTIM_CHECK(sent == 0);
}

bool takes(int signal, std::initializer_list<int> values) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  const timespec now{};
  for (const int value : values) {
    siginfo_t info{};
    if (sigtimedwait(&set, &info, &now) != signal || info.si_value.sival_int != value ||
        info.si_pid != 4242 || info.si_uid != 17 || info.si_code != SI_QUEUE) {
      return false;
    }
  }
  siginfo_t none{};
  return sigtimedwait(&set, &none, &now) < 0;
}

}  // namespace

int main() {
  victim::page();
  sigset_t blocked;
  sigemptyset(&blocked);
  for (const Waiting& one : kWaiting) {
    sigaddset(&blocked, one.signal);
  }
  sigprocmask(SIG_SETMASK, &blocked, nullptr);
  const stack_t alternate{stack.data(), 0, stack.size()};
  sigaltstack(&alternate, nullptr);
  struct sigaction action {};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  sigaddset(&action.sa_mask, 50);
  sigaction(SIGUSR1, &action, nullptr);
  signal(SIGUSR2, SIG_IGN);
  for (const Waiting& one : kWaiting) {
    send(one);
  }
  victim::ready();
  while (victim::goes_on()) {
    sigset_t mask;
    sigprocmask(SIG_SETMASK, nullptr, &mask);
    VICTIM_CHECK(memcmp(&mask, &blocked, 8) == 0);
    struct sigaction now {};
    sigaction(SIGUSR1, nullptr, &now);
    VICTIM_CHECK(now.sa_sigaction == on_signal && sigismember(&now.sa_mask, 50) == 1);
    VICTIM_CHECK((now.sa_flags & (SA_SIGINFO | SA_ONSTACK | SA_RESTART)) ==
                 (SA_SIGINFO | SA_ONSTACK | SA_RESTART));
    sigaction(SIGUSR2, nullptr, &now);
    VICTIM_CHECK(now.sa_handler == SIG_IGN);
    caught = 0;
    sigval value{};
    value.sival_int = 77;
    sigqueue(getpid(), SIGUSR1, value);
    VICTIM_CHECK(caught == 1);
    if (victim::page().counter.load() == 1) {
      const bool all =
          takes(40, {1, 2}) && takes(SIGTERM, {3}) && takes(41, {4, 5}) && takes(SIGHUP, {6});
      victim::page().lanes[0].store(all ? 1 : 2);
      victim::page().counter.store(0);
    }
    victim::round_done();
    usleep(1000);
  }
  return 0;
}
