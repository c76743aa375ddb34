// SPDX-License-Identifier: MIT
// System calls made by a stopped task for us. Between begin() and finish() the task is on its way
// back to its program at every moment: if this process is killed, the task ends the calls of the
// program it was given and goes on where it was stopped, with its registers and its mask.
//
//   IMG_ASSIGN(RemoteCall remote, RemoteCall::begin(tracee, process, memory));
//   IMG_ASSIGN(const std::int64_t fd, remote.call(SYS_memfd_create, {name, 0}));
//   IMG_TRY(remote.run(records));   // many at once: 0.3 us each instead of 15
//   IMG_TRY(remote.finish());
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>

#include "libimg/base/result.h"
#include "live/arch/x86_64/stub.h"
#include "live/procfs/proc_dir.h"
#include "live/trace/call_site.h"
#include "live/trace/remote_memory.h"
#include "live/trace/tracee.h"

namespace img::trace {

/// Memory of ours in a task that is being made and has no program yet: code, then records, then
/// data, all mapped before. Nothing is put back there.
struct Workbench {
  std::uint64_t start = 0;
  static constexpr std::uint64_t kCodeBytes = 4096;
  static constexpr std::uint64_t kDataBytes = 448 << 10;
  static constexpr std::uint64_t kBytes = kCodeBytes + CallSite::kRecordBytes + kDataBytes;
  [[nodiscard]] std::uint64_t data() const { return start + kCodeBytes + CallSite::kRecordBytes; }
};

/// As a task itself numbers processes, and with what it says that its calls are done.
struct StubIdentity {
  pid_t process = 0;
  pid_t thread = 0;
  int signal = 0;  // not pending, whatever its disposition
};

class RemoteCall {
 public:
  /// On a workbench: of a task that we made, and that dies with us. `memory` may be that of any
  /// task with the same address space.
  [[nodiscard]] static Result<RemoteCall> begin_on(Tracee& tracee, const RemoteMemory& memory,
                                                   const Workbench& bench,
                                                   const StubIdentity& identity);
  /// `tracee` is stopped (bring_to_stop) and outlives this, as `memory` does. At most one per
  /// process at a time: its threads share the place.
  [[nodiscard]] static Result<RemoteCall> begin(Tracee& tracee, const procfs::ProcDir& process,
                                                const RemoteMemory& memory);
  RemoteCall(RemoteCall&& other) noexcept;
  RemoteCall& operator=(RemoteCall&&) = delete;
  /// As finish(), with nobody to hear of a failure.
  ~RemoteCall();

  /// One call. Its result is the kernel's: -errno is a value here, not an error.
  [[nodiscard]] Result<std::int64_t> call(std::uint64_t number,
                                          std::initializer_list<std::uint64_t> args = {});
  /// All records in one go, their results filled in; see arch::CallRecord. At most kMaxRecords.
  [[nodiscard]] Result<void> run(std::span<arch::CallRecord> records);

  static constexpr std::size_t kMaxRecords = CallSite::kRecordBytes / sizeof(arch::CallRecord);
  static constexpr std::size_t kDataBytes = CallSite::kDataBytes;
  /// Memory of the task that its calls may read and write, kDataBytes long; mapped when first
  /// asked for. run() leaves it alone.
  [[nodiscard]] Result<std::uint64_t> data();

  /// Unmaps what was mapped and puts the task back where it was stopped.
  [[nodiscard]] Result<void> finish();

  /// How long one run may take before it is an error.
  void set_time_limit(std::chrono::milliseconds limit) { limit_ = limit; }

 private:
  RemoteCall(Tracee& tracee, const RemoteMemory& memory, const CallSite& site)
      : tracee_(&tracee), memory_(&memory), site_(site) {}
  [[nodiscard]] Result<void> install(const procfs::ProcDir& process);
  [[nodiscard]] Result<void> let_calls_through();
  [[nodiscard]] Result<void> dispatch_calls_again();
  [[nodiscard]] Result<void> write_selector(std::uint8_t value);
  [[nodiscard]] Result<void> write_slot();
  [[nodiscard]] Result<void> map_scratch();
  [[nodiscard]] Result<arch::Registers> run_from(const arch::Registers& start);
  [[nodiscard]] Result<bool> is_announced(const Stop& stop);
  [[nodiscard]] Result<void> put_back();
  [[nodiscard]] Error error(std::string what, std::string why) const;

  Tracee* tracee_;  // nullptr: finished
  const RemoteMemory* memory_;
  CallSite site_;
  arch::Registers stopped_;  // as the task was found, and is to be again
  arch::StubSlot slot_{};
  bool is_on_bench_ = false;
  std::chrono::milliseconds limit_{10'000};
};

}  // namespace img::trace
