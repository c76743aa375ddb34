// SPDX-License-Identifier: MIT
#include "live/trace/rseq.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>

#include "live/trace/remote_call.h"
#include "tests/live/victim_process.h"

namespace img::trace {
namespace {

using live_test::VictimProcess;

TEST(RseqOfATask, GoesOnAtItsAbortAddress) {
  VictimProcess victim("rseq_loop");
  if (victim.page().fault.load() != 0) {
    GTEST_SKIP() << "this C library registers no rseq";
  }
  const auto& lanes = victim.page().lanes;
  int inside = 0;
  for (int time = 0; time < 50; ++time) {
    usleep(500);
    auto tracee = Tracee::seize(victim.pid());
    ASSERT_TRUE(tracee.has_value()) << tracee.error().line();
    ASSERT_TRUE(tracee->bring_to_stop(Clock::now() + std::chrono::seconds(5)).has_value());
    const auto process = procfs::ProcDir::open(victim.pid());
    const auto memory = RemoteMemory::open(victim.pid());
    const arch::Registers before = *tracee->registers();
    auto remote = RemoteCall::begin(*tracee, *process, *memory);
    ASSERT_TRUE(remote.has_value()) << remote.error().line();
    EXPECT_EQ(*remote->call(SYS_getpid), victim.pid());
    ASSERT_TRUE(remote->finish().has_value());
    const bool was_inside = before.ip >= lanes[0].load() && before.ip < lanes[1].load();
    EXPECT_EQ(tracee->registers()->ip, was_inside ? lanes[2].load() : before.ip);
    inside += was_inside ? 1 : 0;
  }
  EXPECT_GT(inside, 10);
  EXPECT_GE(lanes[3].load() + 1, static_cast<std::uint64_t>(inside));  // the last may be under way
  EXPECT_TRUE(victim.makes_rounds());
  EXPECT_EQ(victim.complaint(), "");
}

}  // namespace
}  // namespace img::trace
