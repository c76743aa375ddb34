// SPDX-License-Identifier: MIT
#include "live/restore/build_id.h"

#include <elf.h>
#include <unistd.h>

#include <algorithm>

namespace img::restore {
namespace {

constexpr std::size_t kMostHeaders = 64;
constexpr std::size_t kMostNotes = 64 << 10;

bool read_exactly(int file, std::span<std::byte> to, std::uint64_t offset) {
  return ::pread(file, to.data(), to.size(), static_cast<off_t>(offset)) ==
         static_cast<ssize_t>(to.size());
}

std::vector<std::byte> find_in_notes(Bytes notes) {
  while (notes.size() >= sizeof(Elf64_Nhdr)) {
    const auto head = load<Elf64_Nhdr>(notes.data());
    const std::uint64_t name = round_up(head.n_namesz, 4);
    const std::uint64_t size = sizeof head + name + round_up(head.n_descsz, 4);
    if (size > notes.size()) {
      break;
    }
    if (head.n_type == NT_GNU_BUILD_ID && head.n_namesz == sizeof ELF_NOTE_GNU &&
        std::memcmp(notes.data() + sizeof head, ELF_NOTE_GNU, sizeof ELF_NOTE_GNU) == 0) {
      const Bytes id = notes.subspan(sizeof head + name, head.n_descsz);
      return {id.begin(), id.end()};
    }
    notes = notes.subspan(size);
  }
  return {};
}

}  // namespace

std::vector<std::byte> build_id_of(int file) {
  Elf64_Ehdr head{};
  if (!read_exactly(file, std::as_writable_bytes(std::span(&head, 1)), 0) ||
      std::memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64) {
    return {};
  }
  for (std::size_t i = 0; i < std::min<std::size_t>(head.e_phnum, kMostHeaders); ++i) {
    Elf64_Phdr segment{};
    if (!read_exactly(file, std::as_writable_bytes(std::span(&segment, 1)),
                      head.e_phoff + i * sizeof segment)) {
      return {};
    }
    if (segment.p_type != PT_NOTE || segment.p_filesz > kMostNotes) {
      continue;
    }
    std::vector<std::byte> notes(segment.p_filesz);
    if (!read_exactly(file, notes, segment.p_offset)) {
      return {};
    }
    if (std::vector<std::byte> id = find_in_notes(notes); !id.empty()) {
      return id;
    }
  }
  return {};
}

}  // namespace img::restore
