// SPDX-License-Identifier: MIT
// img-gc --link-remaps for a tree whose mount namespace has ended: the zoo's dump, given mounts.
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/tools/scratch.h"
#include "tools/tools.h"

namespace img::tools {
namespace {

namespace fs = std::filesystem;
using frame::ToolRun;
using nlohmann::json;

constexpr const char* kFolder = "/tmp/corpus/run/zoo";
constexpr unsigned kOfZoo = 70;  // the mount there

json mount(unsigned id, const char* point, const char* device, const char* root) {
  return {{"fstype", 0},    {"mnt_id", id},   {"root_dev", device},  {"parent_mnt_id", 60},
          {"flags", "0x0"}, {"root", root},   {"mountpoint", point}, {"source", "/dev/stasis"},
          {"options", ""},  {"shared_id", 0}, {"master_id", 0},      {"sb_flags", "0x0"}};
}

class ImgGcMounts : public Scratch {
 protected:
  /// The zoo as if it had been dumped with `zoo` mounted at its folder.
  static void make_image(const json& zoo) {
    fs::remove_all("j");
    fs::remove_all("img");
    EXPECT_EQ(run(img_convert(), {dump("zoo"), "j", "--to", "json"}).exit, 0);
    for (const auto& entry : fs::directory_iterator("j")) {
      if (entry.path().filename().string().starts_with("ids-")) {
        edit(entry.path(), [](json& ids) { ids["mnt_ns_id"] = 9; });
      }
    }
    edit("j/files.img.json", [](json& file) {
      if (file.contains("reg") && file["reg"]["name"].get<std::string>().starts_with(kFolder) &&
          !file["reg"]["name"].get<std::string>().ends_with("link_remap.17")) {
        file["reg"]["mnt_id"] = kOfZoo;
      }
    });
    std::ofstream("j/mountpoints-9.img.json")
        << json{{"magic", "MNTS"}, {"entries", {mount(60, "/", "254:0", "/was/root"), zoo}}};
    EXPECT_EQ(run(img_convert(), {"j", "img", "--to", "criu"}).exit, 0);
  }
  static void edit(const fs::path& path, const std::function<void(json&)>& change) {
    json all = json::parse(text_of(path));
    for (json& entry : all["entries"]) {
      change(entry);
    }
    std::ofstream(path) << all;
  }
  static ToolRun gc(std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"--link-remaps", "img", "--root", "root"});
    return run(img_gc(), std::move(more));
  }
  /// What a dump and a failed restore leave.
  static void leave_files(const fs::path& folder) {
    fs::create_directories(folder);
    std::ofstream(folder / "other") << std::string(300, 'x');
    fs::permissions(folder / "other", fs::perms(0644));
    fs::create_hard_link(folder / "other", folder / "link_remap.17");
    std::ofstream(folder / "ghost.cr.1.ghost") << std::string(600, 'x');
    fs::permissions(folder / "ghost.cr.1.ghost", fs::perms(0644));
  }
};

TEST_F(ImgGcMounts, AFolderBelowTheRootThatWasMountedElsewhere) {
  make_image(mount(kOfZoo, kFolder, "254:0", "/was/root/below"));
  leave_files("root/below");
  leave_files("root/tmp/corpus/run/zoo");  // the mount was over it
  const ToolRun listed = gc();
  EXPECT_EQ(listed.exit, 0) << listed.err;
  EXPECT_NE(listed.out.find("/root/below/link_remap.17"), std::string::npos) << listed.out;
  EXPECT_NE(listed.out.find("/root/below/ghost.cr.1.ghost"), std::string::npos) << listed.out;
  EXPECT_TRUE(fs::exists("root/below/link_remap.17"));
  const ToolRun done = gc({"--yes"});
  EXPECT_EQ(done.exit, 0) << done.err;
  EXPECT_FALSE(fs::exists("root/below/link_remap.17"));
  EXPECT_FALSE(fs::exists("root/below/ghost.cr.1.ghost"));
  EXPECT_TRUE(fs::exists("root/below/other"));
  EXPECT_TRUE(fs::exists("root/tmp/corpus/run/zoo/link_remap.17"));
  EXPECT_TRUE(fs::exists("root/tmp/corpus/run/zoo/ghost.cr.1.ghost"));
}

TEST_F(ImgGcMounts, NoLinkAndNoDotsLeadOutOfAMount) {
  make_image(mount(kOfZoo, kFolder, "254:0", "/was/root/below/in"));
  leave_files("outside");
  fs::create_directories("root/below");
  fs::create_directory_symlink("../../outside", "root/below/in");
  EXPECT_EQ(gc({"--yes"}).exit, 0);
  make_image(mount(kOfZoo, kFolder, "254:0", "/was/root/../outside"));
  EXPECT_EQ(gc({"--yes"}).exit, 0);
  EXPECT_TRUE(fs::exists("outside/link_remap.17"));
  EXPECT_TRUE(fs::exists("outside/ghost.cr.1.ghost"));
}

TEST_F(ImgGcMounts, WhatWasInMemoryIsGoneWithIt) {
  json memory = mount(kOfZoo, kFolder, "0:99", "/");
  memory["fstype"] = 5;
  make_image(memory);
  leave_files("root/tmp/corpus/run/zoo");
  const ToolRun done = gc({"--yes", "--json"});
  EXPECT_EQ(done.exit, 0) << done.err;
  const json report = json::parse(done.out);
  for (const json& file : report["files"]) {
    EXPECT_EQ(file["action"], "missing") << file;
    EXPECT_NE(file["why"].get<std::string>().find("in memory"), std::string::npos) << file;
  }
  EXPECT_TRUE(fs::exists("root/tmp/corpus/run/zoo/link_remap.17"));
}

TEST_F(ImgGcMounts, WhatCannotBeFoundIsSaidAndNotGuessed) {
  leave_files("root/tmp/corpus/run/zoo");
  leave_files("root");
  const json strange[] = {mount(kOfZoo, kFolder, "254:4095", "/"),     // no such disk
                          mount(kOfZoo, kFolder, "0:1", "/"),          // a number for anything
                          mount(kOfZoo, "/elsewhere", "254:0", "/"),   // its path is not in it
                          mount(kOfZoo + 1, kFolder, "254:0", "/"),    // no such mount
                          mount(kOfZoo, kFolder, "254:0", "/other")};  // not below the root
  for (const json& zoo : strange) {
    make_image(zoo);
    const ToolRun done = gc({"--yes", "--json"});
    EXPECT_EQ(done.exit, 0) << done.err;
    const json parsed = json::parse(done.out);
    EXPECT_EQ(parsed["files"].size(), 2U);
    for (const json& file : parsed["files"]) {
      EXPECT_EQ(file["action"], "unknown") << file;
      EXPECT_FALSE(file["why"].get<std::string>().empty()) << file;
    }
  }
  EXPECT_TRUE(fs::exists("root/tmp/corpus/run/zoo/link_remap.17"));
  EXPECT_TRUE(fs::exists("root/link_remap.17"));
}

}  // namespace
}  // namespace img::tools
