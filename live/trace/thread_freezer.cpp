// SPDX-License-Identifier: MIT
#include "live/trace/thread_freezer.h"

#include <sys/ptrace.h>

#include <algorithm>
#include <utility>

#include "libimg/base/text.h"
#include "live/state/state.h"

namespace img::trace {
namespace {

constexpr std::chrono::milliseconds kSweep{2};

bool is_birth(const Stop& stop) {
  return stop.kind == StopKind::event &&
         (stop.code == PTRACE_EVENT_FORK || stop.code == PTRACE_EVENT_CLONE);
}

// The end of a main thread is told to nobody as long as other threads go on.
bool has_dead_leader(const FrozenProcess& process) {
  const auto stat = process.dir.stat();
  return stat && stat->is_zombie() && stat->threads > 1;
}

Error dead_leader(const FrozenProcess& process) {
  return state::refusal(state::Piece::dead_leader, name_of(process.stat));
}

// A task that is ending refuses as one that is forbidden does.
Result<bool> not_seized(const FrozenProcess& process, pid_t tid, Error error) {
  if (error.fault == Fault::gone) {
    return false;
  }
  const auto thread = procfs::ProcDir::open_thread(process.pid(), tid);
  const auto stat = thread ? thread->stat() : Result<procfs::Stat>(fail(thread.error()));
  if (!stat || stat->is_dead() || (stat->is_zombie() && tid != process.pid())) {
    return false;
  }
  if (stat->is_zombie()) {
    return has_dead_leader(process) ? Result<bool>(fail(dead_leader(process))) : false;
  }
  error.thing = name_of(process.stat);
  return fail(std::move(error));
}

}  // namespace

std::string name_of(const procfs::Stat& stat) {
  return "process " + std::to_string(stat.pid) + " (" + escaped(stat.comm) + ")";
}

void ThreadFreezer::seize_early(pid_t pid) {
  if (early_.count(pid) != 0) {
    return;
  }
  // What does not succeed here is done, and explained, when freeze() comes to it.
  if (auto tracee = Tracee::seize(pid, {true, options_.suspend_seccomp})) {
    static_cast<void>(tracee->interrupt());
    early_.emplace(pid, std::move(*tracee));
  }
}

Result<bool> ThreadFreezer::freeze(FrozenProcess& process) {
  if (!process.threads.empty() && is_complete(process)) {
    return false;
  }
  bool any = false;
  for (Patience patience(WaitSource::system());; patience.wait()) {
    IMG_ASSIGN(const bool more, seize_new(process));
    if (more) {
      IMG_TRY(settle_all(process));
    }
    any = any || more;
    if (!more && is_complete(process)) {
      return any;
    }
    if (Clock::now() > deadline_) {
      return fail(Fault::limit, name_of(process.stat), "freeze",
                  "its threads do not come to an end");
    }
  }
}

// The list of threads breaks off where a thread ends while it is read, so that it holds no new one
// does not mean that there is none. Their number does.
bool ThreadFreezer::is_complete(const FrozenProcess& process) {
  const auto stat = process.dir.stat();
  return !stat || (stat->is_zombie() && stat->threads <= 1) ||
         stat->threads == static_cast<std::int64_t>(process.threads.size());
}

Result<bool> ThreadFreezer::seize_new(FrozenProcess& process) {
  const auto tids = process.dir.threads();
  if (!tids) {
    return false;
  }
  bool more = false;
  for (const pid_t tid : *tids) {
    if (std::any_of(process.threads.begin(), process.threads.end(),
                    [&](const Tracee& one) { return one.tid() == tid; })) {
      continue;
    }
    if (++tasks_ > options_.max_tasks || Clock::now() > deadline_) {
      return fail(Fault::limit, name_of(process.stat), "freeze",
                  "more tasks than could be stopped in time: " + std::to_string(tasks_));
    }
    IMG_ASSIGN(const bool seized, seize_one(process, tid));
    more = more || seized;
  }
  return more;
}

Result<bool> ThreadFreezer::seize_one(FrozenProcess& process, pid_t tid) {
  if (auto early = early_.extract(tid); !early.empty()) {
    process.threads.push_back(std::move(early.mapped()));
    return true;
  }
  auto tracee = Tracee::seize(tid, {true, options_.suspend_seccomp});
  if (!tracee) {
    return not_seized(process, tid, std::move(tracee).error());
  }
  static_cast<void>(tracee->interrupt());  // if it has ended, waiting for it says so
  process.threads.push_back(std::move(*tracee));
  return true;
}

// One look at each thread. A stopped one is looked at too when it is time: an exec in another
// thread kills it, and waits for us to notice. True while one is not stopped.
Result<bool> ThreadFreezer::look_at_all(FrozenProcess& process, bool sweep) {
  bool waiting = false;
  for (Tracee& one : process.threads) {
    const bool still = stopped_.count(one.tid()) != 0;
    if (!still || sweep) {
      IMG_TRY(look(one));
    }
    waiting = waiting || !still;
  }
  std::erase_if(process.threads, [&](const Tracee& one) {
    return one.is_gone() && (stopped_.erase(one.tid()), true);
  });
  return waiting;
}

// Waits until all seized threads of one process are stopped or have ended.
Result<void> ThreadFreezer::settle_all(FrozenProcess& process) {
  Clock::time_point swept = Clock::now();
  for (Patience patience(WaitSource::system());; patience.wait()) {
    const Clock::time_point now = Clock::now();
    const bool sweep = now - swept > kSweep;
    swept = sweep ? now : swept;
    IMG_ASSIGN(const bool waiting, look_at_all(process, sweep));
    if (!waiting) {
      return {};
    }
    if (sweep && has_dead_leader(process)) {
      return fail(dead_leader(process));
    }
    if (now > deadline_) {
      return fail(late(process));
    }
  }
}

Result<void> ThreadFreezer::look(Tracee& one) {
  const auto stop = one.poll();
  if (!stop && stop.error().fault == Fault::gone) {
    return {};
  }
  IMG_TRY(stop);
  if (!*stop || one.is_gone()) {
    return {};
  }
  if (is_birth(**stop)) {
    const auto tid = one.event_message();
    if (tid) {
      early_.emplace(static_cast<pid_t>(*tid), Tracee::adopt(static_cast<pid_t>(*tid)));
    }
  }
  const auto settled = one.settle();
  if (!settled && settled.error().fault == Fault::gone) {
    return {};  // killed this moment; the next look finds its end
  }
  IMG_TRY(settled);
  if (*settled) {
    stopped_.insert(one.tid());
  }
  return {};
}

Error ThreadFreezer::late(const FrozenProcess& process) const {
  std::string which;
  for (const Tracee& one : process.threads) {
    if (stopped_.count(one.tid()) == 0) {
      which = std::to_string(one.tid());
    }
  }
  const auto now = process.dir.stat();
  const bool blocked = now && now->state == 'D';
  return make_error(Fault::limit, name_of(process.stat), "freeze",
                    "task " + which + " did not stop in time",
                    blocked ? "it waits in the kernel, perhaps for a vfork child" : "");
}

}  // namespace img::trace
