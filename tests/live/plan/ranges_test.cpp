// SPDX-License-Identifier: MIT
#include "live/plan/ranges.h"

#include <gtest/gtest.h>

namespace img::plan {
namespace {

using Pairs = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

Pairs pairs(const Ranges& ranges) {
  Pairs out;
  for (const Range& one : ranges) {
    out.emplace_back(one.start, one.end);
  }
  return out;
}

const Ranges kSome = {{10, 20}, {30, 40}, {50, 60}};

TEST(Ranges, ThoseThatTouchBecomeOne) {
  Ranges out;
  for (const Range one : {Range{1, 3}, Range{3, 5}, Range{4, 5}, Range{7, 7}, Range{8, 9}}) {
    add_range(out, one);
  }
  EXPECT_EQ(pairs(out), (Pairs{{1, 5}, {8, 9}}));
}

TEST(Ranges, Common) {
  EXPECT_EQ(pairs(common_to(kSome, {{0, 100}})), pairs(kSome));
  EXPECT_EQ(pairs(common_to({{0, 100}}, kSome)), pairs(kSome));
  EXPECT_EQ(pairs(common_to(kSome, {{15, 35}, {55, 70}})), (Pairs{{15, 20}, {30, 35}, {55, 60}}));
  EXPECT_EQ(pairs(common_to(kSome, {{20, 30}})), Pairs{});
  EXPECT_EQ(pairs(common_to({}, kSome)), Pairs{});
}

TEST(Ranges, Without) {
  EXPECT_EQ(pairs(without(kSome, {})), pairs(kSome));
  EXPECT_EQ(pairs(without(kSome, {{0, 100}})), Pairs{});
  EXPECT_EQ(pairs(without(kSome, {{12, 14}, {16, 18}, {35, 55}})),
            (Pairs{{10, 12}, {14, 16}, {18, 20}, {30, 35}, {55, 60}}));
  EXPECT_EQ(pairs(without({{0, 100}}, kSome)), (Pairs{{0, 10}, {20, 30}, {40, 50}, {60, 100}}));
}

}  // namespace
}  // namespace img::plan
