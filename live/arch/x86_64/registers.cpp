// SPDX-License-Identifier: MIT
#include "live/arch/x86_64/registers.h"

#include <sys/syscall.h>
#include <sys/user.h>

#include <cerrno>

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

}  // namespace img::arch
