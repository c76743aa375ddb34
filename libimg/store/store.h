// SPDX-License-Identifier: MIT
// A store as a place: its directory, its database and its packs. What is in it: catalogue.h; one
// image: image_view.h; writing one: pending_image.h.
//
//   IMG_ASSIGN(auto store, Store::open("web.store"));
//   IMG_ASSIGN(auto now, store->snapshot());
//   IMG_ASSIGN(auto row, find_image(*now, "redis"));
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "libimg/base/result.h"
#include "libimg/base/unique_fd.h"
#include "libimg/store/features.h"
#include "libimg/store/mapped_packs.h"
#include "libimg/store/txn.h"

namespace img::store {

struct StoreOptions {
  /// What errors call the store; its path where empty (a store that is still being staged).
  std::string place;
  /// How long to wait for another writer, or for a compaction.
  std::chrono::milliseconds deadline{30'000};
  /// Nothing is synced: it is new, and who stages it syncs the whole before it gets its name.
  bool is_staged = false;
};

using Snapshot = std::shared_ptr<const ReadTxn>;

class Store {
 public:
  /// In `path`, which must be missing or an empty directory. Not atomic: who needs that stages it.
  [[nodiscard]] static Result<std::shared_ptr<const Store>> create(const std::string& path,
                                                                   StoreOptions options = {});
  [[nodiscard]] static Result<std::shared_ptr<const Store>> open(const std::string& path,
                                                                 StoreOptions options = {});
  /// Whether a directory is meant to be a store, however damaged.
  [[nodiscard]] static bool is_store(const std::string& path);

  [[nodiscard]] const std::string& place() const { return options_.place; }
  /// Directory of the packs.
  [[nodiscard]] int packs() const { return packs_.get(); }
  [[nodiscard]] const FormatHeader& format() const { return format_; }
  [[nodiscard]] bool is_writable() const { return env_->is_writable(); }
  [[nodiscard]] bool is_staged() const { return options_.is_staged; }

  /// A sealed pack, mapped; the same one for all who hold it.
  [[nodiscard]] Result<std::shared_ptr<const PackReader>> pack(const Id& id,
                                                               std::uint64_t bytes) const {
    return mapped_.open(packs_.get(), id, bytes, options_.place);
  }
  /// Where in its packs bytes are that an image of this store, opened with this object, gave out.
  [[nodiscard]] std::optional<MappedPacks::Place> place_of(Bytes bytes) const {
    return mapped_.find(bytes);
  }

  /// What the store holds now, whatever is written later. Cheap; while it lives, space that others
  /// free is not used again, and no pack that it can see is removed.
  [[nodiscard]] Result<Snapshot> snapshot() const { return ReadTxn::begin(env_); }
  /// The one writer's transaction; waits for its turn. Keep it short.
  [[nodiscard]] Result<std::unique_ptr<WriteTxn>> write() const;
  /// The oldest transaction that anyone reads in (ReadTxn::number), here or in another process.
  [[nodiscard]] Result<std::optional<std::uint64_t>> oldest_reader() const {
    return env_->oldest_reader();
  }
  /// Removes what an interrupted compaction left: there is none at work while this is open.
  [[nodiscard]] Result<void> remove_unfinished_copy() const;
  /// Held, it keeps other collectors away; readers and writers do not notice.
  [[nodiscard]] Result<UniqueFd> collectors_turn() const;

 private:
  Store() = default;

  StoreOptions options_;
  UniqueFd directory_;
  UniqueFd packs_;
  std::shared_ptr<Env> env_;
  FormatHeader format_;
  mutable MappedPacks mapped_;
};

}  // namespace img::store
