// SPDX-License-Identifier: MIT
#include "live/dump/destination.h"

#include "libimg/convert/store_naming.h"
#include "libimg/store/catalogue.h"

namespace img::dump {

Result<Destination> Destination::open(const DestinationOptions& options) {
  Destination out;
  store::StoreOptions store_options;
  store_options.place = options.store;
  if (store::Store::is_store(options.store)) {
    IMG_ASSIGN(out.store_, store::Store::open(options.store, store_options));
    if (!out.store_->is_writable()) {
      return fail(Fault::denied, options.store, "write", "it is open for reading only");
    }
  } else {
    store_options.is_staged = true;
    IMG_ASSIGN(out.staged_, StagedDirectory::create(options.store));
    IMG_ASSIGN(out.store_, store::Store::create(out.staged_->path(), store_options));
  }
  store::HeaderDraft draft;
  draft.series = options.series;
  store::Sharing sharing;
  {
    IMG_ASSIGN(const store::Snapshot now, out.store_->snapshot());
    IMG_ASSIGN(out.name_, convert::base_name(*now, options.as, options.series, options.now_ns, 1));
    IMG_ASSIGN(const bool taken, store::has_image(*now, out.name_));
    if (taken) {
      return fail(Fault::conflict, options.store + "::" + out.name_,
                  "there is an image of that name", {}, "--as gives another");
    }
    if (options.deduplicate) {
      IMG_ASSIGN(out.known_, store::KnownPages::read(out.store_, *now));
      sharing.known = out.known_.get();
    }
  }
  draft.name = out.name_;
  IMG_ASSIGN(out.image_,
             model::StoreImageWriter::begin(out.store_, draft, store::NameTaken::refuse, sharing));
  return out;
}

Result<void> Destination::commit() {
  IMG_TRY(image_->commit());
  if (staged_) {
    IMG_TRY(staged_->commit());
  }
  return {};
}

}  // namespace img::dump
