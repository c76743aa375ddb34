// SPDX-License-Identifier: MIT
// What VmaEntry.status and .flags say.
#pragma once

#include <cstdint>
#include <string>

#include "libimg/base/units.h"
#include "live/plan/restore_image.h"
#include "schema/mm_generated.h"

namespace img::plan {

enum VmaStatus : std::uint32_t {
  kVmaVsyscall = 0x4,
  kVmaVdso = 0x8,
  kVmaFilePrivate = 0x40,
  kVmaFileShared = 0x80,
  kVmaAnonShared = 0x100,
  kVmaAnonPrivate = 0x200,
  kVmaSysvIpc = 0x400,
  kVmaSocket = 0x800,
  kVmaVvar = 0x1000,
  kVmaAioRing = 0x2000,
  kVmaMemfd = 0x4000,
  kVmaShadowStack = 0x8000,
  kVmaGuard = 0x10000,
  kVmaUprobes = 0x20000,
};

/// For errors: the file, and the mapping in it.
[[nodiscard]] inline std::string name_of(const TaskImage& task) {
  return "mm-" + std::to_string(task.pid()) + ".img";
}
[[nodiscard]] inline std::string text_of(const schema::VmaEntry& vma) {
  return hex(vma.start()) + "-" + hex(vma.end());
}

[[nodiscard]] inline bool has(const schema::VmaEntry& vma, std::uint32_t status) {
  return (vma.status() & status) != 0;
}
[[nodiscard]] inline bool is_ring(const schema::VmaEntry& vma) {
  return has(vma, kVmaAioRing);
}
/// No mapping that a plan makes by mmap.
[[nodiscard]] inline bool is_special(const schema::VmaEntry& vma) {
  return has(vma, kVmaVsyscall | kVmaVdso | kVmaVvar | kVmaGuard | kVmaUprobes);
}
/// Its pages are in the task's own pagemap.
[[nodiscard]] inline bool is_private(const schema::VmaEntry& vma) {
  return !is_special(vma) && has(vma, kVmaFilePrivate | kVmaAnonPrivate | kVmaAioRing);
}
[[nodiscard]] inline bool has_file(const schema::VmaEntry& vma) {
  return has(vma, kVmaFilePrivate | kVmaFileShared);
}

}  // namespace img::plan
