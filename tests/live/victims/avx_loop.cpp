// SPDX-License-Identifier: MIT
// Never makes a system call in its inner loop: values live in general and vector registers and in
// the flags, and must be there after each turn. Between turns it looks at its signal mask.
#include <signal.h>

#include "tests/live/victims/victim.h"

namespace {

// Counts down with every register occupied; returns 0 if all of them kept their values.
std::uint64_t spin(std::uint64_t turns) {
  std::uint64_t wrong = 1;
  asm volatile(R"(
    push %%rbx
    push %%rbp
    mov $0x1111111111111111, %%rbx
    mov $0x2222222222222222, %%rbp
    mov $0x3333333333333333, %%r8
    mov $0x4444444444444444, %%r9
    mov $0x5555555555555555, %%r10
    mov $0x6666666666666666, %%r11
    mov $0x7777777777777777, %%r12
    mov $0x0123456789abcdef, %%r13
    mov %%rbx, -64(%%rsp)
    vpcmpeqd %%ymm15, %%ymm15, %%ymm15
    vmovq %%r13, %%xmm7
    vpbroadcastq %%xmm7, %%ymm7
    xor %%eax, %%eax
  1:
    stc
    .rept 16
    nop
    .endr
    jnc 2f
    cmp %%rbx, -64(%%rsp)
    jne 2f
    dec %%rcx
    jnz 1b
    mov $0x1111111111111111, %%rdx
    cmp %%rdx, %%rbx
    jne 2f
    add %%rdx, %%rdx
    cmp %%rdx, %%rbp
    jne 2f
    mov $0x3333333333333333, %%rdx
    cmp %%rdx, %%r8
    jne 2f
    mov $0x4444444444444444, %%rdx
    cmp %%rdx, %%r9
    jne 2f
    mov $0x5555555555555555, %%rdx
    cmp %%rdx, %%r10
    jne 2f
    mov $0x6666666666666666, %%rdx
    cmp %%rdx, %%r11
    jne 2f
    mov $0x7777777777777777, %%rdx
    cmp %%rdx, %%r12
    jne 2f
    vpcmpeqd %%ymm14, %%ymm14, %%ymm14
    vpxor %%ymm14, %%ymm15, %%ymm15
    vptest %%ymm15, %%ymm15
    jnz 2f
    vmovq %%r13, %%xmm8
    vpbroadcastq %%xmm8, %%ymm8
    vpxor %%ymm7, %%ymm8, %%ymm8
    vptest %%ymm8, %%ymm8
    jnz 2f
    jmp 3f
  2:
    mov $1, %%eax
  3:
    vzeroupper
    pop %%rbp
    pop %%rbx
  )"
               : "=a"(wrong), "+c"(turns)
               :
               : "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "memory", "cc", "xmm7", "xmm8",
                 "xmm14", "xmm15");
  return wrong;
}

}  // namespace

int main() {
  victim::page();
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGUSR2);
  sigaddset(&mask, SIGRTMIN + 3);
  sigprocmask(SIG_SETMASK, &mask, nullptr);
  victim::ready();
  while (victim::goes_on()) {
    VICTIM_CHECK(spin(200'000) == 0);
    sigset_t now;
    sigprocmask(SIG_SETMASK, nullptr, &now);
    for (int signal = 1; signal < 32; ++signal) {
      VICTIM_CHECK(sigismember(&now, signal) == (signal == SIGUSR2 ? 1 : 0));
    }
    VICTIM_CHECK(sigismember(&now, SIGRTMIN + 3) == 1);
    victim::round_done();
  }
  return 0;
}
