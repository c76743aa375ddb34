// SPDX-License-Identifier: MIT
// What a collection costs: the same number of images goes from a small store and from a large one;
// and what it costs whoever reads meanwhile.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <ctime>
#include <filesystem>
#include <map>
#include <thread>

#include "bench/scratch.h"
#include "libimg/gc/apply.h"
#include "libimg/model/store_image.h"
#include "schema/pack_generated.h"
#include "schema/pagemap_generated.h"
#include "schema/pstree_generated.h"

namespace img::bench {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

struct Size {
  unsigned records = 200;
  std::uint64_t memory = 256 * 1024;
};
// For stores of many images.
constexpr Size kSmall{50, 16 * 1024};

void write_image(const std::shared_ptr<const store::Store>& store, const std::string& name,
                 const std::string& series, const Size& size) {
  store::HeaderDraft draft;
  draft.name = name;
  draft.series = series;
  const auto writer = need(model::StoreImageWriter::begin(store, draft));
  flatbuffers::FlatBufferBuilder builder;
  const auto put = [&](model::RecordKey key, const char* table, Bytes memory) {
    model::Record record;
    record.key = key;
    record.table = schema::find_table_layout(table);
    record.flatbuffer = std::as_bytes(std::span(builder.GetBufferPointer(), builder.GetSize()));
    if (!memory.empty()) {
      record.payload.parts.push_back(memory);
    }
    need(writer->record(record));
    builder.Clear();
  };
  builder.ForceDefaults(true);
  builder.Finish(schema::CreatePagemapHead(builder, 1));
  put({{schema::Kind::pagemap, 1}, 1}, "PagemapHead", {});
  const std::vector<std::byte> memory(size.memory, std::byte{7});
  std::vector<flatbuffers::Offset<schema::PagemapEntry>> entries;
  {
    schema::PagemapEntryBuilder entry(builder);
    entry.add_vaddr(0x400000);
    entry.add_flags(4);
    entry.add_nr_pages(size.memory / 4096);
    entries.push_back(entry.Finish());
  }
  builder.Finish(schema::CreatePagemapChunk(builder, builder.CreateVector(entries)));
  put({{schema::Kind::pagemap, 1}, 2}, "PagemapChunk", memory);
  for (std::uint32_t i = 1; i <= size.records; ++i) {
    builder.Finish(schema::CreatePstreeEntry(builder, i, 1, i, i));
    put({{schema::Kind::pstree, 0}, i}, "PstreeEntry", {});
  }
  need(writer->commit());
}

// `images` of which `going` are in a series of their own, and all but one of those go.
void make_store(const std::string& path, unsigned images, unsigned going, const Size& size = {}) {
  const auto store = need(store::Store::create(path));
  for (unsigned at = 0; at < images; ++at) {
    const bool goes = at % (images / going) == 0;
    write_image(store, "i" + std::to_string(at), goes ? "going" : "staying", size);
  }
}

// Packs are never written again, so links to them do.
void copy_store(const std::string& from, const std::string& to) {
  fs::remove_all(to);
  fs::copy(from, to);  // not what is in its folders
  fs::copy(from + "/packs", to + "/packs",
           fs::copy_options::recursive | fs::copy_options::create_hard_links);
}

gc::Outcome collect(const std::shared_ptr<const store::Store>& store) {
  gc::Options options;
  options.policy.keep_last = 1;
  options.policy.series = "going";
  const gc::Plan plan = need(gc::make_plan(store, options));
  return need(gc::apply(store, plan, options));
}

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

// The longest that a reader waits for one record while 500 of 1,000 images go.
void ReadWhileCollecting(benchmark::State& state) {
  const Scratch scratch;
  make_store(scratch / "base", 1000, 500);
  double worst = 0;
  for (auto _ : state) {
    state.PauseTiming();
    copy_store(scratch / "base", scratch / "s");
    const auto store = need(store::Store::open(scratch / "s"));
    state.ResumeTiming();
    std::atomic<bool> done{false};
    std::thread reader([&] {
      while (!done) {
        const auto begin = Clock::now();
        const auto image = need(model::StoreImageReader::open(store));
        need(image->view().record({schema::Kind::pstree, 0, 1}));
        const std::chrono::duration<double, std::micro> took = Clock::now() - begin;
        worst = std::max(worst, took.count());
      }
    });
    collect(store);
    done = true;
    reader.join();
  }
  state.counters["worst_us"] = worst;
}
BENCHMARK(ReadWhileCollecting)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace img::bench

BENCHMARK_MAIN();
