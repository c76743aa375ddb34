// SPDX-License-Identifier: MIT
#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/fixtures/variant.h"
#include "tests/support/scratch.h"
#include "tests/tools/json_doc.h"
#include "tests/tools/scratch.h"
#include "tools/tools.h"

namespace img::tools {
namespace {

namespace fs = std::filesystem;
using frame::ToolRun;

class ImgCheck : public Scratch {
 protected:
  static ToolRun check(std::vector<std::string> arguments) {
    return run(img_check(), std::move(arguments));
  }
  static void convert_well(std::vector<std::string> arguments) {
    const ToolRun done = run(img_convert(), std::move(arguments));
    EXPECT_EQ(done.exit, 0) << done.err;
  }
  /// The first variant with this code.
  static std::string corrupt(const std::string& code, const std::string& place) {
    const auto all = fixtures::variants();
    const auto found = std::ranges::find(all, code, &fixtures::Variant::code);
    EXPECT_NE(found, all.end()) << code;
    return fixtures::build(*found, place).string();
  }
};

TEST_F(ImgCheck, AValidImageHasNoError) {
  for (const auto& entry : fs::directory_iterator(STASIS_FIXTURES "/dumps")) {
    const std::string image = entry.path().string();
    const ToolRun done = check({fs::exists(image + "/3") ? image + "/3" : image});
    EXPECT_EQ(done.exit, 0) << done.out << done.err;
    EXPECT_EQ(done.err, "");
  }
}

TEST_F(ImgCheck, AnErrorInAnyImageIsOne) {
  const std::string bad = corrupt("truncated", "bad");
  const ToolRun one = check({bad});
  EXPECT_EQ(one.exit, 1) << one.err;
  EXPECT_NE(one.out.find(" error "), std::string::npos) << one.out;
  EXPECT_EQ(check({dump("zoo"), bad}).exit, 1);
}

TEST_F(ImgCheck, WhatCannotBeAskedIsTwo) {
  EXPECT_EQ(check({"missing"}).exit, 2);
  EXPECT_EQ(check({"missing", dump("zoo")}).exit, 2);
  std::ofstream("text") << "hello";
  EXPECT_EQ(check({"text"}).exit, 2);
  EXPECT_EQ(check({dump("zoo/pstree.img")}).exit, 2);
  EXPECT_EQ(check({}).exit, 2);
  for (const char* later : {"--root=/", "--for=podman", "--with=--shell-jobs", "--with='"}) {
    EXPECT_EQ(check({dump("zoo"), later}).exit, 2) << later;
  }
}

TEST_F(ImgCheck, WhatWillNotBeGivenIsAnError) {
  EXPECT_EQ(check({dump("shell-job")}).exit, 0);
  EXPECT_EQ(check({dump("shell-job"), "--with", "--file-locks"}).exit, 1);
  EXPECT_EQ(check({dump("shell-job"), "--with", "criu restore -j"}).exit, 0);
  EXPECT_EQ(check({dump("shell-job"), "--with", "", "--ignore", "PST-8"}).exit, 0);
}

TEST_F(ImgCheck, AsksTheMachine) {
  // No machine has the files of the fixtures.
  const ToolRun done = check({dump("single"), "--host"});
  EXPECT_EQ(done.exit, 1) << done.out << done.err;
  EXPECT_NE(done.out.find("REG-3 error"), std::string::npos) << done.out;
  EXPECT_EQ(check({dump("single"), "--host", "--root", "missing"}).exit, 2);
}

TEST_F(ImgCheck, ADamagedStoreIsAFinding) {
  convert_well({dump("redis-idle"), "x.store", "--as", "a"});
  EXPECT_EQ(check({"x.store"}).exit, 0);
  for (const auto& entry : fs::directory_iterator("x.store/packs")) {
    if (entry.path().extension() == ".pack") {
      std::fstream pack(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
      pack.seekp(5000);
      pack << "damage";
    }
  }
  const ToolRun damaged = check({"x.store"});
  EXPECT_EQ(damaged.exit, 1) << damaged.err;
  EXPECT_NE(damaged.out.find("STO-3 error"), std::string::npos) << damaged.out;
  test::spill("x.store/data.mdb", std::string(8192, 'x'));
  const ToolRun broken = check({"x.store", "--json"});
  EXPECT_EQ(broken.exit, 1) << broken.out << broken.err;
  EXPECT_NE(broken.out.find("STO-1"), std::string::npos) << broken.out;
}

TEST_F(ImgCheck, DamageInJsonIsAFindingWithItsPlace) {
  convert_well({dump("single"), "j", "--to", "json"});
  std::string text = text_of("j/pstree.img.json");
  const std::size_t at = text.find("\"pgid\"");
  ASSERT_NE(at, std::string::npos);
  std::ofstream("j/pstree.img.json")
      << text.substr(0, at) << "\"pgid\": \"many\", \"x" << text.substr(at + 1);
  const auto image = nlohmann::json::parse(check({"j", "--json"}).out)["images"][0];
  ASSERT_GT(image["findings"].size(), 0u);
  EXPECT_EQ(image["findings"][0]["rule"], "SET-2");
  EXPECT_EQ(image["findings"][0]["entry"], 1);
  EXPECT_EQ(image["findings"][0]["field"], "pgid");
}

TEST_F(ImgCheck, TakesAllImagesOfAStoreAndOfAFolder) {
  fs::create_directory("all");
  convert_well({dump("zoo"), "all/x.store", "--as", "a"});
  convert_well({dump("single"), "all/x.store", "--as", "b"});
  convert_well({dump("pty"), "all/pty", "--to", "criu"});
  const auto images = nlohmann::json::parse(check({"all", "--json"}).out)["images"];
  ASSERT_EQ(images.size(), 3u);
  EXPECT_EQ(images[0]["image"], "all/pty");
  EXPECT_EQ(images[1]["image"], "all/x.store::a");
  EXPECT_EQ(images[2]["image"], "all/x.store::b");
  EXPECT_EQ(nlohmann::json::parse(check({"all/x.store::b", "--json"}).out)["images"].size(), 1u);
}

TEST_F(ImgCheck, IgnoresRulesWhereAsked) {
  const std::string bad = corrupt("truncated", "bad");
  const auto before = nlohmann::json::parse(check({bad, "--json"}).out)["images"][0];
  const std::string rule = before["findings"][0]["rule"];
  const std::string file = before["findings"][0]["file"];
  const auto ignored = [&](const std::string& what) {
    return nlohmann::json::parse(
        check({bad, "--json", "--ignore", what}).out)["images"][0]["ignored"];
  };
  EXPECT_GT(ignored(rule), 0);
  EXPECT_GT(ignored(rule + ":" + file), 0);
  EXPECT_EQ(ignored(rule + ":no-such-*"), 0);
  EXPECT_EQ(check({bad, "--ignore", "NO-1"}).exit, 2);
}

TEST_F(ImgCheck, JsonIsDocumented) {
  expect_documented(
      "img-check",
      {check({"--json", dump("zoo"), "missing", corrupt("truncated", "bad")}),
       check({"--json", "--host", std::string(STASIS_FIXTURES) + "/archives/podman.tar.zst"}),
       check({"--json", "--list-rules"}), check({"--json", "--explain", "PST-1"})});
}

}  // namespace
}  // namespace img::tools
