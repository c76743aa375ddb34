// SPDX-License-Identifier: MIT
// An ELF64 core, read by its headers.
#pragma once

#include <elf.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libimg/base/bytes.h"

namespace img::tools {

/// A core as its headers say it is.
class ElfCore {
 public:
  explicit ElfCore(const std::string& text) : text_(text) {
    const auto head = get<Elf64_Ehdr>(0);
    EXPECT_EQ(head.e_type, ET_CORE);
    for (unsigned at = 0; at < head.e_phnum; ++at) {
      const auto segment = get<Elf64_Phdr>(head.e_phoff + at * sizeof(Elf64_Phdr));
      if (segment.p_type == PT_LOAD) {
        EXPECT_LE(segment.p_offset + segment.p_filesz, text_.size());
        EXPECT_EQ(segment.p_offset % 4096, 0U);
        EXPECT_TRUE(loads_.empty() ||
                    loads_.back().p_vaddr + loads_.back().p_memsz <= segment.p_vaddr);
        loads_.push_back(segment);
      } else {
        read_notes(text_.substr(segment.p_offset, segment.p_filesz));
      }
    }
  }

  /// Nothing where the core has none.
  [[nodiscard]] std::optional<std::string> memory(std::uint64_t address, std::size_t size) const {
    for (const Elf64_Phdr& load : loads_) {
      if (load.p_vaddr <= address && address + size <= load.p_vaddr + load.p_filesz) {
        return text_.substr(load.p_offset + (address - load.p_vaddr), size);
      }
    }
    return std::nullopt;
  }
  [[nodiscard]] const std::vector<Elf64_Phdr>& loads() const { return loads_; }
  [[nodiscard]] const std::vector<std::pair<unsigned, std::string>>& notes() const {
    return notes_;
  }
  [[nodiscard]] std::vector<std::uint32_t> threads() const {
    std::vector<std::uint32_t> found;
    for (const auto& [type, content] : notes_) {
      if (type == NT_PRSTATUS) {
        found.push_back(load<std::uint32_t>(content.data() + 32));
      }
    }
    return found;
  }
  [[nodiscard]] std::string note(unsigned type) const {
    const auto found = std::ranges::find(notes_, type, [](const auto& one) { return one.first; });
    return found == notes_.end() ? "" : found->second;
  }

 private:
  template <class T>
  [[nodiscard]] T get(std::size_t at) const {
    return load<T>(text_.substr(at, sizeof(T)).data());
  }
  void read_notes(const std::string& notes) {
    for (std::size_t at = 0; at < notes.size();) {
      const auto head = load<Elf64_Nhdr>(notes.substr(at, sizeof(Elf64_Nhdr)).data());
      at += sizeof head + round_up(head.n_namesz, 4);
      notes_.emplace_back(head.n_type, notes.substr(at, head.n_descsz));
      at += round_up(head.n_descsz, 4);
    }
  }

  std::string text_;
  std::vector<Elf64_Phdr> loads_;
  std::vector<std::pair<unsigned, std::string>> notes_;
};

}  // namespace img::tools
