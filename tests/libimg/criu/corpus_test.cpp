// SPDX-License-Identifier: MIT
// Every real dump through the reader and the writer: the directory comes back byte for byte.
#include <gtest/gtest.h>

#include "tests/libimg/criu/copy_directory.h"

namespace img::criu {
namespace {

using testing::copy_directory;
using testing::Scratch;
namespace fs = std::filesystem;

std::vector<fs::path> image_directories(const fs::path& below) {
  std::vector<fs::path> found;
  if (!fs::exists(below)) {
    return found;
  }
  for (const auto& entry : fs::recursive_directory_iterator(below)) {
    if (!entry.is_symlink() && entry.is_directory() && is_image_directory(entry.path())) {
      found.push_back(entry.path());
    }
  }
  return found;
}

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
                         [](const auto& test) {
                           std::string name = fs::relative(test.param, STASIS_FIXTURES "/dumps");
                           for (char& c : name) {
                             c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
                           }
                           return name;
                         });

}  // namespace
}  // namespace img::criu
