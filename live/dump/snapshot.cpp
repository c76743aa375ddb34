// SPDX-License-Identifier: MIT
#include "live/dump/snapshot.h"

#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include <array>

#include "live/trace/remote_call.h"
#include "live/trace/remote_memory.h"

namespace img::dump {
namespace {

using arch::CallRecord;
using arch::earlier_result;
using arch::kMustSucceed;
using arch::refers;
using trace::Clock;
using trace::RemoteCall;

constexpr timespec kLonelyTime{5, 0};
constexpr std::chrono::seconds kStopTime{2};
constexpr std::uint64_t kMaskBytes = 8;

enum Step : std::uint32_t { make_helper, is_helper, close_all, make_clone, sleep_if_clone, leave };

/// `times`: where two timespecs are, zero and kLonelyTime.
std::array<CallRecord, 6> program(std::uint64_t times) {
  std::array<CallRecord, 6> out{};
  out[make_helper] = {SYS_clone, {CLONE_VM | CLONE_VFORK}, 0};
  // The process itself ends here: it has the helper's number.
  out[is_helper] = {SYS_ppoll | refers(1) | kMustSucceed,
                    {0, earlier_result(make_helper, 0), times, 0, kMaskBytes},
                    0};
  // The clone is not to keep pipes and locks.
  out[close_all] = {SYS_close_range, {0, ~0U, 0}, 0};
  out[make_clone] = {SYS_clone, {0}, 0};
  out[sleep_if_clone] = {
      SYS_ppoll | refers(1),
      {0, earlier_result(make_clone, 0), times + sizeof(timespec), 0, kMaskBytes},
      0};
  out[leave] = {SYS_exit_group, {0}, 0};
  return out;
}

}  // namespace

Snapshots& Snapshots::operator=(Snapshots&& other) noexcept {
  if (this != &other) {
    end();
    clones_ = std::move(other.clones_);
  }
  return *this;
}

// A filter might not let the clones make these calls, and where a program has its calls dispatched
// the clone's memory would say that it has not.
Result<bool> Snapshots::add(trace::FrozenProcess& process) {
  IMG_ASSIGN(const procfs::Status status, process.dir.status());
  IMG_ASSIGN(const trace::UserDispatch dispatch, process.threads[0].user_dispatch());
  if (status.seccomp != 0 || dispatch.mode != 0) {
    return false;
  }
  IMG_ASSIGN(const auto memory, trace::RemoteMemory::open(process.pid()));
  IMG_ASSIGN(RemoteCall remote, RemoteCall::begin(process.threads[0], process.dir, memory));
  IMG_ASSIGN(const std::uint64_t data, remote.data());
  const std::array<timespec, 2> times = {timespec{}, kLonelyTime};
  IMG_TRY(memory.write(data, std::as_bytes(std::span(times))));
  std::array<CallRecord, 6> calls = program(data);
  IMG_TRY(remote.run(calls));
  const std::int64_t helper = calls[make_helper].result;
  const std::int64_t clone = calls[make_clone].result;
  if (helper > 0) {
    IMG_TRY(remote.call(SYS_wait4, {static_cast<std::uint64_t>(helper), 0, __WALL, 0}));
  }
  IMG_TRY(remote.finish());
  if (helper <= 0 || clone <= 0) {
    return false;
  }
  trace::SeizeOptions options;
  options.exit_kill = true;
  IMG_ASSIGN(trace::Tracee tracee, trace::Tracee::seize(static_cast<pid_t>(clone), options));
  clones_.push_back(std::move(tracee));
  IMG_TRY(clones_.back().bring_to_stop(Clock::now() + kStopTime));
  return true;
}

Result<std::optional<Snapshots>> Snapshots::take(trace::FrozenTree& tree,
                                                 std::vector<PlacedSpace>& spaces) {
  Snapshots out;
  for (trace::FrozenProcess& process : tree.processes) {
    if (process.state == trace::TaskState::zombie) {
      continue;
    }
    IMG_ASSIGN(const bool added, out.add(process));
    if (!added) {
      return std::optional<Snapshots>();
    }
  }
  std::vector<std::unique_ptr<PageSource>> sources;
  for (const trace::Tracee& clone : out.clones_) {
    IMG_ASSIGN(trace::RemoteMemory memory, trace::RemoteMemory::open(clone.tid()));
    sources.push_back(pages_of(std::move(memory), true));
  }
  auto next = sources.begin();
  for (PlacedSpace& space : spaces) {
    if (space.plan.pid != 0) {
      space.source = std::move(*next++);
    }
  }
  return std::optional(std::move(out));
}

void Snapshots::end() {
  for (trace::Tracee& clone : clones_) {
    ::kill(clone.tid(), SIGKILL);
    while (!clone.is_gone()) {
      if (!clone.wait(Clock::now() + kStopTime)) {
        break;
      }
    }
  }
  clones_.clear();
}

}  // namespace img::dump
