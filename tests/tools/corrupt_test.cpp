// SPDX-License-Identifier: MIT
// Every corrupt image of the fixtures through img-convert: either one line and nothing made, or all
// of it comes back byte for byte. Never anything between, and never a signal.
#include <algorithm>
#include <set>

#include "tests/fixtures/variant.h"
#include "tests/tools/scratch.h"
#include "tools/tools.h"

namespace img::tools {
namespace {

namespace fs = std::filesystem;

/// What cannot be read, so that it cannot be converted either. The other codes are of images that
/// are well-formed and wrong, which are carried as they are.
const std::set<std::string> kUnreadable = {"bad-length",
                                           "bad-magic",
                                           "bad-protobuf",
                                           "image-is-symlink",
                                           "image-not-regular",
                                           "nesting-too-deep",
                                           "parent-escape",
                                           "parent-loop",
                                           "missing-required-field",
                                           "pagemap-overruns-pages",
                                           "truncated"};

class Corrupt : public Scratch, public testing::WithParamInterface<fixtures::Variant> {
 protected:
  static frame::ToolRun convert(std::vector<std::string> arguments) {
    return run(img_convert(), std::move(arguments));
  }
};

TEST_P(Corrupt, IsRefusedInOneLineOrCarriedUnchanged) {
  const fixtures::Variant& variant = GetParam();
  const std::string image = fixtures::build(variant, "image").string();
  ASSERT_EQ(convert({dump("single"), "old.store", "--as", "old"}).exit, 0);
  const frame::ToolRun done = convert({image, "new.store", "--as", "x"});
  const frame::ToolRun added = convert({image, "old.store", "--as", "x"});
  EXPECT_EQ(done.exit, added.exit);
  if (done.exit != 0) {
    EXPECT_EQ(done.exit, 2);
    EXPECT_NE(variant.severity, "accept") << done.err;
    EXPECT_EQ(std::ranges::count(done.err, '\n'), 1) << done.err;
    EXPECT_FALSE(fs::exists("new.store"));
    EXPECT_EQ(convert({image, "out", "--to", "criu"}).exit, 2);
    EXPECT_FALSE(fs::exists("out"));
    EXPECT_NE(convert({"old.store", "out", "--to", "criu", "-i", "x"}).exit, 0);
  } else {
    EXPECT_FALSE(kUnreadable.contains(variant.code)) << variant.name;
    EXPECT_EQ(convert({"new.store", "out", "--to", "criu"}).exit, 0);
    if (fs::is_regular_file(image)) {
      return;  // an archive holds more than a directory; its own tests compare it
    }
    const bool is_chain = fs::exists("out/1");
    EXPECT_EQ(difference(is_chain ? fs::path(image).parent_path().string() : image, "out"), "");
  }
}

INSTANTIATE_TEST_SUITE_P(Variants, Corrupt, testing::ValuesIn(fixtures::variants()),
                         [](const auto& variant) {
                           std::string name = variant.param.name;
                           std::ranges::replace_if(
                               name, [](char c) { return !std::isalnum(c); }, '_');
                           return name;
                         });

}  // namespace
}  // namespace img::tools
