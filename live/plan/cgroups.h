// SPDX-License-Identifier: MIT
// Which cgroups the tasks of a plan go into. The groups must be there; their properties are left
// alone. What was in the dumper's own groups goes into ours.
#pragma once

#include <map>
#include <set>

#include "libimg/base/result.h"
#include "live/plan/builder.h"
#include "live/plan/facts.h"
#include "live/plan/restore_image.h"

namespace img::plan {

class CgroupPlanner {
 public:
  CgroupPlanner(PlanBuilder& builder, const RestoreImage& image, const PlanOptions& options)
      : builder_(builder), image_(image), options_(options) {}

  /// The image's sets are sound.
  [[nodiscard]] Result<void> check();
  /// After a task was made by `parent`, whose groups it has so far.
  void place(std::uint32_t pid, Actor parent, std::uint32_t set);
  /// After a thread was made.
  void place_thread(std::uint32_t pid, std::uint32_t tid, std::uint32_t set);
  /// The recorded set of a task; 0: none.
  [[nodiscard]] std::uint32_t set_of(const model::Process& process) const;

 private:
  [[nodiscard]] const schema::CgSetEntry* find(std::uint32_t set) const;
  [[nodiscard]] Result<void> check_member(const schema::CgMemberEntry& member);
  void move(std::uint32_t tid, std::uint32_t from, std::uint32_t to, bool is_thread);

  PlanBuilder& builder_;
  const RestoreImage& image_;
  const PlanOptions& options_;
  std::map<std::string, std::uint32_t, std::less<>> hierarchies_;  // by any of its controllers
  std::map<std::uint32_t, std::uint32_t> sets_;                    // by task
  std::set<std::pair<std::uint32_t, std::string>> expected_;       // hierarchy and path
};

}  // namespace img::plan
