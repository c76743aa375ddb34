// SPDX-License-Identifier: MIT
#include "live/plan/vdso.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <optional>

namespace img::plan {
namespace {

// The bytes may come from an image: every offset is looked at before it is used.
class Eraser {
 public:
  explicit Eraser(Bytes vdso) : bytes_(vdso.begin(), vdso.end()) {}

  std::vector<std::byte> run() {
    const auto head = at<Elf64_Ehdr>(0);
    if (!head || std::memcmp(head->e_ident, ELFMAG, SELFMAG) != 0) {
      return std::move(bytes_);
    }
    for (std::uint64_t i = 0; i < head->e_phnum; ++i) {
      const auto segment = at<Elf64_Phdr>(head->e_phoff + i * sizeof(Elf64_Phdr));
      if (segment && segment->p_type == PT_NOTE) {
        erase(segment->p_offset, segment->p_filesz);
      } else if (segment && segment->p_type == PT_DYNAMIC) {
        dynamic(segment->p_offset, segment->p_filesz);
      }
    }
    return std::move(bytes_);
  }

 private:
  template <class T>
  std::optional<T> at(std::uint64_t offset) const {
    if (offset > bytes_.size() || bytes_.size() - offset < sizeof(T)) {
      return std::nullopt;
    }
    T out;
    std::memcpy(&out, bytes_.data() + offset, sizeof out);
    return out;
  }

  void erase(std::uint64_t offset, std::uint64_t count) {
    if (offset < bytes_.size()) {
      const std::uint64_t inside = std::min<std::uint64_t>(count, bytes_.size() - offset);
      std::fill_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset), inside, std::byte{0});
    }
  }

  void dynamic(std::uint64_t offset, std::uint64_t size) {
    std::optional<std::uint64_t> strings;
    std::optional<std::uint64_t> path;
    const std::uint64_t count = std::min<std::uint64_t>(size, bytes_.size()) / sizeof(Elf64_Dyn);
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto entry = at<Elf64_Dyn>(offset + i * sizeof(Elf64_Dyn));
      if (entry && entry->d_tag == DT_STRTAB) {
        strings = entry->d_un.d_ptr;
      } else if (entry && (entry->d_tag == DT_RUNPATH || entry->d_tag == DT_RPATH)) {
        path = entry->d_un.d_val;
      }
    }
    // Both are far below 2^63 in a vdso, and a sum that wraps is outside of it or harmless.
    if (strings && path && *strings + *path < bytes_.size()) {
      const auto text = bytes_.begin() + static_cast<std::ptrdiff_t>(*strings + *path);
      std::fill(text, std::find(text, bytes_.end(), std::byte{0}), std::byte{0});
    }
  }

  std::vector<std::byte> bytes_;
};

}  // namespace

std::vector<std::byte> vdso_substance(Bytes vdso) {
  return Eraser(vdso).run();
}

}  // namespace img::plan
