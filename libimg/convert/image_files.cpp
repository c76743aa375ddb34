// SPDX-License-Identifier: MIT
#include "libimg/convert/image_files.h"

#include "libimg/criu/names.h"
#include "schema/pack_generated.h"
#include "schema/pagemap_generated.h"

namespace img::convert {
namespace {

using model::FileKey;
using schema::Kind;

bool is_chunk(const model::Record& record) {
  return record.table != nullptr && record.table->name == "PagemapChunk";
}

class MemorySize : public model::RecordSink {
 public:
  Result<void> record(const model::Record& record) override {
    if (record.table != nullptr && record.table->name == "PagemapHead") {
      pages_id = record.as<schema::PagemapHead>()->pages_id();
    }
    bytes += is_chunk(record) ? record.payload.size() : 0;
    return {};
  }
  std::uint32_t pages_id = 0;
  std::uint64_t bytes = 0;
};

class MemoryBytes : public model::RecordSink {
 public:
  explicit MemoryBytes(ByteSink& out) : out_(out) {}
  Result<void> record(const model::Record& record) override {
    if (is_chunk(record)) {
      for (const Bytes part : record.payload.parts) {
        IMG_TRY(out_.write(part));
      }
    }
    return {};
  }

 private:
  ByteSink& out_;
};

/// Every record of one file into its bytes.
class Composing : public model::RecordSink {
 public:
  Composing(criu::WriterOptions options, ByteSink& out) : composer_(options), out_(out) {}
  Result<void> record(const model::Record& record) override {
    begin(record.key.file);
    return composer_.record(record);
  }
  [[nodiscard]] Result<void> finish(FileKey key) {
    begin(key);
    return composer_.finish();
  }

 private:
  void begin(FileKey key) {
    if (!has_begun_) {
      composer_.begin(key, out_);
      has_begun_ = true;
    }
  }
  criu::FileComposer composer_;
  ByteSink& out_;
  bool has_begun_ = false;
};

}  // namespace

criu::WriterOptions writer_options(const model::ImageReader& image) {
  criu::WriterOptions options;
  if (const schema::Provenance* from = image.header().provenance()) {
    options.img_version = from->img_version();
    options.order.swapped = from->byte_order() == schema::ByteOrder::big;
  }
  return options;
}

bool is_of_archive(schema::Kind kind) {
  return kind == Kind::archive || kind == Kind::archive_member;
}

bool has_no_file(schema::Kind kind) {
  return is_of_archive(kind) || kind == Kind::settings;
}

ImageFiles::ImageFiles(model::ImageReader& image)
    : image_(&image), options_(writer_options(image)), spool_(temporary_directory()) {}

Result<ImageFiles> ImageFiles::of(model::ImageReader& image) {
  ImageFiles made(image);
  IMG_ASSIGN(const std::vector<FileKey> all, image.files());
  for (const FileKey key : all) {
    if (has_no_file(key.kind)) {
      continue;
    }
    if (key.kind == Kind::pagemap || key.kind == Kind::pagemap_shmem) {
      IMG_TRY(made.look_at(key));
    }
    const std::string name =
        key.kind == Kind::unknown_file ? image.file_name(key) : criu::criu_form().name_of(key);
    made.files_[name].key = key;
  }
  return made;
}

Result<void> ImageFiles::look_at(FileKey pagemap) {
  MemorySize size;
  IMG_TRY(image_->read(pagemap, size));
  if (size.bytes > 0) {
    File& file = files_[criu::image_file_name({Kind::pages, size.pages_id})];
    file.pagemap = pagemap;
    file.memory = size.bytes;
  }
  return {};
}

std::vector<std::string> ImageFiles::names() const {
  std::vector<std::string> all;
  for (const auto& [name, file] : files_) {
    all.push_back(name);
  }
  return all;
}

Result<Bytes> ImageFiles::compose(FileKey key) {
  spool_.clear();
  Composing composing(options_, spool_);
  IMG_TRY(image_->read(key, composing));
  IMG_TRY(composing.finish(key));
  return spool_.bytes();
}

Result<void> ImageFiles::write(const std::string& name, const Sized& sized) {
  const auto found = files_.find(name);
  if (found == files_.end()) {
    return fail(Fault::missing, image_->place(), "has no file " + name);
  }
  const File& file = found->second;
  Bytes rest;
  if (file.key.kind != Kind::none) {
    IMG_ASSIGN(rest, compose(file.key));
  }
  IMG_ASSIGN(ByteSink* const out, sized(file.memory + rest.size()));
  if (file.memory > 0) {
    MemoryBytes memory(*out);
    IMG_TRY(image_->read(file.pagemap, memory));
  }
  return out->write(rest);
}

}  // namespace img::convert
