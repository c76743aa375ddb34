// SPDX-License-Identifier: MIT
#include "live/dump/inherited.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace img::dump {
namespace {

using state::Piece;

constexpr int kOneTask = 1;  // IOPRIO_WHO_PROCESS

std::string cpus_of(pid_t tid) {
  std::array<char, 1024> mask{};
  const long got = ::syscall(SYS_sched_getaffinity, tid, mask.size(), mask.data());
  return {mask.data(), static_cast<std::size_t>(std::max(got, 0L))};
}

bool has_other_cpus(pid_t tid) {
  static const std::string own = cpus_of(0);
  return cpus_of(tid) != own;
}

bool has_other_io_priority(pid_t tid) {
  return ::syscall(SYS_ioprio_get, kOneTask, tid) != ::syscall(SYS_ioprio_get, kOneTask, 0);
}

/// A file of /proc/PID that says something else of the process than of this one.
struct Compared {
  const char* file;
  Piece piece;
};
constexpr std::array kCompared = {
    Compared{"timerslack_ns", Piece::timer_slack},
    Compared{"coredump_filter", Piece::core_filter},
    Compared{"attr/current", Piece::security_label},
};

}  // namespace

void note_inherited(const trace::FrozenProcess& process, Remarks& remarks) {
  const auto is_any = [&](bool (*differs)(pid_t)) {
    return std::any_of(process.threads.begin(), process.threads.end(),
                       [&](const trace::Tracee& thread) { return differs(thread.tid()); });
  };
  if (is_any(has_other_cpus)) {
    remarks.lose(Piece::cpu_affinity, name_of(process));
  }
  if (is_any(has_other_io_priority)) {
    remarks.lose(Piece::io_priority, name_of(process));
  }
  const auto self = procfs::ProcDir::open(::getpid());
  for (const Compared& one : kCompared) {
    const auto own = self ? self->read(one.file) : Result<std::string>(fail(self.error()));
    const auto its = process.dir.read(one.file);
    if (own && its && *own != *its) {
      remarks.lose(one.piece, name_of(process));
    }
  }
}

}  // namespace img::dump
