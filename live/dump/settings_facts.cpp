// SPDX-License-Identifier: MIT
#include "live/dump/settings_facts.h"

#include <asm/prctl.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <algorithm>

#include "libimg/base/unique_fd.h"
#include "live/dump/call_batch.h"
#include "live/procfs/pagemap.h"

namespace img::dump {
namespace {

constexpr std::uint64_t kGetWriteOrExecute = 66;              // PR_GET_MDWE
constexpr std::uint64_t kGetMemoryMerge = 68;                 // PR_GET_MEMORY_MERGE
constexpr std::uint64_t kGetXstatePermitted = 0x1022;         // ARCH_GET_XCOMP_PERM
constexpr std::uint64_t kOnRequest = std::uint64_t{1} << 18;  // tile data
constexpr std::uint64_t kSpeculations = 3;
constexpr std::uint64_t kNodeBits = kNodeWords * 64;

// In the order in which they are added.
enum ThreadCall : std::size_t {
  slack,
  policy,
  tsc,
  machine_check,
  cpuid,
  thread_keyring,
  process_keyring,
  speculation
};
enum ProcessCall : std::size_t { write_or_execute, memory_merge, permitted };

std::uint32_t positive(std::int64_t result) {
  return result > 0 ? static_cast<std::uint32_t>(result) : 0;
}

std::uint64_t number(int value) {
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(value));
}

bool is_present(const procfs::ProcDir& process, std::uint64_t page) {
  const UniqueFd file(::openat(process.fd(), "pagemap", O_RDONLY | O_CLOEXEC));
  procfs::PagemapFile pages(file.get());
  std::vector<procfs::PageRun> runs;
  const bool asked =
      pages
          .read({page, page + procfs::kPageBytes, procfs::kPagePresent, procfs::kPagePresent}, runs)
          .has_value();
  return asked && !runs.empty();
}

}  // namespace

ThreadSettingsCalls add_thread_settings(Batch& batch, std::uint64_t at) {
  ThreadSettingsCalls calls;
  calls.first = batch.add(SYS_prctl, {PR_GET_TIMERSLACK});
  batch.add(SYS_get_mempolicy, {at + offsetof(ThreadSettingsAnswers, memory_policy),
                                at + offsetof(ThreadSettingsAnswers, nodes), kNodeBits, 0, 0});
  batch.add(SYS_prctl, {PR_GET_TSC, at + offsetof(ThreadSettingsAnswers, tsc)});
  batch.add(SYS_prctl, {PR_MCE_KILL_GET});
  batch.add(SYS_arch_prctl, {ARCH_GET_CPUID});
  batch.add(SYS_keyctl, {KEYCTL_GET_KEYRING_ID, number(KEY_SPEC_THREAD_KEYRING), 0});
  batch.add(SYS_keyctl, {KEYCTL_GET_KEYRING_ID, number(KEY_SPEC_PROCESS_KEYRING), 0});
  for (std::uint64_t what = 0; what < kSpeculations; ++what) {
    batch.add(SYS_prctl, {PR_GET_SPECULATION_CTRL, what});
  }
  return calls;
}

ThreadSettingsFacts thread_settings(const Batch& batch, const ThreadSettingsCalls& calls,
                                    const ThreadSettingsAnswers& answers) {
  const auto result = [&](std::size_t call) { return batch.result(calls.first + call); };
  ThreadSettingsFacts out;
  out.timer_slack = static_cast<std::uint64_t>(std::max<std::int64_t>(result(slack), 0));
  if (result(policy) == 0 && answers.memory_policy != 0) {
    out.memory_policy = answers.memory_policy;
    const auto end =
        std::find_if(answers.nodes.rbegin(), answers.nodes.rend(), [](auto word) { return word; });
    out.nodes.assign(answers.nodes.begin(), end.base());
  }
  out.tsc = result(tsc) == 0 ? answers.tsc : 0;
  out.machine_check_kill = positive(result(machine_check));
  out.cpuid_faults = result(cpuid) == 0;
  out.has_own_keyring = result(thread_keyring) > 0 || result(process_keyring) > 0;
  for (std::uint32_t what = 0; what < kSpeculations; ++what) {
    const std::uint32_t state = positive(result(speculation + what));
    constexpr std::uint32_t kSet = PR_SPEC_DISABLE | PR_SPEC_FORCE_DISABLE | PR_SPEC_DISABLE_NOEXEC;
    if ((state & PR_SPEC_PRCTL) != 0 && (state & kSet) != 0) {
      out.speculation.push_back({what, state});
    }
  }
  return out;
}

ProcessSettingsCalls add_process_settings(Batch& batch, std::uint64_t permitted_at) {
  ProcessSettingsCalls calls;
  calls.first = batch.add(SYS_prctl, {kGetWriteOrExecute});
  batch.add(SYS_prctl, {kGetMemoryMerge});
  batch.add(SYS_arch_prctl, {kGetXstatePermitted, permitted_at});
  return calls;
}

ProcessSettingsFacts process_settings(const Batch& batch, const ProcessSettingsCalls& calls,
                                      std::uint64_t permitted_bits) {
  const auto result = [&](std::size_t call) { return batch.result(calls.first + call); };
  ProcessSettingsFacts out;
  out.write_or_execute = positive(result(write_or_execute));
  out.memory_merge = result(memory_merge) > 0;
  out.xstate_permitted = result(permitted) == 0 ? permitted_bits & kOnRequest : 0;
  return out;
}

Result<FutureLock> FutureLock::look(const procfs::ProcDir& process, std::uint64_t start,
                                    std::uint64_t bytes) {
  FutureLock out;
  IMG_ASSIGN(const procfs::Status status, process.status());
  out.locked_kib_ = status.locked_kib;
  if (out.locked_kib_ != 0) {
    out.is_filled_ = is_present(process, start + bytes - procfs::kPageBytes);
  }
  return out;
}

Result<std::uint32_t> FutureLock::found(const procfs::ProcDir& process) const {
  if (locked_kib_ == 0) {
    return 0;
  }
  IMG_ASSIGN(const procfs::Status status, process.status());
  if (status.locked_kib >= locked_kib_) {
    return 0;
  }
  return static_cast<std::uint32_t>(is_filled_ ? MCL_FUTURE : MCL_FUTURE | MCL_ONFAULT);
}

}  // namespace img::dump
