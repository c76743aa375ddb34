// SPDX-License-Identifier: MIT
// Tasks dumped, gone and restored: each victim checks itself, before and after.
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>

#include "live/procfs/proc_dir.h"
#include "tests/live/cycle/cycle.h"
#include "tests/support/scratch.h"

namespace img::live_test {
namespace {

procfs::Stat stat_of(std::uint64_t pid) {
  const auto dir = procfs::ProcDir::open(static_cast<pid_t>(pid));
  const auto stat = dir ? dir->stat() : Result<procfs::Stat>(fail(dir.error()));
  return stat ? *stat : procfs::Stat{};
}

class CycleTasks : public testing::TestWithParam<const char*> {};

TEST_P(CycleTasks, GoesOnAsItWas) {
  EXPECT_EQ(in_own_namespace([] { return Cycle(GetParam()).turn(); }), "");
}

// What is restored can be dumped and restored again.
TEST_P(CycleTasks, ThreeTimes) {
  EXPECT_EQ(in_own_namespace([] {
              Cycle cycle(GetParam());
              std::string why;
              for (int i = 0; i < 3 && why.empty(); ++i) {
                why = cycle.turn();
              }
              return why;
            }),
            "");
}

INSTANTIATE_TEST_SUITE_P(Victims, CycleTasks,
                         testing::Values("sleeper", "threads", "family", "avx_loop", "rseq_loop",
                                         "epoll_sleeper", "small_stack", "seccomp", "credentials",
                                         "signals", "ticking", "timers", "attributes", "sharing"),
                         [](const auto& victim) { return std::string(victim.param); });

// live-restore --detach is its parent, and ends at once.
TEST(CycleTask, ARootIsNotKilledByTheEndOfItsRestorer) {
  EXPECT_EQ(in_own_namespace([]() -> std::string {
              Cycle cycle("sleeper");  // which wants SIGKILL when its parent ends
              std::string why = cycle.turn();
              const bool is_told = cycle.said().find("its parent's end") != std::string::npos;
              return why.empty() && !is_told ? "no note: " + cycle.said() : why;
            }),
            "");
}

TEST(CycleTask, ZombiesStoppedOnesAndChildrenOfThreads) {
  EXPECT_EQ(in_own_namespace([]() -> std::string {
              Cycle cycle("family");
              if (std::string why = cycle.turn(); !why.empty()) {
                return why;
              }
              const auto& lanes = cycle.victim().page().lanes;
              const procfs::Stat stopped = stat_of(lanes[1]);
              const procfs::Stat exited = stat_of(lanes[2]);
              const procfs::Stat killed = stat_of(lanes[3]);
              if (stopped.state != 'T' || exited.state != 'Z' || killed.state != 'Z') {
                return std::string("states ") + stopped.state + exited.state + killed.state;
              }
              if (exited.exit_code != 5 << 8 || killed.exit_code != SIGKILL) {
                return "statuses " + std::to_string(exited.exit_code) + ", " +
                       std::to_string(killed.exit_code);
              }
              const bool is_ours = stat_of(lanes[5]).ppid == cycle.victim().pid();
              return is_ours ? "" : "the child of a thread has another parent";
            }),
            "");
}

TEST(CycleTask, PendingSignalsComeAsTheyWereSent) {
  EXPECT_EQ(in_own_namespace([]() -> std::string {
              Cycle cycle("signals");
              if (std::string why = cycle.turn(); !why.empty()) {
                return why;
              }
              auto& page = cycle.victim().page();
              page.counter.store(1);
              static_cast<void>(eventually([&] { return page.counter.load() == 0; }));
              return page.lanes[0].load() == 1 ? cycle.goes_on() : "they are not the same";
            }),
            "");
}

// Asleep for a second before the dump: neither that second nor the time away is slept again.
TEST(CycleTask, ASleepGoesOnForWhatIsLeftOfIt) {
  EXPECT_EQ(in_own_namespace([]() -> std::string {
              using std::chrono::steady_clock;
              Cycle cycle("rest_sleeper");
              const auto& lanes = cycle.victim().page().lanes;
              ::usleep(1'500'000);
              const auto begin = steady_clock::now();
              std::string why = cycle.dump();
              why = why.empty() ? cycle.restore() : why;
              const std::chrono::duration<double> away = steady_clock::now() - begin;
              const auto is_over = [&] { return lanes[0] != 0 && lanes[1] != 0 && lanes[2] != 0; };
              if (why.empty() && !eventually(is_over, std::chrono::seconds(20))) {
                why = "they sleep on";
              }
              for (int i = 0; why.empty() && i < 3; ++i) {
                const double slept = static_cast<double>(lanes[i].load()) / 1e6 - away.count();
                if (slept < 2.5 || slept > 4.2) {
                  why = "sleeper " + std::to_string(i) + ": " + std::to_string(slept) + " s";
                }
              }
              return why.empty() ? cycle.goes_on() : why;
            }),
            "");
}

TEST(CycleTask, ALongWaitBeginsAnew) {
  EXPECT_EQ(told_by_dump("long_wait", {"waits its time in full again"}), "");
}

// Its status is what the signal makes it; what the kernel had said of a core dump is told once.
TEST(CycleTask, AZombieThatLeftACoreDump) {
  EXPECT_EQ(in_own_namespace([]() -> std::string {
              std::optional<test::Scratch> folder(std::in_place);
              Cycle cycle("core_zombie", {folder->path()});
              folder.reset();
              std::string why = cycle.turn();
              const bool is_told = cycle.said().find("core dump") != std::string::npos;
              const bool is_due = cycle.victim().page().lanes[1] == 1;
              return why.empty() && is_told != is_due ? "said: " + cycle.said() : why;
            }),
            "");
}

}  // namespace
}  // namespace img::live_test
