// SPDX-License-Identifier: MIT
#include "live/procfs/maps.h"

#include <gtest/gtest.h>

namespace img::procfs {
namespace {

constexpr std::string_view kLine =
    "7f7d1c5a1000-7f7d1c5a2000 r-xs 00001000 fe:1f 332383                     /usr/lib/a "
    "b\\012c.so";

TEST(Maps, ALine) {
  const auto one = parse_mapping(kLine);
  ASSERT_TRUE(one.has_value()) << one.error().line();
  EXPECT_EQ(one->start, 0x7f7d1c5a1000U);
  EXPECT_EQ(one->bytes(), 0x1000U);
  EXPECT_TRUE(one->readable && !one->writable && one->executable && one->shared);
  EXPECT_EQ(one->offset, 0x1000U);
  EXPECT_EQ(one->device_major, 0xfeU);
  EXPECT_EQ(one->device_minor, 0x1fU);
  EXPECT_EQ(one->inode, 332383U);
  EXPECT_EQ(one->path, "/usr/lib/a b\\012c.so");
  EXPECT_EQ(parse_mapping("1000-2000 ---p 00000000 00:00 0 ")->path, "");
}

TEST(Maps, RefusesWhatIsCutShort) {
  const std::size_t needed = kLine.find("332383") + 1;
  for (std::size_t length = 0; length < needed; ++length) {
    EXPECT_FALSE(parse_mapping(kLine.substr(0, length)).has_value()) << length;
  }
  EXPECT_FALSE(parse_mapping("2000-1000 ---p 00000000 00:00 0").has_value());
  EXPECT_FALSE(parse_mapping("2000-3000 q--p 00000000 00:00 0").has_value());
}

TEST(Maps, InOrderOnly) {
  EXPECT_EQ(parse_maps("1000-2000 ---p 0 00:00 0\n2000-3000 rw-p 0 00:00 0 [heap]\n")->size(), 2U);
  EXPECT_FALSE(parse_maps("1000-2001 ---p 0 00:00 0\n2000-3000 rw-p 0 00:00 0\n").has_value());
}

TEST(Maps, Finding) {
  const auto maps = parse_maps("1000-2000 ---p 0 00:00 0\n4000-5000 rw-p 0 00:00 0 [heap]\n");
  ASSERT_TRUE(maps.has_value());
  EXPECT_EQ(find_mapping(*maps, 0xfff), nullptr);
  EXPECT_EQ(find_mapping(*maps, 0x1000), &(*maps)[0]);
  EXPECT_EQ(find_mapping(*maps, 0x1fff), &(*maps)[0]);
  EXPECT_EQ(find_mapping(*maps, 0x2000), nullptr);
  EXPECT_EQ(find_mapping(*maps, 0x4fff), &(*maps)[1]);
  EXPECT_EQ(find_mapping(*maps, 0x5000), nullptr);
}

TEST(Smaps, FlagsAndCounts) {
  const auto maps = parse_smaps(
      "1000-3000 rw-p 00000000 00:00 0                          [stack]\n"
      "Size:                  8 kB\nKernelPageSize:        4 kB\nRss:                   8 kB\n"
      "Anonymous:             4 kB\nSwap:                  12 kB\nTHPeligible:           0\n"
      "ProtectionKey:         2\nVmFlags: rd wr mr mw me gd ac zz \n"
      "a000-b000 r--p 00000000 00:00 0 \nVmFlags: rd dd wf sl gu\n");
  ASSERT_TRUE(maps.has_value()) << maps.error().line();
  ASSERT_EQ(maps->size(), 2U);
  const SmapsMapping& stack = (*maps)[0];
  EXPECT_EQ(stack.mapping.path, "[stack]");
  EXPECT_EQ(stack.resident_kib, 8U);
  EXPECT_EQ(stack.anonymous_kib, 4U);
  EXPECT_EQ(stack.swapped_kib, 12U);
  EXPECT_EQ(stack.protection_key, 2);
  EXPECT_TRUE(stack.flags.has(VmFlag::grows_down));
  EXPECT_FALSE(stack.flags.has(VmFlag::shared));
  EXPECT_EQ(stack.flags.unknown, "zz");
  EXPECT_TRUE((*maps)[1].flags.has(VmFlag::dont_dump));
  EXPECT_TRUE((*maps)[1].flags.has(VmFlag::wipe_on_fork));
  EXPECT_TRUE((*maps)[1].flags.has(VmFlag::sealed));
  EXPECT_TRUE((*maps)[1].flags.has(VmFlag::guard_regions));
  EXPECT_FALSE(parse_smaps("VmFlags: rd\n").has_value());
  EXPECT_FALSE(parse_smaps("1000-2000 rw-p 0 00:00 0\nRss: x kB\n").has_value());
}

}  // namespace
}  // namespace img::procfs
