// SPDX-License-Identifier: MIT
// Every real dump through the reader and the writer: the directory comes back byte for byte.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "libimg/base/unique_fd.h"
#include "libimg/criu/directory_reader.h"
#include "libimg/criu/directory_writer.h"

namespace img::criu {
namespace {

namespace fs = std::filesystem;

std::map<std::string, std::string> contents(const fs::path& directory) {
  std::map<std::string, std::string> all;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.is_symlink()) {
      continue;  // `parent`, which the converter makes
    }
    std::ifstream in(entry.path(), std::ios::binary);
    all[entry.path().filename()] = {std::istreambuf_iterator<char>(in), {}};
  }
  return all;
}

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

class Corpus : public testing::TestWithParam<fs::path> {};

TEST_P(Corpus, ComesBackByteForByte) {
  std::vector<std::string> damage;
  auto reader = DirectoryReader::open(GetParam(), {[&](const Damage& found) {
                                        damage.push_back(found.file + ": " + found.place_and_text());
                                      }});
  ASSERT_TRUE(reader) << reader.error().line();
  std::string place = (fs::temp_directory_path() / "criu-corpus-XXXXXX").string();
  ASSERT_NE(::mkdtemp(place.data()), nullptr);
  const UniqueFd directory(::open(place.c_str(), O_RDONLY | O_DIRECTORY));
  DirectoryWriter writer(directory.get(), place, {(*reader)->header().provenance()->img_version(), {}});
  const auto files = (*reader)->files();
  ASSERT_TRUE(files);
  for (const model::FileKey file : *files) {
    const auto done = (*reader)->read(file, writer);
    ASSERT_TRUE(done) << done.error().line();
  }
  ASSERT_TRUE(writer.commit());
  EXPECT_EQ(contents(GetParam()), contents(place));
  EXPECT_TRUE(damage.empty()) << damage.front();
  fs::remove_all(place);
}

INSTANTIATE_TEST_SUITE_P(Fixtures, Corpus,
                         testing::ValuesIn(image_directories(STASIS_FIXTURES "/dumps")),
                         [](const auto& test) {
                           std::string name = fs::relative(test.param, STASIS_FIXTURES "/dumps");
                           for (char& c : name) {
                             c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
                           }
                           return name;
                         });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Corpus);

}  // namespace
}  // namespace img::criu
