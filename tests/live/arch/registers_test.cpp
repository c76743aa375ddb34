// SPDX-License-Identifier: MIT
#include "live/arch/x86_64/registers.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/user.h>

#include <cerrno>
#include <ctime>
#include <set>

#include "libimg/base/bytes.h"

namespace img::arch {
namespace {

Registers stopped_in(std::uint64_t number, std::int64_t result) {
  Registers out;
  out.orig_ax = number;
  out.ax = static_cast<std::uint64_t>(result);
  out.ip = 0x1002;
  return out;
}

TEST(Registers, AreTheKernelsByName) {
  user_regs_struct kernel{};
  kernel.rip = 1;
  kernel.orig_rax = 2;
  kernel.gs = 3;
  kernel.eflags = 4;
  const auto ours = load<Registers>(&kernel);
  EXPECT_EQ(ours.ip, 1U);
  EXPECT_EQ(ours.orig_ax, 2U);
  EXPECT_EQ(ours.gs, 3U);
  EXPECT_EQ(ours.flags, 4U);
  std::set<std::string_view> names;
  for (const RegisterName& one : kRegisterNames) {
    names.insert(one.name);
  }
  EXPECT_EQ(names.size(), 27U);
}

TEST(Registers, InterruptedCallIsMadeAgain) {
  for (const std::int64_t result : {-512, -513, -514}) {
    const Registers again = in_user_space(stopped_in(SYS_read, result));
    EXPECT_EQ(again.ax, SYS_read) << result;
    EXPECT_EQ(again.ip, 0x1000U);
    EXPECT_EQ(again.orig_ax, kNoSystemCall);
  }
  EXPECT_EQ(in_user_space(stopped_in(SYS_nanosleep, -516)).ax, SYS_restart_syscall);
  EXPECT_EQ(in_user_space(stopped_in(SYS_nanosleep, -516)).ip, 0x1000U);
}

TEST(Registers, FinishedCallIsNot) {
  for (const std::int64_t result : {0, -EINTR, -515, -517, -511}) {
    const Registers after = in_user_space(stopped_in(SYS_read, result));
    EXPECT_EQ(static_cast<std::int64_t>(after.ax), result);
    EXPECT_EQ(after.ip, 0x1002U);
  }
  // Not in a call: ax is the program's own, whatever it looks like. The kernel reads 32 bits.
  EXPECT_EQ(in_user_space(stopped_in(kNoSystemCall, -512)).ip, 0x1002U);
  EXPECT_EQ(in_user_space(stopped_in(0xffffffff, -512)).ip, 0x1002U);
}

TEST(Registers, PlainEintrIsToldApart) {
  EXPECT_TRUE(was_interrupted_unseen(stopped_in(SYS_epoll_wait, -EINTR)));
  EXPECT_FALSE(was_interrupted_unseen(stopped_in(SYS_epoll_wait, 0)));
  EXPECT_FALSE(was_interrupted_unseen(stopped_in(SYS_close, -EINTR)));
  EXPECT_FALSE(was_interrupted_unseen(stopped_in(SYS_connect, -EINTR)));
  EXPECT_FALSE(was_interrupted_unseen(stopped_in(kNoSystemCall, -EINTR)));
  const Registers again = same_call_again(stopped_in(SYS_epoll_wait, -EINTR));
  EXPECT_EQ(again.ax, SYS_epoll_wait);
  EXPECT_EQ(again.ip, 0x1000U);
}

TEST(Registers, ARecordedInterruptionIsKnown) {
  EXPECT_TRUE(was_recorded_interrupted(stopped_in(SYS_poll, -EINTR)));
  EXPECT_TRUE(was_recorded_interrupted(stopped_in(SYS_epoll_wait, -EINTR)));
  EXPECT_FALSE(was_recorded_interrupted(stopped_in(SYS_poll, 1)));
  EXPECT_FALSE(was_recorded_interrupted(stopped_in(SYS_close, -EINTR)));
}

TEST(Registers, ASleepHasARestWhereTheKernelHasWrittenIt) {
  Registers sleep;
  sleep.orig_ax = SYS_nanosleep;
  sleep.di = 0x1000;
  EXPECT_FALSE(rest_of_call(sleep).has_value());  // nowhere
  sleep.si = 0x1000;
  EXPECT_FALSE(rest_of_call(sleep).has_value());  // where the call finds it
  sleep.si = 0x2000;
  ASSERT_TRUE(rest_of_call(sleep).has_value());
  EXPECT_EQ(rest_of_call(sleep)->args, (std::array<std::uint64_t, 4>{0x2000, 0x2000, 0, 0}));

  Registers clock;
  clock.orig_ax = SYS_clock_nanosleep;
  clock.di = 7;
  clock.dx = 0x1000;
  clock.r10 = 0x2000;
  ASSERT_TRUE(rest_of_call(clock).has_value());
  EXPECT_EQ(rest_of_call(clock)->args, (std::array<std::uint64_t, 4>{7, 0, 0x2000, 0x2000}));
  clock.si = TIMER_ABSTIME;
  EXPECT_FALSE(rest_of_call(clock).has_value());
  Registers other;
  other.orig_ax = SYS_read;
  other.si = 0x3000;
  EXPECT_FALSE(rest_of_call(other).has_value());
}

TEST(Registers, TheRestOfACallIsLeftBehindIt) {
  Registers recorded;
  recorded.ip = 0x402;
  recorded.orig_ax = SYS_nanosleep;
  recorded.ax = static_cast<std::uint64_t>(-EINTR);
  const Registers going_on = in_rest_of_call(recorded);
  EXPECT_EQ(going_on.ip, 0x400U);
  EXPECT_EQ(going_on.ax, static_cast<std::uint64_t>(SYS_restart_syscall));
  EXPECT_EQ(after_call(going_on).ip, 0x402U);
  EXPECT_EQ(after_call(going_on).ax, 0U);
}

TEST(Registers, TheNumberOfACallThatWasRestartedIsInTheCode) {
  const auto found = [](std::vector<std::uint8_t> code) {
    return first_number(SYS_restart_syscall, std::as_bytes(std::span(code)));
  };
  // mov $230, %eax; syscall, and with something in between
  EXPECT_EQ(found({0x90, 0xb8, 230, 0, 0, 0, 0x0f, 0x05}), std::uint64_t{SYS_clock_nanosleep});
  EXPECT_EQ(found({0xb8, 35, 0, 0, 0, 0x31, 0xf6, 0x0f, 0x05}), std::uint64_t{SYS_nanosleep});
  EXPECT_EQ(found({0xb8, 1, 0, 0, 0, 0x0f, 0x05}), std::uint64_t{SYS_restart_syscall});
  EXPECT_EQ(found({0x0f, 0x05}), std::uint64_t{SYS_restart_syscall});
  EXPECT_EQ(first_number(SYS_read, {}), std::uint64_t{SYS_read});
}

}  // namespace
}  // namespace img::arch
