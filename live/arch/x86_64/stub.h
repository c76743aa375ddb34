// SPDX-License-Identifier: MIT
// The system-call stub: position-independent code that runs an array of calls in somebody else's
// process and then goes back to where that process was, by itself. Knows its bytes and what the
// registers must hold to start it; placing and starting it is the business of trace.
//
// The end of a program is the same whether anyone still looks or not: the stub sends its own
// thread a signal that the program ignores (a tracer sees it and takes over), gives back the
// signal mask, loads every register from the slot behind the code, and jumps. It never uses the
// stack, so it does not matter whether the task was on a goroutine's 2 KiB, a nearly full
// alternate stack or no stack at all; and it leaves the FPU and the kernel's restart block alone,
// which rt_sigreturn would not. What it cannot give back is TF.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "libimg/base/bytes.h"
#include "live/arch/x86_64/registers.h"

namespace img::arch {

/// One call, as the stub reads and writes it. In `call`: the number, and the k... flags below.
struct CallRecord {
  std::uint64_t call = 0;
  std::array<std::uint64_t, 6> args{};
  std::int64_t result = 0;
};
static_assert(sizeof(CallRecord) == 64);

/// Argument `n` is the result of an earlier record: see earlier_result().
[[nodiscard]] constexpr std::uint64_t refers(unsigned n) {
  return std::uint64_t{1} << (32 + n);
}
/// The program ends here if this call fails.
inline constexpr std::uint64_t kMustSucceed = std::uint64_t{1} << 38;

/// The value of an argument that refers: the result of record `index` plus `addend`.
[[nodiscard]] constexpr std::uint64_t earlier_result(std::uint32_t index, std::uint32_t addend) {
  return (std::uint64_t{addend} << 32) |
         (std::uint64_t{index} * sizeof(CallRecord) + offsetof(CallRecord, result));
}

/// What lies behind the code. The order is the assembler's.
struct StubSlot {
  std::uint64_t r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, ip;
  std::uint64_t mask;
  std::uint8_t overflow;   // OF
  std::uint8_t low_flags;  // SF, ZF, AF, PF, CF as sahf wants them
  std::uint8_t selector_value = 0;
  std::uint8_t unused = 0;
  std::uint32_t process = 0;  // as the task itself numbers processes
  std::uint32_t thread = 0;
  std::uint32_t signal = 0;
  // Not for the code: what a tracer has mapped in the process and, killed, has left there.
  std::uint64_t scratch = 0;
  std::uint64_t scratch_bytes = 0;
  // The byte that says whether the program's calls are dispatched to it, which is given its value
  // back on the way out; 0: none.
  std::uint64_t selector = 0;
};

/// The slot that brings back `resume` (see in_user_space) and `mask`.
[[nodiscard]] StubSlot make_slot(const Registers& resume, std::uint64_t mask);

/// Code and an empty slot, to be copied to an address that is a multiple of 8.
[[nodiscard]] Bytes stub_bytes();
[[nodiscard]] std::size_t slot_offset();
/// Offsets of the two ways in, and of where the announcement returns to.
[[nodiscard]] std::size_t single_entry();
[[nodiscard]] std::size_t batch_entry();
[[nodiscard]] std::size_t announced_at();
/// Where it makes no more calls and only goes back to the program.
[[nodiscard]] std::size_t leaving_at();

/// `from` with what it takes to make one call; its result is in bx when the end is announced.
[[nodiscard]] Registers start_single(const Registers& from, std::uint64_t stub,
                                     std::uint64_t number,
                                     const std::array<std::uint64_t, 6>& args);
/// `from` with what it takes to run `count` records at `records`.
[[nodiscard]] Registers start_batch(const Registers& from, std::uint64_t stub,
                                    std::uint64_t records, std::uint64_t count);
/// `from` with what it takes to do nothing but go back to the program.
[[nodiscard]] Registers start_leaving(const Registers& from, std::uint64_t stub);

}  // namespace img::arch
