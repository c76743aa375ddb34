// SPDX-License-Identifier: MIT
// Cores against the images they are made of, and against gdb.
#include <elf.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>

#include "libimg/convert/open_image.h"
#include "libimg/model/address_space.h"
#include "libimg/model/process_tree.h"
#include "tests/tools/elf_core.h"
#include "tests/tools/scratch.h"
#include "tools/tools.h"

namespace img::tools {
namespace {

namespace fs = std::filesystem;
using frame::ToolRun;

/// Every page that the image and its parents have is in the core, as it is.
class Compared : public model::MemorySink {
 public:
  Compared(const ElfCore& elf, std::uint64_t shift) : elf_(elf), shift_(shift) {}
  Result<void> memory(std::uint64_t address, Bytes bytes) override {
    for (std::size_t at = 0; at < bytes.size(); at += 4096) {
      const auto there = elf_.memory(address + shift_ + at, 4096);
      lacking += there ? 0 : 1;
      different += there && *there != as_text(bytes.subspan(at, 4096)) ? 1 : 0;
      ++pages;
    }
    return {};
  }
  std::uint64_t pages = 0;
  std::uint64_t lacking = 0;
  std::uint64_t different = 0;

 private:
  const ElfCore& elf_;
  std::uint64_t shift_;
};

std::vector<std::string> dumps() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(STASIS_FIXTURES "/dumps")) {
    if (entry.is_directory()) {
      const std::string name = entry.path().filename().string();
      names.push_back(fs::exists(entry.path() / "3") ? name + "/3" : name);
    }
  }
  std::ranges::sort(names);
  return names;
}

class Cores : public Scratch, public testing::WithParamInterface<std::string> {
 protected:
  static void make(const std::string& from, const std::string& to) {
    const ToolRun done = run(img_convert(), {from, to, "--to", "core"});
    ASSERT_EQ(done.exit, 0) << done.err;
  }
  /// The image of the parameter.
  static std::unique_ptr<model::ImageReader> open() {
    const auto source = convert::recognise(dump(GetParam()), {});
    return std::move(*convert::open_image(*source));
  }
};

TEST_P(Cores, HoldAllMemoryAndThreads) {
  make(dump(GetParam()), "out");
  const auto image = open();
  const auto tree = model::ProcessTree::read(*image);
  ASSERT_TRUE(tree);
  std::size_t cores = 0;
  std::uint64_t pages = 0;
  for (const model::Process& process : tree->processes()) {
    const std::string name = "out/core." + std::to_string(process.pid);
    ASSERT_EQ(fs::exists(name), !process.is_zombie()) << name;
    if (process.is_zombie()) {
      continue;
    }
    ++cores;
    const ElfCore elf(text_of(name));
    const auto threads = tree->threads(process);
    EXPECT_EQ(elf.threads(), std::vector<std::uint32_t>(threads.begin(), threads.end()));
    Compared own(elf, 0);
    model::AddressSpace space(*image, {model::Kind::pagemap, process.pid});
    ASSERT_TRUE(space.visit(0, UINT64_MAX, own));
    EXPECT_EQ(own.lacking, 0U) << name;
    EXPECT_EQ(own.different, 0U) << name;
    pages += own.pages;
    EXPECT_EQ(fs::status(name).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  }
  EXPECT_GT(cores, 0U);
  EXPECT_GT(pages, 0U);
  EXPECT_EQ(std::distance(fs::directory_iterator("out"), {}), static_cast<std::ptrdiff_t>(cores));
}

TEST_P(Cores, AreTheSameFromAStoreAndFromJson) {
  make(dump(GetParam()), "out");
  for (const std::string kind : {"store", "json"}) {
    const ToolRun done = run(img_convert(), {dump(GetParam()), "copy." + kind, "--to", kind});
    ASSERT_EQ(done.exit, 0) << done.err;
    const bool is_chain = fs::exists("copy.json/3");
    make("copy." + kind + (kind == "json" && is_chain ? "/3" : ""), "out." + kind);
    EXPECT_EQ(difference("out", "out." + kind), "");
  }
}

INSTANTIATE_TEST_SUITE_P(Dumps, Cores, testing::ValuesIn(dumps()), [](const auto& name) {
  return std::regex_replace(name.param, std::regex("[^a-z]"), "_");
});

std::uint64_t number(const nlohmann::json& text) {
  return std::stoull(text.get<std::string>(), nullptr, 16);
}
std::string hex_text(std::uint64_t number) {
  std::ostringstream text;
  text << "0x" << std::hex << number;
  return text.str();
}

struct Range {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

class Core : public Scratch {
 protected:
  static ToolRun convert(std::vector<std::string> arguments) {
    return run(img_convert(), std::move(arguments));
  }
  /// What gdb says about a core; a machine without gdb fails, since nothing was looked at.
  static std::string gdb(const std::string& core, const std::vector<std::string>& commands) {
    std::string line = "gdb -batch -nx -ex 'set pagination off'";
    for (const std::string& command : commands) {
      line += " -ex '" + command + "'";
    }
    const int done = std::system((line + " -c " + core + " > gdb.txt 2>&1").c_str());
    const std::string text = text_of("gdb.txt");
    EXPECT_EQ(done, 0) << "gdb is needed here: scripts/bootstrap installs it\n" << text;
    return text;
  }
};

// The registers and memory that pycriu finds in the image, as gdb shows them.
TEST_F(Core, GdbReadsThreadsRegistersAndMemory) {
  ASSERT_EQ(convert({dump("zoo"), "out", "--to", "core"}).exit, 0);
  for (const auto& entry : fs::directory_iterator("out")) {
    const std::string name = entry.path().string();
    const std::string pid = name.substr(name.rfind('.') + 1);
    const ToolRun shown = run(img_show(), {dump("zoo"), "records", "core-" + pid});
    const ElfCore elf(text_of(name));
    const std::string text = gdb(
        name, {"info threads", "printf \"ip=%#lx sp=%#lx top=%#lx\\n\", $rip, $rsp, *(long*)$rsp",
               "info auxv"});
    std::size_t threads = 0;
    for (std::size_t at = text.find("[New LWP"); at != text.npos;
         at = text.find("[New LWP", at + 1)) {
      ++threads;
    }
    EXPECT_EQ(threads, elf.threads().size()) << text;
    const std::string status = elf.note(NT_PRSTATUS);
    const auto ip = load<std::uint64_t>(status.data() + 112 + 16 * 8);
    const auto sp = load<std::uint64_t>(status.data() + 112 + 19 * 8);
    const auto top = elf.memory(sp, 8);
    ASSERT_TRUE(top);
    std::ostringstream wanted;
    wanted << std::hex << "ip=0x" << ip << " sp=0x" << sp << " top=0x"
           << load<std::uint64_t>(top->data());
    EXPECT_NE(text.find(wanted.str()), text.npos) << wanted.str() << '\n' << text;
    EXPECT_NE(text.find("AT_SYSINFO_EHDR"), text.npos) << text;
    EXPECT_EQ(text.find("warning: core"), text.npos) << text;
  }
}

// No 32-bit program is among the dumps: one of 64 bits, with its stack moved below 4 GiB.
TEST_F(Core, ThirtyTwoBitTasksGetTheirOwnForm) {
  ASSERT_EQ(convert({dump("single"), "json", "--to", "json"}).exit, 0);
  std::string pid;
  for (const auto& entry : fs::directory_iterator("json")) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("mm-")) {
      pid = name.substr(3, name.find('.') - 3);
    }
  }
  const auto edit = [&](const std::string& kind, const auto& change) {
    const std::string path = "json/" + kind + "-" + pid + ".img.json";
    nlohmann::json file = nlohmann::json::parse(text_of(path));
    change(file["entries"]);
    std::ofstream(path) << file.dump();
  };
  std::uint64_t sp = 0;
  std::uint64_t shift = 0;  // downward
  edit("core", [&](nlohmann::json& entries) {
    nlohmann::json& regs = entries[0]["thread_info"]["gpregs"];
    sp = number(regs["sp"]);
  });
  Range stack;
  edit("mm", [&](nlohmann::json& entries) {
    for (nlohmann::json& vma : entries[0]["vmas"]) {
      stack = {number(vma["start"]), number(vma["end"])};
      if (stack.begin <= sp && sp < stack.end) {
        shift = stack.end - 0xfffd0000U;
        vma["start"] = hex_text(stack.begin - shift);
        vma["end"] = hex_text(stack.end - shift);
        break;
      }
    }
  });
  edit("core", [&](nlohmann::json& entries) {
    nlohmann::json& regs = entries[0]["thread_info"]["gpregs"];
    regs["mode"] = "COMPAT";
    regs["sp"] = hex_text(sp - shift);
    regs["ip"] = "0x8049123";
  });
  edit("pagemap", [&](nlohmann::json& entries) {
    for (std::size_t at = 1; at < entries.size(); ++at) {
      const std::uint64_t address = number(entries[at]["vaddr"]);
      if (stack.begin <= address && address < stack.end) {
        entries[at]["vaddr"] = hex_text(address - shift);
      }
    }
  });
  const ToolRun done = convert({"json", "narrow", "--to", "core"});
  ASSERT_EQ(done.exit, 0) << done.err;
  ASSERT_EQ(convert({dump("single"), "wide", "--to", "core"}).exit, 0);
  EXPECT_EQ(text_of("narrow/core." + pid)[EI_CLASS], ELFCLASS32);
  const auto top = ElfCore(text_of("wide/core." + pid)).memory(sp, 4);
  ASSERT_TRUE(top);
  std::ostringstream wanted;
  wanted << std::hex << "ip=0x8049123 sp=0x" << sp - shift << " top=0x"
         << load<std::uint32_t>(top->data());
  const std::string text =
      gdb("narrow/core." + pid, {"printf \"ip=%#x sp=%#x top=%#x\\n\", $eip, $esp, *(int*)$esp"});
  EXPECT_NE(text.find(wanted.str()), text.npos) << wanted.str() << '\n' << text;
}

TEST_F(Core, OnlyTheProcessesAskedFor) {
  const ToolRun all = convert({dump("tree"), "all", "--to", "core", "--json"});
  ASSERT_EQ(all.exit, 0) << all.err;
  const auto report = nlohmann::json::parse(all.out);
  const auto& cores = report["cores"];
  ASSERT_GE(cores.size(), 2U);
  const std::string pid = std::to_string(cores[1]["pid"].get<int>());
  ASSERT_EQ(convert({dump("tree"), "one", "--to", "core", "--pid", pid}).exit, 0);
  EXPECT_EQ(std::distance(fs::directory_iterator("one"), {}), 1);
  EXPECT_EQ(text_of("one/core." + pid), text_of("all/core." + pid));
  EXPECT_EQ(fs::status("one").permissions(), fs::perms::owner_all);

  for (const auto& left : report["left_out"]) {
    const ToolRun zombie = convert(
        {dump("tree"), "none", "--to", "core", "--pid", std::to_string(left["pid"].get<int>())});
    EXPECT_EQ(zombie.exit, 2);
    EXPECT_NE(zombie.err.find("a zombie"), std::string::npos) << zombie.err;
  }
  EXPECT_GT(report["left_out"].size(), 0U) << "no zombie in this dump";
  EXPECT_EQ(convert({dump("tree"), "none", "--to", "core", "--pid", "999999"}).exit, 2);
  EXPECT_EQ(convert({dump("tree"), "none", "--to", "criu", "--pid", pid}).exit, 2);
  EXPECT_FALSE(fs::exists("none"));
}

TEST_F(Core, PreDumpHasNone) {
  const ToolRun done = convert({dump("chain-predump/1"), "out", "--to", "core"});
  EXPECT_EQ(done.exit, 2);
  EXPECT_NE(done.err.find("a pre-dump holds only memory"), std::string::npos) << done.err;
  EXPECT_FALSE(fs::exists("out"));
}

TEST_F(Core, NothingIsLeftOfOneThatFails) {
  fs::copy(dump("zoo"), "broken");
  for (const auto& entry : fs::directory_iterator("broken")) {
    if (entry.path().filename().string().starts_with("mm-")) {
      fs::remove(entry.path());
    }
  }
  const ToolRun done = convert({"broken", "out", "--to", "core"});
  EXPECT_EQ(done.exit, 2) << done.err;
  EXPECT_NE(done.err.find("has no memory in the image"), std::string::npos) << done.err;
  fs::remove_all("broken");
  EXPECT_TRUE(fs::is_empty("."));
}

}  // namespace
}  // namespace img::tools
