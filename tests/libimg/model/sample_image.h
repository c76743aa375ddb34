// SPDX-License-Identifier: MIT
// A small image with one of everything a store treats differently, and copies of what was read.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "libimg/model/store_image.h"
#include "schema/pack_generated.h"
#include "schema/pagemap_generated.h"
#include "schema/pstree_generated.h"
#include "tests/libimg/store/scratch.h"

namespace img::model::testing {

/// A record with its bytes, comparable.
struct Copy {
  RecordKey key;
  std::string table;
  std::string flatbuffer;
  std::string original;
  std::string payload;
  friend bool operator==(const Copy&, const Copy&) = default;

  [[nodiscard]] Record record() const {
    Record made;
    made.key = key;
    made.table = table.empty() ? nullptr : schema::find_table_layout(table);
    made.flatbuffer = as_bytes(flatbuffer);
    made.original = as_bytes(original);
    if (!payload.empty()) {
      made.payload.parts.push_back(as_bytes(payload));
    }
    return made;
  }
};

struct Collector : RecordSink {
  std::vector<Copy> copies;
  Result<void> record(const Record& record) override {
    Copy& copy = copies.emplace_back();
    copy.key = record.key;
    copy.table = record.table == nullptr ? "" : record.table->name;
    copy.flatbuffer = as_text(record.flatbuffer);
    copy.original = as_text(record.original);
    for (const Bytes part : record.payload.parts) {
      copy.payload += as_text(part);
    }
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(record.flatbuffer.data()) % 8, 0U);
    return {};
  }
};

inline std::string noise(std::size_t size, unsigned seed) {
  std::string text(size, '\0');
  std::uint64_t state = seed * 2654435761U + 1;
  for (std::size_t at = 0; at < size; at += sizeof(state)) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    const std::uint64_t mixed = state ^ (state >> 29);
    std::memcpy(text.data() + at, &mixed, std::min(sizeof(mixed), size - at));
  }
  return text;
}

inline std::string finished(flatbuffers::FlatBufferBuilder& builder) {
  return {reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize()};
}

inline Copy process(std::uint64_t seq, std::uint32_t pid, std::uint32_t threads) {
  flatbuffers::FlatBufferBuilder builder;
  builder.ForceDefaults(true);
  std::vector<std::uint32_t> tids(threads, pid);
  builder.Finish(schema::CreatePstreeEntry(builder, pid, 1, pid, pid, builder.CreateVector(tids)));
  return {{{Kind::pstree, 0}, seq}, "PstreeEntry", finished(builder), "", ""};
}

inline Copy raw_file(Kind kind, std::uint64_t id, std::string content) {
  return {{{kind, id}, 1}, "", "", "", std::move(content)};
}

inline Copy pagemap_head(std::uint64_t id, Kind kind = Kind::pagemap) {
  flatbuffers::FlatBufferBuilder builder;
  builder.ForceDefaults(true);
  builder.Finish(schema::CreatePagemapHead(builder, 7));
  return {{{kind, id}, 1}, "PagemapHead", finished(builder), "", ""};
}

struct Run {
  std::uint64_t page;
  std::uint64_t pages;
  std::uint32_t flags = 4;
};

inline Copy pagemap_chunk(std::uint64_t id, std::uint64_t seq, const std::vector<Run>& runs,
                          unsigned seed, Kind kind = Kind::pagemap) {
  flatbuffers::FlatBufferBuilder builder;
  builder.ForceDefaults(true);
  std::vector<flatbuffers::Offset<schema::PagemapEntry>> entries;
  std::size_t pages = 0;
  for (const Run& run : runs) {
    schema::PagemapEntryBuilder entry(builder);
    entry.add_vaddr(run.page * 4096);
    entry.add_flags(run.flags);
    entry.add_nr_pages(run.pages);
    entry.add_compat_nr_pages(0);
    entries.push_back(entry.Finish());
    pages += (run.flags & 4) != 0 ? run.pages : 0;
  }
  builder.Finish(schema::CreatePagemapChunk(builder, builder.CreateVector(entries)));
  return {{{kind, id}, seq}, "PagemapChunk", finished(builder), "", noise(pages * 4096, seed)};
}

/// Files ascending, as a reader gives them.
inline std::vector<Copy> sample_records() {
  std::vector<Copy> all = {process(1, 66, 1), process(2, 67, 5), process(3, 68, 0)};
  all[1].original = "not what encoding would give";
  all.push_back(pagemap_head(66));
  all.push_back(pagemap_chunk(66, 2, {{16, 3}, {19, 1, 6}, {40, 2, 1}, {50, 20}}, 1));
  all.push_back(pagemap_chunk(66, 3, {{100, 2, 1}}, 2));
  all.push_back(pagemap_head(67));
  all.push_back(pagemap_chunk(67, 2, {{1, 300}}, 3));
  all.push_back(pagemap_head(9, Kind::pagemap_shmem));
  all.push_back(pagemap_chunk(9, 2, {{0, 1}, {2, 1}}, 4, Kind::pagemap_shmem));
  all.push_back(raw_file(Kind::ifaddr, 1, noise(4080, 5)));
  all.push_back(raw_file(Kind::ifaddr, 2, noise(4081, 6)));
  all.push_back(raw_file(Kind::route, 1, ""));
  all.push_back(raw_file(Kind::tmpfs_dev, 3, noise(300'001, 7)));
  return all;
}

inline Result<void> write_records(StoreImageWriter& writer, const std::vector<Copy>& records) {
  for (const Copy& copy : records) {
    IMG_TRY(writer.record(copy.record()));
  }
  return {};
}

inline Result<void> write_image(std::shared_ptr<const store::Store> store, const std::string& name,
                                const std::vector<Copy>& records) {
  IMG_ASSIGN(const auto writer,
             StoreImageWriter::begin(std::move(store), store::testing::draft(name)));
  IMG_TRY(write_records(*writer, records));
  return writer->commit();
}

inline Result<std::vector<Copy>> read_image(StoreImageReader& reader) {
  Collector collector;
  IMG_ASSIGN(const auto files, reader.files());
  for (const FileKey file : files) {
    IMG_TRY(reader.read(file, collector));
  }
  return collector.copies;
}

inline Result<std::vector<Copy>> read_image(std::shared_ptr<const store::Store> store,
                                            const std::string& name) {
  IMG_ASSIGN(const auto reader, StoreImageReader::open(std::move(store), name));
  return read_image(*reader);
}

}  // namespace img::model::testing
