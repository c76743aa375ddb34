// SPDX-License-Identifier: MIT
// Runs the stub in this very process: jumped into as a tracer would start it, with the slot
// pointing back here.
#include "live/arch/x86_64/stub.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace img::arch {
namespace {

// Every register as it was when the stub jumped back.
struct Seen {
  std::uint64_t flags, r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di;
};

extern "C" void img_test_enter(std::uint64_t ip, const Registers* start, Seen* seen);
extern "C" const char img_test_back[];

// Loads what start_single/start_batch set (the registers a call needs, bx, bp, r12) and jumps.
asm(R"(
  .text
  .globl img_test_enter, img_test_back
img_test_enter:
  push %rbx
  push %rbp
  push %r12
  push %r13
  push %r14
  push %r15
  push %rdx
  mov %rdi, %r11
  mov %rsi, %r13
  mov 24(%r13), %r12
  mov 32(%r13), %rbp
  mov 40(%r13), %rbx
  mov 56(%r13), %r10
  mov 64(%r13), %r9
  mov 72(%r13), %r8
  mov 80(%r13), %rax
  mov 96(%r13), %rdx
  mov 104(%r13), %rsi
  mov 112(%r13), %rdi
  jmp *%r11
img_test_back:
  push %rdi
  push %rsi
  push %rdx
  push %rcx
  push %rax
  push %r8
  push %r9
  push %r10
  push %r11
  push %rbx
  push %rbp
  push %r12
  push %r13
  push %r14
  push %r15
  pushfq
  mov 128(%rsp), %rdi
  mov %rsp, %rsi
  mov $16, %ecx
  rep movsq
  add $136, %rsp
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbp
  pop %rbx
  ret
)");

Registers sentinels() {
  Registers out;
  std::uint64_t value = 0x1111'0000'0000'0001;
  for (const RegisterName& one : kRegisterNames) {
    out.*one.member = value++;
  }
  out.ip = reinterpret_cast<std::uint64_t>(img_test_back);
  out.flags = 0;
  return out;
}

class Stub : public testing::Test {
 protected:
  void SetUp() override {
    code_ = static_cast<std::byte*>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    ASSERT_NE(code_, MAP_FAILED);
    std::memcpy(code_, stub_bytes().data(), stub_bytes().size());
    sigprocmask(SIG_SETMASK, nullptr, &mask_before_);
  }
  void TearDown() override {
    sigprocmask(SIG_SETMASK, &mask_before_, nullptr);
    munmap(code_, 4096);
  }

  void prepare(const Registers& resume, std::uint64_t mask) {
    StubSlot slot = make_slot(resume, mask);
    slot.process = static_cast<std::uint32_t>(getpid());
    slot.thread = static_cast<std::uint32_t>(syscall(SYS_gettid));
    slot.signal = SIGURG;
    std::memcpy(code_ + slot_offset(), &slot, sizeof slot);
  }
  std::uint64_t at() const { return reinterpret_cast<std::uint64_t>(code_); }

  Seen run(std::vector<CallRecord>& records) {
    prepare(sentinels(), 0);
    const Registers start =
        start_batch({}, at(), reinterpret_cast<std::uint64_t>(records.data()), records.size());
    Seen seen{};
    img_test_enter(start.ip, &start, &seen);
    return seen;
  }

 private:
  std::byte* code_ = nullptr;
  sigset_t mask_before_{};
};

TEST_F(Stub, IsAsSmallAsWeSay) {
  EXPECT_EQ(slot_offset() % 8, 0U);
  EXPECT_EQ(slot_offset(), 304U);
  EXPECT_EQ(stub_bytes().size(), slot_offset() + sizeof(StubSlot));
}

TEST_F(Stub, RunsNothing) {
  std::vector<CallRecord> none;
  EXPECT_EQ(run(none).r15, sentinels().r15);
}

TEST_F(Stub, GivesEveryRegisterBack) {
  std::vector<CallRecord> records = {{SYS_getpid, {}, -1}, {SYS_getppid, {}, -1}};
  const Seen seen = run(records);
  const Registers want = sentinels();
  EXPECT_EQ(records[0].result, getpid());
  EXPECT_EQ(records[1].result, getppid());
  EXPECT_EQ(seen.r15, want.r15);
  EXPECT_EQ(seen.r14, want.r14);
  EXPECT_EQ(seen.r13, want.r13);
  EXPECT_EQ(seen.r12, want.r12);
  EXPECT_EQ(seen.bp, want.bp);
  EXPECT_EQ(seen.bx, want.bx);
  EXPECT_EQ(seen.r11, want.r11);
  EXPECT_EQ(seen.r10, want.r10);
  EXPECT_EQ(seen.r9, want.r9);
  EXPECT_EQ(seen.r8, want.r8);
  EXPECT_EQ(seen.ax, want.ax);
  EXPECT_EQ(seen.cx, want.cx);
  EXPECT_EQ(seen.dx, want.dx);
  EXPECT_EQ(seen.si, want.si);
  EXPECT_EQ(seen.di, want.di);
}

TEST_F(Stub, GivesArithmeticFlagsBack) {
  // OF, SF, ZF, AF, PF, CF: each alone, all, none.
  for (const std::uint64_t flags :
       {0x0UL, 0x1UL, 0x4UL, 0x10UL, 0x40UL, 0x80UL, 0x800UL, 0x8d5UL}) {
    Registers resume = sentinels();
    resume.flags = flags | 0x202;
    prepare(resume, 0);
    const Registers start = start_single({}, at(), SYS_getpid, {});
    Seen seen{};
    img_test_enter(start.ip, &start, &seen);
    EXPECT_EQ(seen.flags & kArithmeticFlags, flags);
  }
}

TEST_F(Stub, GivesTheMaskBack) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  const std::uint64_t mask = (1UL << (SIGUSR1 - 1)) | (1UL << (40 - 1));
  prepare(sentinels(), mask);
  const Registers start = start_single({}, at(), SYS_getpid, {});
  Seen seen{};
  img_test_enter(start.ip, &start, &seen);
  std::uint64_t now = 0;
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, nullptr, &now, 8);
  EXPECT_EQ(now, mask);
}

TEST_F(Stub, PassesSixArguments) {
  const int fd = memfd_create("stub", 0);
  ASSERT_EQ(ftruncate(fd, 8192), 0);
  std::vector<CallRecord> records = {
      {SYS_mmap,
       {0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, static_cast<std::uint64_t>(fd), 4096},
       0}};
  run(records);
  ASSERT_GT(records[0].result, 0);
  std::memcpy(reinterpret_cast<void*>(records[0].result), "here", 4);
  char text[5] = {};
  EXPECT_EQ(pread(fd, text, 4, 4096), 4);
  EXPECT_STREQ(text, "here");
  munmap(reinterpret_cast<void*>(records[0].result), 4096);
  close(fd);
}

TEST_F(Stub, AnArgumentMayBeAnEarlierResult) {
  std::vector<CallRecord> records = {
      {SYS_mmap, {0, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, ~0UL, 0}, 0},
      {SYS_mprotect | refers(0), {earlier_result(0, 4096), 4096, PROT_NONE}, -1},
      {SYS_munmap | refers(0), {earlier_result(0, 0), 8192}, -1},
      {SYS_mprotect | refers(0), {earlier_result(0, 4096), 4096, PROT_NONE}, -1},
  };
  run(records);
  EXPECT_GT(records[0].result, 0);
  EXPECT_EQ(records[1].result, 0);
  EXPECT_EQ(records[2].result, 0);
  EXPECT_EQ(records[3].result, -ENOMEM);
}

TEST_F(Stub, EndsAtACallThatMustSucceed) {
  std::vector<CallRecord> records = {
      {SYS_close, {~0UL}, 1},                 // may fail
      {SYS_getpid | kMustSucceed, {}, 1},     // does not fail
      {SYS_close | kMustSucceed, {~0UL}, 1},  // fails
      {SYS_getpid, {}, 1},
  };
  run(records);
  EXPECT_EQ(records[0].result, -EBADF);
  EXPECT_EQ(records[1].result, getpid());
  EXPECT_EQ(records[2].result, -EBADF);
  EXPECT_EQ(records[3].result, 1);  // not reached
}

}  // namespace
}  // namespace img::arch
