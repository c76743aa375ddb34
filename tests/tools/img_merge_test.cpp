// SPDX-License-Identifier: MIT
#include <sys/wait.h>

#include <chrono>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "libimg/convert/open_image.h"
#include "libimg/model/address_space.h"
#include "tests/tools/json_doc.h"
#include "tests/tools/scratch.h"
#include "tools/tools.h"

namespace img::tools {
namespace {

namespace fs = std::filesystem;
using frame::ToolRun;

class ImgMerge : public Scratch {
 protected:
  static ToolRun merge(std::vector<std::string> arguments) {
    return run(img_merge(), std::move(arguments));
  }
  static void merge_well(std::vector<std::string> arguments) {
    const ToolRun done = merge(std::move(arguments));
    EXPECT_EQ(done.exit, 0) << done.err;
  }
  static void convert_well(std::vector<std::string> arguments) {
    const ToolRun done = run(img_convert(), std::move(arguments));
    EXPECT_EQ(done.exit, 0) << done.err;
  }
  static nlohmann::json merge_json(std::vector<std::string> arguments) {
    arguments.emplace_back("--json");
    return nlohmann::json::parse(merge(std::move(arguments)).out);
  }
  /// What comes out again is what went in.
  static void expect_comes_out(const std::string& image, const std::string& dump) {
    fs::remove_all("copy");
    convert_well({image, "copy", "--to", "criu"});
    EXPECT_EQ(difference(dump, "copy"), "") << image;
  }
};

std::vector<std::string> all_dumps() {
  std::vector<std::string> paths;
  for (const auto& entry : fs::directory_iterator(STASIS_FIXTURES "/dumps")) {
    if (entry.is_directory()) {
      paths.push_back(entry.path());
    }
  }
  std::ranges::sort(paths);
  return paths;
}

const char* const kChains[] = {"chain-edited", "chain-predump", "chain-snapshots"};

TEST_F(ImgMerge, EverythingComesOutAsItWas) {
  std::vector<std::string> arguments = {"--into", "all.store"};
  const std::vector<std::string> dumps = all_dumps();
  arguments.insert(arguments.end(), dumps.begin(), dumps.end());
  const nlohmann::json done = merge_json(arguments);
  ASSERT_EQ(done["exit"], 0);
  ASSERT_EQ(done["images"].size(), dumps.size());
  for (std::size_t i = 0; i < dumps.size(); ++i) {
    EXPECT_EQ(done["images"][i]["from"], dumps[i]);
    const std::string name = done["images"][i]["levels"].back()["name"];
    expect_comes_out("all.store::" + name, dumps[i]);
  }
  EXPECT_LT(done["stored_bytes"], done["bytes"]);
}

TEST_F(ImgMerge, AFolderOfDumpsIsTheSame) {
  const nlohmann::json done = merge_json({"--into", "all.store", STASIS_FIXTURES "/dumps"});
  EXPECT_EQ(done["exit"], 0);
  // One level deep: a chain in a folder of its own is not a member.
  EXPECT_EQ(done["images"].size(), all_dumps().size() - std::size(kChains));
}

TEST_F(ImgMerge, TwiceIsOnce) {
  merge_well({"all.store", dump("zoo"), dump("chain-edited")});
  const nlohmann::json again = merge_json({"all.store", dump("chain-edited"), dump("zoo")});
  EXPECT_EQ(again["copied"], 0);
  EXPECT_EQ(again["reused"], 4);
  EXPECT_EQ(again["stored_bytes"], 0);
}

TEST_F(ImgMerge, StoresKeepNamesAndParents) {
  convert_well({dump("chain-edited/3"), "a.store", "--as", "c"});
  convert_well({dump("zoo"), "a.store", "--as", "zoo"});
  convert_well({dump("single"), "b.store", "--as", "single"});
  merge_well({"--into", "all.store", "a.store", "b.store"});
  expect_comes_out("all.store::c.3", dump("chain-edited"));
  expect_comes_out("all.store::zoo", dump("zoo"));
  expect_comes_out("all.store::single", dump("single"));
  expect_comes_out("a.store::c.3", dump("chain-edited"));
  EXPECT_EQ(merge_json({"all.store", "a.store"})["reused"], 4);
  merge_well({"one.store", "a.store::c.2"});
  EXPECT_EQ(merge_json({"one.store", "a.store"})["copied"], 2);
}

TEST_F(ImgMerge, ANameThatTwoHaveIsRefusedBeforeAnythingIsCopied) {
  convert_well({dump("zoo"), "a.store", "--as", "x"});
  convert_well({dump("single"), "b.store", "--as", "x"});
  convert_well({dump("tree"), "b.store", "--as", "tree"});
  const ToolRun both = merge({"--into", "all.store", "a.store", "b.store"});
  EXPECT_EQ(both.exit, 2);
  EXPECT_NE(both.err.find("b.store::x"), std::string::npos) << both.err;
  EXPECT_FALSE(fs::exists("all.store"));
  EXPECT_EQ(merge({"--into", "a.store", "b.store"}).exit, 2);
  EXPECT_EQ(run(img_show(), {"a.store::tree"}).exit, 2);
  merge_well({"--into", "a.store", "b.store", "--force"});
  expect_comes_out("a.store::x", dump("single"));
  expect_comes_out("a.store::tree", dump("tree"));
  merge_well({"--into", "c.store", "b.store::x", "--as", "y"});
  expect_comes_out("c.store::y", dump("single"));
}

TEST_F(ImgMerge, OneDamagedSourceDoesNotKeepTheOthersOut) {
  fs::copy(dump("zoo"), "bad");
  fs::resize_file("bad/files.img", 100);
  const nlohmann::json done = merge_json({"all.store", dump("single"), "bad", dump("tree")});
  EXPECT_EQ(done["exit"], 2);
  EXPECT_TRUE(done["images"][1].contains("error"));
  EXPECT_EQ(done["copied"], 2);
  EXPECT_EQ(merge({"none.store", "bad"}).exit, 2);
  EXPECT_FALSE(fs::exists("none.store"));
}

/// Every page that a chain has, read through the levels.
using Pages = std::map<std::pair<model::FileKey, std::uint64_t>, std::string>;

struct PageSink : model::MemorySink {
  Pages& pages;
  model::FileKey file;
  PageSink(Pages& to, model::FileKey key) : pages(to), file(key) {}
  Result<void> memory(std::uint64_t address, Bytes bytes) override {
    for (std::size_t at = 0; at < bytes.size(); at += 4096) {
      pages[{file, address + at}] = as_text(bytes.subspan(at, 4096));
    }
    return {};
  }
  Result<void> missing(std::uint64_t address, std::uint64_t) override {
    ADD_FAILURE() << "page " << std::hex << address << " is nowhere";
    return {};
  }
};

Pages pages_of(const std::string& place) {
  Pages pages;
  const auto source = convert::recognise(place, {});
  EXPECT_TRUE(source) << place;
  const auto image = convert::open_image(*source);
  EXPECT_TRUE(image) << place;
  const auto files = (*image)->files();
  for (const model::FileKey file : *files) {
    if (file.kind == schema::Kind::pagemap || file.kind == schema::Kind::pagemap_shmem) {
      PageSink sink(pages, file);
      EXPECT_TRUE(model::AddressSpace(**image, file).visit(0, UINT64_MAX, sink));
    }
  }
  return pages;
}

TEST_F(ImgMerge, AFlatImageHasThePagesOfItsChain) {
  for (const std::string name : kChains) {
    SCOPED_TRACE(name);
    const Pages pages = pages_of(dump(name + "/3"));
    ASSERT_GT(pages.size(), 10U);
    fs::remove_all("flat");
    convert_well({dump(name + "/3"), "flat", "--to", "criu", "--flatten"});
    EXPECT_FALSE(fs::exists("flat/parent"));
    EXPECT_TRUE(pages_of("flat") == pages);

    const std::string store = name + ".store";
    convert_well({dump(name + "/3"), store, "--as", "c"});
    merge_well({"--flatten", store, "-i", "c.3", "--as", "whole"});
    EXPECT_TRUE(pages_of(store + "::whole") == pages);
    expect_comes_out(store + "::whole", "flat");
    convert_well({dump(name + "/3"), store, "--as", "direct", "--flatten"});
    expect_comes_out(store + "::direct", "flat");
    expect_comes_out(store + "::c.3", dump(name));
    // Nothing but page maps is different from the newest level.
    fs::remove_all("flat/parent");
    const std::string other = difference(dump(name + "/3"), "flat");
    std::istringstream lines(other);
    for (std::string line; std::getline(lines, line);) {
      EXPECT_TRUE(line.find("/pagemap-") != line.npos || line.find("/pages-") != line.npos ||
                  line.find(": parent") != line.npos)
          << line;
    }
  }
}

TEST_F(ImgMerge, FlatteningInPlaceKeepsItsChildren) {
  const std::string source = dump("chain-snapshots");
  convert_well({source + "/3", "s.store", "--as", "c"});
  const Pages middle = pages_of("s.store::c.2");
  const nlohmann::json done = merge_json({"--flatten", "s.store", "-i", "c.2"});
  EXPECT_EQ(done["exit"], 0);
  EXPECT_EQ(done["stored_bytes"], 0);  // memory is referred to, not copied
  EXPECT_TRUE(pages_of("s.store::c.2") == middle);
  expect_comes_out("s.store::c.3", source);
  convert_well({"s.store::c.2", "two", "--to", "criu"});
  EXPECT_FALSE(fs::exists("two/1"));
  // A second time there is nothing to do; and the last of the chain goes with nobody left behind.
  EXPECT_EQ(merge_json({"--flatten", "s.store", "-i", "c.2"})["reused"], 1);
  const Pages newest = pages_of("s.store::c.3");
  merge_well({"--flatten", "s.store::c.3"});
  EXPECT_TRUE(pages_of("s.store::c.3") == newest);
}

TEST_F(ImgMerge, FlattenIsOfOneImageOfAStore) {
  EXPECT_EQ(merge({"--flatten", dump("chain-edited/3"), "-i", "x"}).exit, 2);
  EXPECT_EQ(merge({"--flatten", dump("zoo")}).exit, 2);
  convert_well({dump("chain-edited/3"), "s.store", "--as", "c"});
  EXPECT_EQ(merge({"--flatten", "s.store"}).exit, 2);
  EXPECT_EQ(merge({"--flatten", "s.store", "-i", "none"}).exit, 2);
  EXPECT_EQ(merge({"--flatten", "s.store", "-i", "c.3", "--as", "c.1"}).exit, 2);
  EXPECT_EQ(merge({"--flatten", "s.store", "-i", "c.3", "--as", "a/b"}).exit, 2);
}

TEST_F(ImgMerge, UsageErrors) {
  EXPECT_EQ(merge({}).exit, 2);
  EXPECT_EQ(merge({"x.store"}).exit, 2);
  EXPECT_EQ(merge({"x.store", dump("zoo"), dump("tree"), "--as", "x"}).exit, 2);
  EXPECT_EQ(merge({"x.store", dump("zoo"), dump("tree"), "-i", "x"}).exit, 2);
  EXPECT_EQ(merge({"x.store", "missing"}).exit, 2);
  EXPECT_FALSE(fs::exists("x.store"));
}

TEST_F(ImgMerge, KilledAtAnyMomentItLeavesWholeImages) {
  const std::vector<std::string> dumps = all_dumps();
  std::mt19937 random(20261121);
  std::size_t whole = 0;
  for (int round = 0; round < 12; ++round) {
    fs::remove_all("s.store");
    convert_well({dump("single"), "s.store", "--as", "first"});
    const pid_t child = ::fork();
    if (child == 0) {
      ::execl("/bin/sh", "sh", "-c",
              "exec " STASIS_BIN "/img-merge -q s.store " STASIS_FIXTURES "/dumps/*", nullptr);
      ::_exit(127);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % 250));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    const nlohmann::json images =
        nlohmann::json::parse(run(img_show(), {"s.store", "images", "--json"}).out);
    ASSERT_EQ(images["exit"], 0);
    expect_comes_out("s.store::first", dump("single"));
    whole += images["images"]["images"].size();
    // What is there is whole: nothing but the rest is copied, and all comes out.
    std::vector<std::string> arguments = {"s.store"};
    arguments.insert(arguments.end(), dumps.begin(), dumps.end());
    const nlohmann::json rest = merge_json(arguments);
    ASSERT_EQ(rest["exit"], 0);
    const std::size_t last = random() % dumps.size();
    const std::string name = rest["images"][last]["levels"].back()["name"];
    expect_comes_out("s.store::" + name, dumps[last]);
  }
  EXPECT_GT(whole, 12U) << "it was always killed before it began";
}

TEST_F(ImgMerge, EveryFieldIsDocumented) {
  fs::copy(dump("zoo"), "bad");
  fs::resize_file("bad/files.img", 100);
  expect_documented("img-merge", {merge({"--json", "s.store", dump("zoo"), "bad"}),
                                  merge({"--json", "missing.store", "nothing"})});
}

}  // namespace
}  // namespace img::tools
