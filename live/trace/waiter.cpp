// SPDX-License-Identifier: MIT
#include "live/trace/waiter.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

namespace img::trace {
namespace {

constexpr int kEagerPolls = 32;  // some 10 us
constexpr std::chrono::microseconds kLongestPause{1000};

class System : public WaitSource {
 public:
  // __WNOTHREAD: the tracees of this thread only, as ptrace itself has it.
  pid_t poll(pid_t tid, int& status) override {
    const pid_t got = ::waitpid(tid, &status, __WALL | __WNOTHREAD | WNOHANG);
    return got < 0 ? -errno : got;
  }
  Clock::time_point now() override { return Clock::now(); }
  // SIGCHLD comes with every stop. Where it is blocked, as in our tools, it ends the pause; who
  // yields instead waits for a whole time slice on a busy machine.
  void pause(std::chrono::microseconds time) override {
    if (time.count() == 0) {
      __builtin_ia32_pause();
      return;
    }
    const timespec duration{0, static_cast<long>(time.count() * 1000)};
    sigset_t stops;
    sigemptyset(&stops);
    ::pthread_sigmask(SIG_SETMASK, nullptr, &stops);
    if (sigismember(&stops, SIGCHLD) == 0) {
      ::clock_nanosleep(CLOCK_MONOTONIC, 0, &duration, nullptr);
      return;
    }
    sigemptyset(&stops);
    sigaddset(&stops, SIGCHLD);
    ::sigtimedwait(&stops, nullptr, &duration);
  }
};

std::string task_name(pid_t tid) {
  return "task " + std::to_string(tid);
}

}  // namespace

WaitSource& WaitSource::system() {
  static System source;
  return source;
}

void Patience::wait() {
  if (polls_ < kEagerPolls) {
    ++polls_;
    source_.pause(std::chrono::microseconds(0));
    return;
  }
  source_.pause(pause_);
  pause_ = std::min(pause_ * 2, kLongestPause);
}

Result<std::optional<Stop>> Waiter::poll(pid_t tid) {
  int status = 0;
  pid_t got = 0;
  do {
    got = source_->poll(tid, status);
  } while (got == -EINTR);
  if (got == 0) {
    return std::optional<Stop>();
  }
  if (got == -ECHILD) {
    return fail(Fault::gone, task_name(tid), "wait", "it has ended, or is no longer traced by us");
  }
  if (got < 0) {
    return fail(sys_error(-got, task_name(tid), "wait"));
  }
  return std::optional<Stop>(classify(status));
}

Result<Stop> Waiter::wait(pid_t tid, Deadline deadline) {
  for (Patience patience(*source_);; patience.wait()) {
    IMG_ASSIGN(const std::optional<Stop> stop, poll(tid));
    if (stop) {
      return *stop;
    }
    if (source_->now() >= deadline) {
      return fail(Fault::limit, task_name(tid), "wait", "it did not stop in time");
    }
  }
}

}  // namespace img::trace
