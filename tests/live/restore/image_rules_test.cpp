// SPDX-License-Identifier: MIT
// What img-check would say of an image, said before it is restored.
#include "live/restore/image_rules.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "libimg/criu/directory_reader.h"

namespace img::restore {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<state::Refusal> broken(const std::string& place,
                                   const std::vector<Ignored>& ignored = {}) {
  const auto image = criu::DirectoryReader::open(place);
  EXPECT_TRUE(image.has_value());
  auto found = broken_rules(**image, ignored);
  EXPECT_TRUE(found.has_value());
  return std::move(*found);
}

TEST(ImageRules, AValidImageBreaksNone) {
  for (const auto& dump : fs::directory_iterator(STASIS_FIXTURES "/dumps")) {
    if (fs::exists(dump.path() / "inventory.img")) {
      EXPECT_THAT(broken(dump.path()), IsEmpty()) << dump.path();
    }
  }
}

TEST(ImageRules, ABrokenOneIsAReasonThatCanBeIgnored) {
  std::string folder = fs::temp_directory_path() / "stasis-rules-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  fs::copy(STASIS_FIXTURES "/dumps/tree", folder, fs::copy_options::recursive);
  ASSERT_TRUE(fs::remove(fs::path(folder) / "core-27213.img"));
  const std::vector<state::Refusal> found = broken(folder);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_THAT(found[0].line(), HasSubstr("core-27213.img"));
  EXPECT_THAT(found[0].line(), HasSubstr("live-restore refuses it"));
  ASSERT_TRUE(found[0].hint.starts_with("--ignore "));
  const auto ignored = parse_ignored(found[0].hint.substr(std::string("--ignore ").size()));
  ASSERT_TRUE(ignored.has_value());
  EXPECT_THAT(broken(folder, {*ignored}), IsEmpty());
  EXPECT_THAT(broken(folder, {{ignored->rule, "mm-*"}}), testing::SizeIs(1));
  EXPECT_FALSE(parse_ignored("NO-1").has_value());
  fs::remove_all(folder);
}

}  // namespace
}  // namespace img::restore
