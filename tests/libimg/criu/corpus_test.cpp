// SPDX-License-Identifier: MIT
// Every real dump through the reader and the writer: the directory comes back byte for byte.
#include <gtest/gtest.h>

#include "tests/libimg/criu/copy_directory.h"

namespace img::criu {
namespace {

using testing::copy_directory;
using testing::image_directories;
using testing::Scratch;
namespace fs = std::filesystem;

class Corpus : public ::testing::TestWithParam<fs::path> {};

TEST_P(Corpus, ComesBackByteForByte) {
  const Scratch scratch;
  const auto copy = copy_directory(GetParam(), scratch.path());
  ASSERT_TRUE(copy.error.empty()) << copy.error;
  EXPECT_EQ(testing::contents(GetParam()), testing::contents(scratch.path()));
  EXPECT_TRUE(copy.damage.empty()) << copy.damage.front().place_and_text();
  EXPECT_EQ(copy.kept_original, 0U) << "CRIU writes nothing that we would not";
}

TEST(Corpus, IsThere) {
  EXPECT_GE(image_directories(STASIS_FIXTURES "/dumps").size(), 10U);
}

INSTANTIATE_TEST_SUITE_P(Fixtures, Corpus,
                         ::testing::ValuesIn(image_directories(STASIS_FIXTURES "/dumps")),
                         [](const auto& test) { return testing::test_name(test.param); });

}  // namespace
}  // namespace img::criu
