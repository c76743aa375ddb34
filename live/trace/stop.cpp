// SPDX-License-Identifier: MIT
#include "live/trace/stop.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

namespace img::trace {
namespace {
constexpr int kSystemCallBit = 0x80;
}

Stop classify(int wait_status) {
  if (WIFEXITED(wait_status)) {
    return {StopKind::exited, WEXITSTATUS(wait_status)};
  }
  if (WIFSIGNALED(wait_status)) {
    return {StopKind::killed, WTERMSIG(wait_status)};
  }
  if (!WIFSTOPPED(wait_status)) {
    return {StopKind::other, wait_status};
  }
  const int signal = WSTOPSIG(wait_status);
  const int event = wait_status >> 16;
  if (event == PTRACE_EVENT_STOP) {
    return signal == SIGTRAP ? Stop{StopKind::interrupted, 0} : Stop{StopKind::group_stop, signal};
  }
  if (event != 0) {
    return {StopKind::event, event};
  }
  return signal == (SIGTRAP | kSystemCallBit) ? Stop{StopKind::system_call, 0}
                                              : Stop{StopKind::signal_delivery, signal};
}

std::string describe(const Stop& stop) {
  const std::string code = std::to_string(stop.code);
  switch (stop.kind) {
    case StopKind::exited: return "exited with status " + code;
    case StopKind::killed: return "killed by signal " + code;
    case StopKind::signal_delivery: return "about to get signal " + code;
    case StopKind::group_stop: return "stopped by signal " + code;
    case StopKind::interrupted: return "interrupted";
    case StopKind::event: return "at ptrace event " + code;
    case StopKind::system_call: return "at a system call";
    case StopKind::other: return "in an unknown state " + code;
  }
  return "in an unknown state";
}

}  // namespace img::trace
