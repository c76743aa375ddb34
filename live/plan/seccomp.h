// SPDX-License-Identifier: MIT
// Seccomp filters of the threads of one task. Those that all threads have in common are installed
// before the threads are made, so that they are one object for all, as they were (TSYNC needs it).
#pragma once

#include <vector>

#include "libimg/base/result.h"
#include "live/plan/builder.h"
#include "live/plan/facts.h"
#include "live/plan/restore_image.h"

namespace img::plan {

class SeccompPlanner {
 public:
  SeccompPlanner(PlanBuilder& builder, const RestoreImage& image, const HostFacts& facts,
                 const TaskImage& task)
      : builder_(builder), image_(image), facts_(facts), task_(task) {}

  [[nodiscard]] Result<void> install_common();
  [[nodiscard]] Result<void> install_rest(const ThreadImage& thread);

 private:
  /// From the oldest to the newest.
  [[nodiscard]] Result<std::vector<std::uint32_t>> chain_of(const ThreadImage& thread) const;
  void install(Actor actor, std::uint32_t index);

  PlanBuilder& builder_;
  const RestoreImage& image_;
  const HostFacts& facts_;
  const TaskImage& task_;
  std::size_t common_ = 0;  // filters installed before there were threads
};

}  // namespace img::plan
