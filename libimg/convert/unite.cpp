// SPDX-License-Identifier: MIT
#include "libimg/convert/unite.h"

#include <sys/stat.h>

#include <map>
#include <set>

#include "libimg/base/staged.h"
#include "libimg/convert/chain.h"
#include "libimg/convert/open_image.h"
#include "libimg/convert/store_in.h"
#include "libimg/model/store_image.h"
#include "libimg/store/catalogue.h"
#include "libimg/store/known_pages.h"

namespace img::convert {
namespace {

using store::Id;

/// A store as a source, as it is at one moment.
struct From {
  std::shared_ptr<const store::Store> store;
  store::Snapshot now;
  std::vector<store::ImageRow> rows;  // to be copied, parents before children
};

/// A source of any other form, or one store.
struct Part {
  Source source;
  std::optional<From> from;
};

class Union {
 public:
  Union(std::shared_ptr<const store::Store> store, const Options& options)
      : store_(std::move(store)), options_(options) {}

  [[nodiscard]] Result<void> plan(const std::vector<Source>& sources);
  [[nodiscard]] Result<std::vector<Joined>> run();

 private:
  [[nodiscard]] Result<void> add_store(const Source& source);
  [[nodiscard]] Result<void> check_name(const store::Txn& now, const store::ImageRow& row,
                                        const std::string& place);
  [[nodiscard]] Result<Made> copy_row(const From& from, const store::ImageRow& row);
  [[nodiscard]] Result<Joined> join_row(const From& from, const store::ImageRow& row);
  [[nodiscard]] Result<Joined> join(const Source& source);
  [[nodiscard]] Result<std::vector<Made>> join_levels(const Source& source);
  /// An error of one image is told with it; one that ends all is returned.
  [[nodiscard]] Result<void> note(Joined& joined, const Error& error) const;

  std::shared_ptr<const store::Store> store_;
  Options options_;
  std::vector<Part> parts_;
  std::map<std::string, Id, std::less<>> names_;  // that stores bring
  std::unique_ptr<store::KnownPages> known_;
};

std::string place_of(const From& from, const store::ImageRow& row) {
  return from.store->place() + "::" + std::string(row.name());
}

/// Of one image: itself and what it leaves memory to. Oldest first.
Result<std::vector<store::ImageRow>> chain_rows(const store::Txn& now, store::ImageRow row) {
  std::vector<store::ImageRow> rows = {row};
  while (row.header->parent() != nullptr) {
    IMG_ASSIGN(const store::ImageRow parent, store::find_image(now, Id::of(*row.header->parent())));
    if (parent.commit >= row.commit) {
      return fail(Fault::corrupt, now.place() + "::" + std::string(row.name()), "its parent",
                  "is younger than itself");
    }
    rows.push_back(parent);
    row = parent;
  }
  std::ranges::reverse(rows);
  return rows;
}

Result<void> Union::add_store(const Source& source) {
  From from;
  IMG_ASSIGN(from.store, store::Store::open(source.path));
  IMG_ASSIGN(from.now, from.store->snapshot());
  if (source.image.empty()) {
    IMG_ASSIGN(from.rows, store::list_images(*from.now));
  } else {
    IMG_ASSIGN(const store::ImageRow row, store::find_image(*from.now, source.image));
    IMG_ASSIGN(from.rows, chain_rows(*from.now, row));
  }
  IMG_ASSIGN(const store::Snapshot now, store_->snapshot());
  for (const store::ImageRow& row : from.rows) {
    if (row.has_name) {
      IMG_TRY(check_name(*now, row, place_of(from, row)));
    }
  }
  parts_.push_back({source, std::move(from)});
  return {};
}

// Two images of one name are both wanted, and only one can have it.
Result<void> Union::check_name(const store::Txn& now, const store::ImageRow& row,
                               const std::string& place) {
  const auto [known, is_new] = names_.try_emplace(std::string(row.name()), row.id);
  if (!is_new && known->second != row.id) {
    return fail(Fault::conflict, place, "another source has an image of that name too", {},
                "merge one of the two alone, with --as");
  }
  IMG_ASSIGN(const bool taken, store::has_image(now, row.name()));
  if (!taken || options_.force || !options_.as.empty()) {
    return {};
  }
  IMG_ASSIGN(const store::ImageRow there, store::find_image(now, row.name()));
  return there.id == row.id
             ? Result<void>()
             : fail(Fault::conflict, place, store_->place() + " has another image of that name", {},
                    "--force replaces it, --as gives this one another");
}

Result<void> Union::plan(const std::vector<Source>& sources) {
  for (const Source& source : sources) {
    if (source.form == Form::store) {
      IMG_TRY(add_store(source));
      continue;
    }
    IMG_ASSIGN(const std::vector<Source> images, images_of(source));
    for (const Source& image : images) {
      if (image.form != Form::store) {
        parts_.push_back({image, std::nullopt});
      } else if (parts_.empty() || !parts_.back().from ||
                 parts_.back().from->store->place() != image.path) {
        // Of a store that is a member of a collection, all images: once.
        IMG_TRY(add_store({Form::store, image.path, {}, {}, {}}));
      }
    }
  }
  std::size_t images = 0;
  for (const Part& part : parts_) {
    images += part.from && part.source.image.empty() ? part.from->rows.size() : 1;
  }
  if (!options_.as.empty() && images != 1) {
    return fail(Fault::usage, "--as " + options_.as,
                "the sources have " + std::to_string(images) + " images");
  }
  return {};
}

Result<Made> Union::copy_row(const From& from, const store::ImageRow& row) {
  IMG_ASSIGN(const store::Snapshot now, store_->snapshot());
  if (const auto there = store::find_image(*now, row.id)) {
    Made made;
    made.name = there->name();
    made.place = store_->place() + "::" + made.name;
    made.reused = true;
    return made;
  }
  store::HeaderDraft draft = store::HeaderDraft::of(*row.header);
  draft.commit = 0;
  draft.packs.clear();
  draft.records = draft.record_bytes = draft.pack_bytes = 0;
  draft.pinned = row.pinned;
  const bool is_asked_for = row.commit == from.rows.back().commit;
  if (is_asked_for && !options_.as.empty()) {
    draft.name = options_.as;
  }
  if (!options_.series.empty()) {
    draft.series = options_.series;
  }
  auto taken = options_.force ? store::NameTaken::replace : store::NameTaken::refuse;
  if (!row.has_name) {
    taken = store::NameTaken::yield;
  }
  model::StoreImageReader image(from.store, from.now, row);
  return write_image(store_, image, draft, taken, {LevelDigest(image)}, options_);
}

Result<void> Union::note(Joined& joined, const Error& error) const {
  const bool ends_all = options_.stop != nullptr && options_.stop->load() != 0;
  // A disk that is full, a store that is not ours to write: the next image would fare no better.
  if (ends_all || (error.fault != Fault::corrupt && error.fault != Fault::unsupported &&
                   error.fault != Fault::missing && error.fault != Fault::limit)) {
    return fail(error);
  }
  joined.error = error;
  return {};
}

Result<Joined> Union::join_row(const From& from, const store::ImageRow& row) {
  Joined joined;
  joined.from = place_of(from, row);
  auto made = copy_row(from, row);
  if (made) {
    joined.levels.push_back(std::move(*made));
  } else {
    IMG_TRY(note(joined, made.error()));
  }
  return joined;
}

Result<std::vector<Made>> Union::join_levels(const Source& source) {
  IMG_ASSIGN(const std::unique_ptr<model::ImageReader> newest, open_image(source));
  IMG_ASSIGN(const std::vector<model::ImageReader*> levels, levels_of(*newest));
  IMG_ASSIGN(Outcome outcome, write_levels(store_, levels, options_, options_.as.empty()));
  return std::move(outcome.levels);
}

Result<Joined> Union::join(const Source& source) {
  Joined joined;
  joined.from = source.place();
  auto levels = join_levels(source);
  if (levels) {
    joined.levels = std::move(*levels);
  } else {
    IMG_TRY(note(joined, levels.error()));
  }
  return joined;
}

Result<std::vector<Joined>> Union::run() {
  {
    IMG_ASSIGN(const store::Snapshot now, store_->snapshot());
    IMG_ASSIGN(known_, store::KnownPages::read(store_, *now));
  }
  options_.known = known_.get();
  std::vector<Joined> all;
  for (const Part& part : parts_) {
    if (!part.from) {
      IMG_ASSIGN(all.emplace_back(), join(part.source));
      continue;
    }
    for (const store::ImageRow& row : part.from->rows) {
      IMG_ASSIGN(all.emplace_back(), join_row(*part.from, row));
    }
  }
  return all;
}

Result<std::vector<Joined>> unite_into(std::shared_ptr<const store::Store> store,
                                       const std::vector<Source>& sources, const Options& options) {
  Union all(std::move(store), options);
  IMG_TRY(all.plan(sources));
  return all.run();
}

}  // namespace

Result<std::vector<Joined>> unite(const std::vector<Source>& sources, const std::string& path,
                                  const Options& options) {
  if (store::Store::is_store(path)) {
    IMG_ASSIGN(std::shared_ptr<const store::Store> store, store::Store::open(path));
    return unite_into(std::move(store), sources, options);
  }
  IMG_ASSIGN(StagedDirectory staged, StagedDirectory::create(path));
  std::vector<Joined> all;
  {
    store::StoreOptions store_options;
    store_options.place = path;
    store_options.is_staged = true;
    IMG_ASSIGN(std::shared_ptr<const store::Store> store,
               store::Store::create(staged.path(), std::move(store_options)));
    IMG_ASSIGN(all, unite_into(std::move(store), sources, options));
  }
  // Of nothing that could be read, no store is made.
  if (std::ranges::any_of(all, [](const Joined& joined) { return !joined.error; })) {
    IMG_TRY(staged.commit());
  }
  return all;
}

}  // namespace img::convert
