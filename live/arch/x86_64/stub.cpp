// SPDX-License-Identifier: MIT
#include "live/arch/x86_64/stub.h"

#include <sys/syscall.h>

namespace img::arch {
namespace {

extern "C" {
extern const std::byte img_stub_begin[];
extern const std::byte img_stub_single[];
extern const std::byte img_stub_batch[];
extern const std::byte img_stub_announced[];
extern const std::byte img_stub_leaving[];
extern const std::byte img_stub_slot[];
extern const std::byte img_stub_end[];
}

static_assert(SYS_tgkill == 234 && SYS_rt_sigprocmask == 14, "written as numbers below");

// In a batch: rbx is the record to run, rbp the end of the records, r12 their begin.
// `call` holds the number in its low half; bits 0-5 of the high half mark arguments that refer,
// bit 6 a call that must succeed.
asm(R"(
  .pushsection .rodata.img_stub, "a", @progbits
  .balign 8
  .globl img_stub_begin, img_stub_single, img_stub_batch, img_stub_announced
  .globl img_stub_leaving, img_stub_slot, img_stub_end
  .hidden img_stub_begin, img_stub_single, img_stub_batch, img_stub_announced
  .hidden img_stub_leaving, img_stub_slot, img_stub_end
img_stub_begin:
img_stub_single:
  syscall
  mov %rax, %rbx
  jmp 4f
1:
  mov 4(%rbx), %r14d
  test $0x3f, %r14b
  jz 3f
  xor %ecx, %ecx
2:
  bt %ecx, %r14d
  jnc 5f
  mov 8(%rbx,%rcx,8), %rax
  mov %eax, %edx
  shr $32, %rax
  add (%r12,%rdx), %rax
  mov %rax, 8(%rbx,%rcx,8)
5:
  inc %ecx
  cmp $6, %ecx
  jb 2b
3:
  mov (%rbx), %eax
  mov 8(%rbx), %rdi
  mov 16(%rbx), %rsi
  mov 24(%rbx), %rdx
  mov 32(%rbx), %r10
  mov 40(%rbx), %r8
  mov 48(%rbx), %r9
  syscall
  mov %rax, 56(%rbx)
  add $64, %rbx
  bt $6, %r14d
  jnc img_stub_batch
  cmp $-4096, %rax
  ja 4f
img_stub_batch:
  cmp %rbp, %rbx
  jb 1b
4:
  mov img_stub_ids(%rip), %edi
  mov img_stub_ids+4(%rip), %esi
  mov img_stub_ids+8(%rip), %edx
  mov $234, %eax
  syscall
img_stub_announced:
  mov $14, %eax
  mov $2, %edi
  lea img_stub_mask(%rip), %rsi
  xor %edx, %edx
  mov $8, %r10d
  syscall
img_stub_leaving:
  mov img_stub_selector(%rip), %rax
  test %rax, %rax
  jz 6f
  mov img_stub_flags+2(%rip), %cl
  mov %cl, (%rax)
6:
  mov img_stub_flags(%rip), %ax
  add $0x7f, %al
  sahf
  mov img_stub_slot(%rip), %r15
  mov img_stub_slot+8(%rip), %r14
  mov img_stub_slot+16(%rip), %r13
  mov img_stub_slot+24(%rip), %r12
  mov img_stub_slot+32(%rip), %rbp
  mov img_stub_slot+40(%rip), %rbx
  mov img_stub_slot+48(%rip), %r11
  mov img_stub_slot+56(%rip), %r10
  mov img_stub_slot+64(%rip), %r9
  mov img_stub_slot+72(%rip), %r8
  mov img_stub_slot+80(%rip), %rax
  mov img_stub_slot+88(%rip), %rcx
  mov img_stub_slot+96(%rip), %rdx
  mov img_stub_slot+104(%rip), %rsi
  mov img_stub_slot+112(%rip), %rdi
  jmp *img_stub_slot+120(%rip)
  .balign 8
img_stub_slot:
  .skip 128
img_stub_mask:
  .skip 8
img_stub_flags:
  .skip 4
img_stub_ids:
  .skip 12
  .skip 16
img_stub_selector:
  .skip 8
img_stub_end:
  .popsection
)");

static_assert(offsetof(StubSlot, di) == 112 && offsetof(StubSlot, ip) == 120);
static_assert(offsetof(StubSlot, mask) == 128 && offsetof(StubSlot, overflow) == 136);
static_assert(offsetof(StubSlot, selector_value) == 138 && offsetof(StubSlot, process) == 140);
static_assert(offsetof(StubSlot, selector) == 168 && sizeof(StubSlot) == 176);

constexpr std::uint64_t kOverflowFlag = 1U << 11;

Registers entered(Registers from, std::uint64_t ip) {
  from.ip = ip;
  // Or the kernel takes what ax holds for the result of a call that wants to be restarted.
  from.orig_ax = kNoSystemCall;
  from.flags &= ~kTrapFlag;
  return from;
}

}  // namespace

Bytes stub_bytes() {
  return {img_stub_begin, img_stub_end};
}
std::size_t slot_offset() {
  return static_cast<std::size_t>(img_stub_slot - img_stub_begin);
}
std::size_t single_entry() {
  return static_cast<std::size_t>(img_stub_single - img_stub_begin);
}
std::size_t batch_entry() {
  return static_cast<std::size_t>(img_stub_batch - img_stub_begin);
}
std::size_t announced_at() {
  return static_cast<std::size_t>(img_stub_announced - img_stub_begin);
}
std::size_t leaving_at() {
  return static_cast<std::size_t>(img_stub_leaving - img_stub_begin);
}

StubSlot make_slot(const Registers& resume, std::uint64_t mask) {
  StubSlot slot{};
  slot.r15 = resume.r15;
  slot.r14 = resume.r14;
  slot.r13 = resume.r13;
  slot.r12 = resume.r12;
  slot.bp = resume.bp;
  slot.bx = resume.bx;
  slot.r11 = resume.r11;
  slot.r10 = resume.r10;
  slot.r9 = resume.r9;
  slot.r8 = resume.r8;
  slot.ax = resume.ax;
  slot.cx = resume.cx;
  slot.dx = resume.dx;
  slot.si = resume.si;
  slot.di = resume.di;
  slot.ip = resume.ip;
  slot.mask = mask;
  slot.overflow = (resume.flags & kOverflowFlag) != 0 ? 1 : 0;
  slot.low_flags = static_cast<std::uint8_t>(resume.flags & 0xff);
  return slot;
}

Registers start_single(const Registers& from, std::uint64_t stub, std::uint64_t number,
                       const std::array<std::uint64_t, 6>& args) {
  Registers out = entered(from, stub + single_entry());
  out.ax = number;
  out.di = args[0];
  out.si = args[1];
  out.dx = args[2];
  out.r10 = args[3];
  out.r8 = args[4];
  out.r9 = args[5];
  return out;
}

Registers start_batch(const Registers& from, std::uint64_t stub, std::uint64_t records,
                      std::uint64_t count) {
  Registers out = entered(from, stub + batch_entry());
  out.bx = records;
  out.r12 = records;
  out.bp = records + count * sizeof(CallRecord);
  return out;
}

Registers start_leaving(const Registers& from, std::uint64_t stub) {
  return entered(from, stub + leaving_at());
}

}  // namespace img::arch
