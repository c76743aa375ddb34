// SPDX-License-Identifier: MIT
// What a collection costs: the same number of images goes from small stores and from large ones.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <ctime>
#include <map>

#include "bench/gc_images.h"

namespace img::bench {
namespace {

double cpu_us() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

// 500 go, of more and more. `us_per_staying` is how much more it costs than 500 of the smallest
// store, by image that stays more; both the best of their rounds.
void Collect500Of(benchmark::State& state) {
  static std::map<std::int64_t, double> best;
  const auto images = static_cast<unsigned>(state.range(0));
  const Scratch scratch;
  make_store(scratch / "base", images, 500, kSmall);
  double& mine = best.try_emplace(images, 1e12).first->second;
  for (auto _ : state) {
    state.PauseTiming();
    copy_store(scratch / "base", scratch / "s");
    state.ResumeTiming();
    const double begin = cpu_us();
    collect(need(store::Store::open(scratch / "s")));
    mine = std::min(mine, cpu_us() - begin);
  }
  state.counters["best_ms"] = mine / 1000;
  if (const auto& [fewest, time] = *best.begin(); fewest != images) {
    state.counters["us_per_staying"] = (mine - time) / static_cast<double>(images - fewest);
  }
}
BENCHMARK(Collect500Of)
    ->ArgName("images")
    ->Arg(1000)
    ->Arg(5000)
    ->Arg(20000)
    ->Unit(benchmark::kMillisecond);

// Time grows with what goes.
void CollectOf1000(benchmark::State& state) {
  const Scratch scratch;
  make_store(scratch / "base", 1000, static_cast<unsigned>(state.range(0)));
  std::size_t dropped = 0;
  for (auto _ : state) {
    state.PauseTiming();
    copy_store(scratch / "base", scratch / "s");
    state.ResumeTiming();
    dropped += collect(need(store::Store::open(scratch / "s"))).dropped.size();
  }
  state.counters["dropped"] =
      static_cast<double>(dropped) / static_cast<double>(state.iterations());
}
BENCHMARK(CollectOf1000)->ArgName("going")->Arg(500)->Arg(100)->Unit(benchmark::kMillisecond);

// What images that stay cost: nothing goes.
void CollectNothing(benchmark::State& state) {
  const auto images = static_cast<unsigned>(state.range(0));
  const Scratch scratch;
  make_store(scratch / "s", images, 1, kSmall);
  const auto store = need(store::Store::open(scratch / "s"));
  for (auto _ : state) {
    collect(store);
  }
  state.SetComplexityN(images);
}
BENCHMARK(CollectNothing)
    ->ArgName("images")
    ->Arg(1000)
    ->Arg(5000)
    ->Arg(20000)
    ->Unit(benchmark::kMillisecond)
    ->Complexity(benchmark::oN);

}  // namespace
}  // namespace img::bench

BENCHMARK_MAIN();
