// SPDX-License-Identifier: MIT
#include "live/dump/files/build_id.h"

#include <elf.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>

#include "libimg/base/bytes.h"

namespace img::dump {
namespace {

constexpr std::size_t kMaxHeaders = 128;
constexpr std::size_t kMaxNoteBytes = std::size_t{64} << 10;
constexpr std::size_t kMaxIdBytes = 64;

bool read_all(int fd, std::uint64_t offset, void* to, std::size_t bytes) {
  return ::pread(fd, to, bytes, static_cast<off_t>(offset)) == static_cast<ssize_t>(bytes);
}

std::vector<std::uint32_t> words_of(Bytes bytes) {
  std::vector<std::uint32_t> out(round_up(bytes.size(), 4) / 4);
  std::memcpy(out.data(), bytes.data(), bytes.size());
  return out;
}

// Notes: three words, a name and a text, each filled up to four bytes.
std::vector<std::uint32_t> find_in_notes(Bytes notes) {
  constexpr std::size_t kHead = sizeof(Elf64_Nhdr);
  while (notes.size() >= kHead) {
    const auto head = load<Elf64_Nhdr>(notes.data());
    const std::uint64_t name_end = kHead + round_up(head.n_namesz, 4);
    const std::uint64_t end = name_end + round_up(head.n_descsz, 4);
    if (name_end + head.n_descsz > notes.size()) {
      break;
    }
    if (head.n_type == NT_GNU_BUILD_ID && head.n_namesz == 4 && head.n_descsz <= kMaxIdBytes &&
        std::memcmp(notes.data() + kHead, "GNU", 4) == 0) {
      return words_of(notes.subspan(name_end, head.n_descsz));
    }
    notes = notes.subspan(std::min<std::uint64_t>(end, notes.size()));
  }
  return {};
}

template <class File, class Program>
std::vector<std::uint32_t> find_in_file(int fd) {
  File file{};
  if (!read_all(fd, 0, &file, sizeof file) || file.e_phentsize != sizeof(Program) ||
      file.e_phnum > kMaxHeaders) {
    return {};
  }
  std::vector<Program> headers(file.e_phnum);
  if (!read_all(fd, file.e_phoff, headers.data(), headers.size() * sizeof(Program))) {
    return {};
  }
  for (const Program& header : headers) {
    if (header.p_type != PT_NOTE || header.p_filesz > kMaxNoteBytes) {
      continue;
    }
    std::vector<std::byte> notes(header.p_filesz);
    if (read_all(fd, header.p_offset, notes.data(), notes.size())) {
      if (auto id = find_in_notes(notes); !id.empty()) {
        return id;
      }
    }
  }
  return {};
}

}  // namespace

std::vector<std::uint32_t> build_id(int fd) {
  std::array<unsigned char, EI_NIDENT> ident{};
  if (!read_all(fd, 0, ident.data(), ident.size()) ||
      std::memcmp(ident.data(), ELFMAG, SELFMAG) != 0 || ident[EI_DATA] != ELFDATA2LSB) {
    return {};
  }
  return ident[EI_CLASS] == ELFCLASS64 ? find_in_file<Elf64_Ehdr, Elf64_Phdr>(fd)
                                       : find_in_file<Elf32_Ehdr, Elf32_Phdr>(fd);
}

}  // namespace img::dump
