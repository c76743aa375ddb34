// SPDX-License-Identifier: MIT
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/fixtures/tar_maker.h"
#include "tests/tools/bound_store.h"
#include "tests/tools/json_doc.h"
#include "tests/tools/scratch.h"
#include "tools/tools.h"

namespace img::tools {
namespace {

using frame::ToolRun;
using nlohmann::json;

/// In memory that processes of the zoo share.
constexpr const char* kShared = "Udw";

class ImgShow : public Scratch {
 protected:
  static ToolRun show(std::vector<std::string> arguments) {
    return run(img_show(), std::move(arguments));
  }
  static json json_of(std::vector<std::string> arguments) {
    arguments.emplace_back("--json");
    const ToolRun done = show(std::move(arguments));
    EXPECT_EQ(done.exit, 0) << done.err;
    return json::parse(done.out, nullptr, false);
  }
};

TEST_F(ImgShow, JsonIsDocumented) {
  const std::string zoo = dump("zoo");
  std::ofstream("crio.tar") << fixtures::crio_archive();
  make_bound_store("bound.store");
  std::vector<ToolRun> runs;
  for (std::vector<std::string> arguments : std::vector<std::vector<std::string>>{
           {zoo, "all", "--cmd"},
           {zoo, "ps,tree,container,rootfs,env", "--cmd", "--env"},
           {STASIS_FIXTURES "/archives/podman.tar.zst", "container,rootfs"},
           {"crio.tar", "container,rootfs"},
           {"bound.store", "ps"},
           {dump("fds"), "all"},
           {dump("sysvipc"), "all"},
           {dump("chain-edited/3"), "all"},
           {dump("chain-predump/1"), "all"},
           {zoo, "memory"},
           {zoo, "memory", "--pid", "22826", "--address", "0x10000000", "--length", "16"},
           {zoo, "--search", "zoo-memfd", "--context", "4"},
           {zoo, "--regex", "kept", "--context", "4"},
           {zoo, "--search", kShared},
           {zoo, "memory", "--pid", "22826", "--address", "0x10000000", "--length", "16", "--raw",
            "-o", "raw"}}) {
    arguments.emplace_back("--json");
    runs.push_back(show(std::move(arguments)));
    EXPECT_EQ(runs.back().exit, 0) << runs.back().err;
  }
  expect_documented("img-show", runs);
}

TEST_F(ImgShow, AStoreShowsWhatItsDirectoryShows) {
  ASSERT_EQ(run(img_convert(), {dump("zoo"), "web.store", "--as", "zoo"}).exit, 0);
  for (const char* views : {"ps,zombies,fds,files,sockets,remaps,rss,mems", "cgroups,size,stats"}) {
    const ToolRun store = show({"web.store::zoo", views, "--cmd"});
    EXPECT_EQ(store.exit, 0) << store.err;
    EXPECT_EQ(store.out, show({dump("zoo"), views, "--cmd"}).out);
  }
  const json images = json_of({"web.store", "images"});
  EXPECT_EQ(images["images"]["images"][0]["name"], "zoo");
}

TEST_F(ImgShow, ZombiesHaveWhatIsKnownOfThem) {
  const json zombies = json_of({dump("zoo"), "zombies"})["zombies"]["zombies"];
  ASSERT_EQ(zombies.size(), 2U);
  EXPECT_EQ(zombies[0]["ended"], "exit 7");
  EXPECT_EQ(zombies[1]["ended"], "killed by SIGSEGV");
}

TEST_F(ImgShow, AChainIsListedNewestFirst) {
  const json images = json_of({dump("chain-snapshots/3"), "images"})["images"]["images"];
  ASSERT_EQ(images.size(), 3U);
  EXPECT_EQ(images[0]["level"], 0);
  EXPECT_EQ(images[2]["parent_memory"], 0);
  EXPECT_GT(images[0]["parent_memory"], 0);
}

TEST_F(ImgShow, RawMemoryIsWhatTheHexdumpShows) {
  const std::vector<std::string> place = {dump("chain-edited/3"), "memory", "--pid", "20563"};
  const json runs = json_of(place)["memory"]["runs"];
  unsigned from_parent = 0;
  for (const json& run : runs) {
    if (run["where"] != "parent" || from_parent++ > 0) {
      continue;
    }
    std::vector<std::string> arguments = place;
    arguments.insert(arguments.end(),
                     {"--address", run["start"], "--length", "4096", "--raw", "-o", "raw"});
    EXPECT_EQ(json_of(arguments)["memory"]["known"], 4096);
    EXPECT_EQ(std::filesystem::file_size("raw"), 4096U);
    // Nothing is overwritten.
    EXPECT_EQ(show(arguments).exit, 2);
  }
  EXPECT_GT(from_parent, 0U);
}

TEST_F(ImgShow, AContainerIsShownFromAnArchiveAndFromAStore) {
  std::ofstream("crio.tar") << fixtures::crio_archive();
  const json archive = json_of({"crio.tar", "container,rootfs"});
  EXPECT_EQ(archive["container"]["engine"], "CRI-O");
  EXPECT_EQ(archive["container"]["namespace"], "shop");
  EXPECT_EQ(archive["container"]["pod"], "front-1");
  EXPECT_EQ(archive["container"]["name"], "web");
  EXPECT_EQ(archive["rootfs"]["entries"][0]["path"], "/etc/x");
  ASSERT_EQ(run(img_convert(), {"crio.tar", "web.store"}).exit, 0);
  const json stored = json_of({"web.store", "container,rootfs"});
  EXPECT_EQ(stored["container"], archive["container"]);
  EXPECT_EQ(stored["rootfs"], archive["rootfs"]);
}

TEST_F(ImgShow, DamageIsToldAndTheRestShown) {
  std::filesystem::copy(dump("zoo"), "dump");
  std::filesystem::resize_file("dump/core-22827.img", 100);
  const ToolRun text = show({"dump", "ps"});
  EXPECT_EQ(text.exit, 2);
  EXPECT_NE(text.out.find("zoo-sess"), std::string::npos);
  EXPECT_NE(text.err.find("core-22827.img"), std::string::npos) << text.err;
  const ToolRun object = show({"dump", "ps", "--json"});
  EXPECT_EQ(json::parse(object.out)["unreadable"].size(), 1U);
  EXPECT_EQ(json::parse(object.out)["error"]["thing"],
            json::parse(object.out)["unreadable"][0]["thing"]);
}

TEST_F(ImgShow, SharedMemoryIsPartOfAProcess) {
  const std::vector<std::string> search = {dump("zoo"), "--search", kShared, "--pid", "22827"};
  const json matches = json_of(search)["memory"]["matches"];
  json found;
  for (const json& one : matches) {
    if (found.is_null() && one.contains("shared_memory")) {
      found = one;
    }
  }
  ASSERT_FALSE(found.is_null());
  EXPECT_EQ(found["pid"], 22827);
  EXPECT_EQ(found["address"], "0x12000001");
  EXPECT_EQ(found["shared_offset"], "0x1");
  const ToolRun dumped = show(
      {dump("zoo"), "memory", "--pid", "22827", "--address", found["address"], "--length", "3"});
  EXPECT_NE(dumped.out.find("55 64 77"), std::string::npos) << dumped.out;

  // As much as the object has, and none of it as the process's own.
  const json mems = json_of({dump("zoo"), "mems", "--pid", "22827"});
  for (const json& mapping : mems["mems"]["processes"].front()["mappings"]) {
    if (mapping["start"] == "0x12000000") {
      EXPECT_EQ(mapping["shared_present"], 8192);
      EXPECT_EQ(mapping["present"], 0);
      return;
    }
  }
  FAIL() << "no such mapping";
}

TEST_F(ImgShow, ATitleIsShownAsItIs) {
  const ToolRun ps = show({dump("nginx"), "ps", "--cmd"});
  EXPECT_NE(ps.out.find("- nginx: worker process\n"), std::string::npos) << ps.out;
}

TEST_F(ImgShow, SearchSaysByItsExitCodeWhetherItFound) {
  EXPECT_EQ(show({dump("zoo"), "--search", "zoo-memfd"}).exit, 0);
  EXPECT_EQ(show({dump("zoo"), "--search", "no-such-text"}).exit, 1);
  EXPECT_EQ(show({dump("zoo"), "--search", "a", "--regex", "b"}).exit, 2);
  EXPECT_EQ(show({dump("zoo"), "--regex", "("}).exit, 2);
}

}  // namespace
}  // namespace img::tools
