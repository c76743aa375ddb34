// SPDX-License-Identifier: MIT
// What a plan has to know of the machine it is for, asked before by restore; and what the user
// asked for.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "live/arch/x86_64/xsave.h"
#include "live/plan/plan.h"

namespace img::plan {

/// capget(2) and credentials(7) of one thread.
struct Credentials {
  std::array<std::uint32_t, 4> uids{};  // real, effective, saved, file system
  std::array<std::uint32_t, 4> gids{};
  std::vector<std::uint32_t> groups;  // ascending
  std::uint64_t inheritable = 0;
  std::uint64_t permitted = 0;
  std::uint64_t effective = 0;
  std::uint64_t bounding = 0;
  std::uint64_t ambient = 0;
  std::uint32_t securebits = 0;
  bool no_new_privs = false;
  friend bool operator==(const Credentials&, const Credentials&) = default;
};

struct Limit {
  std::uint64_t current = 0;
  std::uint64_t most = 0;
};
inline constexpr std::size_t kLimits = 16;  // RLIMIT_...

struct HostFacts {
  std::uint32_t session = 0;  // of the restorer, which a root that leads none is born into
  std::uint32_t group = 0;
  Credentials credentials;
  std::uint32_t login_uid = ~0U;
  unsigned last_capability = 40;
  std::array<Limit, kLimits> limits{};
  std::vector<Range> mappings;  // of the restorer
  std::uint64_t lowest_address = 65536;
  arch::XsaveLayout xsave;
  std::vector<std::byte> vdso;  // its pages, without the unused end
  std::uint64_t vdso_bytes = 0;
  std::uint64_t vvar_bytes = 0;  // what is mapped in front of it
  bool has_timer_ids = false;    // PR_TIMER_CREATE_RESTORE_IDS (6.15)
  bool can_suspend_seccomp = true;
  std::vector<std::uint64_t> cpus;   // that our tasks may be bound to; bit n % 64 of word n / 64
  std::vector<std::uint64_t> nodes;  // of memory, likewise
};

struct PlanOptions {
  enum class Cgroup : std::uint8_t { recorded, here };
  Cgroup cgroup = Cgroup::recorded;
  bool shell_job = false;
  bool detach = false;  // the root's parent, which is live-restore, ends at once
};

}  // namespace img::plan
