// SPDX-License-Identifier: MIT
#include "live/trace/remote_call.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "live/state/state.h"
#include "tests/live/victim_process.h"

namespace img::trace {
namespace {

using live_test::VictimProcess;
using std::chrono::seconds;

struct Traced {
  Tracee tracee;
  procfs::ProcDir process;
  RemoteMemory memory;

  static Traced stop(pid_t pid, const SeizeOptions& options = {}) {
    auto tracee = Tracee::seize(pid, options);
    EXPECT_TRUE(tracee.has_value()) << tracee.error().line();
    const auto stopped = tracee->bring_to_stop(Clock::now() + seconds(5));
    EXPECT_TRUE(stopped.has_value()) << stopped.error().line();
    return {std::move(*tracee), *procfs::ProcDir::open(pid), *RemoteMemory::open(pid)};
  }
  RemoteCall begin() {
    auto call = RemoteCall::begin(tracee, process, memory);
    EXPECT_TRUE(call.has_value()) << call.error().line();
    return std::move(*call);
  }
};

class RemoteCallOn : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Victims, RemoteCallOn,
                         testing::Values("avx_loop", "sleeper", "small_stack", "epoll_sleeper"),
                         [](const auto& one) { return std::string(one.param); });

TEST_P(RemoteCallOn, CallsAndLeavesNoTrace) {
  VictimProcess victim(GetParam());
  for (int time = 0; time < 20; ++time) {
    usleep(static_cast<useconds_t>(time * 1700));
    Traced traced = Traced::stop(victim.pid());
    const arch::Registers before = *traced.tracee.registers();
    const std::uint64_t mask = *traced.tracee.signal_mask();
    const auto maps = *traced.process.read("maps");
    {
      RemoteCall remote = traced.begin();
      EXPECT_EQ(*remote.call(SYS_getpid), victim.pid());
      EXPECT_EQ(*remote.call(SYS_close, {~0UL}), -EBADF);
      std::vector<arch::CallRecord> records(64, {SYS_getppid, {}, -1});
      ASSERT_TRUE(remote.run(records).has_value());
      for (const arch::CallRecord& one : records) {
        EXPECT_EQ(one.result, getpid());
      }
      const auto finished = remote.finish();
      ASSERT_TRUE(finished.has_value()) << finished.error().line();
    }
    EXPECT_EQ(*traced.tracee.registers(), before);
    EXPECT_EQ(*traced.tracee.signal_mask(), mask);
    EXPECT_EQ(*traced.process.read("maps"), maps);
  }
  EXPECT_TRUE(victim.makes_rounds());
  EXPECT_EQ(victim.complaint(), "");
}

TEST(RemoteCall, DataAndReferences) {
  VictimProcess victim("avx_loop");
  Traced traced = Traced::stop(victim.pid());
  RemoteCall remote = traced.begin();
  const auto data = remote.data();
  ASSERT_TRUE(data.has_value()) << data.error().line();
  const std::string text = "written here";
  ASSERT_TRUE(traced.memory.write(*data, as_bytes(text)).has_value());
  std::vector<arch::CallRecord> records = {
      {SYS_memfd_create | arch::kMustSucceed, {*data, 0}, -1},
      {SYS_write | arch::refers(0), {arch::earlier_result(0, 0), *data, text.size()}, -1},
      {SYS_lseek | arch::refers(0), {arch::earlier_result(0, 0), 0, SEEK_CUR}, -1},
      {SYS_close | arch::refers(0), {arch::earlier_result(0, 0)}, -1},
  };
  ASSERT_TRUE(remote.run(records).has_value());
  EXPECT_GE(records[0].result, 0);
  EXPECT_EQ(records[1].result, static_cast<std::int64_t>(text.size()));
  EXPECT_EQ(records[2].result, static_cast<std::int64_t>(text.size()));
  EXPECT_EQ(records[3].result, 0);
}

TEST(RemoteCall, AStoppedTaskIsStoppedAgain) {
  VictimProcess victim("avx_loop");
  kill(victim.pid(), SIGSTOP);
  ASSERT_TRUE(live_test::eventually(
      [&] { return procfs::ProcDir::open(victim.pid())->stat()->is_stopped(); }));
  {
    Traced traced = Traced::stop(victim.pid());
    EXPECT_EQ(traced.tracee.last_stop(), (Stop{StopKind::group_stop, SIGSTOP}));
    RemoteCall remote = traced.begin();
    EXPECT_EQ(*remote.call(SYS_getpid), victim.pid());
    std::vector<arch::CallRecord> records(8, {SYS_getpid, {}, -1});
    EXPECT_TRUE(remote.run(records).has_value());
  }
  EXPECT_TRUE(live_test::eventually(
      [&] { return procfs::ProcDir::open(victim.pid())->stat()->is_stopped(); }));
  kill(victim.pid(), SIGCONT);
  EXPECT_TRUE(victim.makes_rounds());
  EXPECT_EQ(victim.complaint(), "");
}

TEST(RemoteCall, SignalsThatComeMeanwhileComeAfter) {
  VictimProcess victim("avx_loop");
  {
    Traced traced = Traced::stop(victim.pid());
    RemoteCall remote = traced.begin();
    kill(victim.pid(), SIGURG);  // that with which the stub announces
    kill(victim.pid(), SIGTERM);
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(*remote.call(SYS_getpid), victim.pid());
    }
    ASSERT_TRUE(remote.finish().has_value());
  }
  int status = 0;
  ASSERT_TRUE(live_test::eventually([&] {
    siginfo_t end{};
    waitid(P_PID, static_cast<id_t>(victim.pid()), &end, WEXITED | WNOHANG | WNOWAIT);
    status = end.si_status;
    return end.si_pid != 0;
  }));
  EXPECT_EQ(status, SIGTERM);
}

TEST(RemoteCall, ATaskKilledMeanwhileIsGone) {
  VictimProcess victim("avx_loop");
  Traced traced = Traced::stop(victim.pid());
  RemoteCall remote = traced.begin();
  kill(victim.pid(), SIGKILL);
  const auto result = remote.call(SYS_getpid);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().fault, Fault::gone) << result.error().line();
}

// Its selector says that calls are not let through; what it makes for us is, and it finds the
// selector as it was.
TEST(RemoteCall, DispatchedCallsAreMade) {
  VictimProcess victim("user_dispatch");
  auto& lanes = victim.page().lanes;
  if (lanes[0].load() == 0) {
    GTEST_SKIP() << "this kernel has no syscall user dispatch";
  }
  int blocked = 0;
  for (int i = 0; i < 1000 && blocked < 5; ++i) {
    usleep(static_cast<useconds_t>(200 + i * 37 % 500));  // or it is always the same moment
    Traced traced = Traced::stop(victim.pid());
    const UserDispatch dispatch = *traced.tracee.user_dispatch();
    EXPECT_EQ(dispatch.mode, 1U);
    EXPECT_EQ(dispatch.selector, lanes[1].load());
    const auto selector = traced.memory.get<std::uint8_t>(dispatch.selector).value();
    blocked += selector;
    {
      RemoteCall remote = traced.begin();
      EXPECT_EQ(*remote.call(SYS_getpid), victim.pid());
      ASSERT_TRUE(remote.data().has_value());
      ASSERT_TRUE(remote.finish().has_value());
    }
    EXPECT_EQ(traced.memory.get<std::uint8_t>(dispatch.selector).value(), selector);
    EXPECT_EQ(traced.tracee.user_dispatch()->selector, dispatch.selector);
  }
  EXPECT_TRUE(victim.makes_rounds());
  EXPECT_EQ(victim.complaint(), "");
  if (blocked == 0) {
    GTEST_SKIP() << "it was never stopped where calls are dispatched";
  }
}

TEST(RemoteCall, DispatchWithoutASelector) {
  VictimProcess victim("sleeper");
  Traced traced = Traced::stop(victim.pid());
  if (!traced.tracee.set_user_dispatch({1, 0, 0x10000, 1})) {
    GTEST_SKIP() << "this kernel has no syscall user dispatch";
  }
  const auto refused = RemoteCall::begin(traced.tracee, traced.process, traced.memory);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().why, state::row(state::Piece::dispatched_calls).text);
  // Where one page of its vdso may make calls, so may we.
  const auto maps = *traced.process.maps();
  const auto vdso =
      std::find_if(maps.begin(), maps.end(), [](const auto& one) { return one.path == "[vdso]"; });
  ASSERT_NE(vdso, maps.end());
  ASSERT_TRUE(traced.tracee.set_user_dispatch({1, 0, vdso->start, vdso->bytes() + 1}));
  EXPECT_EQ(*traced.begin().call(SYS_getpid), victim.pid());
  ASSERT_TRUE(traced.tracee.set_user_dispatch({0, 0, 0, 0}));
  traced.tracee.release();
  EXPECT_TRUE(victim.makes_rounds());
}

TEST(RemoteCall, ACallThatDoesNotEndIsGivenUp) {
  VictimProcess victim("avx_loop");
  {
    Traced traced = Traced::stop(victim.pid());
    RemoteCall remote = traced.begin();
    remote.set_time_limit(std::chrono::milliseconds(50));
    EXPECT_EQ(remote.call(SYS_pause).error().fault, Fault::limit);
    EXPECT_TRUE(remote.finish().has_value());
  }
  EXPECT_TRUE(victim.makes_rounds());
  EXPECT_EQ(victim.complaint(), "");
}

}  // namespace
}  // namespace img::trace
