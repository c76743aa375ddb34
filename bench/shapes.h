// SPDX-License-Identifier: MIT
// The images that every benchmark is run on, by the number in its name.
#pragma once

#include <benchmark/benchmark.h>

#include "bench/generate.h"

namespace img::bench {

/// 1: one process of 30 pages. 500 and 10,000 such processes. 1024: one process with 1 GiB.
inline Shape shape_of(const benchmark::State& state) {
  const auto number = static_cast<std::uint32_t>(state.range(0));
  Shape shape;
  if (number == 1024) {
    shape.pages_per_task = (1U << 30U) / 4096;
    shape.pages_per_run = 64;
  } else {
    shape.tasks = number;
  }
  return shape;
}

inline void all_shapes(benchmark::internal::Benchmark* bench) {
  bench->ArgName("shape")->Arg(1)->Arg(500)->Arg(10'000)->Arg(1024);
  bench->Unit(benchmark::kMillisecond)->UseRealTime();
}

}  // namespace img::bench
