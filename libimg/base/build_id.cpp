// SPDX-License-Identifier: MIT
#include "libimg/base/build_id.h"

#include <elf.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>

namespace img {
namespace {

constexpr std::size_t kMostHeaders = 1024;
constexpr std::uint64_t kMostNoteBytes = std::uint64_t{64} << 10;
constexpr std::size_t kMostIdBytes = 64;
constexpr std::string_view kOwner("GNU\0", 4);

/// All of `to` from `offset` on, or false.
using ReadAt = std::function<bool(std::uint64_t offset, std::span<std::byte> to)>;

template <class T>
bool read_object(const ReadAt& read, std::uint64_t offset, T& to) {
  return read(offset, std::as_writable_bytes(std::span(&to, 1)));
}

// A note: three words, a name and a text, each filled up.
std::vector<std::byte> find_in_notes(Bytes notes, std::uint64_t alignment) {
  while (notes.size() >= sizeof(Elf64_Nhdr)) {
    const auto head = load<Elf64_Nhdr>(notes.data());
    const std::uint64_t name_end = sizeof head + std::uint64_t{head.n_namesz};
    const std::uint64_t begin = round_up(name_end, alignment);
    const std::uint64_t end = begin + head.n_descsz;
    if (end > notes.size()) {
      break;
    }
    if (head.n_type == NT_GNU_BUILD_ID && head.n_descsz <= kMostIdBytes &&
        as_text(notes.subspan(sizeof head, head.n_namesz)) == kOwner) {
      const Bytes id = notes.subspan(begin, head.n_descsz);
      return {id.begin(), id.end()};
    }
    notes = notes.subspan(std::min<std::uint64_t>(round_up(end, alignment), notes.size()));
  }
  return {};
}

template <class Header, class Segment>
std::vector<std::byte> find_in_file(const ReadAt& read) {
  Header file{};
  if (!read_object(read, 0, file) || file.e_phentsize != sizeof(Segment)) {
    return {};
  }
  for (std::size_t i = 0; i < std::min<std::size_t>(file.e_phnum, kMostHeaders); ++i) {
    Segment segment{};
    if (!read_object(read, file.e_phoff + i * sizeof segment, segment)) {
      break;
    }
    if (segment.p_type != PT_NOTE || segment.p_filesz > kMostNoteBytes) {
      continue;
    }
    std::vector<std::byte> notes(segment.p_filesz);
    if (!read(segment.p_offset, notes)) {
      continue;
    }
    if (auto id = find_in_notes(notes, segment.p_align == 8 ? 8 : 4); !id.empty()) {
      return id;
    }
  }
  return {};
}

std::vector<std::byte> find(const ReadAt& read) {
  constexpr unsigned char kOurOrder =
      std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB;
  std::array<unsigned char, EI_NIDENT> ident{};
  if (!read_object(read, 0, ident) || std::memcmp(ident.data(), ELFMAG, SELFMAG) != 0 ||
      ident[EI_DATA] != kOurOrder) {
    return {};
  }
  return ident[EI_CLASS] == ELFCLASS32 ? find_in_file<Elf32_Ehdr, Elf32_Phdr>(read)
                                       : find_in_file<Elf64_Ehdr, Elf64_Phdr>(read);
}

}  // namespace

std::vector<std::byte> gnu_build_id(int file) {
  return find([file](std::uint64_t offset, std::span<std::byte> to) {
    return ::pread(file, to.data(), to.size(), static_cast<off_t>(offset)) ==
           static_cast<ssize_t>(to.size());
  });
}

std::vector<std::byte> gnu_build_id(Bytes elf) {
  return find([elf](std::uint64_t offset, std::span<std::byte> to) {
    if (offset > elf.size() || to.size() > elf.size() - offset) {
      return false;
    }
    std::copy_n(elf.begin() + static_cast<std::ptrdiff_t>(offset), to.size(), to.begin());
    return true;
  });
}

std::vector<std::uint32_t> words_of_build_id(Bytes id) {
  std::vector<std::uint32_t> out(round_up(id.size(), 4) / 4);
  if (!id.empty()) {
    std::memcpy(out.data(), id.data(), id.size());
  }
  return out;
}

bool is_build_id(Bytes id, std::span<const std::uint32_t> words) {
  return !id.empty() && std::ranges::equal(words_of_build_id(id), words);
}

}  // namespace img
