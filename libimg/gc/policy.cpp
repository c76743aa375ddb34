// SPDX-License-Identifier: MIT
#include "libimg/gc/policy.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "libimg/base/text.h"
#include "libimg/base/units.h"

namespace img::gc {
namespace {

class Judge {
 public:
  Judge(std::span<const Candidate> images, const Policy& policy, const std::string& place)
      : images_(images), policy_(policy), place_(place), verdicts_(images.size()) {}

  [[nodiscard]] Result<void> delete_named();
  void retain();
  /// Those without a name go when the last that needs them does.
  void drop_unneeded();
  /// What a kept image needs stays; of what has a name only where that is asked for.
  void keep_needed(bool named_too);
  [[nodiscard]] Result<void> refuse_needed() const;
  [[nodiscard]] std::vector<Verdict> take() { return std::move(verdicts_); }

 private:
  void retain_series(std::vector<std::size_t> members);
  [[nodiscard]] std::vector<std::optional<std::size_t>> kept_children() const;

  std::span<const Candidate> images_;
  const Policy& policy_;
  const std::string& place_;
  std::vector<Verdict> verdicts_;
};

Result<void> Judge::delete_named() {
  for (const std::string& name : policy_.drop) {
    const auto found = std::ranges::find_if(
        images_, [&](const Candidate& image) { return image.has_name && image.name == name; });
    if (found == images_.end()) {
      return fail(Fault::missing, place_, "delete " + escaped(name), "there is no such image");
    }
    if (found->pinned) {
      return fail(Fault::conflict, place_, "delete " + escaped(name), "it is pinned",
                  "--unpin it first");
    }
    verdicts_[static_cast<std::size_t>(found - images_.begin())] = {true, "deleted by name"};
  }
  return {};
}

void Judge::retain() {
  if (!policy_.is_retention()) {
    return;
  }
  std::map<std::string_view, std::vector<std::size_t>> by_series;
  for (std::size_t at = 0; at < images_.size(); ++at) {
    const Candidate& image = images_[at];
    if (image.has_name && (policy_.series.empty() || image.series == policy_.series)) {
      by_series[image.series].push_back(at);
    }
  }
  for (auto& [series, members] : by_series) {
    retain_series(std::move(members));
  }
}

void Judge::retain_series(std::vector<std::size_t> members) {
  // Newest first. What is deleted by name does not count.
  std::erase_if(members, [&](std::size_t at) { return verdicts_[at].drop; });
  std::ranges::stable_sort(members, [&](std::size_t a, std::size_t b) {
    return images_[a].time_ns != images_[b].time_ns ? images_[a].time_ns > images_[b].time_ns
                                                    : a > b;
  });
  for (std::size_t rank = 0; rank < members.size(); ++rank) {
    const Candidate& image = images_[members[rank]];
    Verdict& verdict = verdicts_[members[rank]];
    const std::uint64_t age = images_[members.front()].time_ns - image.time_ns;
    if (image.pinned) {
      verdict.why = "pinned";
    } else if (policy_.keep_last && rank < *policy_.keep_last) {
      verdict.why = fmt::format("number {} of the newest {}", rank + 1, *policy_.keep_last);
    } else if (policy_.keep_within_ns && age <= *policy_.keep_within_ns) {
      verdict.why = rank == 0 ? "the newest of its series"
                              : duration_text(age) + " before the newest of its series";
    } else {
      std::string why =
          policy_.keep_last ? fmt::format("not one of the newest {}", *policy_.keep_last) : "";
      if (policy_.keep_within_ns) {
        why += (why.empty() ? "" : ", ") + duration_text(age) + " before the newest";
      }
      verdict = {true, std::move(why)};
    }
  }
}

std::vector<std::optional<std::size_t>> Judge::kept_children() const {
  std::vector<std::optional<std::size_t>> children(images_.size());
  for (std::size_t at = 0; at < images_.size(); ++at) {
    if (!verdicts_[at].drop && images_[at].parent) {
      children[*images_[at].parent] = at;
    }
  }
  return children;
}

void Judge::drop_unneeded() {
  for (std::size_t at = 0; at < images_.size(); ++at) {
    if (!images_[at].has_name) {
      verdicts_[at] = {true, "has lost its name to a newer image, and nothing needs it"};
    }
  }
}

// In a store children come after their parents, so the first pass settles whole chains.
void Judge::keep_needed(bool named_too) {
  for (bool changed = true; changed;) {
    changed = false;
    for (std::size_t at = images_.size(); at-- > 0;) {
      const auto parent = images_[at].parent;
      if (!verdicts_[at].drop && parent && verdicts_[*parent].drop &&
          (named_too || !images_[*parent].has_name)) {
        verdicts_[*parent] = {false, "parent of " + std::string(images_[at].name)};
        changed = true;
      }
    }
  }
}

Result<void> Judge::refuse_needed() const {
  const auto children = kept_children();
  for (const std::string& name : policy_.drop) {
    for (std::size_t at = 0; at < images_.size(); ++at) {
      if (images_[at].has_name && images_[at].name == name && children[at]) {
        return fail(Fault::conflict, place_, "delete " + escaped(name),
                    "it is the parent of " + escaped(images_[*children[at]].name),
                    "delete that too, or give it its own pages with img-merge --flatten");
      }
    }
  }
  return {};
}

}  // namespace

Result<std::vector<Verdict>> judge(std::span<const Candidate> images, const Policy& policy,
                                   Needed needed, const std::string& place) {
  Judge judge(images, policy, place);
  IMG_TRY(judge.delete_named());
  judge.retain();
  judge.drop_unneeded();
  judge.keep_needed(false);
  IMG_TRY(judge.refuse_needed());
  if (needed == Needed::in_place) {
    judge.keep_needed(true);
  }
  return judge.take();
}

}  // namespace img::gc
