// SPDX-License-Identifier: MIT
// What a task alone can say of the settings that no message of CRIU has a place for: calls for a
// batch that may fail, and what their results mean. A kernel that does not know one has no such
// setting.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "live/procfs/proc_dir.h"

namespace img::dump {

class Batch;

inline constexpr std::size_t kNodeWords = 16;

struct ThreadSettingsFacts {
  struct Speculation {
    std::uint32_t what = 0;
    std::uint32_t state = 0;
  };
  std::uint64_t timer_slack = 0;
  std::uint32_t memory_policy = 0;  // MPOL_...; 0: the default
  std::vector<std::uint64_t> nodes;
  std::vector<Speculation> speculation;  // only what somebody has set
  std::uint32_t tsc = 0;                 // PR_TSC_...
  std::uint32_t machine_check_kill = 0;  // PR_MCE_KILL_...
  bool cpuid_faults = false;
  bool has_own_keyring = false;
};

struct ProcessSettingsFacts {
  std::uint32_t write_or_execute = 0;  // PR_MDWE_...
  bool memory_merge = false;
  std::uint64_t xstate_permitted = 0;  // only what has to be asked for
  std::uint32_t lock_future = 0;       // MCL_FUTURE, MCL_ONFAULT
};

/// What the calls of a thread write, in its memory.
struct ThreadSettingsAnswers {
  std::array<std::uint64_t, kNodeWords> nodes;
  std::uint32_t memory_policy;
  std::uint32_t tsc;
};
/// Places in a batch.
struct ThreadSettingsCalls {
  std::size_t first = 0;
};
struct ProcessSettingsCalls {
  std::size_t first = 0;
};

/// `at`: where the answers go.
[[nodiscard]] ThreadSettingsCalls add_thread_settings(Batch& batch, std::uint64_t at);
[[nodiscard]] ThreadSettingsFacts thread_settings(const Batch& batch,
                                                  const ThreadSettingsCalls& calls,
                                                  const ThreadSettingsAnswers& answers);
[[nodiscard]] ProcessSettingsCalls add_process_settings(Batch& batch, std::uint64_t permitted_at);
[[nodiscard]] ProcessSettingsFacts process_settings(const Batch& batch,
                                                    const ProcessSettingsCalls& calls,
                                                    std::uint64_t permitted);

/// What mlockall(2) has said of mappings that are still to be made is told by nobody; but it shows
/// in one that was made for us, while it is there and when it has gone.
class FutureLock {
 public:
  /// `start`: a mapping, whose last page nobody has touched.
  [[nodiscard]] static Result<FutureLock> look(const procfs::ProcDir& process, std::uint64_t start,
                                               std::uint64_t bytes);
  /// MCL_..., or 0, once it has been unmapped.
  [[nodiscard]] Result<std::uint32_t> found(const procfs::ProcDir& process) const;

 private:
  std::uint64_t locked_kib_ = 0;
  bool is_filled_ = false;
};

}  // namespace img::dump
