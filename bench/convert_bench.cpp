// SPDX-License-Identifier: MIT
// A CRIU directory into a new store, and out of it again.
#include "bench/scratch.h"
#include "bench/shapes.h"

namespace img::bench {
namespace {

void import(benchmark::State& state) {
  const std::string& source = image(shape_of(state));
  const Scratch place;
  for (auto _ : state) {
    convert(source, place / "a.store", "store", "a");
    state.PauseTiming();
    place.empty();
    state.ResumeTiming();
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * bytes_below(source)));
}
BENCHMARK(import)->Name("convert/import")->Apply(all_shapes);

void export_again(benchmark::State& state) {
  const Scratch store;
  convert(image(shape_of(state)), store / "a.store", "store", "a");
  const Scratch place;
  for (auto _ : state) {
    convert(store / "a.store", place / "copy", "criu");
    state.PauseTiming();
    place.empty();
    state.ResumeTiming();
  }
  state.SetBytesProcessed(
      static_cast<std::int64_t>(state.iterations() * bytes_below(image(shape_of(state)))));
}
BENCHMARK(export_again)->Name("convert/export")->Apply(all_shapes);

}  // namespace
}  // namespace img::bench

BENCHMARK_MAIN();
