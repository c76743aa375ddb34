// SPDX-License-Identifier: MIT
#include "live/plan/timers.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include <algorithm>
#include <vector>

namespace img::plan {
namespace {

constexpr int kTimerRestoreIds = 77;          // PR_TIMER_CREATE_RESTORE_IDS
constexpr std::uint32_t kMostSkipped = 4096;  // timers made and deleted to get at a number
constexpr std::uint64_t kMicroseconds = 1'000'000;
constexpr std::uint64_t kNanoseconds = 1'000'000'000;

void plan_interval(PlanBuilder& builder, const TaskImage& task, int which,
                   const schema::ItimerEntry& from) {
  const std::uint64_t interval = std::min(from.iusec(), kMicroseconds - 1);
  std::array<std::uint64_t, 4> value{from.isec(), interval, from.vsec(),
                                     std::min(from.vusec(), kMicroseconds - 1)};
  // It has run out, or is about to: the kernel starts it again, of our own time at the next tick.
  if ((value[2] | value[3]) == 0) {
    value[2] = value[0];
    value[3] = value[1];
  }
  if ((value[2] | value[3]) == 0) {
    return;
  }
  builder.call({task.pid()}, SYS_setitimer, {which, builder.object(value), 0}, "interval timer");
}

Result<void> plan_posix(PlanBuilder& builder, const TaskImage& task,
                        const schema::PosixTimerEntry& from) {
  const bool known_thread =
      from.it_sigev_notify() != SIGEV_THREAD_ID ||
      std::any_of(task.threads.begin(), task.threads.end(), [&](const ThreadImage& one) {
        return one.tid == static_cast<std::uint32_t>(from.notify_thread_id().value_or(0));
      });
  if (!known_thread) {
    return fail(Fault::corrupt, "process " + std::to_string(task.pid()),
                "timer " + std::to_string(from.it_id()), "it notifies a thread that is not there");
  }
  sigevent event{};
  event.sigev_value.sival_ptr = reinterpret_cast<void*>(from.sival_ptr());
  event.sigev_signo = static_cast<int>(from.si_signo());
  event.sigev_notify = static_cast<int>(from.it_sigev_notify());
  event._sigev_un._tid = from.notify_thread_id().value_or(0);
  const DataId id = builder.object(from.it_id());
  builder.call({task.pid()}, SYS_timer_create,
               {static_cast<int>(from.clock_id()), builder.object(event), id},
               "timer " + std::to_string(from.it_id()));
  const std::array<std::uint64_t, 4> value{from.isec(), std::min(from.insec(), kNanoseconds - 1),
                                           from.vsec(), std::min(from.vnsec(), kNanoseconds - 1)};
  if ((value[2] | value[3]) != 0) {
    builder.call({task.pid()}, SYS_timer_settime, {from.it_id(), 0, builder.object(value), 0},
                 "start timer " + std::to_string(from.it_id()));
  }
  return {};
}

}  // namespace

Result<void> plan_timers(PlanBuilder& builder, const HostFacts& facts, const TaskImage& task) {
  const schema::TaskTimersEntry& timers = *task.shared().timers();
  if (timers.posix() != nullptr && timers.posix()->size() != 0) {
    std::vector<const schema::PosixTimerEntry*> all(timers.posix()->begin(), timers.posix()->end());
    std::sort(all.begin(), all.end(),
              [](const auto* a, const auto* b) { return a->it_id() < b->it_id(); });
    const Actor actor{task.pid()};
    std::uint32_t next = 0;
    if (facts.has_timer_ids) {
      builder.call(actor, SYS_prctl, {kTimerRestoreIds, 1, 0, 0, 0}, "choose numbers of timers");
    } else if (all.back()->it_id() > kMostSkipped) {
      builder.refuse(state::refusal(state::Piece::timer_number,
                                    "process " + std::to_string(task.pid()),
                                    "timer " + std::to_string(all.back()->it_id()), "Linux 6.15"));
      return {};
    }
    for (const schema::PosixTimerEntry* one : all) {
      // Numbers only go up: those between are made and deleted.
      for (; !facts.has_timer_ids && next < one->it_id(); ++next) {
        const DataId id = builder.data(sizeof(std::uint32_t));
        builder.call(actor, SYS_timer_create, {CLOCK_MONOTONIC, 0, id}, "skip a number");
        builder.call(actor, SYS_timer_delete, {next}, "skip a number");
      }
      next = one->it_id() + 1;
      IMG_TRY(plan_posix(builder, task, *one));
    }
    if (facts.has_timer_ids) {
      builder.call(actor, SYS_prctl, {kTimerRestoreIds, 0, 0, 0, 0}, "numbers as usual");
    }
  }
  plan_interval(builder, task, ITIMER_REAL, *timers.real());
  plan_interval(builder, task, ITIMER_VIRTUAL, *timers.virt());
  plan_interval(builder, task, ITIMER_PROF, *timers.prof());
  return {};
}

}  // namespace img::plan
