// SPDX-License-Identifier: MIT
#include "libimg/base/build_id.h"

#include <elf.h>
#include <fcntl.h>
#include <gtest/gtest.h>

#include "libimg/base/file.h"
#include "libimg/base/mapped_file.h"

namespace img {
namespace {

template <class T>
void append(std::vector<std::byte>& to, const T& object) {
  const Bytes bytes = std::as_bytes(std::span(&object, 1));
  to.insert(to.end(), bytes.begin(), bytes.end());
}

/// An ELF file that is nothing but a note of `owner` with five bytes.
template <class Header, class Segment>
std::vector<std::byte> elf(unsigned char kind, std::string_view owner = {"GNU\0", 4}) {
  Header file{};
  std::memcpy(file.e_ident, ELFMAG, SELFMAG);
  file.e_ident[EI_CLASS] = kind;
  file.e_ident[EI_DATA] = ELFDATA2LSB;
  file.e_phentsize = sizeof(Segment);
  file.e_phnum = 1;
  file.e_phoff = sizeof file;
  Segment segment{};
  segment.p_type = PT_NOTE;
  segment.p_offset = sizeof file + sizeof segment;
  segment.p_filesz = sizeof(Elf64_Nhdr) + 4 + 5;
  std::vector<std::byte> out;
  append(out, file);
  append(out, segment);
  append(out, Elf64_Nhdr{4, 5, NT_GNU_BUILD_ID});
  const Bytes name = as_bytes(owner);
  out.insert(out.end(), name.begin(), name.end());
  for (const int one : {1, 2, 3, 4, 5}) {
    out.push_back(static_cast<std::byte>(one));
  }
  return out;
}

TEST(BuildId, OfBothSizes) {
  EXPECT_EQ(words_of_build_id(gnu_build_id(elf<Elf64_Ehdr, Elf64_Phdr>(ELFCLASS64))),
            (std::vector<std::uint32_t>{0x04030201, 5}));
  EXPECT_EQ(gnu_build_id(elf<Elf32_Ehdr, Elf32_Phdr>(ELFCLASS32)).size(), 5U);
  EXPECT_TRUE(gnu_build_id(elf<Elf64_Ehdr, Elf64_Phdr>(ELFCLASS64, {"GNX\0", 4})).empty());
}

TEST(BuildId, WordsAreFilledWithZeros) {
  const std::vector<std::byte> id = gnu_build_id(elf<Elf64_Ehdr, Elf64_Phdr>(ELFCLASS64));
  const auto is = [&](std::vector<std::uint32_t> words) { return is_build_id(id, words); };
  EXPECT_TRUE(is({0x04030201, 5}));
  EXPECT_FALSE(is({0x04030201, 0x105}));
  EXPECT_FALSE(is({0x04030201}));
  EXPECT_FALSE(is({0x04030201, 5, 0}));
  EXPECT_FALSE(is_build_id({}, {}));
}

TEST(BuildId, AFileAndItsBytesSayTheSame) {
  const UniqueFd fd(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  const Result<std::uint64_t> size = file_size(fd.get(), "this");
  ASSERT_TRUE(size);
  const Result<MappedFile> mapped = MappedFile::map(fd.get(), *size, "this");
  ASSERT_TRUE(mapped);
  EXPECT_EQ(gnu_build_id(fd.get()), gnu_build_id(mapped->bytes()));
}

TEST(BuildId, BrokenFilesHaveNone) {
  EXPECT_TRUE(gnu_build_id(Bytes()).empty());
  EXPECT_TRUE(gnu_build_id(-1).empty());
  EXPECT_TRUE(gnu_build_id(as_bytes("\177ELF")).empty());
  const std::vector<std::byte> good = elf<Elf64_Ehdr, Elf64_Phdr>(ELFCLASS64);
  for (std::size_t cut = 0; cut < good.size(); ++cut) {
    EXPECT_TRUE(gnu_build_id(Bytes(good).first(cut)).empty()) << cut;
  }
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::vector<std::byte> bad = good;
    bad[at] = std::byte{0xff};
    EXPECT_LE(gnu_build_id(bad).size(), 64U) << at;
  }
}

}  // namespace
}  // namespace img
