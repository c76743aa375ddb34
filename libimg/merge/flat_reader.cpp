// SPDX-License-Identifier: MIT
#include "libimg/merge/flat_reader.h"

#include <algorithm>
#include <set>

#include "libimg/merge/flat_pagemap.h"
#include "schema/pagemap_generated.h"

namespace img::merge {
namespace {

using model::FileKey;
using model::ImageReader;
using schema::Kind;

constexpr std::size_t kMaxLevels = 4096;  // FORMAT.md, "Limits"

bool is_memory(FileKey file) {
  return file.kind == Kind::pagemap || file.kind == Kind::pagemap_shmem;
}

/// Which pages files page maps name.
struct HeadIds : model::RecordSink {
  std::set<std::uint64_t> ids;
  Result<void> record(const model::Record& record) override {
    if (record.key.seq == 1 && record.table != nullptr) {
      ids.insert(record.as<schema::PagemapHead>()->pages_id());
    }
    return {};
  }
};

}  // namespace

Result<std::unique_ptr<FlatReader>> FlatReader::open(std::unique_ptr<ImageReader> newest) {
  std::unique_ptr<FlatReader> flat(new FlatReader(std::move(newest)));
  for (ImageReader* level = flat->newest_.get(); level != nullptr;) {
    if (flat->levels_.size() == kMaxLevels) {
      return fail(Fault::limit, flat->place(), "a chain of more than 4096 levels");
    }
    if (level->header().page_size() != flat->newest().header().page_size()) {
      return fail(Fault::corrupt, level->place(), "pages of another size than in its child");
    }
    flat->levels_.push_back(level);
    IMG_ASSIGN(level, level->parent());
  }
  flat->make_header();
  return flat;
}

void FlatReader::make_header() {
  const schema::ImageHeader& from = newest().header();
  const schema::Provenance* origin = from.provenance();
  const auto name = header_.CreateString(from.name());
  const auto series = header_.CreateString(from.series());
  flatbuffers::Offset<schema::Freeze> freeze;
  if (const schema::Freeze* was = from.freeze()) {
    const auto text = [this](const flatbuffers::String* string) {
      return string == nullptr ? 0 : header_.CreateString(string);
    };
    const auto boot_id = text(was->boot_id());
    const auto host = text(was->host());
    const auto kernel = text(was->kernel());
    freeze = schema::CreateFreeze(header_, was->realtime_ns(), was->monotonic_ns(),
                                  was->boottime_ns(), boot_id, host, kernel);
  }
  schema::ProvenanceBuilder provenance(header_);
  provenance.add_origin(schema::Origin::merge);
  if (origin != nullptr) {
    provenance.add_img_version(origin->img_version());
    provenance.add_byte_order(origin->byte_order());
  }
  const auto made = provenance.Finish();
  const schema::Id128 no_id;
  schema::ImageHeaderBuilder builder(header_);
  builder.add_id(&no_id);
  builder.add_name(name);
  builder.add_series(series);
  builder.add_created_ns(from.created_ns());
  builder.add_page_size(from.page_size());
  if (!freeze.IsNull()) {
    builder.add_freeze(freeze);
  }
  builder.add_provenance(made);
  header_.Finish(builder.Finish());
}

const schema::ImageHeader& FlatReader::header() const {
  return *flatbuffers::GetRoot<schema::ImageHeader>(header_.GetBufferPointer());
}

Result<std::vector<FileKey>> FlatReader::files() {
  IMG_ASSIGN(std::vector<FileKey> files, newest().files());
  if (std::ranges::none_of(files, [](FileKey file) { return file.kind == Kind::pages; })) {
    return files;
  }
  HeadIds heads;
  for (const FileKey file : files) {
    if (is_memory(file)) {
      IMG_TRY(newest().read(file, heads));
    }
  }
  std::erase_if(files, [&heads](FileKey file) {
    return file.kind == Kind::pages && heads.ids.contains(file.id);
  });
  return files;
}

Result<void> FlatReader::read(FileKey file, model::RecordSink& sink) {
  return is_memory(file) ? read_flat(levels_, file, sink) : newest().read(file, sink);
}

}  // namespace img::merge
