// SPDX-License-Identifier: MIT
#include "live/trace/remote_call.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "libimg/base/units.h"
#include "live/procfs/maps.h"
#include "live/trace/rseq.h"

namespace img::trace {
namespace {

constexpr int kStubAttempts = 100;
constexpr std::chrono::milliseconds kStopTime{1000};

std::uint64_t bit(int signal) {
  return std::uint64_t{1} << (signal - 1);
}

// Signals that only the stub's own execution can raise: everything else is blocked meanwhile.
bool is_forced(int signal) {
  return signal == SIGSEGV || signal == SIGBUS || signal == SIGILL || signal == SIGFPE ||
         signal == SIGTRAP || signal == SIGSYS;
}

bool is_in_stub(const CallSite& site, const arch::Registers& registers) {
  return registers.ip - site.stub < arch::stub_bytes().size();
}

// The byte that lets calls through while it is 0, where the stub can switch it: 0 if there is none.
Result<std::uint64_t> selector_of(const UserDispatch& dispatch, const procfs::ProcDir& process) {
  if (dispatch.mode == 0 || dispatch.selector == 0) {
    return 0;
  }
  IMG_ASSIGN(const auto maps, process.maps());
  const procfs::Mapping* mapping = procfs::find_mapping(maps, dispatch.selector);
  return mapping != nullptr && mapping->writable ? dispatch.selector : 0;
}

// A tracer that was killed a moment ago: its program is still on its way out. It is let run until
// it is out.
Result<void> leave_stub(Tracee& tracee, const CallSite& site) {
  for (int attempt = 0; attempt < kStubAttempts; ++attempt) {
    IMG_ASSIGN(const arch::Registers now, tracee.registers());
    if (!is_in_stub(site, now)) {
      return {};
    }
    IMG_TRY(tracee.resume());
    IMG_TRY(tracee.bring_to_stop(Clock::now() + kStopTime));
  }
  return fail(Fault::conflict, "task " + std::to_string(tracee.tid()), "call",
              "it does not come back from the calls of an earlier tracer");
}

}  // namespace

Result<RemoteCall> RemoteCall::begin(Tracee& tracee, const procfs::ProcDir& process,
                                     const RemoteMemory& memory) {
  IMG_ASSIGN(const UserDispatch dispatch, tracee.user_dispatch());
  IMG_ASSIGN(const std::uint64_t selector, selector_of(dispatch, process));
  IMG_ASSIGN(const CallSite site, selector != 0
                                      ? CallSite::find(process, memory)
                                      : CallSite::find_allowed(process, memory, dispatch));
  IMG_TRY(leave_stub(tracee, site));
  RemoteCall out(tracee, memory, site);
  out.slot_.selector = selector;
  if (auto installed = out.install(process); !installed) {
    out.tracee_ = nullptr;  // nothing was changed yet
    return fail(std::move(installed).error());
  }
  IMG_TRY(out.let_calls_through());
  return out;
}

Result<RemoteCall> RemoteCall::begin_on(Tracee& tracee, const RemoteMemory& memory,
                                        const Workbench& bench, const StubIdentity& identity) {
  RemoteCall out(tracee, memory, CallSite{bench.start, bench.start + Workbench::kCodeBytes});
  out.is_on_bench_ = true;
  auto registers = tracee.registers();
  if (!registers) {
    out.tracee_ = nullptr;
    return fail(std::move(registers).error());
  }
  out.stopped_ = *registers;
  out.slot_ = arch::make_slot(out.stopped_, 0);
  out.slot_.process = static_cast<std::uint32_t>(identity.process);
  out.slot_.thread = static_cast<std::uint32_t>(identity.thread);
  out.slot_.signal = static_cast<std::uint32_t>(identity.signal);
  out.slot_.scratch = out.site_.scratch;
  out.slot_.scratch_bytes = CallSite::kRecordBytes;
  std::vector<std::byte> stub(arch::stub_bytes().begin(), arch::stub_bytes().end());
  store_at(stub.data() + arch::slot_offset(), out.slot_);
  if (auto written = memory.overwrite(bench.start, stub); !written) {
    out.tracee_ = nullptr;
    return fail(std::move(written).error());
  }
  return out;
}

RemoteCall::RemoteCall(RemoteCall&& other) noexcept
    : tracee_(std::exchange(other.tracee_, nullptr)),
      memory_(other.memory_),
      site_(other.site_),
      stopped_(other.stopped_),
      slot_(other.slot_),
      is_on_bench_(other.is_on_bench_),
      limit_(other.limit_) {}

RemoteCall::~RemoteCall() {
  if (tracee_ != nullptr) {
    static_cast<void>(finish());
  }
}

Error RemoteCall::error(std::string what, std::string why) const {
  return make_error(Fault::io, "task " + std::to_string(memory_->pid()), std::move(what),
                    std::move(why));
}

Result<void> RemoteCall::install(const procfs::ProcDir& process) {
  IMG_ASSIGN(const auto thread, procfs::ProcDir::open_thread(memory_->pid(), tracee_->tid()));
  IMG_ASSIGN(const procfs::Status status, thread.status());
  if (status.ns_tgid.empty() || status.ns_pid.empty()) {
    return fail(Fault::io, process.name(), "status", "the kernel does not say NSpid");
  }
  IMG_ASSIGN(stopped_, tracee_->registers());
  IMG_ASSIGN(const std::uint64_t mask, tracee_->signal_mask());
  IMG_ASSIGN(stopped_.ip, rseq_resume(*tracee_, *memory_, stopped_.ip));
  const std::uint64_t selector = slot_.selector;
  slot_ = arch::make_slot(arch::in_user_space(stopped_), mask);
  if (selector != 0) {
    IMG_ASSIGN(slot_.selector_value, memory_->get<std::uint8_t>(selector));
    slot_.selector = slot_.selector_value != 0 ? selector : 0;
  }
  slot_.process = static_cast<std::uint32_t>(status.ns_tgid.back());
  slot_.thread = static_cast<std::uint32_t>(status.ns_pid.back());
  slot_.signal = static_cast<std::uint32_t>(announcing_signal(status));
  slot_.scratch = site_.scratch;
  slot_.scratch_bytes = CallSite::kScratchBytes;
  std::vector<std::byte> stub(arch::stub_bytes().begin(), arch::stub_bytes().end());
  store_at(stub.data() + arch::slot_offset(), slot_);
  return memory_->overwrite(site_.stub, stub);
}

// Calls that the program has dispatched to itself would come back to it from the stub, too. In
// whatever order we are killed: where the selector is not the program's, the task is on its way out
// of the stub, which makes no call any more, and gives it back.
Result<void> RemoteCall::let_calls_through() {
  if (slot_.selector == 0) {
    return {};
  }
  IMG_TRY(tracee_->set_registers(arch::start_leaving(stopped_, site_.stub)));
  return write_selector(0);
}

Result<void> RemoteCall::dispatch_calls_again() {
  if (slot_.selector == 0) {
    return {};
  }
  IMG_TRY(tracee_->set_registers(arch::start_leaving(stopped_, site_.stub)));
  return write_selector(slot_.selector_value);
}

Result<void> RemoteCall::write_selector(std::uint8_t value) {
  return memory_->overwrite(slot_.selector, std::as_bytes(std::span(&value, 1)));
}

Result<void> RemoteCall::write_slot() {
  return memory_->overwrite(site_.stub + arch::slot_offset(), std::as_bytes(std::span(&slot_, 1)));
}

Result<bool> RemoteCall::is_announced(const Stop& stop) {
  if (stop.kind != StopKind::signal_delivery || stop.code != static_cast<int>(slot_.signal)) {
    return false;
  }
  IMG_ASSIGN(const arch::Registers now, tracee_->registers());
  return now.ip == site_.stub + arch::announced_at();
}

Result<arch::Registers> RemoteCall::run_from(const arch::Registers& start) {
  // In this order: a task with the stub's registers gives its mask back, one with a foreign mask
  // and its own registers would not.
  IMG_TRY(tracee_->set_registers(start));
  IMG_TRY(tracee_->set_signal_mask(~bit(static_cast<int>(slot_.signal))));
  IMG_TRY(tracee_->resume());
  const Deadline deadline = Clock::now() + limit_;
  for (;;) {
    IMG_ASSIGN(const Stop stop, tracee_->wait(deadline));
    if (stop.is_end()) {
      return fail(Fault::gone, "task " + std::to_string(tracee_->tid()), "call",
                  "it has " + describe(stop));
    }
    IMG_ASSIGN(const bool announced, is_announced(stop));
    if (announced) {
      return tracee_->registers();
    }
    if (stop.kind == StopKind::signal_delivery && is_forced(stop.code)) {
      return fail(error("call", "the task was " + describe(stop) + " (a filter that kills?)"));
    }
    // SIGSTOP takes its course and is over when the task goes on; the announcing signal from
    // somebody else is one that the program ignores.
    const bool stopping = stop.kind == StopKind::signal_delivery && stop.code == SIGSTOP;
    IMG_TRY(tracee_->resume(stopping ? SIGSTOP : 0));
  }
}

Result<std::int64_t> RemoteCall::call(std::uint64_t number,
                                      std::initializer_list<std::uint64_t> args) {
  std::array<std::uint64_t, 6> six{};
  std::copy_n(args.begin(), std::min(args.size(), six.size()), six.begin());
  IMG_ASSIGN(const arch::Registers after,
             run_from(arch::start_single(stopped_, site_.stub, number, six)));
  return static_cast<std::int64_t>(after.bx);
}

Result<void> RemoteCall::map_scratch() {
  if (slot_.scratch != 0) {
    return {};
  }
  IMG_ASSIGN(const std::int64_t at,
             call(SYS_mmap, {0, CallSite::kScratchBytes, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS, ~std::uint64_t{0}, 0}));
  if (at < 0) {
    return fail(sys_error(static_cast<int>(-at), "process " + std::to_string(memory_->pid()),
                          "map memory for calls"));
  }
  slot_.scratch = static_cast<std::uint64_t>(at);
  slot_.scratch_bytes = CallSite::kScratchBytes;
  return write_slot();
}

Result<std::uint64_t> RemoteCall::data() {
  IMG_TRY(map_scratch());
  return slot_.scratch + CallSite::kRecordBytes;
}

Result<void> RemoteCall::run(std::span<arch::CallRecord> records) {
  if (records.size() > kMaxRecords) {
    return fail(Fault::usage, "remote call", "",
                "more than " + std::to_string(kMaxRecords) + " calls");
  }
  IMG_TRY(map_scratch());
  IMG_TRY(memory_->write(slot_.scratch, std::as_bytes(records)));
  IMG_TRY(run_from(arch::start_batch(stopped_, site_.stub, slot_.scratch, records.size())));
  return memory_->read(slot_.scratch, std::as_writable_bytes(records));
}

Result<void> RemoteCall::put_back() {
  if (tracee_->is_gone()) {
    return fail(Fault::gone, "task " + std::to_string(tracee_->tid()), "put back", "it has ended");
  }
  if (!tracee_->is_stopped()) {
    IMG_TRY(tracee_->bring_to_stop(Clock::now() + kStopTime));
  }
  // The mask first: until the registers are its own again, the task would still leave by the stub.
  IMG_TRY(tracee_->set_signal_mask(slot_.mask));
  IMG_TRY(dispatch_calls_again());
  IMG_TRY(tracee_->set_registers(stopped_));
  return memory_->overwrite(site_.stub, std::vector<std::byte>(arch::stub_bytes().size()));
}

Result<void> RemoteCall::finish() {
  if (is_on_bench_) {
    tracee_ = nullptr;
    return {};
  }
  Result<void> unmapped;
  if (slot_.scratch != 0 && tracee_->is_stopped()) {
    const auto result = call(SYS_munmap, {slot_.scratch, slot_.scratch_bytes});
    if (!result) {
      unmapped = fail(result.error());
    }
  }
  Result<void> back = put_back();
  tracee_ = nullptr;
  return back ? unmapped : back;
}

}  // namespace img::trace
