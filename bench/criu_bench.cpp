// SPDX-License-Identifier: MIT
// A CRIU directory: reading every record of it, and writing it again.
#include "bench/scratch.h"
#include "bench/shapes.h"
#include "libimg/criu/directory_reader.h"

namespace img::bench {
namespace {

struct Counter : model::RecordSink {
  std::uint64_t records = 0;
  [[nodiscard]] Result<void> record(const model::Record& record) override {
    ++records;
    benchmark::DoNotOptimize(record.flatbuffer.data());
    return {};
  }
};

void scan(benchmark::State& state) {
  const std::string& source = image(shape_of(state));
  Counter counter;
  for (auto _ : state) {
    const auto reader = need(criu::DirectoryReader::open(source));
    for (const model::FileKey file : need(reader->files())) {
      need(reader->read(file, counter));
    }
  }
  state.counters["records"] =
      benchmark::Counter(static_cast<double>(counter.records), benchmark::Counter::kIsRate);
}
BENCHMARK(scan)->Name("criu/scan")->Apply(all_shapes);

void copy(benchmark::State& state) {
  const std::string& source = image(shape_of(state));
  const Scratch place;
  for (auto _ : state) {
    convert(source, place / "copy", "criu");
    state.PauseTiming();
    place.empty();
    state.ResumeTiming();
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * bytes_below(source)));
}
BENCHMARK(copy)->Name("criu/copy")->Apply(all_shapes);

}  // namespace
}  // namespace img::bench

BENCHMARK_MAIN();
