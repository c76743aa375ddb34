// SPDX-License-Identifier: MIT
// Runs a plan, step by step. Until it is committed everything that it has made is ours and goes
// with it; what a step could not do is said with the step.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "libimg/base/result.h"
#include "libimg/model/record.h"
#include "live/plan/plan.h"
#include "live/restore/cgroup_yard.h"
#include "live/restore/guardian.h"
#include "live/restore/local_calls.h"
#include "live/restore/remote_calls.h"
#include "live/restore/root.h"
#include "live/restore/task_table.h"

namespace img::restore {

struct RunOptions {
  RootOptions root;
  std::atomic<std::uint64_t>* copied = nullptr;  // bytes of memory, for who watches
  /// Called before each step; an error ends the restore there. For tests, and for signals.
  std::function<Result<void>(std::size_t step)> before_step;
  /// Called once the root is there, before it has children: to move it into its cgroup.
  std::function<Result<void>(pid_t root)> root_made;
};

class Runner {
 public:
  Runner(const plan::Plan& plan, model::ImageReader& image, RunOptions options)
      : plan_(plan),
        image_(image),
        options_(std::move(options)),
        results_(plan.slots),
        local_(plan, results_),
        remote_(plan, results_),
        yard_(plan.hierarchies) {}

  /// The pid of the root, which runs.
  [[nodiscard]] Result<pid_t> run();

 private:
  [[nodiscard]] Result<void> run_step(const plan::Step& step);
  [[nodiscard]] Result<void> step(const plan::Calls& calls);
  [[nodiscard]] Result<void> step(const plan::Load& load) { return local_.load(load); }
  [[nodiscard]] Result<void> step(const plan::OpenTerminal& open);
  [[nodiscard]] Result<void> step(const plan::MakeStandIn& make);
  [[nodiscard]] Result<void> step(const plan::EndStandIn& end);
  [[nodiscard]] Result<void> step(const plan::MakeTask& make);
  [[nodiscard]] Result<void> step(const plan::MakeThread& make);
  [[nodiscard]] Result<void> step(const plan::ClearMemory& clear);
  [[nodiscard]] Result<void> step(const plan::Fill& fill);
  [[nodiscard]] Result<void> step(const plan::MoveToCgroup& move);
  [[nodiscard]] Result<void> step(const plan::MakeAioRing& make);
  [[nodiscard]] Result<void> step(const plan::MakeSegment& make);
  [[nodiscard]] Result<void> step(const plan::FillFile& fill);
  [[nodiscard]] Result<void> step(const plan::CopyPayload& copy);
  [[nodiscard]] Result<void> step(const plan::WriteProc& write);
  [[nodiscard]] Result<void> step(const plan::BecomeZombie& zombie);
  [[nodiscard]] Result<void> step(const plan::EndHelper& helper);
  [[nodiscard]] Result<void> step(const plan::ForgetChildren& forget);
  [[nodiscard]] Result<void> step(const plan::BeginCall& begin);
  [[nodiscard]] Result<void> step(const plan::UseTiles& use);
  [[nodiscard]] Result<void> step(const plan::SetThread& thread);
  [[nodiscard]] Result<void> step(const plan::LetGo& go);

  [[nodiscard]] Result<int> keep(int descriptor) const;
  [[nodiscard]] Result<pid_t> clone_in(MadeTask& parent, std::uint64_t flags, std::uint32_t id,
                                       std::uint64_t exit_signal);
  [[nodiscard]] Result<void> adopt(MadeTask task);
  /// The task runs one last call by itself, and is not ours any more.
  [[nodiscard]] Result<void> end_task(std::uint32_t id, std::uint64_t call, std::uint64_t arg);
  [[nodiscard]] Result<void> wait_in(plan::Actor parent, pid_t pid, bool reap);
  [[nodiscard]] Result<void> release(const plan::LetGo::Process& process);
  [[nodiscard]] int signal_of(const MadeTask& task) const;
  [[nodiscard]] int descriptor(plan::Slot slot) const {
    return static_cast<int>(results_.at(static_cast<std::size_t>(slot)));
  }

  const plan::Plan& plan_;
  model::ImageReader& image_;
  RunOptions options_;
  std::vector<std::int64_t> results_;
  LocalCalls local_;
  RemoteCalls remote_;
  CgroupYard yard_;
  Guardian guardian_;
  TaskTable tasks_;
  pid_t root_ = -1;
};

}  // namespace img::restore
