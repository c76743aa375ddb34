// SPDX-License-Identifier: MIT
#include "libimg/gc/apply.h"

#include <algorithm>
#include <set>

#include "libimg/gc/fold.h"
#include "libimg/gc/rewrite.h"
#include "libimg/store/catalogue.h"
#include "libimg/store/changes.h"
#include "libimg/store/pack_table.h"

namespace img::gc {
namespace {

using store::Id;
using store::ImageRow;

class Collection {
 public:
  Collection(const std::shared_ptr<const store::Store>& store, const Plan& plan,
             const Options& options, const std::atomic<int>* stop)
      : store_(store), plan_(plan), options_(options), stop_(stop) {
    for (const PlannedImage& image : plan.images) {
      if (image.verdict.drop) {
        going_.insert(image.id);
      }
    }
  }

  [[nodiscard]] Result<void> pin();
  [[nodiscard]] Result<void> purge_dead();
  [[nodiscard]] Result<void> fold();
  /// One commit hides all that go; then their records go, and the packs that only they used.
  [[nodiscard]] Result<void> drop();
  [[nodiscard]] Result<void> forget_orphans();
  [[nodiscard]] Result<void> rewrite();
  [[nodiscard]] Result<void> sweep();
  [[nodiscard]] Outcome take() { return std::move(outcome_); }

 private:
  [[nodiscard]] bool is_stopped() const { return stop_ != nullptr && stop_->load() != 0; }
  [[nodiscard]] Result<void> spare_needed(const store::WriteTxn& txn, std::set<Id>& going) const;
  [[nodiscard]] Result<void> hide(store::WriteTxn& txn);
  [[nodiscard]] Result<void> hide_one(store::WriteTxn& txn, const ImageRow& row);
  [[nodiscard]] Result<std::optional<Id>> parent_after(const store::Txn& now, Id image) const;

  const std::shared_ptr<const store::Store>& store_;
  const Plan& plan_;
  const Options& options_;
  const std::atomic<int>* stop_;
  std::set<Id> going_;  // as planned
  std::vector<std::uint64_t> hidden_;
  Outcome outcome_;
};

Result<void> Collection::pin() {
  for (const std::string& name : options_.unpin) {
    IMG_TRY(store::pin_image(*store_, name, false));
  }
  for (const std::string& name : options_.pin) {
    IMG_TRY(store::pin_image(*store_, name, true));
  }
  return {};
}

Result<void> Collection::purge_dead() {
  std::vector<std::uint64_t> dead;
  for (const PlannedPending& pending : plan_.pending) {
    dead.push_back(pending.commit);
  }
  IMG_TRY(store::purge_pending(*store_, dead));
  outcome_.purged = dead.size();
  return {};
}

// The first ancestor that stays.
Result<std::optional<Id>> Collection::parent_after(const store::Txn& now, Id image) const {
  for (std::size_t steps = 0; steps <= going_.size(); ++steps) {
    IMG_ASSIGN(const ImageRow row, store::find_image(now, image));
    if (row.header->parent() == nullptr) {
      return std::optional<Id>();
    }
    image = Id::of(*row.header->parent());
    if (!going_.contains(image)) {
      return std::optional(image);
    }
  }
  return fail(Fault::corrupt, store_->place(), "find parents of " + image.hex(),
              "images are their own parents");
}

Result<void> Collection::fold() {
  for (const PlannedImage& image : plan_.images) {
    if (!image.folds || is_stopped()) {
      continue;
    }
    Result<void> done;
    {
      IMG_ASSIGN(store::Snapshot now, store_->snapshot());
      const auto parent = parent_after(*now, image.id);
      now.reset();
      done = parent ? apply_fold(store_, {image.id, *parent}) : fail(parent.error());
    }
    // One that is deleted meanwhile needs nothing; one whose parent is stays as it was.
    if (!done && done.error().fault != Fault::missing) {
      return done;
    }
  }
  return {};
}

// What somebody has come to need, or pinned, since the plan was made stays, and so do its own
// parents.
Result<void> Collection::spare_needed(const store::WriteTxn& txn, std::set<Id>& going) const {
  for (const Id& id : going_) {
    const auto row = store::find_image(txn, id);
    if (row ? row->pinned : row.error().fault == Fault::missing) {
      going.erase(id);
    } else if (!row) {
      return fail(row.error());
    }
  }
  IMG_ASSIGN(const std::vector<store::Pending> pending, store::pending_images(*store_, txn));
  for (const store::Pending& written : pending) {
    if (written.parent) {
      going.erase(*written.parent);
    }
  }
  // Children come after their parents.
  IMG_ASSIGN(const std::vector<store::Descent> descents, store::list_descents(txn));
  for (auto descent = descents.rbegin(); descent != descents.rend(); ++descent) {
    if (!going.contains(descent->id)) {
      going.erase(descent->parent);
    }
  }
  return {};
}

Result<void> Collection::hide(store::WriteTxn& txn) {
  std::set<Id> going = going_;
  IMG_TRY(spare_needed(txn, going));
  for (const PlannedImage& image : plan_.images) {
    if (!image.verdict.drop) {
      continue;
    }
    const auto row = store::find_image(txn, image.id);  // not before: a change ends what it shows
    if (row && going.contains(image.id)) {
      IMG_TRY(hide_one(txn, *row));
    } else if (row) {
      outcome_.stayed.push_back(image.name);
    }
  }
  return {};
}

Result<void> Collection::hide_one(store::WriteTxn& txn, const ImageRow& row) {
  const std::string name(row.name());
  const bool has_name = row.has_name;
  hidden_.push_back(row.commit);
  outcome_.dropped.push_back(name);
  IMG_TRY(store::hide_image(txn, row));
  if (has_name) {
    IMG_TRY(txn.remove(store::Key::name(name)));
  }
  return {};
}

Result<void> Collection::drop() {
  if (going_.empty()) {
    return {};
  }
  IMG_ASSIGN(auto txn, store_->write());
  IMG_TRY(hide(*txn));
  IMG_TRY(txn->commit());
  txn.reset();
  return store::purge_pending(*store_, hidden_);
}

// Entries without a user: who deletes an image takes them away, but versions before did not.
Result<void> Collection::forget_orphans() {
  std::vector<Id> orphans;
  for (const PlannedPack& pack : plan_.packs) {
    if (!pack.rewrite) {
      orphans.push_back(pack.id);
    }
  }
  if (orphans.empty()) {
    return {};
  }
  IMG_ASSIGN(const auto txn, store_->write());
  IMG_TRY(store::forget_unused_packs(*txn, orphans));
  return txn->commit();
}

Result<void> Collection::rewrite() {
  for (const PlannedPack& pack : plan_.packs) {
    if (pack.rewrite && !is_stopped()) {
      IMG_ASSIGN(const auto bytes, rewrite_pack(store_, pack.id));
      outcome_.rewritten += bytes ? 1 : 0;
      outcome_.rewritten_bytes += bytes.value_or(0);
    }
  }
  return {};
}

Result<void> Collection::sweep() {
  IMG_TRY(store_->remove_unfinished_copy());
  std::vector<Id> candidates;
  for (const PlannedPack& pack : plan_.packs) {
    candidates.push_back(pack.id);
  }
  for (const auto* strays : {&plan_.strays.gone, &plan_.strays.kept}) {
    for (const store::Sweep::Pack& pack : *strays) {
      candidates.push_back(pack.id);
    }
  }
  IMG_ASSIGN(const store::Sweep swept, store::sweep_packs(*store_, candidates));
  for (const store::Sweep::Pack& pack : swept.gone) {
    outcome_.bytes += pack.bytes;
  }
  for (const store::Sweep::Pack& pack : swept.kept) {
    ++outcome_.waiting_packs;
    outcome_.waiting_bytes += pack.bytes;
  }
  return {};
}

}  // namespace

Result<Outcome> apply(const std::shared_ptr<const store::Store>& store, const Plan& plan,
                      const Options& options, const std::atomic<int>* stop) {
  IMG_ASSIGN(const UniqueFd turn, store->collectors_turn());
  Collection collection(store, plan, options, stop);
  IMG_TRY(collection.pin());
  IMG_TRY(collection.purge_dead());
  IMG_TRY(collection.fold());
  IMG_TRY(collection.drop());
  IMG_TRY(collection.forget_orphans());
  IMG_TRY(collection.rewrite());
  IMG_TRY(collection.sweep());
  return collection.take();
}

}  // namespace img::gc
