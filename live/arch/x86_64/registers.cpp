// SPDX-License-Identifier: MIT
#include "live/arch/x86_64/registers.h"

#include <sys/syscall.h>
#include <sys/user.h>

#include <cerrno>
#include <ctime>

namespace img::arch {
namespace {

// The kernel's own, seen by a tracer only.
constexpr std::int64_t kRestartSys = -512;
constexpr std::int64_t kRestartNoHandler = -514;
constexpr std::int64_t kRestartBlock = -516;

constexpr std::uint64_t kSyscallInstructionBytes = 2;

static_assert(sizeof(Registers) == sizeof(user_regs_struct));
#define IMG_REGISTER(name, kernel_name) \
  static_assert(offsetof(Registers, name) == offsetof(user_regs_struct, kernel_name));
#include "live/arch/x86_64/registers.inc"
#undef IMG_REGISTER

// The kernel looks at the low half of orig_ax only.
bool in_system_call(const Registers& registers) {
  return static_cast<std::int32_t>(registers.orig_ax) >= 0;
}

}  // namespace

Restart restart_of(const Registers& stopped) {
  const auto result = static_cast<std::int64_t>(stopped.ax);
  if (!in_system_call(stopped)) {
    return Restart::none;
  }
  if (result >= kRestartNoHandler && result <= kRestartSys) {
    return Restart::same_call;
  }
  return result == kRestartBlock ? Restart::restart_block : Restart::none;
}

Registers in_user_space(const Registers& stopped) {
  Registers out = stopped;
  const Restart restart = restart_of(stopped);
  if (restart != Restart::none) {
    out = same_call_again(stopped);
  }
  if (restart == Restart::restart_block) {
    out.ax = SYS_restart_syscall;
  }
  out.orig_ax = kNoSystemCall;
  return out;
}

bool was_interrupted_unseen(const Registers& stopped) {
  if (!in_system_call(stopped) || static_cast<std::int64_t>(stopped.ax) != -EINTR) {
    return false;
  }
  switch (stopped.orig_ax) {
    case SYS_epoll_wait:
    case SYS_epoll_pwait:
    case SYS_epoll_pwait2:
    case SYS_rt_sigtimedwait:
    case SYS_semop:
    case SYS_semtimedop:
    case SYS_io_getevents:
    case SYS_msgrcv:
    case SYS_msgsnd:
    // Of sockets with SO_RCVTIMEO or SO_SNDTIMEO. Not connect and not close, which have begun
    // something that a second one would find.
    case SYS_read:
    case SYS_readv:
    case SYS_write:
    case SYS_writev:
    case SYS_accept:
    case SYS_accept4:
    case SYS_recvfrom:
    case SYS_recvmsg:
    case SYS_sendto:
    case SYS_sendmsg: return true;
    default: return false;
  }
}

bool was_recorded_interrupted(const Registers& recorded) {
  if (!in_system_call(recorded) || static_cast<std::int64_t>(recorded.ax) != -EINTR) {
    return false;
  }
  switch (recorded.orig_ax) {
    case SYS_nanosleep:
    case SYS_clock_nanosleep:
    case SYS_poll:
    case SYS_futex: return true;
    default: return was_interrupted_unseen(recorded);
  }
}

Registers same_call_again(const Registers& stopped) {
  Registers out = stopped;
  out.ax = stopped.orig_ax;
  out.ip -= kSyscallInstructionBytes;
  out.orig_ax = kNoSystemCall;
  return out;
}

std::optional<RestOfCall> rest_of_call(const Registers& recorded) {
  const Registers& r = recorded;
  if (r.orig_ax == SYS_nanosleep && r.si != 0 && r.si != r.di) {
    return RestOfCall{SYS_nanosleep, {r.si, r.si}};
  }
  if (r.orig_ax == SYS_clock_nanosleep && (r.si & TIMER_ABSTIME) == 0 && r.r10 != 0 &&
      r.r10 != r.dx) {
    return RestOfCall{SYS_clock_nanosleep, {r.di, 0, r.r10, r.r10}};
  }
  return std::nullopt;
}

Registers in_rest_of_call(const Registers& recorded) {
  Registers out = same_call_again(recorded);
  out.ax = SYS_restart_syscall;
  return out;
}

Registers after_call(const Registers& going_on) {
  Registers out = going_on;
  out.ip += kSyscallInstructionBytes;
  out.ax = 0;
  return out;
}

std::uint64_t first_number(std::uint64_t number, Bytes code) {
  constexpr std::byte kMoveToAx{0xb8};
  constexpr std::size_t kMoveBytes = 1 + sizeof(std::uint32_t);
  if (number != SYS_restart_syscall || code.size() < kMoveBytes + kSyscallInstructionBytes) {
    return number;
  }
  for (std::size_t at = code.size() - kSyscallInstructionBytes - kMoveBytes + 1; at-- > 0;) {
    const auto moved = load<std::uint32_t>(code.data() + at + 1);
    const bool is_known = moved == SYS_nanosleep || moved == SYS_clock_nanosleep ||
                          moved == SYS_futex || moved == SYS_poll;
    if (code[at] == kMoveToAx && is_known) {
      return moved;
    }
  }
  return number;
}

}  // namespace img::arch
