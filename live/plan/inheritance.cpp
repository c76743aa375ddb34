// SPDX-License-Identifier: MIT
#include "live/plan/inheritance.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>

#include "libimg/base/units.h"
#include "libimg/model/address_space.h"
#include "live/plan/vma.h"

namespace img::plan {
namespace {

using schema::VmaEntry;

constexpr std::uint64_t kPage = 4096;

// A fork does not inherit a lock, and huge pages are reserved for whoever maps them.
bool can_be_inherited(const VmaEntry& vma) {
  return is_private(vma) && !is_ring(vma) && (vma.flags() & (MAP_HUGETLB | MAP_LOCKED)) == 0;
}

// The same mapping, as far as one can see: protections may have changed since.
bool are_one(const VmaEntry& a, const VmaEntry& b) {
  const bool same_object = !has_file(a) || (a.shmid() == b.shmid() && a.pgoff() == b.pgoff());
  return a.end() == b.end() && a.flags() == b.flags() && has_file(a) == has_file(b) &&
         same_object && can_be_inherited(a) && can_be_inherited(b);
}

Range range_of(const VmaEntry& vma) {
  return {vma.start(), vma.end()};
}

Ranges ranges_of(const TaskImage& task, const std::set<std::uint32_t>& indexes) {
  Ranges out;
  for (const std::uint32_t index : indexes) {
    add_range(out, range_of(*task.mm->vmas()->Get(index)));
  }
  return out;
}

}  // namespace

Result<const Ranges*> Inheritance::pages(std::uint32_t pid) {
  const auto [found, is_new] = pages_.try_emplace(pid);
  if (is_new) {
    IMG_TRY(model::for_each_run(reader_, {model::Kind::pagemap, pid},
                                [&ranges = found->second](const model::PageRun& run) {
                                  const std::uint64_t end = run.address + run.pages * kPage;
                                  add_range(ranges, {run.address, end});
                                }));
  }
  return &found->second;
}

Result<void> Inheritance::find_common(const TaskImage& child, const TaskImage& parent) {
  const auto& mine = *child.mm->vmas();
  const auto& theirs = *parent.mm->vmas();
  // Ascending, but for guards, which come last and are no memory.
  for (std::uint32_t i = 0, j = 0; i < mine.size() && !has(*mine[i], kVmaGuard); ++i) {
    while (j < theirs.size() && !has(*theirs[j], kVmaGuard) &&
           theirs[j]->start() < mine[i]->start()) {
      ++j;
    }
    if (j == theirs.size() || theirs[j]->start() != mine[i]->start() ||
        !are_one(*mine[i], *theirs[j])) {
      continue;
    }
    IMG_ASSIGN(const Ranges* const of_child, pages(child.pid()));
    IMG_ASSIGN(const Ranges* const of_parent, pages(parent.pid()));
    const Ranges here{range_of(*mine[i])};
    if (!common_to(common_to(here, *of_child), *of_parent).empty()) {
      heirlooms_[child.pid()].insert(i);
      bequests_[parent.pid()].insert(j);
    }
  }
  return {};
}

// Another program has nothing in common with its parent: exec takes all memory away.
Result<void> Inheritance::find() {
  for (const TaskImage& task : image_.tasks()) {
    const model::Process* recorded = image_.tree().parent(*task.process);
    const TaskImage* parent = recorded == nullptr ? nullptr : image_.find(recorded->pid);
    if (parent != nullptr && parent->mm->exe_file_id() == task.mm->exe_file_id()) {
      IMG_TRY(find_common(task, *parent));
    }
  }
  return {};
}

// `mine`: where the task has what its parent had. Written: what differs, and what the parent never
// had; what it alone had goes.
Result<void> Inheritance::keep(const TaskImage& task, std::uint32_t parent, const Ranges& mine) {
  IMG_ASSIGN(const Ranges* const of_child, pages(task.pid()));
  IMG_ASSIGN(const Ranges* const of_parent, pages(parent));
  const Ranges wanted = common_to(mine, *of_child);
  const Ranges there = common_to(mine, *of_parent);
  for (const Range& one : without(there, wanted)) {
    builder_.call({task.pid()}, SYS_madvise, {one.start, one.end - one.start, MADV_DONTNEED},
                  "drop pages that only the parent has");
  }
  builder_.step(Fill{task.pid(), common_to(there, wanted), true});
  if (Ranges fresh = without(wanted, there); !fresh.empty()) {
    builder_.step(Fill{task.pid(), std::move(fresh)});
  }
  return {};
}

Result<void> Inheritance::born(const model::Process& process, Actor maker) {
  const TaskImage* task = image_.find(process.pid);
  if (task == nullptr) {
    // A zombie needs no memory, but has its maker's until it ends, and so has who it makes.
    const Ranges born_with = mapped_[maker.tid];
    mapped_[process.pid] = born_with;
    return {};
  }
  const model::Process* parent = image_.tree().parent(process);
  Indexes kept;
  if (parent != nullptr && parent->pid == maker.tid) {
    kept = heirlooms_[process.pid];
  }
  const Ranges mine = ranges_of(*task, kept);
  if (const Ranges& born_with = mapped_[maker.tid]; kept.empty() && !born_with.empty()) {
    builder_.step(ClearMemory{{process.pid}});
  } else {
    for (const Range& one : without(born_with, mine)) {
      builder_.call({process.pid}, SYS_munmap, {one.start, one.end - one.start},
                    "unmap what only the parent has");
    }
  }
  if (!kept.empty()) {
    IMG_TRY(keep(*task, maker.tid, mine));
  }
  Indexes fresh;
  const Indexes& bequests = bequests_[process.pid];
  std::ranges::set_difference(bequests, kept, std::inserter(fresh, fresh.end()));
  IMG_TRY(memory_.map_early(*task, kept, fresh));
  kept.insert(fresh.begin(), fresh.end());
  mapped_[process.pid] = ranges_of(*task, kept);
  return {};
}

void Inheritance::helper_born(Actor helper, Actor maker) {
  if (!mapped_[maker.tid].empty()) {
    builder_.step(ClearMemory{helper});
  }
}

}  // namespace img::plan
