// SPDX-License-Identifier: MIT
#include "live/trace/freeze.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <set>
#include <thread>

#include "live/trace/refusal.h"
#include "live/trace/remote_call.h"
#include "tests/live/victim_process.h"

namespace img::trace {
namespace {

using live_test::eventually;
using live_test::VictimProcess;
using std::chrono::milliseconds;
using testing::HasSubstr;

FrozenTree frozen(pid_t root) {
  auto tree = freeze_tree(root);
  EXPECT_TRUE(tree.has_value()) << tree.error().line();
  return tree ? std::move(*tree) : FrozenTree{};
}

// Nothing of it makes a round while it is frozen.
void expect_still(VictimProcess& victim) {
  const std::uint64_t before = victim.page().rounds.load();
  usleep(20'000);
  EXPECT_EQ(victim.page().rounds.load(), before);
}

TEST(Freeze, EveryKindOfTask) {
  VictimProcess victim("family");
  const auto pid = [&](int lane) { return static_cast<pid_t>(victim.page().lanes[lane].load()); };
  {
    const FrozenTree tree = frozen(victim.pid());
    expect_still(victim);
    ASSERT_EQ(tree.processes.size(), 7U);
    std::map<pid_t, const FrozenProcess*> by_pid;
    for (const FrozenProcess& one : tree.processes) {
      by_pid[one.pid()] = &one;
    }
    EXPECT_EQ(tree.processes[0].pid(), victim.pid());
    EXPECT_EQ(tree.processes[0].threads.size(), 2U);
    EXPECT_EQ(tree.processes[0].threads[0].tid(), victim.pid());
    EXPECT_EQ(by_pid.at(pid(0))->state, TaskState::alive);
    EXPECT_EQ(by_pid.at(pid(1))->state, TaskState::stopped);
    EXPECT_EQ(by_pid.at(pid(1))->stop_signal, SIGSTOP);
    EXPECT_EQ(by_pid.at(pid(2))->state, TaskState::zombie);
    EXPECT_EQ(by_pid.at(pid(2))->stat.exit_code, 5 << 8);
    EXPECT_EQ(by_pid.at(pid(3))->state, TaskState::zombie);
    EXPECT_EQ(by_pid.at(pid(3))->stat.exit_code, SIGKILL);
    EXPECT_EQ(by_pid.at(pid(4))->stat.ppid, pid(0));
    EXPECT_EQ(by_pid.at(pid(5))->stat.ppid, victim.pid());
    // Depth first: a child comes right after its parent and before the parent's next one.
    EXPECT_EQ(by_pid.at(pid(4)) - by_pid.at(pid(0)), 1);
  }
  EXPECT_TRUE(victim.makes_rounds(50));
  EXPECT_TRUE(eventually([&] { return procfs::ProcDir::open(pid(1))->stat()->is_stopped(); }));
  EXPECT_TRUE(procfs::ProcDir::open(pid(2))->stat()->is_zombie());
  EXPECT_EQ(victim.complaint(), "");
}

TEST(Freeze, AStopThatIsOnItsWayCounts) {
  VictimProcess victim("avx_loop");
  {
    const FrozenTree first = frozen(victim.pid());
    kill(victim.pid(), SIGSTOP);  // waits until the task runs again, for a moment
  }
  {
    const FrozenTree second = frozen(victim.pid());
    EXPECT_EQ(second.processes.at(0).state, TaskState::stopped);
    EXPECT_EQ(second.processes.at(0).stop_signal, SIGSTOP);
  }
  EXPECT_TRUE(
      eventually([&] { return procfs::ProcDir::open(victim.pid())->stat()->is_stopped(); }));
  kill(victim.pid(), SIGCONT);
  EXPECT_TRUE(victim.makes_rounds());
}

TEST(Freeze, SixtyFourThreads) {
  VictimProcess victim("threads");
  for (int time = 0; time < 20; ++time) {
    {
      const FrozenTree tree = frozen(victim.pid());
      EXPECT_EQ(tree.tasks(), 64U);
      if (time == 0) {
        expect_still(victim);
      }
    }
    ASSERT_TRUE(victim.makes_rounds()) << "after freeze " << time;
  }
  EXPECT_EQ(victim.complaint(), "");
}

TEST(Freeze, CallsInEveryThread) {
  VictimProcess victim("threads");
  {
    FrozenTree tree = frozen(victim.pid());
    ASSERT_EQ(tree.tasks(), 64U);
    const auto memory = RemoteMemory::open(victim.pid());
    for (Tracee& thread : tree.processes[0].threads) {
      auto remote = RemoteCall::begin(thread, tree.processes[0].dir, *memory);
      ASSERT_TRUE(remote.has_value()) << remote.error().line();
      EXPECT_EQ(*remote->call(186), thread.tid());  // gettid
      ASSERT_TRUE(remote->finish().has_value());
    }
  }
  EXPECT_TRUE(victim.makes_rounds(50));
  EXPECT_EQ(victim.complaint(), "");
}

// The stop at the end of a fork takes the interruption with it that came meanwhile.
TEST(Freeze, InTheMiddleOfAFork) {
  VictimProcess victim("forker");
  for (int time = 0; time < 120; ++time) {
    // The end of the thread lets go of the children, too.
    std::thread([&] {
      auto tracee = Tracee::seize(victim.pid(), {true, false});
      ASSERT_TRUE(tracee);
      ::usleep(static_cast<useconds_t>(time % 40 * 200));
      const auto stop = tracee->bring_to_stop(Clock::now() + milliseconds(3000));
      EXPECT_TRUE(stop) << time << ": " << stop.error().line();
    }).join();
    ::usleep(3000);
  }
  EXPECT_TRUE(victim.makes_rounds(2));
  EXPECT_EQ(victim.complaint(), "");
}

TEST(Freeze, AForkBombComesToItsEnd) {
  VictimProcess victim("fork_bomb");
  for (int time = 0; time < 3; ++time) {
    {
      const FrozenTree tree = frozen(victim.pid());
      expect_still(victim);
      EXPECT_GT(tree.processes.size(), 100U);
      std::set<pid_t> pids;
      for (const FrozenProcess& one : tree.processes) {
        pids.insert(one.pid());
      }
      for (const FrozenProcess& one : tree.processes) {
        if (one.state == TaskState::zombie) {
          continue;
        }
        const auto children = one.dir.children();
        ASSERT_TRUE(children.has_value());
        for (const pid_t child : *children) {
          EXPECT_EQ(pids.count(child), 1U) << child << " was left out";
        }
      }
    }
    ASSERT_TRUE(victim.makes_rounds(1000));
  }
  victim.page().stop.store(1);
  EXPECT_TRUE(eventually([&] { return victim.complaint() != ""; })) << "it does not end";
}

TEST(Freeze, AThreadStormComesToItsEnd) {
  VictimProcess victim("thread_storm");
  for (int time = 0; time < 10; ++time) {
    {
      const FrozenTree tree = frozen(victim.pid());
      expect_still(victim);
      EXPECT_GE(tree.tasks(), 24U);
    }
    std::uint64_t before[24];
    for (int chain = 0; chain < 24; ++chain) {
      before[chain] = victim.page().lanes[chain].load();
    }
    for (int chain = 0; chain < 24; ++chain) {
      ASSERT_TRUE(eventually([&] { return victim.page().lanes[chain].load() > before[chain]; }))
          << "chain " << chain << " broke at freeze " << time;
    }
  }
}

TEST(Freeze, VforkParentsStopWhenTheirChildHasGone) {
  VictimProcess victim("spawner");
  for (int time = 0; time < 100; ++time) {
    const FrozenTree tree = frozen(victim.pid());
    ASSERT_GE(tree.tasks(), 1U);
  }
  EXPECT_TRUE(victim.makes_rounds());
  EXPECT_EQ(victim.complaint(), "");
}

TEST(Freeze, AVforkParentThatCannotStopIsGivenUp) {
  VictimProcess victim("stuck_vfork");
  Result<FrozenTree> result;
  // Its own thread: only the end of it lets go of a task that does not stop.
  FreezeOptions options;
  options.timeout = milliseconds(100);
  std::thread([&] { result = freeze_tree(victim.pid(), options); }).join();
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().fault, Fault::limit);
  EXPECT_THAT(result.error().line(), HasSubstr("vfork"));
  victim.page().counter.store(1);
  EXPECT_TRUE(victim.makes_rounds());
  EXPECT_EQ(procfs::ProcDir::open(victim.pid())->status()->tracer, 0);
  EXPECT_EQ(victim.complaint(), "");
}

TEST(Freeze, SeccompFiltersAreSuspended) {
  VictimProcess victim("seccomp");
  {
    FreezeOptions options;
    options.suspend_seccomp = true;
    auto tree = freeze_tree(victim.pid(), options);
    ASSERT_TRUE(tree.has_value()) << tree.error().line();
    const auto memory = RemoteMemory::open(victim.pid());
    auto remote = RemoteCall::begin(tree->processes[0].threads[0], tree->processes[0].dir, *memory);
    ASSERT_TRUE(remote.has_value()) << remote.error().line();
    EXPECT_EQ(*remote->call(110), getpid());  // getppid, which its filter kills for
    ASSERT_TRUE(remote->finish().has_value());
  }
  EXPECT_TRUE(victim.makes_rounds());
  EXPECT_EQ(victim.complaint(), "");
}

// Refused by freezing, for the reason given, and everything runs on.
void expect_refusal(VictimProcess& victim, const std::string& reason, Fault fault) {
  const auto tree = freeze_tree(victim.pid());
  ASSERT_FALSE(tree.has_value());
  EXPECT_THAT(tree.error().line(), HasSubstr(reason));
  EXPECT_EQ(tree.error().fault, fault);
  EXPECT_TRUE(victim.makes_rounds());
}

TEST(Refusal, SharedAddressSpace) {
  VictimProcess victim("shared_memory");
  expect_refusal(victim, "shares its memory with process", Fault::unsupported);
}

TEST(Refusal, IoUring) {
  VictimProcess victim("io_uring");
  if (victim.page().counter.load() == 0) {
    GTEST_SKIP() << "this kernel gives no io_uring";
  }
  expect_refusal(victim, "it uses io_uring", Fault::unsupported);
}

TEST(Refusal, MainThreadHasEnded) {
  VictimProcess victim("dead_leader");
  ASSERT_TRUE(eventually([&] { return procfs::ProcDir::open(victim.pid())->stat()->is_zombie(); }));
  expect_refusal(victim, "its main thread has ended", Fault::unsupported);
}

TEST(Refusal, TracedByAnother) {
  VictimProcess victim("avx_loop");
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t other = fork();
  if (other == 0) {
    const auto tracee = Tracee::seize(victim.pid());
    static_cast<void>(write(ready[1], "x", 1) == 1);
    pause();
    _exit(0);
  }
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  expect_refusal(victim, "is traced by process " + std::to_string(other), Fault::unsupported);
  kill(other, SIGKILL);
  waitpid(other, nullptr, 0);
  close(ready[0]);
  close(ready[1]);
  EXPECT_EQ(frozen(victim.pid()).tasks(), 1U);
}

TEST(Refusal, OurselvesAndWhatIsNoProcess) {
  EXPECT_THAT(freeze_tree(getpid()).error().line(), HasSubstr("this program itself"));
  EXPECT_THAT(freeze_tree(2).error().line(), HasSubstr("kernel thread"));
  EXPECT_EQ(freeze_tree(1 << 23).error().fault, Fault::gone);
  const pid_t child = fork();
  if (child == 0) {
    _exit(0);
  }
  siginfo_t end{};
  waitid(P_PID, static_cast<id_t>(child), &end, WEXITED | WNOWAIT);
  EXPECT_EQ(freeze_tree(child).error().fault, Fault::gone);
  waitpid(child, nullptr, 0);
}

TEST(Refusal, AllReasonsAtOnce) {
  VictimProcess victim("io_uring");
  const auto reasons = refusals_in_tree(getpid());
  ASSERT_GE(reasons.size(), 1U);
  EXPECT_THAT(reasons[0].line(), HasSubstr("this program itself"));
  EXPECT_EQ(reasons.size(), 1U + victim.page().counter.load());
}

TEST(Freeze, TooManyTasksAreRefused) {
  VictimProcess victim("threads");
  FreezeOptions options;
  options.max_tasks = 10;
  EXPECT_EQ(freeze_tree(victim.pid(), options).error().fault, Fault::limit);
  EXPECT_TRUE(victim.makes_rounds());
  EXPECT_EQ(victim.complaint(), "");
}

}  // namespace
}  // namespace img::trace
