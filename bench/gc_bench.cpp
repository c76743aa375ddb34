// SPDX-License-Identifier: MIT
// What a collection costs: the same number of images goes from a small store and from a large one;
// and what it costs whoever reads meanwhile.
#include <benchmark/benchmark.h>

#include <atomic>
#include <filesystem>
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

constexpr unsigned kRecords = 200;
constexpr std::uint64_t kMemory = 256 * 1024;

// 200 records and 256 KiB of memory.
void write_image(const std::shared_ptr<const store::Store>& store, const std::string& name,
                 const std::string& series) {
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
  const std::vector<std::byte> memory(kMemory, std::byte{7});
  std::vector<flatbuffers::Offset<schema::PagemapEntry>> entries;
  {
    schema::PagemapEntryBuilder entry(builder);
    entry.add_vaddr(0x400000);
    entry.add_flags(4);
    entry.add_nr_pages(kMemory / 4096);
    entries.push_back(entry.Finish());
  }
  builder.Finish(schema::CreatePagemapChunk(builder, builder.CreateVector(entries)));
  put({{schema::Kind::pagemap, 1}, 2}, "PagemapChunk", memory);
  for (std::uint32_t i = 1; i <= kRecords; ++i) {
    builder.Finish(schema::CreatePstreeEntry(builder, i, 1, i, i));
    put({{schema::Kind::pstree, 0}, i}, "PstreeEntry", {});
  }
  need(writer->commit());
}

// `images` of which `going` are in a series of their own, and all but one of those go.
void make_store(const std::string& path, unsigned images, unsigned going) {
  const auto store = need(store::Store::create(path));
  for (unsigned at = 0; at < images; ++at) {
    const bool goes = at % (images / going) == 0;
    write_image(store, "i" + std::to_string(at), goes ? "going" : "staying");
  }
}

gc::Outcome collect(const std::shared_ptr<const store::Store>& store) {
  gc::Options options;
  options.policy.keep_last = 1;
  options.policy.series = "going";
  const gc::Plan plan = need(gc::make_plan(store, options));
  return need(gc::apply(store, plan, options));
}

void CollectHalfOrTenth(benchmark::State& state) {
  const auto images = static_cast<unsigned>(state.range(0));
  const auto going = static_cast<unsigned>(state.range(1));
  const Scratch scratch;
  make_store(scratch / "base", images, going);
  std::size_t dropped = 0;
  for (auto _ : state) {
    state.PauseTiming();
    fs::remove_all(scratch / "s");
    fs::copy(scratch / "base", scratch / "s", fs::copy_options::recursive);
    state.ResumeTiming();
    dropped += collect(need(store::Store::open(scratch / "s"))).dropped.size();
  }
  state.counters["dropped"] =
      static_cast<double>(dropped) / static_cast<double>(state.iterations());
}
BENCHMARK(CollectHalfOrTenth)
    ->ArgNames({"images", "going"})
    ->Args({1000, 500})
    ->Args({5000, 500})
    ->Args({1000, 100})
    ->Unit(benchmark::kMillisecond);

// The longest that a reader waits for one record while 500 of 1,000 images go.
void ReadWhileCollecting(benchmark::State& state) {
  const Scratch scratch;
  make_store(scratch / "base", 1000, 500);
  double worst = 0;
  for (auto _ : state) {
    state.PauseTiming();
    fs::remove_all(scratch / "s");
    fs::copy(scratch / "base", scratch / "s", fs::copy_options::recursive);
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
