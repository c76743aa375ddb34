// SPDX-License-Identifier: MIT
#include "live/trace/tracee.h"

#include <elf.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "live/procfs/proc_dir.h"
#include "live/state/state.h"

namespace img::trace {
namespace {

constexpr std::size_t kCompatRegisterBytes = 68;   // what a 32-bit task has
constexpr std::size_t kMaxXstateBytes = 64 << 10;  // with AMX it is 11,008
constexpr int kGetUserDispatch = 0x4211;           // PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG
constexpr int kSetUserDispatch = 0x4210;           // PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG
constexpr std::uint64_t kDispatchInside = 2;       // PR_SYS_DISPATCH_INCLUSIVE_ON
constexpr int kGetThreadArea = 25;                 // PTRACE_GET_THREAD_AREA
constexpr std::size_t kSiginfosAtOnce = 32;
constexpr std::chrono::milliseconds kReleaseTime{100};

std::uint64_t option_bits(const SeizeOptions& options) {
  std::uint64_t bits = PTRACE_O_TRACESYSGOOD;
  if (options.follow) {
    // Not TRACEVFORK: a vfork parent does not stop while its child is held.
    bits |= PTRACE_O_TRACEFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC;
  }
  if (options.suspend_seccomp) {
    bits |= PTRACE_O_SUSPEND_SECCOMP;
  }
  if (options.exit_kill) {
    bits |= PTRACE_O_EXITKILL;
  }
  return bits;
}

long raw(int number, pid_t tid, std::uint64_t address, const void* data) {
  return ::ptrace(static_cast<__ptrace_request>(number), tid, reinterpret_cast<void*>(address),
                  const_cast<void*>(data));
}

const void* as_pointer(std::uint64_t value) {
  return reinterpret_cast<const void*>(value);
}

}  // namespace

Result<Tracee> Tracee::seize(pid_t tid, const SeizeOptions& options, WaitSource& source) {
  Tracee tracee(tid, source);
  tracee.state_ = State::released;
  IMG_TRY(tracee.request(PTRACE_SEIZE, "SEIZE", 0, as_pointer(option_bits(options))));
  tracee.state_ = State::running;
  return tracee;
}

Tracee Tracee::adopt(pid_t tid, WaitSource& source) {
  return {tid, source};
}

Tracee::Tracee(Tracee&& other) noexcept
    : tid_(other.tid_),
      state_(std::exchange(other.state_, State::released)),
      last_stop_(other.last_stop_),
      waiter_(other.waiter_) {}

Tracee& Tracee::operator=(Tracee&& other) noexcept {
  if (this != &other) {
    release();
    tid_ = other.tid_;
    state_ = std::exchange(other.state_, State::released);
    last_stop_ = other.last_stop_;
    waiter_ = other.waiter_;
  }
  return *this;
}

Error Tracee::error(const char* request, int sys_errno) const {
  Error out =
      sys_error(sys_errno, "task " + std::to_string(tid_), std::string("ptrace ") + request);
  if (sys_errno == ESRCH) {
    out.fault = Fault::gone;
    out.why = "it has ended";
  }
  return out;
}

Result<void> Tracee::request(int number, const char* name, std::uint64_t address,
                             const void* data) const {
  if (raw(number, tid_, address, data) < 0) {
    return fail(error(name, errno));
  }
  return {};
}

Result<void> Tracee::interrupt() {
  return request(PTRACE_INTERRUPT, "INTERRUPT", 0, nullptr);
}

void Tracee::note(const Stop& stop) {
  last_stop_ = stop;
  state_ = stop.is_end() ? State::gone : State::stopped;
}

Result<std::optional<Stop>> Tracee::poll() {
  auto stop = waiter_.poll(tid_);
  if (!stop) {
    state_ = stop.error().fault == Fault::gone ? State::gone : state_;
  } else if (*stop) {
    note(**stop);
  }
  return stop;
}

Result<Stop> Tracee::wait(Deadline deadline) {
  auto stop = waiter_.wait(tid_, deadline);
  if (stop) {
    note(*stop);
  } else if (stop.error().fault == Fault::gone) {
    state_ = State::gone;
  }
  return stop;
}

Result<Stop> Tracee::bring_to_stop(Deadline deadline) {
  IMG_TRY(interrupt());
  for (;;) {
    IMG_ASSIGN(const Stop stop, wait(deadline));
    if (stop.is_end()) {
      return fail(Fault::gone, "task " + std::to_string(tid_), "stop", "it has " + describe(stop));
    }
    IMG_ASSIGN(const bool stopped, settle());
    if (stopped) {
      return last_stop_;
    }
  }
}

Result<bool> Tracee::settle() {
  const Stop stop = last_stop_;
  if (stop.kind == StopKind::interrupted) {
    IMG_TRY(undo_interruption());
    return true;
  }
  if (stop.kind == StopKind::group_stop) {
    return true;  // it was SIGSTOP that interrupted, and that the program is to see
  }
  // Any stop, as that at the end of a fork, takes a pending interruption with it. Asked for again
  // while it stands still, the task runs none of its own code before it.
  IMG_TRY(interrupt());
  IMG_TRY(resume(stop.kind == StopKind::signal_delivery ? stop.code : 0));
  return false;
}

Result<void> Tracee::undo_interruption() {
  const auto now = registers();
  if (!now || !arch::was_interrupted_unseen(*now)) {
    return {};
  }
  IMG_ASSIGN(const auto process, procfs::ProcDir::open(tid_));  // works for any thread's number
  IMG_ASSIGN(const procfs::Status status, process.status());
  IMG_ASSIGN(const std::uint64_t mask, signal_mask());
  if (((status.pending | status.shared_pending) & ~mask) != 0) {
    return {};  // a handler will run: the program is to see EINTR
  }
  return set_registers(arch::same_call_again(*now));
}

Result<void> Tracee::resume(int signal) {
  IMG_TRY(request(PTRACE_CONT, "CONT", 0, as_pointer(static_cast<std::uint64_t>(signal))));
  state_ = State::running;
  return {};
}

Result<void> Tracee::run_one_call(const arch::Registers& at_call, Deadline deadline) {
  IMG_TRY(set_registers(at_call));
  for (const char* const end : {"enter", "leave"}) {
    IMG_TRY(request(PTRACE_SYSCALL, "SYSCALL", 0, nullptr));
    state_ = State::running;
    IMG_ASSIGN(const Stop stop, wait(deadline));
    if (stop.kind != StopKind::system_call) {
      return fail(Fault::gone, "task " + std::to_string(tid_), std::string(end) + " a call",
                  "it has " + describe(stop));
    }
  }
  return {};
}

void Tracee::release() {
  if (state_ == State::running) {
    static_cast<void>(bring_to_stop(waiter_.source().now() + kReleaseTime));
  }
  if (state_ == State::stopped) {
    const int signal = last_stop_.kind == StopKind::signal_delivery ? last_stop_.code : 0;
    raw(PTRACE_DETACH, tid_, 0, as_pointer(static_cast<std::uint64_t>(signal)));
  }
  state_ = State::released;
}

Result<arch::Registers> Tracee::registers() const {
  arch::Registers out;
  iovec area{&out, sizeof out};
  IMG_TRY(request(PTRACE_GETREGSET, "GETREGSET", NT_PRSTATUS, &area));
  if (area.iov_len == kCompatRegisterBytes) {
    return fail(state::refusal(state::Piece::word_size, "task " + std::to_string(tid_)));
  }
  return out;
}

Result<void> Tracee::set_registers(const arch::Registers& registers) {
  const iovec area{const_cast<arch::Registers*>(&registers), sizeof registers};
  return request(PTRACE_SETREGSET, "SETREGSET", NT_PRSTATUS, &area);
}

Result<std::vector<std::byte>> Tracee::xstate() const {
  std::vector<std::byte> out(kMaxXstateBytes);
  iovec area{out.data(), out.size()};
  IMG_TRY(request(PTRACE_GETREGSET, "GETREGSET", NT_X86_XSTATE, &area));
  out.resize(area.iov_len);
  return out;
}

Result<void> Tracee::set_xstate(const std::vector<std::byte>& bytes) {
  const iovec area{const_cast<std::byte*>(bytes.data()), bytes.size()};
  return request(PTRACE_SETREGSET, "SETREGSET", NT_X86_XSTATE, &area);
}

Result<std::array<arch::TlsSlot, arch::kTlsSlots>> Tracee::tls_slots() const {
  static_assert(sizeof(arch::TlsSlot) == 16, "struct user_desc");
  std::array<arch::TlsSlot, arch::kTlsSlots> out{};
  for (std::uint32_t i = 0; i < out.size(); ++i) {
    out[i].entry_number = arch::kFirstTlsSlot + i;
    // EIO: a kernel without 32-bit tasks, whose slots are empty.
    if (raw(kGetThreadArea, tid_, out[i].entry_number, &out[i]) < 0 && errno != EIO) {
      return fail(error("GET_THREAD_AREA", errno));
    }
  }
  return out;
}

Result<std::uint64_t> Tracee::signal_mask() const {
  std::uint64_t mask = 0;
  IMG_TRY(request(PTRACE_GETSIGMASK, "GETSIGMASK", sizeof mask, &mask));
  return mask;
}

Result<void> Tracee::set_signal_mask(std::uint64_t mask) {
  return request(PTRACE_SETSIGMASK, "SETSIGMASK", sizeof mask, &mask);
}

Result<siginfo_t> Tracee::stop_siginfo() const {
  siginfo_t out{};
  IMG_TRY(request(PTRACE_GETSIGINFO, "GETSIGINFO", 0, &out));
  return out;
}

Result<std::vector<siginfo_t>> Tracee::pending(bool of_process, std::size_t most) const {
  std::vector<siginfo_t> out;
  __ptrace_peeksiginfo_args args{};
  args.flags = of_process ? PTRACE_PEEKSIGINFO_SHARED : 0;
  args.nr = kSiginfosAtOnce;
  for (;;) {
    out.resize(args.off + kSiginfosAtOnce);
    const long got =
        raw(PTRACE_PEEKSIGINFO, tid_, reinterpret_cast<std::uint64_t>(&args), &out[args.off]);
    if (got < 0) {
      return fail(error("PEEKSIGINFO", errno));
    }
    args.off += static_cast<std::uint64_t>(got);
    out.resize(args.off);
    if (got == 0) {
      return out;
    }
    if (out.size() > most) {
      return fail(Fault::limit, "task " + std::to_string(tid_), "pending signals",
                  "more than " + std::to_string(most));
    }
  }
}

Result<RseqState> Tracee::rseq() const {
  __ptrace_rseq_configuration area{};
  IMG_TRY(request(PTRACE_GET_RSEQ_CONFIGURATION, "GET_RSEQ_CONFIGURATION", sizeof area, &area));
  return RseqState{area.rseq_abi_pointer, area.rseq_abi_size, area.signature, area.flags};
}

Result<UserDispatch> Tracee::user_dispatch() const {
  UserDispatch out;
  if (raw(kGetUserDispatch, tid_, sizeof out, &out) < 0) {
    return errno == EIO || errno == EINVAL ? Result<UserDispatch>(UserDispatch{})
                                           : fail(error("GET_SYSCALL_USER_DISPATCH_CONFIG", errno));
  }
  return out;
}

Result<void> Tracee::set_user_dispatch(const UserDispatch& dispatch) {
  UserDispatch wanted = dispatch;
  if (wanted.offset != 0 && wanted.offset + wanted.bytes <= wanted.offset) {
    // The kernel tells the outside of a range as a range, and takes only the range itself.
    wanted.mode = kDispatchInside;
    wanted.offset += wanted.bytes;
    wanted.bytes = 0 - wanted.bytes;
  }
  return request(kSetUserDispatch, "SET_SYSCALL_USER_DISPATCH_CONFIG", sizeof wanted, &wanted);
}

Result<std::uint64_t> Tracee::event_message() const {
  std::uint64_t message = 0;
  IMG_TRY(request(PTRACE_GETEVENTMSG, "GETEVENTMSG", 0, &message));
  return message;
}

Result<void> Tracee::set_options(const SeizeOptions& options) {
  return request(PTRACE_SETOPTIONS, "SETOPTIONS", 0, as_pointer(option_bits(options)));
}

}  // namespace img::trace
