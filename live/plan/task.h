// SPDX-License-Identifier: MIT
// What a task and its threads are besides memory and files: calls that the task makes itself, in
// the order in which one does not undo or forbid the other.
#pragma once

#include "libimg/base/result.h"
#include "live/plan/builder.h"
#include "live/plan/cgroups.h"
#include "live/plan/facts.h"
#include "live/plan/file_planner.h"
#include "live/plan/restore_image.h"

namespace img::plan {

/// The user that has logged in, while the task still has our root directory.
void plan_login(PlanBuilder& builder, const HostFacts& facts, const TaskImage& task);
/// Umask, root and current directory, while the task still has all files open.
[[nodiscard]] Result<void> plan_place(PlanBuilder& builder, const TaskImage& task,
                                      FilePlanner& files);
/// Filters that all threads have come first, then the threads, which inherit them; then what
/// each thread has that needs no memory of others.
[[nodiscard]] Result<void> plan_threads(PlanBuilder& builder, const RestoreImage& image,
                                        const HostFacts& facts, const TaskImage& task,
                                        CgroupPlanner& cgroups);
/// Signals, limits, personality: what a process has once.
[[nodiscard]] Result<void> plan_process(PlanBuilder& builder, const HostFacts& facts,
                                        const TaskImage& task);
/// Credentials, and what a change of them would have reset.
[[nodiscard]] Result<void> plan_credentials(PlanBuilder& builder, const HostFacts& facts,
                                            const PlanOptions& options, const TaskImage& task);
/// What waits or counts down: pending signals, timers. Nothing may come after that takes long.
[[nodiscard]] Result<void> plan_waiting(PlanBuilder& builder, const HostFacts& facts,
                                        const TaskImage& task);
/// Registers, mask and rseq of every thread.
[[nodiscard]] Result<void> plan_start(PlanBuilder& builder, const HostFacts& facts,
                                      const TaskImage& task);

/// The signal is pending for the process as a whole.
[[nodiscard]] bool waits_for(const TaskImage& task, int signal);
/// A signal that waits for neither the process nor a thread of it: with it the stub can tell us
/// that its calls are made.
[[nodiscard]] int unused_signal(const TaskImage& task);

}  // namespace img::plan
