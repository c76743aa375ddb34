// SPDX-License-Identifier: MIT
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/tools/json_doc.h"
#include "tests/tools/scratch.h"
#include "tools/tools.h"

namespace img::tools {
namespace {

using frame::ToolRun;

class ImgDiff : public Scratch {
 protected:
  static ToolRun diff(std::vector<std::string> arguments) {
    return run(img_diff(), std::move(arguments));
  }
};

TEST_F(ImgDiff, TwoImagesOfOneStoreAndTheDumpThemselves) {
  ASSERT_EQ(run(img_convert(), {dump("chain-snapshots/3"), "web.store", "--as", "c"}).exit, 0);
  EXPECT_EQ(diff({"web.store::c.2", "web.store::c.2"}).exit, 0);
  const ToolRun of_store = diff({"web.store::c.1", "web.store::c.2", "--pages"});
  const ToolRun of_dumps = diff({dump("chain-snapshots/1"), dump("chain-snapshots/2"), "--pages"});
  EXPECT_EQ(of_store.exit, 1) << of_store.err;
  EXPECT_EQ(of_store.out, of_dumps.out);
  EXPECT_NE(of_store.out.find("[heap]: 1 changed"), std::string::npos) << of_store.out;
  EXPECT_EQ(diff({"web.store::c.1", "web.store::none"}).exit, 2);
}

TEST_F(ImgDiff, QuietSaysItByTheExitCode) {
  const ToolRun done = diff({dump("zoo"), dump("single"), "-q"});
  EXPECT_EQ(done.exit, 1);
  EXPECT_EQ(done.out, "");
  EXPECT_EQ(done.err, "");
}

TEST_F(ImgDiff, JsonIsDocumented) {
  ASSERT_EQ(run(img_convert(), {dump("single"), "renamed.json"}).exit, 0);
  for (const auto& entry : std::filesystem::directory_iterator("renamed.json")) {
    if (entry.path().filename().string().starts_with("core-")) {
      auto core = nlohmann::json::parse(text_of(entry.path()));
      core["entries"][0]["tc"]["comm"] = "renamed";
      std::ofstream(entry.path()) << core;
    }
  }
  expect_documented(
      "img-diff",
      {diff({dump("chain-snapshots/1"), dump("chain-snapshots/2"), "--pages", "--json"}),
       diff({dump("zoo"), dump("single"), "--json"}), diff({dump("zoo"), dump("zoo"), "--json"}),
       diff({dump("single"), "renamed.json", "--json"}), diff({dump("zoo"), "missing", "--json"})});
}

}  // namespace
}  // namespace img::tools
