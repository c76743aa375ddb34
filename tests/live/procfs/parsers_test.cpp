// SPDX-License-Identifier: MIT
#include <elf.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "libimg/base/mountinfo.h"
#include "live/procfs/cgroups.h"
#include "live/procfs/lists.h"
#include "live/procfs/stat.h"
#include "live/procfs/status.h"
#include "live/procfs/timers.h"

namespace img::procfs {
namespace {

using Pids = std::vector<std::int32_t>;

constexpr std::string_view kStatRest =
    "S 41 40 39 34816 40 4194304 3038 6572 6 0 3 1 4 0 20 -5 7 0 349665 18718720 3611 "
    "18446744073709551615 94317821358080 94317821358421 140723953773808 0 0 0 0 16781312 2 0 0 0 "
    "17 0 99 1 0 0 0 94317821369776 94317821370392 94318265712640 140723953776770 140723953776813 "
    "140723953776814 140723953778639 256\n";

TEST(Stat, HasEveryField) {
  const auto stat = parse_stat("42 (python3) " + std::string(kStatRest));
  ASSERT_TRUE(stat.has_value()) << stat.error().line();
  EXPECT_EQ(stat->pid, 42);
  EXPECT_EQ(stat->comm, "python3");
  EXPECT_EQ(stat->state, 'S');
  EXPECT_EQ(stat->ppid, 41);
  EXPECT_EQ(stat->process_group, 40);
  EXPECT_EQ(stat->session, 39);
  EXPECT_EQ(stat->tty, 34816);
  EXPECT_EQ(stat->nice, -5);
  EXPECT_EQ(stat->threads, 7);
  EXPECT_EQ(stat->start_time, 349665U);
  EXPECT_EQ(stat->start_code, 94317821358080U);
  EXPECT_EQ(stat->start_stack, 140723953773808U);
  EXPECT_EQ(stat->exit_signal, 17);
  EXPECT_EQ(stat->realtime_priority, 99U);
  EXPECT_EQ(stat->policy, 1U);
  EXPECT_EQ(stat->start_brk, 94318265712640U);
  EXPECT_EQ(stat->env_end, 140723953778639U);
  EXPECT_EQ(stat->exit_code, 256);
  EXPECT_FALSE(stat->is_kernel_thread());
}

TEST(Stat, NameMayHoldAnything) {
  const auto stat = parse_stat("42 (a) R 1 2\n(b)) " + std::string(kStatRest));
  ASSERT_TRUE(stat.has_value()) << stat.error().line();
  EXPECT_EQ(stat->comm, "a) R 1 2\n(b)");
  EXPECT_EQ(stat->ppid, 41);
}

TEST(Stat, RefusesWhatIsCutShort) {
  const std::string whole = "42 (python3) " + std::string(kStatRest);
  for (std::size_t length = 0; length + 6 < whole.size(); ++length) {
    EXPECT_FALSE(parse_stat(whole.substr(0, length)).has_value()) << length;
  }
}

TEST(Status, HasWhatDumpsNeed) {
  const auto status = parse_status(
      "Name:\ta\\nb\nUmask:\t0027\nState:\tT "
      "(stopped)\nTgid:\t7\nPid:\t8\nPPid:\t1\nTracerPid:\t9\n"
      "Uid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nFDSize:\t256\nGroups:\t4 24 1000 \nNStgid:\t7\t3\n"
      "NSpid:\t8\t4\nVmLck:\t      12 kB\nThreads:\t2\nSigPnd:\t0000000000000001\n"
      "ShdPnd:\t8000000000000000\nSigCgt:\t00000001800044eb\nCapEff:\t000001ffffffffff\n"
      "NoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t3\nCpus_allowed:\t1,00000003\n");
  ASSERT_TRUE(status.has_value()) << status.error().line();
  EXPECT_EQ(status->name, "a\\nb");
  EXPECT_EQ(status->umask, 027U);
  EXPECT_EQ(status->state, 'T');
  EXPECT_EQ(status->tracer, 9);
  EXPECT_EQ(status->uids[3], 4U);
  EXPECT_EQ(status->gids[0], 5U);
  EXPECT_EQ(status->groups, (std::vector<std::uint32_t>{4, 24, 1000}));
  EXPECT_EQ(status->ns_pid, (Pids{8, 4}));
  EXPECT_EQ(status->locked_kib, 12U);
  EXPECT_EQ(status->shared_pending, 1UL << 63);
  EXPECT_EQ(status->caught, 0x1800044ebU);
  EXPECT_EQ(status->cap_effective, 0x1ffffffffffU);
  EXPECT_TRUE(status->no_new_privs);
  EXPECT_EQ(status->seccomp, 2U);
  EXPECT_EQ(status->seccomp_filters, 3U);
  EXPECT_EQ(status->cpus_allowed, (std::vector<std::uint8_t>{3, 0, 0, 0, 1}));
}

TEST(Status, RefusesNumbersThatAreNone) {
  EXPECT_FALSE(parse_status("Name:\tx\n").has_value());  // no pid
  EXPECT_FALSE(parse_status("Pid:\t8\nSigBlk:\tzz\n").has_value());
  EXPECT_FALSE(parse_status("Pid:\t8\nUid:\t1\t2\t3\n").has_value());
  EXPECT_FALSE(parse_status("Pid:\t99999999999\n").has_value());
  EXPECT_FALSE(parse_status("Pid:\t8\nGroups:\t1 x\n").has_value());
}

TEST(Cgroups, BothVersions) {
  const auto sets = parse_cgroups("4:cpu,cpuacct:/a:b\n2:name=systemd:/\n0::/x (deleted)\n");
  ASSERT_TRUE(sets.has_value()) << sets.error().line();
  ASSERT_EQ(sets->size(), 3U);
  EXPECT_EQ((*sets)[0].controllers, (std::vector<std::string>{"cpu", "cpuacct"}));
  EXPECT_EQ((*sets)[0].path, "/a:b");
  EXPECT_EQ((*sets)[1].controllers, (std::vector<std::string>{"name=systemd"}));
  EXPECT_TRUE((*sets)[2].controllers.empty());
  EXPECT_EQ((*sets)[2].path, "/x");
  EXPECT_TRUE((*sets)[2].deleted);
  EXPECT_FALSE(parse_cgroups("4:cpu\n").has_value());
}

TEST(Mountinfo, EscapesAndOptionalFields) {
  const auto mounts = parse_mountinfo(
      "27 1 254:0 /a\\040b /mnt/x\\012y rw,relatime shared:1 master:2 - ext4 /dev/v\\134da "
      "rw,discard\n22 27 0:21 / /proc rw - proc proc rw\n");
  ASSERT_TRUE(mounts.has_value()) << mounts.error().line();
  ASSERT_EQ(mounts->size(), 2U);
  EXPECT_EQ((*mounts)[0].root, "/a b");
  EXPECT_EQ((*mounts)[0].mountpoint, "/mnt/x\ny");
  EXPECT_EQ((*mounts)[0].propagation, (std::vector<std::string>{"shared:1", "master:2"}));
  EXPECT_EQ((*mounts)[0].source, "/dev/v\\da");
  EXPECT_EQ((*mounts)[1].type, "proc");
  EXPECT_EQ((*mounts)[1].super_options, "rw");
  EXPECT_FALSE(parse_mountinfo("27 1 254:0 / / rw shared:1\n").has_value());
}

TEST(Timers, AllWaysToNotify) {
  const auto timers = parse_timers(
      "ID: 0\nsignal: 10/00007f00deadbeef\nnotify: signal/pid.77\nClockID: 1\n"
      "ID: 3\nsignal: 0/0\nnotify: none/tid.78\nClockID: -6\n");
  ASSERT_TRUE(timers.has_value()) << timers.error().line();
  ASSERT_EQ(timers->size(), 2U);
  EXPECT_EQ((*timers)[0].value, 0x7f00deadbeefU);
  EXPECT_EQ((*timers)[0].notify, TimerNotify::signal);
  EXPECT_FALSE((*timers)[0].to_thread);
  EXPECT_EQ((*timers)[1].id, 3);
  EXPECT_TRUE((*timers)[1].to_thread);
  EXPECT_EQ((*timers)[1].target, 78);
  EXPECT_EQ((*timers)[1].clock, -6);
  EXPECT_FALSE(parse_timers("signal: 10/0\n").has_value());
  EXPECT_FALSE(parse_timers("ID: 0\nnotify: owl/pid.1\n").has_value());
}

TEST(Limits, ByNumber) {
  std::string text =
      "Limit                     Soft Limit           Hard Limit           Units     \n";
  for (const char* name : {"cpu time", "file size", "data size", "stack size", "core file size",
                           "resident set", "processes", "open files", "locked memory",
                           "address space", "file locks", "pending signals", "msgqueue size",
                           "nice priority", "realtime priority", "realtime timeout"}) {
    text += std::string("Max ") + name + "   " +
            (std::string_view(name) == "open files" ? "1024 4096" : "unlimited unlimited") +
            " things\n";
  }
  const auto limits = parse_limits(text);
  ASSERT_TRUE(limits.has_value()) << limits.error().line();
  EXPECT_EQ((*limits)[RLIMIT_NOFILE].soft, 1024U);
  EXPECT_EQ((*limits)[RLIMIT_NOFILE].hard, 4096U);
  EXPECT_EQ((*limits)[RLIMIT_STACK].soft, kUnlimited);
  EXPECT_FALSE(parse_limits(text.substr(0, text.size() / 2)).has_value());
}

TEST(Lists, AuxvStopsAtItsEnd) {
  const std::uint64_t words[] = {AT_PAGESZ, 4096, AT_SYSINFO_EHDR, 0x7fff0000, AT_NULL, 0, 9, 9};
  const auto auxv = parse_auxv(std::as_bytes(std::span(words)));
  ASSERT_TRUE(auxv.has_value());
  EXPECT_EQ(auxv->size(), 2U);
  EXPECT_EQ(find_aux(*auxv, AT_SYSINFO_EHDR), 0x7fff0000U);
  EXPECT_FALSE(find_aux(*auxv, AT_ENTRY));
  EXPECT_FALSE(parse_auxv(std::as_bytes(std::span(words)).first(24)).has_value());
}

TEST(Lists, Strings) {
  using Strings = std::vector<std::string>;
  EXPECT_EQ(parse_strings(std::string_view("a\0\0b c\0", 7)), (Strings{"a", "", "b c"}));
  EXPECT_EQ(parse_strings("no end"), Strings{"no end"});
  EXPECT_TRUE(parse_strings("").empty());
}

TEST(Lists, Children) {
  EXPECT_EQ(*parse_children("12 7 300 "), (Pids{12, 7, 300}));
  EXPECT_TRUE(parse_children("")->empty());
  EXPECT_FALSE(parse_children("12 x").has_value());
  EXPECT_FALSE(parse_children("-1").has_value());
}

TEST(Lists, NumberedLinks) {
  const auto link = parse_numbered_link("net:[4026531840]");
  ASSERT_TRUE(link.has_value());
  EXPECT_EQ(link->kind, "net");
  EXPECT_EQ(link->inode, 4026531840U);
  for (const char* other : {"/tmp/x:[5]", "pipe:[x]", "pipe:[5", "anon_inode:[eventfd]", ":[5]"}) {
    EXPECT_TRUE(std::string_view(other) == "/tmp/x:[5]" || !parse_numbered_link(other)) << other;
  }
}

}  // namespace
}  // namespace img::procfs
