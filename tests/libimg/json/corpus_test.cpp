// SPDX-License-Identifier: MIT
// Every real dump as a directory of JSON and back: byte for byte, through the CRIU reader and
// writer.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>

#include "libimg/base/unique_fd.h"
#include "libimg/json/directory.h"
#include "tests/support/scratch.h"

namespace img::json {
namespace {

namespace fs = std::filesystem;

std::map<std::string, std::string> all_contents(const fs::path& directory) {
  std::map<std::string, std::string> all;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (!entry.is_symlink()) {
      all[entry.path().filename()] = test::slurp(entry.path());
    }
  }
  return all;
}

class Place : public test::Scratch {
 public:
  Place() : fd_(::open(path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {}
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
};

void copy_image(model::ImageReader& from, criu::DirectoryWriter& to) {
  const auto files = from.files();
  ASSERT_TRUE(files) << files.error().line();
  std::vector<model::FileKey> order = *files;
  std::stable_partition(order.begin(), order.end(),
                        [](model::FileKey key) { return key.kind != schema::Kind::pages; });
  for (const model::FileKey file : order) {
    const auto done = from.read(file, to);
    ASSERT_TRUE(done) << from.file_name(file) << ": " << done.error().line();
  }
  const auto done = to.commit();
  ASSERT_TRUE(done) << done.error().line();
}

void there_and_back(const fs::path& image, const Place& json, const Place& again) {
  auto reader = criu::DirectoryReader::open(image);
  ASSERT_TRUE(reader) << reader.error().line();
  const auto* const from = (*reader)->header().provenance();
  const criu::WriterOptions options{from->img_version(),
                                    {from->byte_order() == schema::ByteOrder::big}};
  copy_image(**reader, *make_writer(json.fd(), json.path(), options));
  auto back = open_directory(json.path());
  ASSERT_TRUE(back) << back.error().line();
  const auto* const kept = (*back)->header().provenance();
  EXPECT_EQ(kept->img_version(), from->img_version());
  EXPECT_EQ(kept->byte_order(), from->byte_order());
  EXPECT_EQ(kept->origin(), schema::Origin::json);
  criu::DirectoryWriter writer(again.fd(), again.path(), options);
  copy_image(**back, writer);
}

std::vector<fs::path> image_directories(const fs::path& below) {
  std::vector<fs::path> found;
  if (!fs::exists(below)) {
    return found;
  }
  for (const auto& entry :
       fs::recursive_directory_iterator(below, fs::directory_options::follow_directory_symlink)) {
    if (!entry.is_symlink() && entry.is_directory() && criu::is_image_directory(entry.path())) {
      found.push_back(entry.path());
    }
  }
  return found;
}

class Corpus : public testing::TestWithParam<fs::path> {};

TEST_P(Corpus, ComesBackByteForByte) {
  const Place json;
  const Place again;
  there_and_back(GetParam(), json, again);
  EXPECT_EQ(all_contents(GetParam()), all_contents(again.path()));
}

TEST_P(Corpus, IsJsonAsOthersReadIt) {
  const Place json;
  const Place again;
  there_and_back(GetParam(), json, again);
  std::size_t texts = 0;
  for (const auto& [name, text] : all_contents(json.path())) {
    if (name.ends_with(".json")) {
      ++texts;
      EXPECT_NO_THROW({
        const auto parsed = nlohmann::json::parse(text);
        EXPECT_TRUE(parsed.at("magic").is_string());
        EXPECT_TRUE(parsed.at("entries").is_array());
        EXPECT_EQ(parsed.size(), 2U) << name << ": a real dump has nothing that is ours alone";
      }) << name;
    }
  }
  EXPECT_GE(texts, 4U);
}

// crit reads bytes after a shared memory segment that the image has elsewhere: for two segments it
// shows the second as the content of the first.
bool crit_is_wrong_about(const std::string& name) {
  return name.starts_with("ipcns-shm-");
}

TEST_P(Corpus, IsTheVeryTextThatCritWrites) {
  const Place json;
  const Place again;
  there_and_back(GetParam(), json, again);
  const auto ours = all_contents(json.path());
  const fs::path relative = fs::relative(GetParam(), STASIS_FIXTURES "/dumps");
  const auto theirs = all_contents(fs::path(STASIS_FIXTURES "/json") / relative);
  EXPECT_GE(theirs.size(), 3U);
  for (const auto& [name, text] : theirs) {
    if (!crit_is_wrong_about(name)) {
      ASSERT_TRUE(ours.contains(name)) << name;
      EXPECT_EQ(ours.at(name), text) << name;
    }
  }
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

}  // namespace
}  // namespace img::json
