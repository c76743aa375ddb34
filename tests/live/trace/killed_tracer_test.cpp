// SPDX-License-Identifier: MIT
// The tracer is killed at a random moment, over and over; its task must go on as if nothing had
// been.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <random>

#include "live/trace/remote_call.h"
#include "tests/live/victim_process.h"

namespace img::trace {
namespace {

using live_test::VictimProcess;

constexpr std::uint64_t kKills = 60;
constexpr useconds_t kLongestLife = 3000;
constexpr useconds_t kLongestWait = 40'000;

// Seizes, runs batches and lets go until it is killed.
[[noreturn]] void trace_without_end(pid_t pid, std::atomic<std::uint64_t>& batches) {
  for (;;) {
    auto tracee = Tracee::seize(pid);
    if (!tracee) {
      continue;  // the one before is not yet quite dead
    }
    auto process = procfs::ProcDir::open(pid);
    auto memory = RemoteMemory::open(pid);
    if (!process || !memory || !tracee->bring_to_stop(Clock::now() + std::chrono::seconds(5))) {
      _exit(1);
    }
    auto remote = RemoteCall::begin(*tracee, *process, *memory);
    if (!remote) {
      std::fprintf(stderr, "%s\n", remote.error().line().c_str());
      _exit(2);
    }
    for (int i = 0; i < 3; ++i) {
      std::vector<arch::CallRecord> records(100, {SYS_getpid, {}, -1});
      if (!remote->run(records) || records.back().result != pid) {
        _exit(3);
      }
      batches.fetch_add(1);
    }
    if (!remote->finish()) {
      _exit(4);
    }
  }
}

TEST(KilledTracer, WhatItHadMappedIsFoundAgain) {
  VictimProcess victim("avx_loop");
  const auto process = procfs::ProcDir::open(victim.pid());
  const auto memory = RemoteMemory::open(victim.pid());
  ASSERT_TRUE(process.has_value() && memory.has_value());
  const std::string before = *process->read("maps");
  const pid_t tracer = fork();
  if (tracer == 0) {
    auto tracee = Tracee::seize(victim.pid());
    if (tracee && tracee->bring_to_stop(Clock::now() + std::chrono::seconds(5))) {
      auto remote = RemoteCall::begin(*tracee, *process, *memory);
      raise(remote && remote->data() ? SIGKILL : SIGTERM);
    }
    _exit(1);
  }
  int status = 0;
  waitpid(tracer, &status, 0);
  ASSERT_EQ(WTERMSIG(status), SIGKILL);
  EXPECT_TRUE(victim.makes_rounds());
  EXPECT_NE(*process->read("maps"), before);
  auto tracee = Tracee::seize(victim.pid());
  ASSERT_TRUE(tracee.has_value()) << tracee.error().line();
  ASSERT_TRUE(tracee->bring_to_stop(Clock::now() + std::chrono::seconds(5)).has_value());
  auto remote = RemoteCall::begin(*tracee, *process, *memory);
  ASSERT_TRUE(remote.has_value()) << remote.error().line();
  EXPECT_EQ(*remote->call(SYS_getpid), victim.pid());
  ASSERT_TRUE(remote->finish().has_value());
  EXPECT_EQ(*process->read("maps"), before);
}

class KilledTracerOf : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Victims, KilledTracerOf,
                         testing::Values("avx_loop", "sleeper", "small_stack", "no_vdso"),
                         [](const auto& one) { return std::string(one.param); });

TEST_P(KilledTracerOf, LeavesTheTaskAsItWas) {
  VictimProcess victim(GetParam());
  std::mt19937 random(7);
  std::atomic<std::uint64_t>& batches = victim.page().counter;
  // At least that many, and as many as it takes on a busy machine to have killed at work.
  for (std::uint64_t time = 0; time < kKills || (batches < kKills && time < 30 * kKills); ++time) {
    usleep(static_cast<useconds_t>(random() % kLongestWait));  // or it is always the same moment
    const pid_t tracer = fork();
    if (tracer == 0) {
      trace_without_end(victim.pid(), batches);
    }
    usleep(static_cast<useconds_t>(random() % kLongestLife));
    kill(tracer, SIGKILL);
    int status = 0;
    waitpid(tracer, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the tracer failed with " << WEXITSTATUS(status);
    ASSERT_TRUE(victim.makes_rounds(1)) << "after kill " << time << ": " << victim.complaint();
    ASSERT_EQ(victim.complaint(), "") << "after kill " << time;
  }
  EXPECT_GE(batches.load(), kKills) << "killed before it began";
}

}  // namespace
}  // namespace img::trace
