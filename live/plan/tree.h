// SPDX-License-Identifier: MIT
// The processes of a plan: who makes whom, when, in which session and group. Memory, files and
// threads are others' business; a zombie is made here as a task and ends later.
#pragma once

#include <vector>

#include "libimg/base/result.h"
#include "live/plan/builder.h"
#include "live/plan/cgroups.h"
#include "live/plan/facts.h"
#include "live/plan/restore_image.h"

namespace img::plan {

/// Told while a tree is planned, right after each step that makes a task.
class Births {
 public:
  virtual ~Births() = default;
  [[nodiscard]] virtual Result<void> born(const model::Process& process, Actor maker) = 0;
  virtual void helper_born(Actor helper, Actor maker) = 0;
};

/// Steps that make the tree; when they are over, every recorded process is there with its session
/// and group. The tasks that have had a child of ours end: they are to forget its SIGCHLD.
[[nodiscard]] Result<std::vector<Actor>> plan_tree(PlanBuilder& builder, const RestoreImage& image,
                                                   const HostFacts& facts,
                                                   const PlanOptions& options, Births& births,
                                                   CgroupPlanner& cgroups);

}  // namespace img::plan
