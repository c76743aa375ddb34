// SPDX-License-Identifier: MIT
#include "libimg/model/store_image.h"

#include <fmt/core.h>

#include "libimg/model/file_name.h"
#include "libimg/model/stored_place.h"
#include "libimg/store/record_table.h"
#include "schema/pack_generated.h"

namespace img::model {
namespace {

constexpr std::uint64_t kMax = ~std::uint64_t{0};

bool is_of_file(const store::RecordPlace& place, FileKey file) {
  return place.kind == file.kind && place.id == file.id;
}

// Appends to the last part where the bytes follow it.
void add_part(Payload& payload, Bytes bytes) {
  if (!payload.parts.empty()) {
    Bytes& last = payload.parts.back();
    if (last.data() + last.size() == bytes.data()) {
      last = {last.data(), last.size() + bytes.size()};
      return;
    }
  }
  payload.parts.push_back(bytes);
}

}  // namespace

Result<std::unique_ptr<StoreImageReader>> StoreImageReader::open(
    std::shared_ptr<const store::Store> store, std::string_view name) {
  // A pack that has gone was replaced after the snapshot: look again. If it has gone for good, the
  // records can still be read, and its memory is an error for whoever wants it.
  std::unique_ptr<StoreImageReader> reader;
  for (int attempt = 0; attempt < 3; ++attempt) {
    IMG_ASSIGN(store::Snapshot now, store->snapshot());
    IMG_ASSIGN(const store::ImageRow row,
               name.empty() ? store::newest_image(*now) : store::find_image(*now, name));
    reader = std::make_unique<StoreImageReader>(store, std::move(now), row);
    if (reader->view_.has_all_packs()) {
      break;
    }
  }
  return reader;
}

Result<ImageReader*> StoreImageReader::parent() {
  if (header().parent() == nullptr) {
    return static_cast<ImageReader*>(nullptr);
  }
  const std::lock_guard lock(parent_mutex_);
  if (parent_ == nullptr) {
    auto row = store::find_image(*view_.snapshot(), store::Id::of(*header().parent()));
    if (!row) {
      Error error = std::move(row).error();
      error.thing = place();
      error.what = "its parent: " + error.what;
      return fail(std::move(error));
    }
    // So that no chain can go round in a circle.
    if (row->commit >= view_.row().commit) {
      return fail(Fault::corrupt, place(), "its parent", "is younger than itself");
    }
    parent_ = std::make_unique<StoreImageReader>(view_.store(), view_.snapshot(), *row);
  }
  return static_cast<ImageReader*>(parent_.get());
}

Result<std::vector<FileKey>> StoreImageReader::files() {
  std::vector<FileKey> files;
  store::RecordPlace from;
  for (;;) {
    IMG_ASSIGN(const auto place, view_.place_from(from));
    if (!place) {
      return files;
    }
    if (place->kind != Kind::extents && place->kind != Kind::extents_shmem) {
      if (schema::find_kind(place->kind) == nullptr) {
        return fail(Fault::unsupported, this->place(),
                    fmt::format("a record of kind {}", static_cast<unsigned>(place->kind)),
                    "which this version does not know");
      }
      files.push_back({place->kind, place->id});
    }
    if (place->id == kMax) {
      return fail(Fault::corrupt, this->place(), "a record's id is out of range");
    }
    from = {place->kind, place->id + 1, 0};
  }
}

Result<void> StoreImageReader::read(FileKey file, RecordSink& sink) {
  std::uint64_t expected = 0;
  const auto visit = [&](const store::StoredRecord& stored) -> Result<bool> {
    if (!is_of_file(stored.place, file)) {
      return false;
    }
    const bool is_first = expected == 0;
    if (stored.place.seq != expected && !(is_first && stored.place.seq == 1)) {
      return fail(Fault::corrupt, place(), fmt::format("{}: record {}", file_name(file), expected),
                  "is missing");
    }
    expected = stored.place.seq + 1;
    IMG_ASSIGN(const Record record, make_record(stored));
    IMG_TRY(sink.record(record));
    return true;
  };
  return view_.walk({file.kind, file.id, 0}, visit);
}

Result<Record> StoreImageReader::make_record(const store::StoredRecord& stored) const {
  Record record;
  record.key = {{stored.place.kind, stored.place.id}, stored.place.seq};
  record.flatbuffer = stored.value.flatbuffer;
  if (!record.flatbuffer.empty()) {
    record.table = schema::find_table_layout(store::record_table(stored.place));
  }
  record.original = stored.value.original.value_or(Bytes());
  if (is_chunk(record.key)) {
    IMG_ASSIGN(record.payload, memory_of(stored));
  } else if (stored.value.run) {
    IMG_ASSIGN(const Bytes bytes, view_.pack_bytes(stored.value.run->pack, stored.value.run->offset,
                                                   stored.value.run->length));
    record.payload.parts.push_back(bytes);
  } else if (!stored.value.payload.empty()) {
    record.payload.parts.push_back(stored.value.payload);
  }
  return record;
}

Result<Payload> StoreImageReader::memory_of(const store::StoredRecord& chunk) const {
  const RecordKey key{{chunk.place.kind, chunk.place.id}, chunk.place.seq};
  const auto bad = [&](std::string_view why) {
    return fail(Fault::corrupt, place(), fmt::format("{}: record {}", file_name(key.file), key.seq),
                std::string(why));
  };
  const auto* entries = flatbuffers::GetRoot<schema::PagemapChunk>(chunk.value.flatbuffer.data());
  const auto wanted = present_bytes(*entries, header().page_size());
  Payload payload;
  if (wanted && *wanted == 0) {
    return payload;
  }
  if (!wanted) {
    return bad("its entries have more pages than there can be");
  }
  std::uint64_t have = 0;
  for (std::uint64_t part = 0; have < *wanted; ++part) {
    IMG_ASSIGN(const auto extents, view_.record(extents_of(key, part)));
    if (!extents) {
      return bad("the extents of its memory are missing");
    }
    const auto* list =
        flatbuffers::GetRoot<schema::ExtentChunk>(extents->value.flatbuffer.data())->extents();
    for (const schema::Extent* extent : *list) {
      if (extent->encoding() != schema::Encoding::raw) {
        return bad("its memory is encoded in a way that this version does not know");
      }
      if (extent->pages() > (*wanted - have) / header().page_size() ||
          extent->stored() != extent->pages() * header().page_size()) {
        return bad("an extent has another size than its pages");
      }
      IMG_ASSIGN(const Bytes bytes,
                 view_.pack_bytes(extent->pack(), extent->offset(), extent->stored()));
      add_part(payload, bytes);
      have += extent->stored();
    }
  }
  return payload;
}

std::string StoreImageReader::file_name(FileKey file) const {
  if (file.kind == Kind::unknown_file) {
    const auto stored = view_.record({file.kind, file.id, 0});
    if (stored && *stored) {
      const auto* name =
          flatbuffers::GetRoot<schema::ImageFile>((*stored)->value.flatbuffer.data())->name();
      return name == nullptr ? std::string() : name->str();
    }
  }
  return image_file_name(file);
}

}  // namespace img::model
