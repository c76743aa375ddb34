// SPDX-License-Identifier: MIT
// Memory that a child still has in common with its parent, as after fork: the parent has it mapped
// and filled before the child is made, the child keeps it, and only pages that differ are written.
// So the kernel shares the others again until somebody writes to them.
#pragma once

#include <cstdint>
#include <map>
#include <set>

#include "live/plan/memory.h"
#include "live/plan/ranges.h"
#include "live/plan/tree.h"

namespace img::plan {

class Inheritance final : public Births {
 public:
  Inheritance(PlanBuilder& builder, const RestoreImage& image, model::ImageReader& reader,
              MemoryPlanner& memory)
      : builder_(builder), image_(image), reader_(reader), memory_(memory) {}

  /// Which mappings these are; before the tree is planned.
  [[nodiscard]] Result<void> find();

  [[nodiscard]] Result<void> born(const model::Process& process, Actor maker) override;
  void helper_born(Actor helper, Actor maker) override;

 private:
  using Indexes = std::set<std::uint32_t>;  // of the mappings of a task

  [[nodiscard]] Result<void> find_common(const TaskImage& child, const TaskImage& parent);
  [[nodiscard]] Result<const Ranges*> pages(std::uint32_t pid);
  [[nodiscard]] Result<void> keep(const TaskImage& task, std::uint32_t parent, const Ranges& mine);

  PlanBuilder& builder_;
  const RestoreImage& image_;
  model::ImageReader& reader_;
  MemoryPlanner& memory_;
  std::map<std::uint32_t, Indexes> heirlooms_;  // by pid: those it has from its parent
  std::map<std::uint32_t, Indexes> bequests_;   // by pid: those its children are to have
  std::map<std::uint32_t, Ranges> pages_;       // by pid: all that the image has of it
  std::map<std::uint32_t, Ranges> mapped_;      // by tid, while the tree is made
};

}  // namespace img::plan
