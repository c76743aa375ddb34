// SPDX-License-Identifier: MIT
// JSON of a whole CRIU directory, and back.
#include "bench/scratch.h"
#include "bench/shapes.h"

namespace img::bench {
namespace {

void write_json(benchmark::State& state) {
  const std::string& source = image(shape_of(state));
  const Scratch place;
  for (auto _ : state) {
    convert(source, place / "json", "json");
    state.PauseTiming();
    place.empty();
    state.ResumeTiming();
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * bytes_below(source)));
}
BENCHMARK(write_json)->Name("json/write")->Apply(all_shapes);

void read_json(benchmark::State& state) {
  const Scratch source;
  convert(image(shape_of(state)), source / "json", "json");
  const Scratch place;
  for (auto _ : state) {
    convert(source / "json", place / "criu", "criu");
    state.PauseTiming();
    place.empty();
    state.ResumeTiming();
  }
  state.SetBytesProcessed(
      static_cast<std::int64_t>(state.iterations() * bytes_below(source / "json")));
}
BENCHMARK(read_json)->Name("json/read")->Apply(all_shapes);

}  // namespace
}  // namespace img::bench

BENCHMARK_MAIN();
