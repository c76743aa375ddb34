// SPDX-License-Identifier: MIT
// Every image file of every real dump cut, lengthened and flipped: each is refused in one line or
// read, and what is read is given back.
#include <gtest/gtest.h>

#include <random>

#include "tests/libimg/criu/copy_directory.h"

namespace img::criu {
namespace {

using testing::fs::path;

constexpr int kRounds = 3;

class Sweep : public ::testing::TestWithParam<path> {
 protected:
  Sweep() {
    for (const auto& [name, bytes] : testing::contents(GetParam())) {
      if (name != "parent") {
        testing::spill(image_ / name, bytes);
      }
    }
  }

  static constexpr std::uintmax_t kWorthChanging = 20'000;

  void try_with(const std::string& name, const std::string& bytes) {
    testing::spill(image_ / name, bytes);
    const testing::Scratch to;
    const testing::Copy copy = testing::copy_directory(image_.path(), to.path());
    if (copy.error.empty()) {
      ++read_;
      ASSERT_EQ(testing::slurp(to / name), bytes) << name;
    } else {
      ++refused_;
      ASSERT_EQ(copy.error.find('\n'), std::string::npos) << copy.error;
      ASSERT_FALSE(copy.damage.empty()) << copy.error;
    }
  }

  testing::Scratch image_;
  unsigned read_ = 0;
  unsigned refused_ = 0;
};

TEST_P(Sweep, EveryFile) {
  std::mt19937 random(1);
  for (const auto& [name, bytes] : testing::contents(image_.path())) {
    if (bytes.empty() || bytes.size() > kWorthChanging) {
      continue;  // pages: any bytes are memory, and their sizes are cut below
    }
    const auto at = [&random, size = bytes.size()] { return random() % size; };
    for (int round = 0; round < kRounds; ++round) {
      try_with(name, bytes.substr(0, at()));
      std::string flipped = bytes;
      flipped[at()] = static_cast<char>(random());
      try_with(name, flipped);
      try_with(name, bytes + std::string(1 + random() % 9, static_cast<char>(random())));
      std::string sized = bytes;
      const std::uint32_t odd[] = {0x7fffffff, 0x80000000, 0xffffffff, 0x00ffffff};
      sized.replace(std::min<std::size_t>(8, sized.size() - 4), 4,
                    testing::word(odd[random() % 4]));
      try_with(name, sized);
    }
    testing::spill(image_ / name, bytes);
  }
  EXPECT_GT(read_, 0U);
  EXPECT_GT(refused_, 10U);
}

TEST_P(Sweep, ShortPagesFiles) {
  for (const auto& [name, bytes] : testing::contents(image_.path())) {
    if (!name.starts_with("pages-") || bytes.empty()) {
      continue;
    }
    for (const std::size_t less : {1UL, 100UL, 4096UL, bytes.size()}) {
      const unsigned before = refused_;
      try_with(name, bytes.substr(0, bytes.size() - std::min(less, bytes.size())));
      EXPECT_EQ(refused_, before + 1) << name << " less " << less;
    }
    testing::spill(image_ / name, bytes);
  }
}

INSTANTIATE_TEST_SUITE_P(Fixtures, Sweep,
                         ::testing::ValuesIn(testing::image_directories(STASIS_FIXTURES "/dumps")),
                         [](const auto& test) { return testing::test_name(test.param); });

}  // namespace
}  // namespace img::criu
