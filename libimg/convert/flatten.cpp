// SPDX-License-Identifier: MIT
#include "libimg/convert/flatten.h"

#include <set>

#include "libimg/convert/store_in.h"
#include "libimg/merge/flat_reader.h"
#include "libimg/model/store_image.h"
#include "libimg/store/catalogue.h"
#include "libimg/store/changes.h"

namespace img::convert {
namespace {

using store::Id;

std::vector<Id> packs_of(const merge::FlatReader& chain) {
  std::set<Id> packs;
  for (const model::ImageReader* level : chain.levels()) {
    if (const auto* ids = level->header().packs()) {
      for (const schema::Id128* id : *ids) {
        packs.insert(Id::of(*id));
      }
    }
  }
  return {packs.begin(), packs.end()};
}

Made left_alone(const store::Store& store, const std::string& name) {
  Made made;
  made.name = name;
  made.place = store.place() + "::" + name;
  made.reused = true;
  return made;
}

}  // namespace

Result<Made> flatten_in_store(const std::string& path, const std::string& name,
                              const Options& options) {
  IMG_ASSIGN(const std::shared_ptr<const store::Store> store, store::Store::open(path));
  IMG_ASSIGN(std::unique_ptr<model::StoreImageReader> newest,
             model::StoreImageReader::open(store, name));
  const store::ImageRow row = newest->view().row();
  const bool in_place = options.as.empty() || options.as == name;
  if (in_place && row.header->parent() == nullptr) {
    return left_alone(*store, name);
  }
  if (in_place && row.pinned) {
    return fail(Fault::conflict, store->place() + "::" + name, "replace image", "it is pinned",
                "--as makes another beside it");
  }
  const store::Snapshot now = newest->view().snapshot();  // what `row` is of
  IMG_ASSIGN(const std::unique_ptr<merge::FlatReader> flat,
             merge::FlatReader::open(std::move(newest)));
  store::HeaderDraft draft;
  draft.name = in_place ? name : options.as;
  draft.series = options.series.empty() ? std::string(row.series()) : options.series;
  draft.page_size = row.header->page_size();
  draft.freeze = row.header->freeze();
  draft.created_ns = row.header->created_ns();
  if (in_place) {
    draft.replaces = row.id;
  }
  Options with_packs = options;
  with_packs.packs = packs_of(*flat);
  const bool replace = in_place || options.force;
  IMG_ASSIGN(Made made, write_image(store, *flat, draft,
                                    replace ? store::NameTaken::replace : store::NameTaken::refuse,
                                    {LevelDigest(*flat)}, with_packs));
  IMG_ASSIGN(const store::Snapshot after, store->snapshot());
  if (in_place && !store::find_image(*after, row.id)) {
    // Nobody needs it. What is not removed now, img-gc removes.
    static_cast<void>(store::purge_pending(*store, row.commit));
  }
  return made;
}

}  // namespace img::convert
