// SPDX-License-Identifier: MIT
// /proc/PID/maps, and the VmFlags of /proc/PID/smaps: the mappings of an address space. Knows text
// only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libimg/base/result.h"

namespace img::procfs {

struct Mapping {
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  bool readable = false;
  bool writable = false;
  bool executable = false;
  bool shared = false;
  std::uint64_t offset = 0;  // in bytes
  std::uint32_t device_major = 0;
  std::uint32_t device_minor = 0;
  std::uint64_t inode = 0;
  /// As the kernel writes it, with \012 for a newline; "[heap]", "... (deleted)", or nothing.
  std::string path;

  [[nodiscard]] std::uint64_t bytes() const { return end - start; }
};

enum class VmFlag : unsigned {
#define IMG_VM_FLAG(name, letters) name,
#include "live/procfs/vm_flags.inc"
#undef IMG_VM_FLAG
};

class VmFlags {
 public:
  [[nodiscard]] bool has(VmFlag flag) const {
    return (bits_ >> static_cast<unsigned>(flag) & 1) != 0;
  }
  void set(VmFlag flag) { bits_ |= std::uint64_t{1} << static_cast<unsigned>(flag); }
  /// Two-letter words that we do not know, as they stand: a newer kernel.
  std::string unknown;

 private:
  std::uint64_t bits_ = 0;
};

struct SmapsMapping {
  Mapping mapping;
  std::uint64_t resident_kib = 0;
  std::uint64_t anonymous_kib = 0;
  std::uint64_t swapped_kib = 0;
  std::uint64_t page_kib = 4;
  std::int32_t protection_key = 0;
  VmFlags flags;
};

[[nodiscard]] Result<Mapping> parse_mapping(std::string_view line);
[[nodiscard]] Result<std::vector<Mapping>> parse_maps(std::string_view text);
[[nodiscard]] Result<std::vector<SmapsMapping>> parse_smaps(std::string_view text);

/// The mapping that holds `address`, in mappings ordered by address; nullptr if none does.
[[nodiscard]] const Mapping* find_mapping(const std::vector<Mapping>& maps, std::uint64_t address);

}  // namespace img::procfs
