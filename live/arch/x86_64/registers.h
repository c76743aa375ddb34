// SPDX-License-Identifier: MIT
// The general registers of an x86-64 task, named as the schema names them and laid out as the
// kernel hands them out (struct user_regs_struct), and what an interrupted system call leaves in
// them. Knows no task and asks the kernel nothing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "libimg/base/bytes.h"

namespace img::arch {

struct Registers {
#define IMG_REGISTER(name, kernel_name) std::uint64_t name = 0;
#include "live/arch/x86_64/registers.inc"
#undef IMG_REGISTER
  friend bool operator==(const Registers&, const Registers&) = default;
};

struct RegisterName {
  std::string_view name;
  std::uint64_t Registers::*member;
};

inline constexpr std::array kRegisterNames = {
#define IMG_REGISTER(name, kernel_name) RegisterName{#name, &Registers::name},
#include "live/arch/x86_64/registers.inc"
#undef IMG_REGISTER
};

inline constexpr std::uint64_t kCodeSegment64 = 0x33;
inline constexpr std::uint64_t kNoSystemCall = ~std::uint64_t{0};
inline constexpr std::uint64_t kTrapFlag = 1U << 8;
/// CF, PF, AF, ZF, SF and OF: what arithmetic changes.
inline constexpr std::uint64_t kArithmeticFlags = 0x8d5;

/// How a stopped task's system call goes on, read from orig_ax and ax.
enum class Restart {
  none,           // not in a system call, or it has returned
  same_call,      // -512 to -514: the same call again
  restart_block,  // -516: restart_syscall, which goes on from what the kernel remembers
};
[[nodiscard]] Restart restart_of(const Registers& stopped);

/// The registers with which a stopped task goes on in user space if the kernel changes nothing
/// any more: orig_ax is none, and an interrupted call is about to be made again. A restart block
/// lives in the kernel, so the result is right for this task only, not for one made from its image.
[[nodiscard]] Registers in_user_space(const Registers& stopped);

/// The kernel left the call with plain EINTR, which it does not make good by itself, and the call
/// had done nothing yet: epoll_wait and its like. Where no signal is due, only the stop can have
/// been the reason, and the program must not see it.
[[nodiscard]] bool was_interrupted_unseen(const Registers& stopped);
/// As an image has a call whose restart block stayed in the kernel (nanosleep, poll, futex), or
/// that was left unseen: -EINTR, which the program did not see either.
[[nodiscard]] bool was_recorded_interrupted(const Registers& recorded);
/// The registers with which the call that was left is made once more.
[[nodiscard]] Registers same_call_again(const Registers& stopped);

/// A sleep whose request is not where the kernel has written what is left of it: the same call for
/// that, of one that was recorded interrupted.
struct RestOfCall {
  std::uint64_t number = 0;
  std::array<std::uint64_t, 4> args{};
};
[[nodiscard]] std::optional<RestOfCall> rest_of_call(const Registers& recorded);
/// The registers with which a task goes on in a call that its kernel remembers.
[[nodiscard]] Registers in_rest_of_call(const Registers& recorded);
/// The registers of a task that was to go on in a call, had the call ended with success.
[[nodiscard]] Registers after_call(const Registers& going_on);
/// A call that was interrupted twice has the number of restart_syscall. The number that it was
/// first made with, from the `code` in front of the instruction pointer; the other if not found.
[[nodiscard]] std::uint64_t first_number(std::uint64_t number, Bytes code);
inline constexpr std::size_t kCodeInFront = 16;

}  // namespace img::arch
