// SPDX-License-Identifier: MIT
#include "live/plan/vdso.h"

#include <elf.h>
#include <gtest/gtest.h>
#include <sys/auxv.h>

#include <cstring>

namespace img::plan {
namespace {

std::vector<std::byte> this_kernels() {
  const auto* at = reinterpret_cast<const std::byte*>(::getauxval(AT_SYSINFO_EHDR));
  return at == nullptr ? std::vector<std::byte>() : std::vector<std::byte>(at, at + 4096);
}

Elf64_Phdr segment_of(const std::vector<std::byte>& vdso, std::uint32_t type) {
  Elf64_Ehdr head;
  std::memcpy(&head, vdso.data(), sizeof head);
  for (unsigned i = 0; i < head.e_phnum; ++i) {
    Elf64_Phdr one;
    std::memcpy(&one, vdso.data() + head.e_phoff + i * sizeof one, sizeof one);
    if (one.p_type == type) {
      return one;
    }
  }
  ADD_FAILURE() << "no segment of type " << type;
  return {};
}

TEST(Vdso, AnotherBuildOfTheSameCodeIsTheSame) {
  const std::vector<std::byte> here = this_kernels();
  ASSERT_FALSE(here.empty());
  std::vector<std::byte> other = here;
  other.at(segment_of(here, PT_NOTE).p_offset + 20) ^= std::byte{0xff};
  EXPECT_NE(other, here);
  EXPECT_EQ(vdso_substance(other), vdso_substance(here));
}

TEST(Vdso, OtherCodeIsNot) {
  const std::vector<std::byte> here = this_kernels();
  ASSERT_FALSE(here.empty());
  for (const std::size_t at : {std::size_t{0x1d0 + 8}, std::size_t{0xb00}}) {  // symbols, code
    std::vector<std::byte> other = here;
    other[at] ^= std::byte{0x10};
    EXPECT_NE(vdso_substance(other), vdso_substance(here)) << at;
  }
}

TEST(Vdso, WhatIsCutOffOrNoneIsLeftAsItIs) {
  const std::vector<std::byte> here = this_kernels();
  ASSERT_FALSE(here.empty());
  for (std::size_t size = 0; size < here.size(); size += 7) {
    EXPECT_EQ(vdso_substance(Bytes(here).first(size)).size(), size);
  }
  std::vector<std::byte> wild = here;
  for (std::size_t at = sizeof(Elf64_Ehdr); at < 0x600; ++at) {
    wild[at] = std::byte{0xff};
  }
  EXPECT_EQ(vdso_substance(wild).size(), wild.size());
}

}  // namespace
}  // namespace img::plan
