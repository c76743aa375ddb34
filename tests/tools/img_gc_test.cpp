// SPDX-License-Identifier: MIT
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/tools/json_doc.h"
#include "tests/tools/scratch.h"
#include "tools/tools.h"

namespace img::tools {
namespace {

namespace fs = std::filesystem;
using frame::ToolRun;

class ImgGc : public Scratch {
 protected:
  static ToolRun gc(std::vector<std::string> arguments) {
    return run(img_gc(), std::move(arguments));
  }
  static void import(const std::string& name, const std::string& as) {
    const ToolRun done = run(img_convert(), {dump(name), "web.store", "--as", as});
    EXPECT_EQ(done.exit, 0) << done.err;
  }
  static nlohmann::json images() {
    const ToolRun done = gc({"web.store", "-n", "--json"});
    EXPECT_EQ(done.exit, 0) << done.err;
    return nlohmann::json::parse(done.out)["images"];
  }
};

TEST_F(ImgGc, ADryRunSaysWhatTheRunThenDoes) {
  import("zoo", "a");
  import("zoo", "b");
  import("chain-snapshots/3", "c");
  const ToolRun dry = gc({"web.store", "--keep-last", "1", "-n"});
  EXPECT_EQ(dry.exit, 0) << dry.err;
  EXPECT_NE(dry.out.find("drop    a"), std::string::npos) << dry.out;
  EXPECT_NE(dry.out.find("drop    c.1"), std::string::npos) << dry.out;
  EXPECT_NE(dry.out.find("fold    c.3"), std::string::npos) << dry.out;
  EXPECT_NE(dry.out.find("would free"), std::string::npos) << dry.out;
  EXPECT_EQ(images().size(), 5U);
  const ToolRun done = gc({"web.store", "--keep-last", "1"});
  EXPECT_EQ(done.exit, 0) << done.err;
  EXPECT_EQ(done.out.substr(0, done.out.find("freed")), dry.out.substr(0, dry.out.find("would")));
  EXPECT_EQ(images().size(), 2U);
  EXPECT_EQ(run(img_check(), {"web.store"}).exit, 0);
}

// A chain that is folded gives the same image as the chain.
TEST_F(ImgGc, AFoldedImageHasTheChainsMemory) {
  import("chain-snapshots/3", "c");
  const auto memory = [] {
    return run(img_show(), {"web.store::c.3", "memory,mems", "--json"}).out;
  };
  const std::string before = memory();
  EXPECT_EQ(gc({"web.store", "--keep-last", "1"}).exit, 0);
  EXPECT_EQ(images().size(), 1U);
  EXPECT_EQ(run(img_convert(), {"web.store", "flat", "--to", "criu"}).exit, 0);
  EXPECT_FALSE(fs::exists("flat/parent"));
  EXPECT_EQ(run(img_check(), {"flat", "--strict"}).exit, 0) << run(img_check(), {"flat"}).out;
}

// In this chain a level has an empty pages file: its page map leaves all to the one before.
TEST_F(ImgGc, AFoldedImageGoesOutAsTheFlatChainDoes) {
  import("chain-edited/3", "c");
  EXPECT_EQ(run(img_convert(), {"web.store::c.3", "before", "--to", "criu", "--flatten"}).exit, 0);
  EXPECT_EQ(gc({"web.store", "--keep-last", "1"}).exit, 0);
  EXPECT_EQ(images().size(), 1U);
  const ToolRun out = run(img_convert(), {"web.store::c.3", "after", "--to", "criu"});
  EXPECT_EQ(out.exit, 0) << out.err;
  EXPECT_EQ(run(img_diff(), {"before", "after", "--pages"}).exit, 0);
  EXPECT_EQ(run(img_check(), {"web.store"}).exit, 0);
}

TEST_F(ImgGc, WhatIsRefusedIsOneAndWhatCannotIsTwo) {
  import("chain-snapshots/3", "c");
  const ToolRun needed = gc({"web.store", "--delete", "c.1"});
  EXPECT_EQ(needed.exit, 1);
  EXPECT_NE(needed.err.find("it is the parent of c.2"), std::string::npos) << needed.err;
  EXPECT_EQ(gc({"web.store", "--pin", "c.3"}).exit, 0);
  EXPECT_EQ(gc({"web.store", "--delete", "c.3"}).exit, 1);
  EXPECT_EQ(gc({"web.store", "--delete", "c.3", "--unpin", "c.3"}).exit, 0);
  EXPECT_EQ(gc({"web.store", "--delete", "c.3"}).exit, 2);
  EXPECT_EQ(gc({"web.store", "--pin", "x"}).exit, 2);
  EXPECT_EQ(gc({"web.store", "--keep-last", "0"}).exit, 2);
  EXPECT_EQ(gc({"web.store", "--keep-within", "soon"}).exit, 2);
  EXPECT_EQ(gc({"web.store", "--series", "x"}).exit, 2);
  EXPECT_EQ(gc({"web.store::c.1"}).exit, 2);
  EXPECT_EQ(gc({"missing"}).exit, 2);
  EXPECT_EQ(gc({}).exit, 2);
}

TEST_F(ImgGc, AFolderIsListedAndOnlyWithYesRemoved) {
  fs::create_directory("f");
  for (const char* name : {"a", "b", "c"}) {
    fs::copy(dump("zoo"), std::string("f/") + name, fs::copy_options::recursive);
  }
  fs::last_write_time("f/a/inventory.img",
                      fs::file_time_type::clock::now() + std::chrono::hours(1));
  fs::create_directory("f/b/precious");
  fs::copy(dump("single"), "f/s", fs::copy_options::recursive);
  fs::copy(dump("zoo"), "f/torn", fs::copy_options::recursive);
  std::ofstream("f/torn/inventory.img") << "torn";
  fs::copy(dump("zoo"), "f/short", fs::copy_options::recursive);
  fs::resize_file("f/short/pages-1.img", 4096);
  std::ofstream("f/notes") << "not ours";
  const ToolRun all = gc({"f", "--keep-last", "1", "-v"});
  EXPECT_NE(all.out.find("keep    notes"), std::string::npos) << all.out;
  const ToolRun listed = gc({"f", "--keep-last", "1"});
  EXPECT_EQ(listed.exit, 0) << listed.err;
  EXPECT_EQ(listed.out.find("drop    a"), std::string::npos) << listed.out;
  EXPECT_NE(listed.out.find("drop    c"), std::string::npos) << listed.out;
  EXPECT_TRUE(fs::exists("f/c"));
  fs::create_directory_symlink("../f/a", "f/c/outside");
  EXPECT_EQ(gc({"f", "--keep-last", "1", "--yes", "-n"}).exit, 0);
  EXPECT_TRUE(fs::exists("f/c"));
  const ToolRun done = gc({"f", "--keep-last", "1", "--yes"});
  EXPECT_EQ(done.exit, 0) << done.err;
  EXPECT_FALSE(fs::exists("f/c"));
  EXPECT_TRUE(fs::exists("f/a/inventory.img"));  // through the link nothing went
  EXPECT_TRUE(fs::exists("f/b/precious"));
  EXPECT_TRUE(fs::exists("f/torn/inventory.img"));
  EXPECT_TRUE(fs::exists("f/short/inventory.img"));
  EXPECT_TRUE(fs::exists("f/notes"));
  EXPECT_TRUE(fs::exists("f/s"));
}

// The dump names /tmp/corpus/run/zoo/link_remap.17; here it is below a root of ours.
TEST_F(ImgGc, LinkRemapsAreRemovedIfTheyAreWhatTheImageMeans) {
  const std::string folder = "root/tmp/corpus/run/zoo";
  const ToolRun none = gc({"--link-remaps", dump("zoo"), "--root", "."});
  EXPECT_EQ(none.exit, 0) << none.err;
  EXPECT_NE(none.out.find("nothing is left"), std::string::npos) << none.out;
  fs::create_directories(folder);
  const ToolRun all = gc({"--link-remaps", dump("zoo"), "--root", "root", "--json"});
  std::uint64_t size = 0;
  std::string name;
  const auto parsed = nlohmann::json::parse(all.out);
  for (const auto& file : parsed["files"]) {
    if (file["kind"] == "link") {
      name = "root" + file["path"].get<std::string>();
    }
  }
  ASSERT_FALSE(name.empty()) << all.out;
  const auto listed = [&](const char* action) {
    const ToolRun done = gc({"--link-remaps", dump("zoo"), "--root", "root", "-v"});
    EXPECT_EQ(done.exit, 0) << done.err;
    return done.out.find(std::string(action) + " ") != std::string::npos &&
           done.out.find(name) != std::string::npos;
  };
  EXPECT_TRUE(listed("missing"));
  fs::create_symlink("/etc/passwd", name);
  EXPECT_TRUE(listed("keep"));
  fs::remove(name);
  std::ofstream(folder + "/other") << std::string(size, 'x');
  fs::permissions(folder + "/other", fs::perms(0644));
  fs::create_hard_link(folder + "/other", name);
  // Whatever mode and size the dump had: one of these is what it means.
  const ToolRun dry = gc({"--link-remaps", dump("zoo"), "--root", "root", "--yes", "-n"});
  EXPECT_EQ(dry.exit, 0) << dry.err;
  EXPECT_TRUE(fs::exists(name));
  // A directory on the way that is a link: nothing behind it is touched.
  fs::rename(folder, "elsewhere");
  fs::create_directory_symlink(fs::absolute("elsewhere"), folder);
  const ToolRun through = gc({"--link-remaps", dump("zoo"), "--root", "root", "--yes"});
  EXPECT_EQ(through.exit, 0) << through.err;
  EXPECT_NE(through.out.find("a link is on the way"), std::string::npos) << through.out;
  EXPECT_TRUE(fs::exists("elsewhere/other"));
}

TEST_F(ImgGc, JsonIsDocumented) {
  import("zoo", "a");
  import("zoo", "b");
  import("chain-snapshots/3", "c");
  std::ofstream("web.store/packs/00112233445566778899aabbccddeeff.pack") << "stray";
  std::vector<ToolRun> runs = {gc({"web.store", "--json", "--keep-last", "2", "-n"})};
  EXPECT_NE(runs[0].out.find("00112233445566778899aabbccddeeff"), std::string::npos);
  runs.push_back(gc({"web.store", "--json", "--keep-last", "1", "--compact"}));
  runs.push_back(gc({dump("chain-snapshots"), "--json", "--keep-last", "1"}));
  fs::create_directories("root/tmp/corpus/run/zoo");
  std::ofstream("root/tmp/corpus/run/zoo/ghost.cr.1.ghost") << "half";
  fs::permissions("root/tmp/corpus/run/zoo/ghost.cr.1.ghost", fs::perms(0644));
  runs.push_back(gc({"--link-remaps", dump("zoo"), "--root", "root", "--json", "--yes"}));
  EXPECT_FALSE(fs::exists("root/tmp/corpus/run/zoo/ghost.cr.1.ghost"));
  runs.push_back(gc({"missing", "--json"}));
  nlohmann::json unfinished = nlohmann::json::parse(runs[0].out);
  unfinished["unfinished"].push_back({{"name", "dead"}});  // tests/libimg/gc makes a real one
  runs.push_back({runs[0].exit, unfinished.dump(), ""});
  expect_documented("img-gc", runs);
}

}  // namespace
}  // namespace img::tools
