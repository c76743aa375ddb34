// SPDX-License-Identifier: MIT
// Plans written by hand and run: a few bytes of code, a few processes. Whatever happens, nothing of
// them is left.
#include "live/restore/runner.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include "libimg/criu/directory_reader.h"
#include "live/plan/builder.h"
#include "live/procfs/proc_dir.h"
#include "live/restore/host.h"

namespace img::restore {
namespace {

using plan::Actor;
using plan::kRestorer;

constexpr std::uint64_t kCode = 0x4000'0000;
constexpr std::uint64_t kPage = 4096;

// mov $231, %eax; mov $N, %edi; syscall: exit_group(N)
std::array<std::uint8_t, 12> exit_code(std::uint8_t status) {
  return {0xb8, 231, 0, 0, 0, 0xbf, status, 0, 0, 0, 0x0f, 0x05};
}
// mov $34, %eax; syscall: pause()
constexpr std::array<std::uint8_t, 9> kPauseCode = {0xb8, 34, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7};

// Numbers that were just free: of children that have ended.
std::uint32_t free_pid() {
  const pid_t child = ::fork();
  if (child == 0) {
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
  return static_cast<std::uint32_t>(child);
}

char state_of(std::uint32_t pid) {
  const auto dir = procfs::ProcDir::open(static_cast<pid_t>(pid));
  const auto stat = dir ? dir->stat() : Result<procfs::Stat>(fail(dir.error()));
  return stat ? stat->state : '-';
}

// Orphans come to us (see SetUp): the first process of a machine may take seconds to reap them.
bool is_gone(std::uint32_t pid) {
  for (int i = 0; i < 5000; ++i) {
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    if (state_of(pid) == '-') {
      return true;
    }
    ::usleep(1000);
  }
  return false;
}

class RunnerTest : public testing::Test {
 protected:
  void SetUp() override {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    auto image = criu::DirectoryReader::open(STASIS_FIXTURES "/dumps/single");
    ASSERT_TRUE(image.has_value());
    image_ = std::move(*image);
    auto facts = ask_host();
    ASSERT_TRUE(facts.has_value()) << facts.error().line();
    facts_ = std::move(*facts);
    builder_.plan().workbench = 0x10'0000;
    builder_.plan().root = root_;
  }
  void TearDown() override {
    ::kill(static_cast<pid_t>(root_), SIGKILL);
    while (::waitpid(-1, nullptr, 0) > 0) {
    }
    EXPECT_EQ(state_of(root_), '-');
    EXPECT_EQ(state_of(child_), '-');
  }

  void make_root() {
    builder_.step(plan::MakeTask{kRestorer, root_});
    builder_.step(plan::ClearMemory{{root_}});
  }
  template <std::size_t N>
  void give_program(std::uint32_t pid, const std::array<std::uint8_t, N>& code) {
    const Actor actor{pid};
    builder_.call(actor, SYS_mmap,
                  {kCode, kPage, PROT_READ | PROT_WRITE | PROT_EXEC,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0},
                  "map code");
    // The code comes by a pipe that the task makes for itself.
    const plan::DataId from = builder_.data(std::as_bytes(std::span(code)));
    builder_.call(actor, SYS_memfd_create, {builder_.text("code"), 0}, "a file for the code");
    const plan::Slot file = last();
    builder_.call(actor, SYS_pwrite64, {file, from, N, 0}, "write the code");
    builder_.call(actor, SYS_pread64, {file, kCode, N, 0}, "read the code");
    builder_.call(actor, SYS_close, {file}, "close it");
  }
  void start(std::uint32_t pid, int stop_signal = 0) {
    plan::SetThread thread;
    thread.pid = thread.tid = pid;
    thread.state.registers.ip = kCode;
    thread.state.registers.sp = kCode + kPage - 16;
    thread.state.registers.cs = 0x33;
    thread.state.registers.ss = 0x2b;
    thread.state.registers.flags = 0x202;
    thread.state.registers.orig_ax = arch::kNoSystemCall;
    thread.state.xstate.resize(facts_.xsave.bytes_for(facts_.xsave.mask()));
    store_at(&thread.state.xstate[0], std::uint16_t{0x37f});
    store_at(&thread.state.xstate[arch::kMxcsrOffset], std::uint32_t{0x1f80});
    builder_.step(std::move(thread));
    builder_.step(plan::LetGo{{{pid, stop_signal}}});
  }
  [[nodiscard]] plan::Slot last() {
    return std::get<plan::Calls>(builder_.plan().steps.back()).calls.back().slot;
  }
  Result<pid_t> run(std::function<Result<void>(std::size_t)> before_step = {}) {
    RunOptions options;
    options.root.suspend_seccomp = facts_.can_suspend_seccomp;
    options.before_step = std::move(before_step);
    Runner runner(builder_.plan(), *image_, options);
    return runner.run();
  }

  std::unique_ptr<criu::DirectoryReader> image_;
  plan::HostFacts facts_;
  plan::PlanBuilder builder_{16};
  std::uint32_t root_ = free_pid();
  std::uint32_t child_ = free_pid();
};

TEST_F(RunnerTest, ATaskRunsItsProgram) {
  make_root();
  give_program(root_, exit_code(7));
  start(root_);
  const auto pid = run();
  ASSERT_TRUE(pid.has_value()) << pid.error().line();
  int status = 0;
  ASSERT_EQ(::waitpid(*pid, &status, 0), static_cast<pid_t>(root_));
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 7);
}

TEST_F(RunnerTest, AZombieHasItsStatusAndName) {
  for (const std::uint32_t status :
       {std::uint32_t{SIGSEGV}, std::uint32_t{SIGKILL}, std::uint32_t{3} << 8}) {
    builder_ = plan::PlanBuilder(16);
    builder_.plan().workbench = 0x10'0000;
    make_root();
    builder_.step(plan::MakeTask{{root_}, child_});
    give_program(root_, kPauseCode);
    builder_.step(plan::BecomeZombie{child_, {root_}, status, "late"});
    builder_.step(plan::ForgetChildren{{root_}});
    start(root_);
    const auto pid = run();
    ASSERT_TRUE(pid.has_value()) << pid.error().line();
    const auto dir = procfs::ProcDir::open(static_cast<pid_t>(child_));
    ASSERT_TRUE(dir.has_value());
    const auto stat = dir->stat();
    ASSERT_TRUE(stat.has_value());
    EXPECT_EQ(stat->state, 'Z');
    EXPECT_EQ(stat->comm, "late");
    EXPECT_EQ(stat->exit_code, static_cast<int>(status));
    EXPECT_EQ(stat->ppid, static_cast<int>(root_));
    const auto parent = procfs::ProcDir::open(*pid);
    EXPECT_EQ(parent->status()->shared_pending, 0U) << "SIGCHLD";
    ::kill(*pid, SIGKILL);
    ::waitpid(*pid, nullptr, 0);
    EXPECT_TRUE(is_gone(child_));
  }
}

TEST_F(RunnerTest, AStoppedTaskIsStopped) {
  make_root();
  give_program(root_, kPauseCode);
  start(root_, SIGTSTP);
  const auto pid = run();
  ASSERT_TRUE(pid.has_value()) << pid.error().line();
  EXPECT_EQ(state_of(root_), 'T');
}

TEST_F(RunnerTest, AThreadIsMadeWithItsNumber) {
  make_root();
  give_program(root_, kPauseCode);
  builder_.step(plan::MakeThread{root_, child_});
  builder_.call({child_}, SYS_prctl, {PR_SET_NAME, builder_.text("second"), 0, 0, 0}, "its name");
  plan::SetThread thread;
  start(root_);
  // The thread goes with its process: its own state comes before.
  auto& steps = builder_.plan().steps;
  auto copy = std::get<plan::SetThread>(steps[steps.size() - 2]);
  copy.tid = child_;
  steps.insert(steps.end() - 1, copy);
  const auto pid = run();
  ASSERT_TRUE(pid.has_value()) << pid.error().line();
  const auto dir = procfs::ProcDir::open_thread(*pid, static_cast<pid_t>(child_));
  ASSERT_TRUE(dir.has_value());
  EXPECT_EQ(dir->stat()->comm, "second");
}

TEST_F(RunnerTest, AFailedCallIsSaidAndNothingIsLeft) {
  make_root();
  builder_.call({root_}, SYS_close, {99}, "close what is not open");
  start(root_);
  const auto pid = run();
  ASSERT_FALSE(pid.has_value());
  EXPECT_EQ(pid.error().sys_errno, EBADF);
  EXPECT_THAT(pid.error().line(), testing::HasSubstr("close what is not open"));
  EXPECT_EQ(state_of(root_), '-');
}

TEST_F(RunnerTest, WhatMayFailDoesNotEndIt) {
  make_root();
  builder_.call({root_}, SYS_close, {99}, "close it if it is open", plan::may_fail_with(EBADF));
  builder_.call({root_}, SYS_close, {99}, "close it or not", plan::kMayFail);
  give_program(root_, exit_code(0));
  start(root_);
  EXPECT_TRUE(run().has_value());
}

// At every step: what was made is gone, whether it is one task or three.
TEST_F(RunnerTest, GivenUpAtAnyStepNothingIsLeft) {
  make_root();
  builder_.step(plan::MakeTask{{root_}, child_});
  builder_.call({child_}, SYS_setsid, {}, "lead a session");
  give_program(root_, kPauseCode);
  give_program(child_, kPauseCode);
  start(child_);
  start(root_);
  const std::size_t steps = builder_.plan().steps.size();
  for (std::size_t at = 0; at < steps; ++at) {
    const auto pid = run([at](std::size_t step) -> Result<void> {
      return step == at ? fail(Fault::io, "test", "given up") : Result<void>();
    });
    ASSERT_FALSE(pid.has_value());
    EXPECT_EQ(pid.error().what, "given up") << pid.error().line();
    EXPECT_TRUE(is_gone(root_)) << "step " << at;
    EXPECT_TRUE(is_gone(child_)) << "step " << at;
  }
}

// Killed after the first task was let go: the guardian ends that one too.
TEST_F(RunnerTest, KilledWhileLettingGoNothingIsLeft) {
  make_root();
  builder_.step(plan::MakeTask{{root_}, child_});
  give_program(root_, kPauseCode);
  give_program(child_, kPauseCode);
  start(child_);
  start(root_);
  const std::size_t last = builder_.plan().steps.size() - 1;
  const pid_t restorer = ::fork();
  if (restorer == 0) {
    static_cast<void>(run([last](std::size_t step) -> Result<void> {
      if (step == last) {
        ::raise(SIGKILL);
      }
      return {};
    }));
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(restorer, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_TRUE(is_gone(root_));
  EXPECT_TRUE(is_gone(child_));
}

TEST(LocalCalls, WhatWasMadeForAWhileGoesWithTheRestore) {
  std::string folder = "/tmp/stasis-made-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  plan::PlanBuilder builder(3);
  const auto make = [&](const std::string& path) {
    builder.call(kRestorer, SYS_mkdirat, {AT_FDCWD, builder.text(path), 0700}, "make " + path);
  };
  make(folder + "/kept");
  make(folder + "/gone");
  builder.call(kRestorer, SYS_openat,
               {AT_FDCWD, builder.text(folder + "/gone/file"), O_CREAT | O_WRONLY, 0600}, "a file");
  builder.call(kRestorer, SYS_unlinkat, {AT_FDCWD, builder.text(folder + "/kept"), AT_REMOVEDIR},
               "as it was");
  make(folder + "/missing/below");
  const plan::Plan plan = builder.take();
  {
    std::vector<std::int64_t> results(plan.slots);
    LocalCalls calls(plan, results);
    ASSERT_EQ(::mkdir((folder + "/theirs").c_str(), 0700), 0);
    EXPECT_FALSE(calls.run(std::get<plan::Calls>(plan.steps.at(0)).calls).has_value());
    EXPECT_EQ(::access((folder + "/gone/file").c_str(), F_OK), 0);
  }
  EXPECT_NE(::access((folder + "/gone").c_str(), F_OK), 0);
  EXPECT_EQ(::rmdir((folder + "/theirs").c_str()), 0);
  EXPECT_EQ(::rmdir(folder.c_str()), 0);
}

// Nobody writes to it.
TEST(LocalCalls, NoCallWaitsForEver) {
  const std::string fifo = "/tmp/stasis-fifo-" + std::to_string(::getpid());
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  plan::PlanBuilder builder(3);
  builder.call(kRestorer, SYS_openat, {AT_FDCWD, builder.text(fifo), O_RDONLY}, "open it");
  const plan::Plan plan = builder.take();
  std::vector<std::int64_t> results(plan.slots);
  const auto done = LocalCalls(plan, results).run(std::get<plan::Calls>(plan.steps.at(0)).calls);
  ::unlink(fifo.c_str());
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().line(), "open it: it did not come to an end in time");
}

}  // namespace
}  // namespace img::restore
