// SPDX-License-Identifier: MIT
// One traced task. Seized when made, let go when destroyed, exactly as it was found unless the
// caller changed it. ptrace belongs to the thread that seized: use and destroy it there.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libimg/base/result.h"
#include "live/arch/x86_64/registers.h"
#include "live/arch/x86_64/thread_info.h"
#include "live/trace/waiter.h"

namespace img::trace {

struct SeizeOptions {
  /// Children and threads born before the first stop are seized too, and an exec is told of.
  bool follow = false;
  /// Injected calls pass a filter that would kill. Needs CAP_SYS_ADMIN.
  bool suspend_seccomp = false;
  /// The task is killed if this process ends before it is let go: of tasks that we made.
  bool exit_kill = false;
};

struct RseqState {
  std::uint64_t address = 0;  // 0: not registered
  std::uint32_t bytes = 0;
  std::uint32_t signature = 0;
  std::uint32_t flags = 0;
};

/// Syscall user dispatch (prctl): calls from outside the allowed range are made into SIGSYS while
/// the byte at `selector`, if there is one, says so. A range that wraps round zero is the outside
/// of one.
struct UserDispatch {
  std::uint64_t mode = 0;  // 0: off
  std::uint64_t selector = 0;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

/// One filter of seccomp(2), as it was installed.
struct SeccompProgram {
  std::vector<std::byte> instructions;  // classic BPF, 8 bytes each
  std::uint64_t flags = 0;              // SECCOMP_FILTER_FLAG_...
};

class Tracee {
 public:
  [[nodiscard]] static Result<Tracee> seize(pid_t tid, const SeizeOptions& options = {},
                                            WaitSource& source = WaitSource::system());
  /// A task that the kernel seized for us (SeizeOptions::follow).
  [[nodiscard]] static Tracee adopt(pid_t tid, WaitSource& source = WaitSource::system());

  Tracee(Tracee&& other) noexcept;
  Tracee& operator=(Tracee&& other) noexcept;
  ~Tracee() { release(); }

  [[nodiscard]] pid_t tid() const { return tid_; }
  [[nodiscard]] bool is_stopped() const { return state_ == State::stopped; }
  [[nodiscard]] bool is_gone() const { return state_ == State::gone; }
  [[nodiscard]] const Stop& last_stop() const { return last_stop_; }

  /// Asks for a stop; it comes by wait(), behind other stops that are due before.
  [[nodiscard]] Result<void> interrupt();
  [[nodiscard]] Result<std::optional<Stop>> poll();
  [[nodiscard]] Result<Stop> wait(Deadline deadline);
  /// Interrupts and waits until the task is stopped and nothing is being delivered to it; signals
  /// that come first are passed on. The result is `interrupted` or `group_stop`.
  [[nodiscard]] Result<Stop> bring_to_stop(Deadline deadline);
  /// One step of bring_to_stop, after a stop was waited for: true if it is the one; if not, the
  /// task has been sent on towards it.
  [[nodiscard]] Result<bool> settle();
  [[nodiscard]] Result<void> resume(int signal = 0);
  /// Runs the system call instruction that the registers point at, and stops before the task is
  /// back in its program: the memory that holds the instruction may be what the call unmaps.
  [[nodiscard]] Result<void> run_one_call(const arch::Registers& at_call, Deadline deadline);
  /// Lets go. A signal that was about to be delivered is delivered; a task that was stopped stays
  /// stopped. A task that cannot be stopped within 100 ms is let go when this thread ends.
  void release();
  /// The signal that is being delivered was ours: it is not passed on.
  void drop_signal() { last_stop_ = {StopKind::interrupted, 0}; }

  // All below: of a stopped task.
  [[nodiscard]] Result<arch::Registers> registers() const;
  [[nodiscard]] Result<void> set_registers(const arch::Registers& registers);
  [[nodiscard]] Result<std::vector<std::byte>> xstate() const;
  [[nodiscard]] Result<void> set_xstate(const std::vector<std::byte>& bytes);
  [[nodiscard]] Result<std::array<arch::TlsSlot, arch::kTlsSlots>> tls_slots() const;
  [[nodiscard]] Result<std::uint64_t> signal_mask() const;
  [[nodiscard]] Result<void> set_signal_mask(std::uint64_t mask);
  [[nodiscard]] Result<siginfo_t> stop_siginfo() const;
  /// Signals that wait for this task, or for its process; at most `most`.
  [[nodiscard]] Result<std::vector<siginfo_t>> pending(bool of_process, std::size_t most) const;
  [[nodiscard]] Result<RseqState> rseq() const;
  /// Off, where the kernel cannot say (before 6.4).
  [[nodiscard]] Result<UserDispatch> user_dispatch() const;
  [[nodiscard]] Result<void> set_user_dispatch(const UserDispatch& dispatch);
  /// The newest filter is 0; nothing past the oldest. Needs CAP_SYS_ADMIN, and no filter of ours.
  [[nodiscard]] Result<std::optional<SeccompProgram>> seccomp_program(std::uint64_t index) const;
  [[nodiscard]] Result<std::uint64_t> event_message() const;
  [[nodiscard]] Result<void> set_options(const SeizeOptions& options);

 private:
  enum class State { running, stopped, gone, released };
  Tracee(pid_t tid, WaitSource& source) : tid_(tid), waiter_(source) {}
  [[nodiscard]] Error error(const char* request, int sys_errno) const;
  [[nodiscard]] Result<void> request(int number, const char* name, std::uint64_t address,
                                     const void* data) const;
  void note(const Stop& stop);
  /// A call that our stop has made fail with EINTR is made again.
  [[nodiscard]] Result<void> undo_interruption();

  pid_t tid_ = 0;
  State state_ = State::running;
  Stop last_stop_;
  Waiter waiter_;
};

}  // namespace img::trace
