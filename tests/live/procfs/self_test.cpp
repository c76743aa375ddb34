// SPDX-License-Identifier: MIT
// What this kernel says about this very process: no tracing, no privilege.
#include <elf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "libimg/base/mountinfo.h"
#include "live/procfs/cgroups.h"
#include "live/procfs/fdinfo.h"
#include "live/procfs/lists.h"
#include "live/procfs/pagemap.h"
#include "live/procfs/proc_dir.h"
#include "live/procfs/procmap_query.h"
#include "live/procfs/timers.h"

namespace img::procfs {
namespace {

ProcDir self() {
  auto dir = ProcDir::open(getpid());
  EXPECT_TRUE(dir.has_value());
  return std::move(*dir);
}

TEST(Self, EveryFileParses) {
  const ProcDir me = self();
  EXPECT_EQ(me.stat()->pid, getpid());
  EXPECT_EQ(me.status()->ppid, getppid());
  EXPECT_EQ(me.stat()->start_time, ProcDir::open(getpid())->stat()->start_time);
  EXPECT_GT(me.maps()->size(), 5U);
  EXPECT_FALSE(parse_cgroups(*me.read("cgroup"))->empty());
  EXPECT_FALSE(parse_mountinfo(*me.read("mountinfo"))->empty());
  EXPECT_TRUE(parse_timers(*me.read("timers")).has_value());
  EXPECT_TRUE(parse_limits(*me.read("limits")).has_value());
  EXPECT_EQ(parse_numbered_link(*me.link("ns/net"))->kind, "net");
  const auto auxv = parse_auxv(as_bytes(*me.read("auxv")));
  ASSERT_TRUE(auxv.has_value());
  EXPECT_EQ(find_aux(*auxv, AT_SYSINFO_EHDR), getauxval(AT_SYSINFO_EHDR));
  const auto smaps = parse_smaps(*me.read("smaps"));
  ASSERT_TRUE(smaps.has_value()) << smaps.error().line();
  for (const SmapsMapping& one : *smaps) {
    EXPECT_EQ(one.flags.unknown, "") << one.mapping.path;
  }
  const auto open_files = me.numbers("fd");
  ASSERT_TRUE(open_files.has_value());
  for (const std::int32_t fd : *open_files) {
    const auto text = me.read(("fdinfo/" + std::to_string(fd)).c_str());
    if (text) {  // the one that listed the folder is closed again
      EXPECT_TRUE(parse_fdinfo(*text).has_value());
    }
  }
}

TEST(Self, ThreadsAndChildren) {
  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  const ProcDir me = self();
  EXPECT_EQ(*me.children(), std::vector<std::int32_t>{child});
  EXPECT_EQ(me.threads()->size(), 1U);
  auto theirs = ProcDir::open(child);
  kill(child, SIGKILL);
  siginfo_t ended;
  waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT);
  EXPECT_TRUE(theirs->stat()->is_zombie());
  EXPECT_EQ(theirs->stat()->exit_code, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_EQ(theirs->stat().error().fault, Fault::gone);
  EXPECT_EQ(ProcDir::open(child).error().fault, Fault::gone);
}

TEST(Self, MissingFileIsNotAMissingProcess) {
  EXPECT_EQ(self().read("no_such_file").error().fault, Fault::missing);
}

class Pages : public testing::Test {
 protected:
  static constexpr std::size_t kCount = 3000;
  void SetUp() override {
    at_ = static_cast<char*>(mmap(nullptr, kCount * 4096, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    ASSERT_NE(at_, MAP_FAILED);
    madvise(at_, kCount * 4096, MADV_NOHUGEPAGE);
    for (std::size_t page = 0; page < kCount; page += page % 7 == 0 ? 1 : 3) {
      at_[page * 4096] = 1;
    }
    fd_ = UniqueFd(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
    query_.start = reinterpret_cast<std::uint64_t>(at_);
    query_.end = query_.start + kCount * 4096;
    query_.report = kPagePresent | kPageSwapped;
  }
  void TearDown() override { munmap(at_, kCount * 4096); }

  char* at_ = nullptr;
  UniqueFd fd_;
  PageQuery query_;
};

TEST_F(Pages, BothWaysGiveTheSameRuns) {
  std::vector<PageRun> scanned;
  std::vector<PageRun> read;
  PagemapFile file(fd_.get());
  ASSERT_TRUE(file.scan(query_, scanned).has_value());
  ASSERT_TRUE(file.read(query_, read).has_value());
  EXPECT_EQ(scanned, read);
  EXPECT_GT(read.size(), 512U);  // more than one call's worth
  std::uint64_t pages = 0;
  for (const PageRun& run : read) {
    pages += (run.end - run.start) / 4096;
  }
  std::uint64_t expected = 0;
  for (std::size_t page = 0; page < kCount; page += page % 7 == 0 ? 1 : 3) {
    ++expected;
  }
  EXPECT_EQ(pages, expected);
}

TEST(PagemapEntries, BecomeRuns) {
  constexpr std::uint64_t kPresent = 1UL << 63;
  constexpr std::uint64_t kSwap = 1UL << 62;
  constexpr std::uint64_t kFile = 1UL << 61;
  const std::uint64_t entries[] = {kPresent, kPresent | 5, 0, kSwap, kPresent | kFile, kFile};
  const auto runs = runs_of(std::as_bytes(std::span(entries)), 0x10000, {});
  ASSERT_EQ(runs.size(), 3U);
  EXPECT_EQ(runs[0], (PageRun{0x10000, 0x12000, kPagePresent}));
  EXPECT_EQ(runs[1], (PageRun{0x13000, 0x14000, kPageSwapped}));
  EXPECT_EQ(runs[2], (PageRun{0x14000, 0x15000, kPagePresent | kPageFile}));
}

TEST(ProcmapQuery, SaysWhatMapsSays) {
  const ProcDir me = self();
  const auto maps_fd = me.open_file("maps", O_RDONLY);
  ASSERT_TRUE(maps_fd.has_value());
  const auto maps = *me.maps();
  for (const Mapping& want : maps) {
    const auto got = query_mapping(me, maps_fd->get(), want.start, Find::covering);
    ASSERT_TRUE(got.has_value() && got->has_value()) << want.path;
    if (want.path != "[heap]" && !want.path.empty()) {  // these may grow meanwhile
      EXPECT_EQ((*got)->end, want.end);
      EXPECT_EQ((*got)->path, want.path);
      EXPECT_EQ((*got)->offset, want.offset);
      EXPECT_EQ((*got)->inode, want.inode);
      EXPECT_EQ((*got)->executable, want.executable);
    }
  }
  EXPECT_FALSE(query_mapping(me, maps_fd->get(), 0, Find::covering)->has_value());
  EXPECT_EQ((*query_mapping(me, maps_fd->get(), 0, Find::covering_or_next))->start, maps[0].start);
}

}  // namespace
}  // namespace img::procfs
