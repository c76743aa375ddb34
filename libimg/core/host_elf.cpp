// SPDX-License-Identifier: MIT
#include "libimg/core/host_elf.h"

#include <elf.h>
#include <fcntl.h>

#include <algorithm>
#include <optional>

#include "libimg/base/file.h"

namespace img::core {
namespace {

constexpr std::size_t kMostHeaders = 1024;
constexpr std::size_t kMostNotes = 1024;
constexpr std::string_view kGnu = std::string_view("GNU\0", 4);

/// Nothing where that is not all inside of `from`.
std::optional<Bytes> part(Bytes from, std::uint64_t offset, std::uint64_t size) {
  if (offset > from.size() || size > from.size() - offset) {
    return std::nullopt;
  }
  return from.subspan(offset, size);
}

Bytes build_id_in(Bytes notes, std::uint64_t alignment) {
  for (std::size_t count = 0; count < kMostNotes && notes.size() >= sizeof(Elf64_Nhdr); ++count) {
    const auto head = load<Elf64_Nhdr>(notes.data());
    const std::uint64_t name_end = sizeof head + std::uint64_t{head.n_namesz};
    const std::uint64_t begin = round_up(name_end, alignment);
    const auto name = part(notes, sizeof head, head.n_namesz);
    const auto content = part(notes, begin, head.n_descsz);
    if (!name || !content) {
      break;
    }
    if (head.n_type == NT_GNU_BUILD_ID && as_text(*name) == kGnu) {
      return *content;
    }
    const std::uint64_t next = round_up(begin + head.n_descsz, alignment);
    notes = notes.subspan(std::min<std::uint64_t>(next, notes.size()));
  }
  return {};
}

template <class Header, class Segment>
Bytes build_id_as(Bytes elf) {
  if (elf.size() < sizeof(Header)) {
    return {};
  }
  const auto head = load<Header>(elf.data());
  for (std::size_t at = 0; at < std::min<std::size_t>(head.e_phnum, kMostHeaders); ++at) {
    const auto place = part(elf, head.e_phoff, (at + 1) * sizeof(Segment));
    if (!place) {
      break;
    }
    const auto segment = load<Segment>(place->data() + at * sizeof(Segment));
    const auto notes = part(elf, segment.p_offset, segment.p_filesz);
    if (segment.p_type == PT_NOTE && notes) {
      if (const Bytes found = build_id_in(*notes, segment.p_align == 8 ? 8 : 4); !found.empty()) {
        return found;
      }
    }
  }
  return {};
}

/// The image has whole words of it, filled with zeros.
bool is_build_id(Bytes here, const flatbuffers::Vector<std::uint32_t>& wanted) {
  if (here.empty() || round_up(here.size(), 4) != std::uint64_t{wanted.size()} * 4) {
    return false;
  }
  std::vector<std::byte> filled(here.begin(), here.end());
  filled.resize(round_up(here.size(), 4));
  for (unsigned at = 0; at < wanted.size(); ++at) {
    if (load<std::uint32_t>(filled.data() + std::size_t{at} * 4) != wanted.Get(at)) {
      return false;
    }
  }
  return true;
}

}  // namespace

Bytes build_id_of(Bytes elf) {
  if (elf.size() < EI_NIDENT || as_text(elf.first(SELFMAG)) != ELFMAG) {
    return {};
  }
  switch (static_cast<unsigned char>(elf[EI_CLASS])) {
    case ELFCLASS32: return build_id_as<Elf32_Ehdr, Elf32_Phdr>(elf);
    case ELFCLASS64: return build_id_as<Elf64_Ehdr, Elf64_Phdr>(elf);
    default: return {};
  }
}

MappedFile same_file_on_host(const schema::RegFileEntry& file) {
  const std::string path = file.name()->str();
  if (file.build_id() == nullptr || file.build_id()->size() == 0 || !path.starts_with('/')) {
    return {};
  }
  const Result<UniqueFd> fd = open_regular(AT_FDCWD, path, O_RDONLY, path);
  if (!fd) {
    return {};
  }
  const Result<std::uint64_t> size = file_size(fd->get(), path);
  if (!size || (file.size() && *file.size() != *size)) {
    return {};
  }
  Result<MappedFile> mapped = MappedFile::map(fd->get(), *size, path);
  if (!mapped || !is_build_id(build_id_of(mapped->bytes()), *file.build_id())) {
    return {};
  }
  return std::move(*mapped);
}

}  // namespace img::core
