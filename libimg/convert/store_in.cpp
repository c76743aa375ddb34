// SPDX-License-Identifier: MIT
#include "libimg/convert/store_in.h"

#include <optional>
#include <ranges>

#include "libimg/base/staged.h"
#include "libimg/convert/level_digest.h"
#include "libimg/convert/store_naming.h"
#include "libimg/model/store_image.h"
#include "libimg/store/changes.h"

namespace img::convert {
namespace {

using model::FileKey;
using model::ImageReader;
using store::Id;

class NoSink : public model::RecordSink {
 public:
  Result<void> record(const model::Record&) override { return {}; }
};

/// One import: a store, and what has been done to it so far.
class Import {
 public:
  Import(std::shared_ptr<const store::Store> store, const std::vector<ImageReader*>& levels,
         const Options& options, bool reuse_newest)
      : store_(std::move(store)), levels_(levels), options_(options), reuse_newest_(reuse_newest) {}

  [[nodiscard]] Result<Outcome> run();
  /// What there is of it goes away; newest first, since each level needs the one before.
  void undo();

 private:
  [[nodiscard]] Result<void> choose_names();
  [[nodiscard]] Result<void> read_all();
  [[nodiscard]] Result<Made> take_level(std::size_t level);
  [[nodiscard]] Result<std::optional<Made>> reuse(ImageReader& image, const LevelDigest& digest);
  [[nodiscard]] Made reused(const store::ImageRow& row);
  [[nodiscard]] Result<Made> store_level(std::size_t level, const LevelDigest& digest);
  [[nodiscard]] std::string place_of(const std::string& name) const {
    return store_->place() + "::" + name;
  }

  std::shared_ptr<const store::Store> store_;
  const std::vector<ImageReader*>& levels_;
  const Options& options_;
  std::string series_;
  std::string base_;
  Id parent_;  // of the level that comes next; zero: none
  std::vector<std::string> stored_;
  bool reuse_newest_;
};

Result<void> copy_image(ImageReader& image, model::StoreImageWriter& writer, Copied& copied,
                        const std::atomic<int>* stop) {
  IMG_ASSIGN(const std::vector<FileKey> files, image.files());
  std::vector<std::unique_ptr<model::RecordSink>> others;
  std::vector<model::RecordSink*> sinks = {&writer};
  for (std::size_t at = worthwhile_threads(files.size()); at > 1; --at) {
    others.push_back(writer.sink());
    sinks.push_back(others.back().get());
  }
  return copy_files(image, files, sinks, copied, stop);
}

Result<void> Import::choose_names() {
  ImageReader& newest = *levels_.back();
  series_ = options_.series.empty() ? series_of(newest) : options_.series;
  IMG_ASSIGN(const store::Snapshot now, store_->snapshot());
  IMG_ASSIGN(base_, base_name(*now, options_.as, series_, options_.now_ns, levels_.size()));
  const std::string name = level_name(base_, levels_.size(), levels_.size());
  IMG_ASSIGN(const bool taken, store::has_image(*now, name));
  if (taken && !options_.force) {
    return fail(Fault::conflict, place_of(name), "there is an image of that name", {},
                "--force replaces it, --as gives another");
  }
  return {};
}

// Only the last level can still fail for what is wrong with a file; so that no level has to be
// taken back, all of them are read before the first is stored. Memory is not touched.
Result<void> Import::read_all() {
  NoSink nothing;
  Copied uncounted;
  CountingSink sink(nothing, uncounted, options_.stop);
  for (ImageReader* level : levels_) {
    IMG_ASSIGN(const std::vector<FileKey> files, level->files());
    for (const FileKey file : files) {
      IMG_TRY(level->read(file, sink));
    }
  }
  return {};
}

Result<Outcome> Import::run() {
  IMG_TRY(choose_names());
  if (levels_.size() > 1) {
    IMG_TRY(read_all());
  }
  Outcome outcome;
  for (std::size_t level = 1; level <= levels_.size(); ++level) {
    IMG_ASSIGN(Made made, take_level(level));
    outcome.levels.push_back(std::move(made));
  }
  return outcome;
}

void Import::undo() {
  for (const std::string& name : stored_ | std::views::reverse) {
    // An image that cannot be taken back is still whole, and has a name.
    static_cast<void>(store::delete_image(*store_, name));
  }
}

Result<Made> Import::take_level(std::size_t level) {
  LevelDigest digest(*levels_[level - 1]);
  if (level < levels_.size() || reuse_newest_) {
    IMG_ASSIGN(std::optional<Made> made, reuse(*levels_[level - 1], digest));
    if (made) {
      return std::move(*made);
    }
  }
  return store_level(level, digest);
}

Made Import::reused(const store::ImageRow& row) {
  parent_ = row.id;
  Made made;
  made.name = row.name();
  made.place = place_of(made.name);
  made.reused = true;
  return made;
}

Result<std::optional<Made>> Import::reuse(ImageReader& image, const LevelDigest& level) {
  IMG_ASSIGN(const store::Snapshot now, store_->snapshot());
  if (const Id id = Id::of(*image.header().id()); !id.is_zero()) {
    const auto row = store::find_image(*now, id);
    return row ? std::optional(reused(*row)) : std::optional<Made>();
  }
  IMG_ASSIGN(const Id digest, level.get());
  if (digest.is_zero()) {
    return std::optional<Made>();
  }
  IMG_ASSIGN(const std::vector<store::ImageRow> rows, store::list_images(*now));
  for (const store::ImageRow& row : rows) {
    const schema::Provenance* from = row.header->provenance();
    const schema::Id128* parent = row.header->parent();
    const Id row_parent = parent == nullptr ? Id() : Id::of(*parent);
    if (row.has_name && from != nullptr && from->digest() != nullptr &&
        Id::of(*from->digest()) == digest && row_parent == parent_) {
      return std::optional(reused(row));
    }
  }
  return std::optional<Made>();
}

Result<Made> Import::store_level(std::size_t level, const LevelDigest& digest) {
  ImageReader& image = *levels_[level - 1];
  store::HeaderDraft draft;
  draft.name = level_name(base_, level, levels_.size());
  draft.series = series_;
  draft.page_size = image.header().page_size();
  draft.freeze = image.header().freeze();
  if (!parent_.is_zero()) {
    draft.parent = parent_;
  }
  if (!Id::of(*image.header().id()).is_zero()) {
    draft.id = Id::of(*image.header().id());  // an image of a store keeps its own for ever
  }
  // Only the newest level was asked for by its name.
  const bool replace = options_.force && level == levels_.size();
  IMG_ASSIGN(Made made, write_image(store_, image, draft,
                                    replace ? store::NameTaken::replace : store::NameTaken::refuse,
                                    {digest, level, levels_.size()}, options_));
  stored_.push_back(draft.name);
  parent_ = draft.id;
  return made;
}

}  // namespace

Result<Made> write_image(const std::shared_ptr<const store::Store>& store, ImageReader& image,
                         store::HeaderDraft& draft, store::NameTaken taken, const LevelOf& level,
                         const Options& options) {
  Copied own;  // where nobody else counts
  Copied& copied = options.copied == nullptr ? own : *options.copied;
  Made made;
  made.name = draft.name;
  made.place = store->place() + "::" + draft.name;
  made.files = copied.files;
  made.records = copied.records;
  made.bytes = copied.bytes;
  IMG_ASSIGN(const std::unique_ptr<model::StoreImageWriter> writer,
             model::StoreImageWriter::begin(store, draft, taken, {options.known, options.packs}));
  IMG_TRY(copy_image(image, *writer, copied, options.stop));
  flatbuffers::FlatBufferBuilder builder;
  IMG_ASSIGN(writer->header().provenance,
             level.digest.provenance(builder, level.level, level.levels));
  IMG_TRY(writer->commit());
  draft.id = writer->header().id;
  made.files = copied.files - made.files;
  made.records = copied.records - made.records;
  made.bytes = copied.bytes - made.bytes;
  made.stored = writer->own_bytes();
  return made;
}

Result<Outcome> write_levels(const std::shared_ptr<const store::Store>& store,
                             const std::vector<ImageReader*>& levels, const Options& options,
                             bool reuse_newest) {
  Import import(store, levels, options, reuse_newest);
  Result<Outcome> outcome = import.run();
  if (!outcome) {
    import.undo();
  }
  return outcome;
}

Result<Outcome> write_store(const std::vector<ImageReader*>& levels, const Destination& destination,
                            const Options& options) {
  if (store::Store::is_store(destination.path)) {
    IMG_ASSIGN(std::shared_ptr<const store::Store> store, store::Store::open(destination.path));
    return write_levels(store, levels, options, false);
  }
  IMG_ASSIGN(StagedDirectory staged, StagedDirectory::create(destination.path));
  Outcome outcome;
  {
    store::StoreOptions store_options;
    store_options.place = destination.path;
    store_options.is_staged = true;
    IMG_ASSIGN(std::shared_ptr<const store::Store> store,
               store::Store::create(staged.path(), std::move(store_options)));
    IMG_ASSIGN(outcome, write_levels(store, levels, options, false));
  }
  IMG_TRY(staged.commit());
  return outcome;
}

}  // namespace img::convert
