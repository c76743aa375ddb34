// SPDX-License-Identifier: MIT
#include "live/restore/host.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

#include "libimg/base/unique_fd.h"
#include "live/procfs/proc_dir.h"
#include "live/trace/call_site.h"

namespace img::restore {
namespace {

constexpr int kTimerRestoreIds = 77;  // PR_TIMER_CREATE_RESTORE_IDS
constexpr int kTimerRestoreIdsGet = 2;
constexpr unsigned kSysAdmin = 21;
constexpr unsigned kMostCapabilities = 64;
constexpr std::size_t kCpuWords = 128;
constexpr std::size_t kNodeWords = 16;

plan::Credentials credentials_of(const procfs::Status& status) {
  plan::Credentials out;
  out.uids = status.uids;
  out.gids = status.gids;
  out.groups = status.groups;
  std::sort(out.groups.begin(), out.groups.end());
  out.inheritable = status.cap_inheritable;
  out.permitted = status.cap_permitted;
  out.effective = status.cap_effective;
  out.bounding = status.cap_bounding;
  out.ambient = status.cap_ambient;
  out.securebits = static_cast<std::uint32_t>(::prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
  out.no_new_privs = status.no_new_privs;
  return out;
}

unsigned last_capability() {
  unsigned last = 0;
  while (last + 1 < kMostCapabilities && ::prctl(PR_CAPBSET_READ, last + 1, 0, 0, 0) >= 0) {
    ++last;
  }
  return last;
}

Result<void> read_mappings(const procfs::ProcDir& self, plan::HostFacts& facts) {
  IMG_ASSIGN(const auto maps, self.maps());
  for (const procfs::Mapping& one : maps) {
    facts.mappings.push_back({one.start, one.end});
    if (one.path == "[vvar]" || one.path == "[vvar_vclock]") {
      facts.vvar_bytes += one.bytes();
    }
    if (one.path == "[vdso]") {
      const auto* at = reinterpret_cast<const std::byte*>(one.start);
      const Bytes all(at, one.bytes());
      IMG_ASSIGN(const std::uint64_t used, trace::unused_from(all));
      facts.vdso_bytes = one.bytes();
      facts.vdso.assign(at, at + std::min<std::uint64_t>(used, all.size()));
    }
  }
  return {};
}

// All that we could be bound to; what we are bound to is put back.
std::vector<std::uint64_t> usable_cpus() {
  std::vector<std::uint64_t> own(kCpuWords);
  const std::size_t bytes = own.size() * sizeof(std::uint64_t);
  if (::syscall(SYS_sched_getaffinity, 0, bytes, own.data()) < 0) {
    return {};
  }
  std::vector<std::uint64_t> all(kCpuWords, ~std::uint64_t{0});
  ::syscall(SYS_sched_setaffinity, 0, bytes, all.data());
  std::fill(all.begin(), all.end(), 0);
  ::syscall(SYS_sched_getaffinity, 0, bytes, all.data());
  ::syscall(SYS_sched_setaffinity, 0, bytes, own.data());
  return all;
}

// A kernel without NUMA has none, and nothing can be asked of it.
std::vector<std::uint64_t> usable_nodes() {
  std::vector<std::uint64_t> out(kNodeWords);
  constexpr int kAllowed = 1 << 2;  // MPOL_F_MEMS_ALLOWED
  if (::syscall(SYS_get_mempolicy, nullptr, out.data(), out.size() * 64, nullptr, kAllowed) < 0) {
    out.clear();
  }
  return out;
}

}  // namespace

Result<plan::HostFacts> ask_host() {
  plan::HostFacts facts;
  IMG_ASSIGN(const auto self, procfs::ProcDir::open(::getpid()));
  IMG_ASSIGN(const procfs::Status status, self.status());
  facts.session = static_cast<std::uint32_t>(::getsid(0));
  facts.group = static_cast<std::uint32_t>(::getpgrp());
  facts.credentials = credentials_of(status);
  if (const auto login = self.read("loginuid")) {
    const auto end = login->data() + login->size();
    std::from_chars(login->data(), end, facts.login_uid);
  }
  facts.last_capability = last_capability();
  for (std::size_t i = 0; i < plan::kLimits; ++i) {
    rlimit limit{};
    ::getrlimit(static_cast<__rlimit_resource>(i), &limit);
    facts.limits[i] = {limit.rlim_cur, limit.rlim_max};
  }
  IMG_TRY(read_mappings(self, facts));
  facts.xsave = arch::XsaveLayout::of_this_cpu();
  facts.has_timer_ids = ::prctl(kTimerRestoreIds, kTimerRestoreIdsGet, 0, 0, 0) >= 0;
  facts.cpus = usable_cpus();
  facts.nodes = usable_nodes();
  facts.can_suspend_seccomp = (status.cap_effective >> kSysAdmin & 1) != 0 && status.seccomp == 0;
  return facts;
}

void leave_low_pids_free() {
  constexpr int kOurs = 200;
  if (::getpid() != 1) {
    return;
  }
  const UniqueFd most(::open("/proc/sys/kernel/pid_max", O_RDONLY | O_CLOEXEC));
  std::array<char, 32> text{};
  int last = 0;
  if (most.is_open() && ::read(most.get(), text.data(), text.size() - 1) > 0) {
    last = std::atoi(text.data()) - kOurs;
  }
  const UniqueFd file(::open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC));
  if (last > kOurs && file.is_open()) {
    const std::string number = std::to_string(last);
    // Where this is not allowed, a number that we have taken is said to be in use.
    static_cast<void>(!::write(file.get(), number.data(), number.size()));
  }
}

}  // namespace img::restore
