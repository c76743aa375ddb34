// SPDX-License-Identifier: MIT
// What it costs to make calls in a task, and to freeze a tree. Needs the right to trace; the
// processes are children of this program and end with it.
#include <benchmark/benchmark.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vector>

#include "live/trace/freeze.h"
#include "live/trace/remote_call.h"

namespace img::trace {
namespace {

class Children {
 public:
  explicit Children(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const pid_t pid = fork();
      if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) {
          pause();
        }
      }
      pids_.push_back(pid);
    }
  }
  Children(const Children&) = delete;
  Children& operator=(const Children&) = delete;
  ~Children() {
    for (const pid_t pid : pids_) {
      kill(pid, SIGKILL);
      waitpid(pid, nullptr, 0);
    }
  }
  [[nodiscard]] pid_t front() const { return pids_.front(); }

 private:
  std::vector<pid_t> pids_;
};

// A child that makes `count` children and waits.
class Tree {
 public:
  explicit Tree(std::size_t count) {
    int ready[2];
    if (pipe(ready) != 0) {
      return;
    }
    root_ = fork();
    if (root_ == 0) {
      setpgid(0, 0);
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      const Children children(count);
      static_cast<void>(write(ready[1], "x", 1) == 1);
      for (;;) {
        pause();
      }
    }
    char byte = 0;
    static_cast<void>(read(ready[0], &byte, 1) == 1);
    close(ready[0]);
    close(ready[1]);
  }
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;
  ~Tree() {
    kill(-root_, SIGKILL);  // all of them, in the group that it has made
    waitpid(root_, nullptr, 0);
  }
  [[nodiscard]] pid_t root() const { return root_; }

 private:
  pid_t root_ = -1;
};

// A child that stands still.
class Frozen {
 public:
  /// False where we may not trace: the benchmark is skipped.
  bool may_be_traced(benchmark::State& state) const {
    if (!tree_ || !memory_) {
      state.SkipWithError("may not trace here");
    }
    return tree_.has_value() && memory_.has_value();
  }
  Result<RemoteCall> begin() {
    FrozenProcess& process = tree_->processes[0];
    return RemoteCall::begin(process.threads[0], process.dir, *memory_);
  }

 private:
  Children child_{1};
  Result<FrozenTree> tree_ = freeze_tree(child_.front());
  Result<RemoteMemory> memory_ = RemoteMemory::open(child_.front());
};

void batch(benchmark::State& state) {
  Frozen child;
  if (!child.may_be_traced(state)) {
    return;
  }
  auto remote = child.begin();
  if (!remote) {
    state.SkipWithError(remote.error().line().c_str());
    return;
  }
  std::vector<arch::CallRecord> records(static_cast<std::size_t>(state.range(0)),
                                        {SYS_getppid, {}, 0});
  for (auto _ : state) {
    if (!remote->run(records)) {
      state.SkipWithError("the calls failed");
      return;
    }
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(batch)->Arg(1)->Arg(64)->Arg(200)->Arg(500)->Unit(benchmark::kMicrosecond);

// Preparing a task for calls, one call, and putting it back.
void visit(benchmark::State& state) {
  Frozen child;
  if (!child.may_be_traced(state)) {
    return;
  }
  for (auto _ : state) {
    auto remote = child.begin();
    if (!remote || !remote->call(SYS_getppid) || !remote->finish()) {
      state.SkipWithError("the call failed");
      return;
    }
  }
}
BENCHMARK(visit)->Unit(benchmark::kMicrosecond);

void freeze(benchmark::State& state) {
  const Tree tree(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    const auto frozen = freeze_tree(tree.root());
    if (!frozen) {
      state.SkipWithError(frozen.error().line().c_str());
      return;
    }
    state.counters["tasks"] = static_cast<double>(frozen->tasks());
  }
}
BENCHMARK(freeze)->Arg(1)->Arg(30)->Arg(300)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace img::trace

BENCHMARK_MAIN();
