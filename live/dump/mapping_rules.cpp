// SPDX-License-Identifier: MIT
#include "live/dump/mapping_rules.h"

#include "live/dump/vma_list.h"

namespace img::dump {

std::vector<state::Piece> pieces_of(const procfs::SmapsMapping& mapping, std::uint32_t status) {
  using procfs::VmFlag;
  using state::Piece;
  std::vector<Piece> out;
  const procfs::VmFlags& flags = mapping.flags;
  const bool is_of_kernel = (status & (kVmaVdso | kVmaVvar | kVmaVsyscall)) != 0;
  const bool is_device = flags.has(VmFlag::io) || flags.has(VmFlag::pure_pfn);
  if (is_device && (status & (kVmaVvar | kVmaFileShared)) == 0) {
    out.push_back(Piece::device_memory);
  }
  if (flags.has(VmFlag::uffd_missing) || flags.has(VmFlag::uffd_minor) ||
      flags.has(VmFlag::uffd_write_protect)) {
    out.push_back(Piece::userfaultfd);
  }
  if (flags.has(VmFlag::shadow_stack)) {
    out.push_back(Piece::shadow_stack);
  }
  if (flags.has(VmFlag::sealed) && !is_of_kernel) {
    out.push_back(Piece::sealed_mapping);
  }
  if (mapping.protection_key != 0) {
    out.push_back(Piece::protection_key);
  }
  return out;
}

}  // namespace img::dump
