// SPDX-License-Identifier: MIT
// What only a process itself can be asked, in one batch of calls for the process and one for each
// of its threads. Nothing of it is changed by asking.
#pragma once

#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>

#include <array>
#include <cstdint>
#include <vector>

#include "live/dump/settings_facts.h"
#include "live/procfs/timers.h"
#include "live/trace/freeze.h"
#include "live/trace/remote_memory.h"

namespace img::dump {

/// As the kernel's rt_sigaction has it.
struct SignalAction {
  std::uint64_t handler = 0;
  std::uint64_t flags = 0;
  std::uint64_t restorer = 0;
  std::uint64_t mask = 0;
};
inline constexpr int kSignals = 64;

struct TimerFacts {
  procfs::PosixTimer timer;
  itimerspec value{};
  std::uint32_t overrun = 0;
};

struct ThreadFacts {
  std::uint64_t clear_tid_address = 0;
  stack_t alternate_stack{};
  std::int32_t parent_death_signal = 0;
  std::uint32_t secure_bits = 0;
  ThreadSettingsFacts settings;
};

struct ProcessFacts {
  std::uint64_t brk = 0;
  std::int32_t dumpable = 0;
  bool thp_disabled = false;
  std::uint32_t membarrier = 0;
  bool child_subreaper = false;
  std::array<SignalAction, kSignals> actions{};  // of signal 1 in front
  std::array<itimerval, 3> itimers{};            // ITIMER_REAL, _VIRTUAL, _PROF
  std::array<rlimit64, RLIM_NLIMITS> limits{};   // of RLIMIT_CPU in front
  std::vector<TimerFacts> timers;
  ProcessSettingsFacts settings;
  std::vector<ThreadFacts> threads;  // as FrozenProcess::threads
};

[[nodiscard]] Result<ProcessFacts> ask_process(trace::FrozenProcess& process,
                                               const trace::RemoteMemory& memory);

}  // namespace img::dump
