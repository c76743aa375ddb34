// SPDX-License-Identifier: MIT
#include "live/arch/x86_64/xsave.h"

#include <gtest/gtest.h>

namespace img::arch {
namespace {

// Sapphire Rapids: AVX, AVX-512, PKRU, CET (a supervisor component), AMX.
const std::vector<CpuidLeaf> kLeaves = {
    {0xd, 2, 256, 576, 0, 0},   {0xd, 5, 64, 1088, 0, 0},    {0xd, 6, 512, 1152, 0, 0},
    {0xd, 7, 1024, 1664, 0, 0}, {0xd, 9, 8, 2688, 0, 0},     {0xd, 11, 16, 0, 1, 0},
    {0xd, 17, 64, 2752, 2, 0},  {0xd, 18, 8192, 2816, 6, 0},
};
constexpr std::uint64_t kAll = 0x602e7;

std::vector<std::byte> area(std::size_t bytes, std::uint64_t in_use) {
  std::vector<std::byte> out(bytes);
  store_at(out.data() + kLegacyBytes, in_use);
  return out;
}

TEST(XsaveLayout, IsThatOfCpuid) {
  const XsaveLayout layout = XsaveLayout::from_leaves(kLeaves, kAll);
  EXPECT_EQ(layout.mask(), kAll);
  ASSERT_NE(layout.find(kHi16Zmm), nullptr);
  EXPECT_EQ(layout.find(kHi16Zmm)->offset, 1664U);
  EXPECT_EQ(layout.find(kCetUser), nullptr);  // not for user space to save
  EXPECT_EQ(layout.bytes_for(3), 576U);
  EXPECT_EQ(layout.bytes_for(7), 832U);
  EXPECT_EQ(layout.bytes_for(0x2e7), 2696U);
  EXPECT_EQ(layout.bytes_for(kAll), 11008U);
}

TEST(XsaveLayout, LeavesOutWhatIsNotEnabled) {
  const XsaveLayout layout = XsaveLayout::from_leaves(kLeaves, 7);
  EXPECT_EQ(layout.mask(), 7U);
  EXPECT_EQ(layout.find(kOpmask), nullptr);
  EXPECT_EQ(XsaveLayout::from_leaves({}, 3).bytes_for(3), 576U);
}

TEST(XsaveLayout, OfThisCpuIsInOrder) {
  const XsaveLayout layout = XsaveLayout::of_this_cpu();
  EXPECT_EQ(layout.mask() & 3, 3U);
  for (const XsaveComponent& one : layout.components()) {
    EXPECT_TRUE(one.number < 2 || one.offset >= 576) << component_name(one.number);
    EXPECT_GT(one.bytes, 0U);
  }
}

TEST(Xstate, ComponentsAreWhereTheLayoutSays) {
  const XsaveLayout layout = XsaveLayout::from_leaves(kLeaves, kAll);
  std::vector<std::byte> bytes = area(2696, 0x203);
  bytes[2688] = std::byte{0x54};
  auto state = Xstate::take(std::move(bytes), layout);
  ASSERT_TRUE(state.has_value());
  EXPECT_EQ(state->in_use(), 0x203U);
  ASSERT_EQ(state->component(kPkru).size(), 8U);
  EXPECT_EQ(state->component(kPkru)[0], std::byte{0x54});
  EXPECT_TRUE(state->component(kAvx).empty());  // has a place, is not in use
}

TEST(Xstate, RefusesBytesThatDoNotHoldWhatTheySay) {
  const XsaveLayout layout = XsaveLayout::from_leaves(kLeaves, 7);
  EXPECT_FALSE(Xstate::take(area(575 + 1, 7), layout).has_value());
  EXPECT_FALSE(Xstate::take(std::vector<std::byte>(511), layout).has_value());
  EXPECT_FALSE(Xstate::take(area(11008, kAll), layout).has_value());
  EXPECT_TRUE(Xstate::take(area(832, 7), layout).has_value());
}

}  // namespace
}  // namespace img::arch
