// SPDX-License-Identifier: MIT
#include "libimg/gc/plan.h"

#include <algorithm>
#include <map>
#include <set>

#include "libimg/gc/fold.h"
#include "libimg/store/catalogue.h"
#include "libimg/store/pack_file.h"
#include "libimg/store/pack_table.h"

namespace img::gc {
namespace {

using store::Id;
using store::ImageRow;

std::uint64_t pack_bytes(std::uint64_t bytes) {
  return bytes + bytes / store::kBlockBytes * store::kHashBytes;
}

std::uint64_t time_of(const schema::ImageHeader& header) {
  const schema::Freeze* freeze = header.freeze();
  return freeze == nullptr ? header.created_ns()
                           : freeze->realtime_ns().value_or(header.created_ns());
}

class Planner {
 public:
  Planner(const std::shared_ptr<const store::Store>& store, const Options& options,
          store::Snapshot now)
      : store_(store), options_(options), now_(std::move(now)) {}

  [[nodiscard]] Result<void> list_images();
  [[nodiscard]] Result<void> list_pending();
  [[nodiscard]] Result<void> judge_images();
  [[nodiscard]] Result<void> weigh_folds();
  [[nodiscard]] Result<void> judge_packs();
  [[nodiscard]] Plan take() { return std::move(plan_); }

 private:
  void find_parents(const std::vector<ImageRow>& rows);
  [[nodiscard]] Result<void> apply_pins();
  [[nodiscard]] Result<PlannedImage*> named(const std::string& name);
  [[nodiscard]] Result<bool> weigh_fold_of(std::size_t at);
  void judge_pack(const store::UsedPack& pack);

  const std::shared_ptr<const store::Store>& store_;
  const Options& options_;
  store::Snapshot now_;
  Plan plan_;
  std::set<std::uint64_t> dead_;  // commit numbers of what writers left that died
  std::set<Id> in_use_;           // packs that somebody who writes may come to refer to
  std::vector<std::optional<std::size_t>> parents_;
  std::map<std::uint64_t, PlannedImage*> going_;                // by commit number
  std::map<Id, std::map<std::uint64_t, std::uint64_t>> taken_;  // pack, commit: bytes
};

Result<void> Planner::list_images() {
  IMG_ASSIGN(const std::vector<ImageRow> rows, store::list_images(*now_));
  plan_.images.reserve(rows.size());
  for (const ImageRow& row : rows) {
    PlannedImage& image = plan_.images.emplace_back();
    image.id = row.id;
    image.commit = row.commit;
    image.name = row.name();
    image.series = row.series();
    image.has_name = row.has_name;
    image.pinned = row.pinned;
    image.time_ns = time_of(*row.header);
    image.bytes = row.header->record_bytes();
  }
  find_parents(rows);
  return apply_pins();
}

void Planner::find_parents(const std::vector<ImageRow>& rows) {
  parents_.resize(rows.size());
  std::vector<std::pair<Id, std::size_t>> places;  // made for the first that has one
  for (std::size_t at = 0; at < rows.size(); ++at) {
    const schema::Id128* parent = rows[at].header->parent();
    if (parent == nullptr) {
      continue;
    }
    if (places.empty()) {
      for (std::size_t place = 0; place < rows.size(); ++place) {
        places.emplace_back(rows[place].id, place);
      }
      std::ranges::sort(places);
    }
    const Id id = Id::of(*parent);
    const auto found = std::ranges::lower_bound(places, std::pair(id, std::size_t{0}));
    if (found != places.end() && found->first == id && found->second < at) {
      parents_[at] = found->second;
    }
  }
}

Result<PlannedImage*> Planner::named(const std::string& name) {
  const auto found = std::ranges::find_if(plan_.images, [&](const PlannedImage& image) {
    return image.has_name && image.name == name;
  });
  if (found == plan_.images.end()) {
    IMG_TRY(store::find_image(*now_, name));  // says so
    return fail(Fault::missing, store_->place(), "no image " + name);
  }
  return &*found;
}

Result<void> Planner::apply_pins() {
  for (const auto& [names, pinned] :
       {std::pair{&options_.unpin, false}, std::pair{&options_.pin, true}}) {
    for (const std::string& name : *names) {
      IMG_ASSIGN(PlannedImage* const image, named(name));
      image->pinned = pinned;
    }
  }
  return {};
}

Result<void> Planner::list_pending() {
  IMG_ASSIGN(const std::vector<store::Pending> all, store::pending_images(*store_, *now_));
  for (const store::Pending& pending : all) {
    if (pending.in_use) {
      in_use_.insert(pending.packs.begin(), pending.packs.end());
    } else {
      plan_.pending.push_back({pending.commit, pending.name});
      dead_.insert(pending.commit);
    }
  }
  return {};
}

Result<void> Planner::judge_images() {
  std::vector<Candidate> candidates;
  candidates.reserve(plan_.images.size());
  for (std::size_t at = 0; at < plan_.images.size(); ++at) {
    const PlannedImage& image = plan_.images[at];
    candidates.push_back(
        {image.name, image.series, image.time_ns, image.pinned, image.has_name, parents_[at]});
  }
  IMG_ASSIGN(const std::vector<Verdict> verdicts,
             judge(candidates, options_.policy, Needed::folded, store_->place()));
  for (std::size_t at = 0; at < verdicts.size(); ++at) {
    plan_.images[at].verdict = verdicts[at];
  }
  return {};
}

// False: its parents have to stay, and do from now on.
Result<bool> Planner::weigh_fold_of(std::size_t at) {
  PlannedImage& image = plan_.images[at];
  std::optional<std::size_t> next = parents_[at];
  while (next && plan_.images[*next].verdict.drop) {
    next = parents_[*next];
  }
  const Fold fold{image.id, next ? std::optional(plan_.images[*next].id) : std::nullopt};
  const auto taken = weigh_fold(store_, now_, fold);
  if (!taken) {
    if (taken.error().fault == Fault::io) {
      return fail(taken.error());
    }
    for (next = parents_[at]; next && plan_.images[*next].verdict.drop; next = parents_[*next]) {
      plan_.images[*next].verdict = {
          false, image.name + " needs it, and cannot take its pages over: " + taken.error().line()};
    }
    return false;
  }
  image.folds = true;
  for (const auto& [pack, bytes] : *taken) {
    taken_[pack][image.commit] += bytes;
    image.folded_bytes += bytes;
  }
  return true;
}

Result<void> Planner::weigh_folds() {
  for (bool again = true; again;) {
    again = false;
    taken_.clear();
    for (std::size_t at = 0; at < plan_.images.size() && !again; ++at) {
      PlannedImage& image = plan_.images[at];
      image.folds = false;
      image.folded_bytes = 0;
      if (!image.verdict.drop && parents_[at] && plan_.images[*parents_[at]].verdict.drop) {
        IMG_ASSIGN(const bool folds, weigh_fold_of(at));
        again = !folds;  // others may have counted on what stays now
      }
    }
  }
  for (PlannedImage& image : plan_.images) {
    if (image.verdict.drop) {
      going_.emplace(image.commit, &image);
      plan_.bytes += image.bytes;
    } else {
      image.bytes = 0;
    }
  }
  return {};
}

void Planner::judge_pack(const store::UsedPack& pack) {
  if (in_use_.contains(pack.id)) {
    return;
  }
  std::uint64_t alive = 0;
  std::size_t users = 0;
  PlannedImage* last = nullptr;
  if (const auto taken = taken_.find(pack.id); taken != taken_.end()) {
    for (const auto& [commit, bytes] : taken->second) {
      alive += bytes;
      ++users;
    }
  }
  for (const store::PackUse& user : pack.users) {
    const auto going = going_.find(user.commit);
    if (going != going_.end()) {
      last = last == nullptr || last->commit < user.commit ? going->second : last;
    } else if (!dead_.contains(user.commit)) {
      alive += user.bytes;
      ++users;
    }
  }
  if (users == 0) {
    plan_.packs.push_back({pack.id, pack.bytes, 0, false});
    plan_.bytes += pack_bytes(pack.bytes);
    if (last != nullptr) {
      last->bytes += pack_bytes(pack.bytes);
    }
    return;
  }
  // What several use may be counted several times: then less is written anew than could be.
  if (alive == 0 || (pack.bytes >= options_.rewrite_at_least &&
                     alive < pack.bytes * options_.rewrite_below / 100)) {
    plan_.packs.push_back({pack.id, pack.bytes, alive, true});
    plan_.bytes += pack_bytes(pack.bytes - alive);
  }
}

Result<void> Planner::judge_packs() {
  IMG_ASSIGN(const std::vector<store::UsedPack> packs, store::packs_with_users(*now_));
  for (const store::UsedPack& pack : packs) {
    judge_pack(pack);
  }
  now_.reset();  // our own would be an old reader
  IMG_ASSIGN(plan_.strays, store::find_strays(*store_));
  for (const store::Sweep::Pack& pack : plan_.strays.gone) {
    plan_.bytes += pack.bytes;
  }
  return {};
}

}  // namespace

bool Plan::is_nothing() const {
  return packs.empty() && pending.empty() && strays.gone.empty() &&
         std::ranges::none_of(images, [](const PlannedImage& image) { return image.verdict.drop; });
}

Result<Plan> make_plan(const std::shared_ptr<const store::Store>& store, const Options& options) {
  IMG_ASSIGN(store::Snapshot now, store->snapshot());
  Planner planner(store, options, std::move(now));
  IMG_TRY(planner.list_images());
  IMG_TRY(planner.list_pending());
  IMG_TRY(planner.judge_images());
  IMG_TRY(planner.weigh_folds());
  IMG_TRY(planner.judge_packs());
  return planner.take();
}

}  // namespace img::gc
