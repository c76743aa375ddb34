// SPDX-License-Identifier: MIT
// What judging an image costs, all rules: by tasks (the cost must grow with them and no faster),
// and in a store by bytes, where every page is compared with its hash.
#include <benchmark/benchmark.h>

#include "bench/scratch.h"
#include "libimg/check/check.h"
#include "libimg/convert/open_image.h"

namespace img::bench {
namespace {

class Counted : public check::FindingSink {
 public:
  void finding(const check::Finding& finding) override {
    errors += finding.severity == check::Severity::error ? 1 : 0;
  }
  std::uint64_t errors = 0;
};

check::Summary judge(const std::string& place, bool compares_pages = true) {
  auto source = convert::recognise(place, {});
  check::DamageLog damage;
  auto image = source ? convert::open_image(*source, {damage.sink()})
                      : Result<std::unique_ptr<model::ImageReader>>(fail(source.error()));
  Counted findings;
  check::Options options;
  options.damage = source && source->form == convert::Form::store ? nullptr : &damage;
  options.compares_pages = compares_pages;
  auto summary = image ? check::check(**image, options, findings)
                       : Result<check::Summary>(fail(image.error()));
  if (!summary || findings.errors != 0) {
    std::fprintf(stderr, "%s: %s\n", place.c_str(),
                 summary ? "has errors" : summary.error().line().c_str());
    std::abort();
  }
  return *summary;
}

void tasks(benchmark::State& state) {
  const std::string& place = image({1, static_cast<std::uint32_t>(state.range(0)), 4, 4});
  std::uint64_t records = 0;
  for (auto _ : state) {
    records += judge(place).records;
  }
  state.counters["records/s"] =
      benchmark::Counter(static_cast<double>(records), benchmark::Counter::kIsRate);
  state.SetComplexityN(state.range(0));
}
BENCHMARK(tasks)
    ->Name("check/tasks")
    ->RangeMultiplier(4)
    ->Range(40, 10240)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond)
    ->Complexity(benchmark::oN);

void pages(benchmark::State& state) {
  Scratch scratch;
  const auto mebibytes = static_cast<std::uint64_t>(state.range(0));
  const std::string& place = image({1, 1, mebibytes * 256, 64});
  const std::string store = scratch / "x.store";
  convert(place, store, "store", "x");
  for (auto _ : state) {
    judge(store);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(mebibytes << 20) *
                          static_cast<std::int64_t>(state.iterations()));
  state.SetComplexityN(state.range(0));
}
BENCHMARK(pages)
    ->Name("check/store_mib")
    ->RangeMultiplier(4)
    ->Range(16, 1024)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond)
    ->Complexity(benchmark::oN);

}  // namespace
}  // namespace img::bench

BENCHMARK_MAIN();
