// SPDX-License-Identifier: MIT
// The CPU state of a running thread: taken, written as an image keeps it, thrown away in the task,
// read and put back.
#include "live/arch/x86_64/thread_info.h"

#include <gtest/gtest.h>

#include "live/trace/tracee.h"
#include "tests/live/victim_process.h"

namespace img::trace {
namespace {

TEST(ThreadInfoOfATask, SurvivesItsWayThroughARecord) {
  live_test::VictimProcess victim("avx_loop");
  const arch::XsaveLayout layout = arch::XsaveLayout::of_this_cpu();
  for (int time = 0; time < 20; ++time) {
    auto tracee = Tracee::seize(victim.pid());
    ASSERT_TRUE(tracee.has_value()) << tracee.error().line();
    ASSERT_TRUE(tracee->bring_to_stop(Clock::now() + std::chrono::seconds(5)).has_value());
    const arch::Registers registers = *tracee->registers();
    auto bytes = tracee->xstate();
    ASSERT_TRUE(bytes.has_value());
    const auto xstate = arch::Xstate::take(*bytes, layout);
    ASSERT_TRUE(xstate.has_value()) << xstate.error().line();
    const auto tls = tracee->tls_slots();
    ASSERT_TRUE(tls.has_value()) << tls.error().line();
    EXPECT_EQ((*tls)[0].entry_number, arch::kFirstTlsSlot);
    EXPECT_EQ((*tls)[0].bits, arch::TlsSlot::kEmpty);

    flatbuffers::FlatBufferBuilder builder;
    builder.ForceDefaults(true);
    const auto root = arch::write_thread_info(builder, registers, *xstate, 0, *tls);
    builder.Finish(root);
    const auto read = arch::read_thread_info(
        *flatbuffers::GetRoot<schema::ThreadInfoX86>(builder.GetBufferPointer()), layout);
    ASSERT_TRUE(read.has_value()) << read.error().line();

    // Initial state: nothing in use.
    std::vector<std::byte> nothing(read->xstate.size());
    store_at(&nothing[arch::kMxcsrOffset], std::uint32_t{0x1f80});
    const auto cleared = tracee->set_xstate(nothing);
    ASSERT_TRUE(cleared.has_value()) << cleared.error().line();
    const auto set = tracee->set_xstate(read->xstate);
    ASSERT_TRUE(set.has_value()) << set.error().line();
    ASSERT_TRUE(tracee->set_registers(read->registers).has_value());
    EXPECT_EQ(read->registers, registers);
    const auto after = arch::Xstate::take(*tracee->xstate(), layout);
    ASSERT_TRUE(after.has_value());
    for (const arch::XsaveComponent& one : layout.components()) {
      EXPECT_EQ(as_text(after->component(one.number)), as_text(xstate->component(one.number)))
          << arch::component_name(one.number);
    }
    tracee->release();
    ASSERT_TRUE(victim.makes_rounds(1)) << victim.complaint();
  }
  EXPECT_EQ(victim.complaint(), "");
}

}  // namespace
}  // namespace img::trace
