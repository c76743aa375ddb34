// SPDX-License-Identifier: MIT
#include "bench/gc_images.h"

#include <filesystem>
#include <vector>

#include "libimg/model/pagemap.h"
#include "libimg/model/store_image.h"
#include "libimg/store/catalogue.h"
#include "schema/pack_generated.h"
#include "schema/pagemap_generated.h"
#include "schema/pstree_generated.h"

namespace img::bench {

namespace fs = std::filesystem;

void write_image(const std::shared_ptr<const store::Store>& store, const std::string& name,
                 const std::string& series, const ImageSize& size,
                 std::optional<store::Id> parent) {
  store::HeaderDraft draft;
  draft.name = name;
  draft.series = series;
  draft.parent = parent;
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
  const std::vector<std::byte> memory(size.memory - size.left_to_parent, std::byte{7});
  std::vector<flatbuffers::Offset<schema::PagemapEntry>> entries;
  const auto add = [&](std::uint64_t from, std::uint64_t bytes, unsigned flags) {
    if (bytes != 0) {
      schema::PagemapEntryBuilder entry(builder);
      entry.add_vaddr(0x400000 + from);
      entry.add_flags(flags);
      entry.add_nr_pages(bytes / 4096);
      entries.push_back(entry.Finish());
    }
  };
  add(0, size.left_to_parent, model::kPageInParent);
  add(size.left_to_parent, memory.size(), model::kPagePresent);
  builder.Finish(schema::CreatePagemapChunk(builder, builder.CreateVector(entries)));
  put({{schema::Kind::pagemap, 1}, 2}, "PagemapChunk", memory);
  for (std::uint32_t i = 1; i <= size.records; ++i) {
    builder.Finish(schema::CreatePstreeEntry(builder, i, 1, i, i));
    put({{schema::Kind::pstree, 0}, i}, "PstreeEntry", {});
  }
  need(writer->commit());
}

void make_store(const std::string& path, unsigned images, unsigned going, const ImageSize& size) {
  const auto store = need(store::Store::create(path));
  for (unsigned at = 0; at < images; ++at) {
    const bool goes = at % (images / going) == 0;
    write_image(store, "i" + std::to_string(at), goes ? "going" : "staying", size);
  }
}

void make_chains(const std::string& path, unsigned chains) {
  const auto store = need(store::Store::create(path));
  for (unsigned at = 0; at < chains; ++at) {
    const std::string parent = "p" + std::to_string(at);
    write_image(store, parent, "going", {});
    const store::Id id = need(store::find_image(*need(store->snapshot()), parent)).id;
    write_image(store, "i" + std::to_string(at), "staying", {200, 64 * 1024, 32 * 1024}, id);
  }
}

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

}  // namespace img::bench
