// SPDX-License-Identifier: MIT
// What a process and its threads have set that no message of CRIU has a place for (TaskSettings).
// An image without that record has what live-restore has. Values come from strangers.
#pragma once

#include "libimg/base/result.h"
#include "live/plan/builder.h"
#include "live/plan/facts.h"
#include "live/plan/restore_image.h"

namespace img::plan {

/// By each thread, while it still has all capabilities of live-restore.
[[nodiscard]] Result<void> plan_thread_settings(PlanBuilder& builder, const HostFacts& facts,
                                                const ThreadImage& thread);
/// Once by the process.
void plan_task_settings(PlanBuilder& builder, const HostFacts& facts, const TaskImage& task);
/// What would stand in the way of others: nothing is mapped by the process any more.
void plan_mapping_settings(PlanBuilder& builder, const TaskImage& task);
/// Into what the thread goes on with. The step, if there is one, comes before SetThread of any
/// thread of the process.
void add_settings(PlanBuilder& builder, const HostFacts& facts, const ThreadImage& thread,
                  SetThread& step);
/// Signal by which its parent is told of its end.
[[nodiscard]] std::uint32_t exit_signal_of(const TaskImage& task);

}  // namespace img::plan
