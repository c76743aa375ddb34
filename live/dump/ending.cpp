// SPDX-License-Identifier: MIT
#include "live/dump/ending.h"

#include <signal.h>

#include <cerrno>
#include <chrono>
#include <thread>

namespace img::dump {
namespace {

constexpr std::chrono::seconds kReapTime{5};

// Threads first: the main one is not seen to have ended before the others have.
Result<void> reap(trace::FrozenProcess& process) {
  const trace::Deadline deadline = trace::Clock::now() + kReapTime;
  for (std::size_t i = process.threads.size(); i-- > 0;) {
    trace::Tracee& thread = process.threads[i];
    while (!thread.is_gone()) {
      const auto stop = thread.wait(deadline);
      if (!stop && stop.error().fault != Fault::gone) {
        return fail(stop.error());
      }
    }
  }
  return {};
}

bool is_gone(const trace::FrozenProcess& process, bool is_root) {
  const auto stat = process.dir.stat();
  // Its parent is not ours: it may ask about it now, or never.
  return !stat || (is_root && stat->is_zombie());
}

}  // namespace

Result<void> kill_tree(trace::FrozenTree tree) {
  for (const trace::FrozenProcess& process : tree.processes) {
    if (process.state != trace::TaskState::zombie && ::kill(process.pid(), SIGKILL) < 0 &&
        errno != ESRCH) {
      return fail(sys_error(errno, "process " + std::to_string(process.pid()), "kill"));
    }
  }
  for (trace::FrozenProcess& process : tree.processes) {
    IMG_TRY(reap(process));
  }
  const trace::Deadline deadline = trace::Clock::now() + kReapTime;
  for (const trace::FrozenProcess& process : tree.processes) {
    while (!is_gone(process, &process == &tree.processes.front())) {
      if (trace::Clock::now() > deadline) {
        return fail(Fault::conflict, "process " + std::to_string(process.pid()), "kill",
                    "it has ended, and nobody waits for it",
                    "its number is in use until somebody does");
      }
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  }
  return {};
}

Result<void> leave_stopped(trace::FrozenTree tree) {
  for (const trace::FrozenProcess& process : tree.processes) {
    if (process.state == trace::TaskState::alive && ::kill(process.pid(), SIGSTOP) < 0) {
      return fail(sys_error(errno, "process " + std::to_string(process.pid()), "stop"));
    }
  }
  return {};
}

}  // namespace img::dump
