// SPDX-License-Identifier: MIT
#include <sys/mman.h>

#include <algorithm>
#include <optional>

#include "libimg/base/units.h"
#include "libimg/model/address_space.h"
#include "live/plan/memory.h"
#include "live/plan/vdso.h"
#include "live/plan/vma.h"
#include "live/state/state.h"

namespace img::plan {
namespace {

using schema::VmaEntry;

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kUserEnd = 0x7fff'ffff'f000;
constexpr std::uint64_t kWorkbenchBytes = 512 << 10;

// What is refused, by kind; none: nothing.
std::optional<state::Piece> refused_kind(const VmaEntry& vma) {
  if (has(vma, kVmaSysvIpc)) {
    return state::Piece::sysv_shared_memory;
  }
  if (has(vma, kVmaShadowStack)) {
    return state::Piece::shadow_stack;
  }
  return std::nullopt;
}

}  // namespace

Result<void> MemoryPlanner::check_mappings(const TaskImage& task) {
  std::uint64_t last = 0;
  for (const VmaEntry* vma : *task.mm->vmas()) {
    if (has(*vma, kVmaVsyscall)) {
      continue;
    }
    const bool odd = vma->start() % kPage != 0 || vma->end() % kPage != 0 ||
                     vma->pgoff() % kPage != 0 || vma->start() >= vma->end() ||
                     vma->end() > kUserEnd || vma->start() < facts_.lowest_address;
    // Guard regions come behind the others, and lie inside of them.
    if (odd || (!has(*vma, kVmaGuard) && vma->start() < last)) {
      return fail(Fault::corrupt, name_of(task), "mapping " + text_of(*vma),
                  "impossible here, or over another one");
    }
    if (const auto piece = refused_kind(*vma)) {
      builder_.refuse(state::refusal(*piece, "process " + std::to_string(task.pid()),
                                     "mapping " + text_of(*vma)));
    }
    if (!has(*vma, kVmaGuard)) {
      last = vma->end();
      occupied_.push_back({vma->start(), vma->end()});
    }
  }
  return check_vdso(task);
}

// The program knows addresses in the vdso, so it must be the same code at the same place.
Result<void> MemoryPlanner::check_vdso(const TaskImage& task) {
  const VmaEntry* vdso = nullptr;
  std::uint64_t vvar_bytes = 0;
  for (const VmaEntry* vma : *task.mm->vmas()) {
    vdso = has(*vma, kVmaVdso) ? vma : vdso;
    vvar_bytes += has(*vma, kVmaVvar) ? vma->end() - vma->start() : 0;
  }
  if (vdso == nullptr) {
    return {};
  }
  const auto differs = [&](const char* how) {
    builder_.refuse(state::refusal(
        state::Piece::other_vdso, "process " + std::to_string(task.pid()),
        std::string("this kernel's is ") + how, "restore it under the kernel it was dumped under"));
    return Result<void>();
  };
  const std::uint64_t bytes = vdso->end() - vdso->start();
  if (vvar_bytes != facts_.vvar_bytes || bytes != facts_.vdso_bytes) {
    return differs("of another size");
  }
  model::AddressSpace space(reader_, {model::Kind::pagemap, task.pid()});
  IMG_ASSIGN(const model::MemoryRange pages, space.read(vdso->start(), bytes));
  const Bytes known = pages.known_head();
  const std::size_t compared = std::min(known.size(), facts_.vdso.size());
  if (vdso_substance(known.first(compared)) != vdso_substance(Bytes(facts_.vdso).first(compared))) {
    return differs("another one");
  }
  return {};
}

Result<void> MemoryPlanner::choose_workbench() {
  occupied_.insert(occupied_.end(), facts_.mappings.begin(), facts_.mappings.end());
  std::sort(occupied_.begin(), occupied_.end(),
            [](const Range& a, const Range& b) { return a.start < b.start; });
  std::uint64_t at = std::max<std::uint64_t>(round_up(facts_.lowest_address, kPage), 1 << 20);
  for (const Range& one : occupied_) {
    // Well clear of a stack, which may want to grow.
    if (one.start > at && one.start - at >= 4 * kWorkbenchBytes) {
      break;
    }
    at = std::max(at, one.end);
  }
  if (kUserEnd - at < kWorkbenchBytes) {
    return fail(Fault::limit, "address space", "", "there is no free place in all tasks");
  }
  builder_.plan().workbench = at;
  return {};
}

Result<void> MemoryPlanner::check() {
  for (const TaskImage& task : image_.tasks()) {
    IMG_TRY(check_mappings(task));
  }
  return choose_workbench();
}

}  // namespace img::plan
