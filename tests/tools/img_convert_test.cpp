// SPDX-License-Identifier: MIT
#include <sys/stat.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/tools/bound_store.h"
#include "tests/tools/json_doc.h"
#include "tests/tools/scratch.h"
#include "tools/tools.h"

namespace img::tools {
namespace {

namespace fs = std::filesystem;
using frame::ToolRun;

class ImgConvert : public Scratch {
 protected:
  static ToolRun convert(std::vector<std::string> arguments, const std::string& in = {}) {
    return run(img_convert(), std::move(arguments), in);
  }
  static void convert_well(std::vector<std::string> arguments) {
    const ToolRun done = convert(std::move(arguments));
    EXPECT_EQ(done.exit, 0) << done.err;
  }
};

/// Every dump of the fixtures, by the folder that holds it (of a chain: all levels).
std::vector<std::string> all_dumps() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(STASIS_FIXTURES "/dumps")) {
    if (entry.is_directory()) {
      names.push_back(entry.path().filename().string());
    }
  }
  std::ranges::sort(names);
  return names;
}

class RoundTrip : public ImgConvert, public testing::WithParamInterface<std::string> {};

TEST_P(RoundTrip, CriuToCriu) {
  convert_well({dump(GetParam()), "copy", "--to", "criu"});
  EXPECT_EQ(difference(dump(GetParam()), "copy"), "");
}

/// What to give for a dump: its folder, or the newest level of a chain.
std::string newest(const std::string& dump) {
  return fs::exists(dump + "/3") ? dump + "/3" : dump;
}

TEST_P(RoundTrip, CriuToStoreToCriu) {
  convert_well({newest(dump(GetParam())), "new.store"});
  convert_well({"new.store", "copy", "--to", "criu"});
  EXPECT_EQ(difference(dump(GetParam()), "copy"), "");
}

TEST_P(RoundTrip, CriuToJsonToCriu) {
  convert_well({newest(dump(GetParam())), "json", "--to", "json"});
  const bool is_chain = fs::exists("json/3");
  convert_well({is_chain ? "json/3" : "json", "copy", "--to", "criu"});
  EXPECT_EQ(difference(dump(GetParam()), "copy"), "");
}

TEST_P(RoundTrip, StoreToJsonToStoreToCriu) {
  convert_well({newest(dump(GetParam())), "a.store"});
  convert_well({"a.store", "out.json"});
  convert_well({"out.json", "b.store"});
  convert_well({"b.store", "copy", "--to", "criu"});
  EXPECT_EQ(difference(dump(GetParam()), "copy"), "");
}

TEST_P(RoundTrip, CriuToStoreToStoreToCriu) {
  convert_well({newest(dump(GetParam())), "a.store", "--as", "x"});
  convert_well({"a.store", "b.store", "--as", "y"});
  convert_well({"b.store", "copy", "--to", "criu"});
  EXPECT_EQ(difference(dump(GetParam()), "copy"), "");
}

INSTANTIATE_TEST_SUITE_P(Dumps, RoundTrip, testing::ValuesIn(all_dumps()), [](const auto& dump) {
  std::string name = dump.param;
  std::ranges::replace(name, '-', '_');
  return name;
});

TEST_F(ImgConvert, WhatItMakesIsPrivate) {
  convert_well({dump("chain-edited/3"), "copy", "--to", "criu"});
  convert_well({dump("chain-edited/3"), "copy/x.store"});
  for (const auto& entry : fs::recursive_directory_iterator("copy")) {
    const fs::perms mode = entry.symlink_status().permissions();
    if (entry.is_symlink()) {
      continue;
    }
    EXPECT_EQ(mode, entry.is_directory() ? fs::perms::owner_all
                                         : fs::perms::owner_read | fs::perms::owner_write)
        << entry.path();
  }
  EXPECT_EQ(fs::status("copy").permissions(), fs::perms::owner_all);
}

TEST_F(ImgConvert, NothingIsLeftOfADamagedSource) {
  fs::copy(dump("zoo"), "dump");
  fs::resize_file("dump/files.img", 100);
  const ToolRun done = convert({"dump", "copy", "--to", "criu"});
  EXPECT_EQ(done.exit, 2);
  EXPECT_NE(done.err.find("files.img"), std::string::npos) << done.err;
  EXPECT_NE(done.err.find("entry "), std::string::npos) << done.err;
  EXPECT_EQ(std::ranges::count(done.err, '\n'), 1) << done.err;
  EXPECT_EQ(convert({"dump", "new.store"}).exit, 2);
  EXPECT_EQ(std::distance(fs::directory_iterator("."), {}), 1);
}

TEST_F(ImgConvert, ForceReplacesAFileAndNeverADirectory) {
  std::ofstream("p.json") << "old";
  EXPECT_EQ(convert({dump("zoo/pstree.img"), "p.json"}).exit, 2);
  EXPECT_EQ(text_of("p.json"), "old");
  convert_well({"--force", dump("zoo/pstree.img"), "p.json"});
  EXPECT_EQ(nlohmann::json::parse(text_of("p.json"))["magic"], "PSTREE");
  fs::create_directory("full");
  std::ofstream("full/x") << "kept";
  EXPECT_EQ(convert({"--force", dump("zoo"), "full", "--to", "criu"}).exit, 2);
  EXPECT_EQ(text_of("full/x"), "kept");
}

TEST_F(ImgConvert, OneFileThroughPipes) {
  const std::string image = text_of(dump("zoo/pstree.img"));
  const ToolRun json = convert({"-", "-"}, image);
  EXPECT_EQ(json.exit, 0) << json.err;
  EXPECT_EQ(nlohmann::json::parse(json.out)["magic"], "PSTREE");
  const ToolRun back = convert({"-", "-"}, json.out);
  EXPECT_EQ(back.exit, 0) << back.err;
  EXPECT_EQ(back.out, image);
}

TEST_F(ImgConvert, EveryFileToJsonAndBack) {
  for (const auto& entry : fs::directory_iterator(dump("zoo"))) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("pages-")) {
      EXPECT_EQ(convert({entry.path().string(), "x.json"}).exit, 2) << name;
      continue;
    }
    convert_well({entry.path().string(), name + ".json"});
    convert_well({name + ".json", name, "--to", "criu"});
    EXPECT_EQ(difference(entry.path().string(), name), "");
  }
}

TEST_F(ImgConvert, StandardOutputIsNeverATerminalOrTwoThings) {
  frame::TestStreams streams;
  streams.streams.out_is_terminal = true;
  const auto program = img_convert();
  const ToolRun terminal = streams.run(*program, {dump("zoo/pstree.img"), "-"});
  EXPECT_EQ(terminal.exit, 2);
  EXPECT_EQ(terminal.out, "");
  EXPECT_EQ(convert({dump("zoo/pstree.img"), "-", "--json"}).exit, 2);
}

TEST_F(ImgConvert, ASignalEndsItAndLeavesNothing) {
  const std::atomic<int> signal = 15;
  frame::TestStreams streams;
  streams.streams.signal = &signal;
  const auto program = img_convert();
  EXPECT_EQ(streams.run(*program, {dump("zoo"), "copy", "--to", "criu"}).exit, 128 + 15);
  EXPECT_TRUE(fs::is_empty("."));
}

nlohmann::json levels_of(const ToolRun& done) {
  EXPECT_EQ(done.exit, 0) << done.err;
  return nlohmann::json::parse(done.out)["levels"];
}

TEST_F(ImgConvert, NamesAreTakenFromTheRootProgramAndTheClock) {
  const std::string first = levels_of(convert({"--json", dump("zoo"), "x.store"}))[0]["name"];
  EXPECT_TRUE(first.ends_with("-20261121T104200Z")) << first;
  const std::string second = levels_of(convert({"--json", dump("zoo"), "x.store"}))[0]["name"];
  EXPECT_EQ(second, first + ".2");
  const auto chain =
      levels_of(convert({"--json", dump("chain-edited/3"), "x.store", "--series", "s"}));
  EXPECT_EQ(chain[0]["name"], "s-20261121T104200Z.1");
  EXPECT_EQ(chain[2]["name"], "s-20261121T104200Z.3");
}

TEST_F(ImgConvert, AGrownChainReusesTheLevelsThatAreThere) {
  convert_well({dump("chain-edited/2"), "x.store", "--as", "c"});
  const auto grown = levels_of(convert({"--json", dump("chain-edited/3"), "x.store", "--as", "d"}));
  ASSERT_EQ(grown.size(), 3u);
  EXPECT_EQ(grown[0]["name"], "c.1");
  EXPECT_EQ(grown[0]["reused"], true);
  EXPECT_EQ(grown[1]["name"], "c.2");
  EXPECT_EQ(grown[2]["name"], "d.3");
  EXPECT_EQ(grown[2]["reused"], false);
  convert_well({"x.store::d.3", "copy", "--to", "criu"});
  EXPECT_EQ(difference(dump("chain-edited"), "copy"), "");
}

TEST_F(ImgConvert, ANameIsReplacedOnlyByForce) {
  convert_well({dump("zoo"), "x.store", "--as", "x"});
  const ToolRun taken = convert({dump("single"), "x.store", "--as", "x"});
  EXPECT_EQ(taken.exit, 2);
  EXPECT_NE(taken.err.find("--force"), std::string::npos) << taken.err;
  convert_well({"--force", dump("single"), "x.store", "--as", "x"});
  convert_well({"x.store::x", "copy", "--to", "criu"});
  EXPECT_EQ(difference(dump("single"), "copy"), "");
}

TEST_F(ImgConvert, ADamagedLevelLeavesTheStoreAsItWas) {
  fs::copy(dump("chain-edited"), "chain",
           fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  convert_well({dump("zoo"), "x.store", "--as", "zoo"});
  fs::resize_file("chain/3/files.img", 99);
  const ToolRun done = convert({"chain/3", "x.store", "--as", "c"});
  EXPECT_EQ(done.exit, 2);
  EXPECT_NE(done.err.find("files.img"), std::string::npos) << done.err;
  for (const char* level : {"c.1", "c.2", "c.3"}) {
    EXPECT_EQ(convert({"x.store", "copy", "--to", "criu", "-i", level}).exit, 2) << level;
  }
  convert_well({"x.store::zoo", "copy", "--to", "criu"});
  EXPECT_EQ(difference(dump("zoo"), "copy"), "");
}

TEST_F(ImgConvert, JsonIsDocumented) {
  make_bound_store("bound.store");
  expect_documented("img-convert", {convert({"--json", dump("zoo"), "new.store"}),
                                    convert({"--json", dump("zoo"), "copy", "--to", "criu"}),
                                    convert({"--json", dump("tree"), "cores", "--to", "core"}),
                                    convert({"--json", "bound.store", "left-out", "--to", "criu"}),
                                    convert({"--json", dump("zoo"), "x"}),
                                    convert({"--json", "missing", "x.store"})});
}

}  // namespace
}  // namespace img::tools
