// SPDX-License-Identifier: MIT
// What a store costs: writing an image of many small files, writing memory, opening, reading one
// record, reading all. Stores are made on tmpfs, so that it is our cost and not a disk's.
#include <benchmark/benchmark.h>

#include <random>
#include <string>
#include <vector>

#include "bench/scratch.h"
#include "libimg/model/store_image.h"
#include "schema/files_generated.h"
#include "schema/mm_generated.h"
#include "schema/pack_generated.h"
#include "schema/pstree_generated.h"

namespace img {
namespace {

using model::FileKey;
using model::Record;
using schema::Kind;

using bench::need;
using bench::Scratch;

// Records whose bytes live as long as this.
struct Image {
  std::vector<std::unique_ptr<std::vector<std::byte>>> bytes;
  std::vector<Record> records;

  void add(FileKey file, std::uint64_t seq, flatbuffers::FlatBufferBuilder& builder,
           std::uint64_t memory = 0) {
    const auto built = std::as_bytes(std::span(builder.GetBufferPointer(), builder.GetSize()));
    Record& record = records.emplace_back();
    record.key = {file, seq};
    record.flatbuffer =
        *bytes.emplace_back(std::make_unique<std::vector<std::byte>>(built.begin(), built.end()));
    if (memory != 0) {
      record.payload.parts.push_back(
          *bytes.emplace_back(std::make_unique<std::vector<std::byte>>(memory, std::byte{7})));
    }
    builder.Clear();
    builder.ForceDefaults(true);
  }
};

void add_mm(Image& image, std::uint32_t pid, flatbuffers::FlatBufferBuilder& builder) {
  std::vector<flatbuffers::Offset<schema::VmaEntry>> vmas;
  for (std::uint64_t i = 0; i < 25; ++i) {
    schema::VmaEntryBuilder vma(builder);
    vma.add_start(0x400000 + i * 0x10000);
    vma.add_end(0x408000 + i * 0x10000);
    vma.add_pgoff(i);
    vma.add_shmid(i);
    vma.add_prot(5);
    vma.add_flags(2);
    vma.add_status(1);
    vma.add_fd(-1);
    vmas.push_back(vma.Finish());
  }
  const auto all = builder.CreateVector(vmas);
  schema::MmEntryBuilder mm(builder);
  mm.add_vmas(all);
  builder.Finish(mm.Finish());
  image.add({Kind::mm, pid}, 1, builder);
}

void add_memory(Image& image, std::uint32_t pid, std::uint64_t entries, std::uint64_t pages,
                flatbuffers::FlatBufferBuilder& builder) {
  builder.Finish(schema::CreatePagemapHead(builder, pid));
  image.add({Kind::pagemap, pid}, 1, builder);
  std::vector<flatbuffers::Offset<schema::PagemapEntry>> all;
  for (std::uint64_t i = 0; i < entries; ++i) {
    schema::PagemapEntryBuilder entry(builder);
    entry.add_vaddr(0x400000 + i * 2 * pages * 4096);
    entry.add_flags(4);
    entry.add_nr_pages(pages);
    all.push_back(entry.Finish());
  }
  builder.Finish(schema::CreatePagemapChunk(builder, builder.CreateVector(all)));
  image.add({Kind::pagemap, pid}, 2, builder, entries * pages * 4096);
}

// 500 processes: 3,000 image files of them, and pstree. Pages of each process lie apart.
Image many_small_files(std::uint64_t pages) {
  Image image;
  flatbuffers::FlatBufferBuilder builder;
  builder.ForceDefaults(true);
  for (std::uint32_t i = 1; i <= 500; ++i) {
    builder.Finish(schema::CreatePstreeEntry(builder, i, 1, i, i));
    image.add({Kind::pstree, 0}, i, builder);
  }
  for (const Kind kind : {Kind::ids, Kind::fs, Kind::creds}) {
    for (std::uint32_t pid = 1; pid <= 500; ++pid) {
      const std::vector<std::byte> content(200, std::byte{1});
      Record& record = image.records.emplace_back();
      record.key = {{Kind::ifaddr, static_cast<std::uint64_t>(kind) * 1000 + pid}, 1};
      record.payload.parts.push_back(
          *image.bytes.emplace_back(std::make_unique<std::vector<std::byte>>(content)));
    }
  }
  for (std::uint32_t pid = 1; pid <= 500; ++pid) {
    add_mm(image, pid, builder);
    add_memory(image, pid, pages, 1, builder);
    for (std::uint32_t fd = 0; fd < 8; ++fd) {
      schema::FdinfoEntryBuilder entry(builder);
      entry.add_id(fd);
      entry.add_flags(0);
      entry.add_fd(fd);
      builder.Finish(entry.Finish());
      image.add({Kind::fdinfo, pid}, fd + 1, builder);
    }
  }
  return image;
}

Image one_large_memory(std::uint64_t megabytes) {
  Image image;
  flatbuffers::FlatBufferBuilder builder;
  builder.ForceDefaults(true);
  add_memory(image, 1, 1, megabytes * 256, builder);
  std::mt19937_64 random(1);
  for (std::byte& byte : *image.bytes.back()) {
    byte = static_cast<std::byte>(random());
  }
  return image;
}

void write(const std::shared_ptr<const store::Store>& store, const Image& image,
           const std::string& name) {
  store::HeaderDraft draft;
  draft.name = name;
  draft.series = "bench";
  auto writer = need(model::StoreImageWriter::begin(store, draft));
  for (const Record& record : image.records) {
    need(writer->record(record));
  }
  need(writer->commit());
}

struct Counter : model::RecordSink {
  std::uint64_t records = 0;
  std::uint64_t sum = 0;
  Result<void> record(const Record& record) override {
    ++records;
    for (const Bytes part : record.payload.parts) {
      for (std::size_t at = 0; at < part.size(); at += 64) {
        sum += static_cast<std::uint64_t>(part[at]);
      }
    }
    return {};
  }
};

// Into a new store each time, of which only the writing counts.
void import_again_and_again(benchmark::State& state, const Image& image) {
  for (auto _ : state) {
    state.PauseTiming();
    auto scratch = std::make_unique<Scratch>();
    auto store = need(store::Store::create(*scratch / "s"));
    state.ResumeTiming();
    write(store, image, "a");
    state.PauseTiming();
    store.reset();
    scratch.reset();
    state.ResumeTiming();
  }
}

void import_small_files(benchmark::State& state) {
  const Image image = many_small_files(static_cast<std::uint64_t>(state.range(0)));
  import_again_and_again(state, image);
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(image.records.size()));
}
BENCHMARK(import_small_files)->ArgName("pages")->Arg(0)->Arg(20)->Unit(benchmark::kMillisecond);

void import_memory(benchmark::State& state) {
  const Image image = one_large_memory(256);
  import_again_and_again(state, image);
  state.SetBytesProcessed(state.iterations() * 256 * 1024 * 1024);
}
BENCHMARK(import_memory)->Unit(benchmark::kMillisecond);

void scan(benchmark::State& state) {
  const Scratch scratch;
  const Image image = many_small_files(20);
  auto store = need(store::Store::create(scratch / "s"));
  write(store, image, "a");
  for (auto _ : state) {
    Counter counter;
    auto reader = need(model::StoreImageReader::open(store, "a"));
    for (const FileKey file : need(reader->files())) {
      need(reader->read(file, counter));
    }
    benchmark::DoNotOptimize(counter.sum);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(image.records.size()));
}
BENCHMARK(scan)->Unit(benchmark::kMillisecond);

// A store opened anew each time; what a process also pays once is measured by first_read.cpp.
void open_and_read_one(benchmark::State& state) {
  const Scratch scratch;
  const Image image = many_small_files(20);
  write(need(store::Store::create(scratch / "s")), image, "a");
  for (auto _ : state) {
    auto store = need(store::Store::open(scratch / "s"));
    auto now = need(store->snapshot());
    const auto row = need(store::find_image(*now, "a"));
    const store::ImageView view(store, now, row);
    benchmark::DoNotOptimize(need(view.record({Kind::mm, 250, 1})));
  }
}
BENCHMARK(open_and_read_one)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace img

BENCHMARK_MAIN();
