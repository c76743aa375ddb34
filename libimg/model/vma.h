// SPDX-License-Identifier: MIT
// Mappings as CRIU notes them: what the bits of a VmaEntry mean.
#pragma once

#include <cstdint>

#include "schema/mm_generated.h"

namespace img::model::vma {

// VmaEntry.status.
inline constexpr std::uint32_t kRegular = 1U << 0;
inline constexpr std::uint32_t kStack = 1U << 1;
inline constexpr std::uint32_t kVsyscall = 1U << 2;
inline constexpr std::uint32_t kVdso = 1U << 3;
inline constexpr std::uint32_t kHeap = 1U << 5;
inline constexpr std::uint32_t kFilePrivate = 1U << 6;
inline constexpr std::uint32_t kFileShared = 1U << 7;
inline constexpr std::uint32_t kAnonShared = 1U << 8;
inline constexpr std::uint32_t kAnonPrivate = 1U << 9;
inline constexpr std::uint32_t kSysvIpc = 1U << 10;
inline constexpr std::uint32_t kSocket = 1U << 11;
inline constexpr std::uint32_t kVvar = 1U << 12;
inline constexpr std::uint32_t kAioRing = 1U << 13;
inline constexpr std::uint32_t kMemfd = 1U << 14;
inline constexpr std::uint32_t kShadowStack = 1U << 15;
inline constexpr std::uint32_t kGuard = 1U << 16;
inline constexpr std::uint32_t kUprobes = 1U << 17;
inline constexpr std::uint32_t kPlugin = 1U << 27;
inline constexpr std::uint32_t kRuntime = 0xfU << 28;
inline constexpr std::uint32_t kBacking = kFilePrivate | kFileShared | kAnonShared | kAnonPrivate;

// VmaEntry.flags.
inline constexpr std::uint32_t kMapShared = 0x1;
inline constexpr std::uint32_t kMapPrivate = 0x2;
inline constexpr std::uint32_t kMapAnon = 0x20;
inline constexpr std::uint32_t kMapGrowsDown = 0x100;

inline constexpr std::uint64_t kPage = 4096;
/// The end of what x86-64 gives a program: usually, and with five-level page tables.
inline constexpr std::uint64_t kTaskEnd = 0x7ffffffff000;
inline constexpr std::uint64_t kTaskEnd5 = 0xfffffffffff000;

[[nodiscard]] inline bool is(const schema::VmaEntry& entry, std::uint32_t status) {
  return (entry.status() & status) != 0;
}
/// Whether its pages are in the task's page map.
[[nodiscard]] inline bool is_private(const schema::VmaEntry& entry) {
  return (is(entry, kRegular) && is(entry, kAnonPrivate | kFilePrivate)) ||
         is(entry, kShadowStack | kAioRing);
}

}  // namespace img::model::vma
