// SPDX-License-Identifier: MIT
// PGM-5 to PGM-7: what an image leaves to its parents must be there. One level is held at a time,
// and of each page map only the ranges that no level has had yet.
#include <fmt/core.h>

#include <algorithm>

#include "libimg/check/facts.h"
#include "libimg/check/page_runs.h"
#include "libimg/check/vma.h"
#include "schema/pagemap_generated.h"

namespace img::check {
namespace {

using Ranges = std::vector<PageRange>;

/// What is left of `wanted` when `have` is taken out; both ascending and apart.
Ranges without(const Ranges& wanted, const Ranges& have) {
  Ranges left;
  std::size_t at = 0;
  for (PageRange range : wanted) {
    while (at < have.size() && have[at].end <= range.begin) {
      ++at;
    }
    for (std::size_t i = at; i < have.size() && have[i].begin < range.end; ++i) {
      if (have[i].begin > range.begin) {
        left.push_back({range.begin, have[i].begin});
      }
      range.begin = std::max(range.begin, have[i].end);
      if (range.begin >= range.end) {
        break;
      }
    }
    if (range.begin < range.end) {
      left.push_back(range);
    }
  }
  return left;
}

Ranges common(const Ranges& a, const Ranges& b) {
  return without(a, without(a, b));
}

/// Reads the page maps and the inventory of one parent.
class Level : public model::RecordSink {
 public:
  Level(Facts& facts, DamageLog* damage) : facts_(facts), damage_(damage) {}

  Result<void> record(const Record& record) override {
    ++facts_.report.summary().records;
    if (record.key.seq == 0) {
      return {};
    }
    if (record.key.file.kind == Kind::inventory) {
      const auto& entry = *record.as<schema::InventoryEntry>();
      facts_.dump_uptime = entry.dump_uptime().value_or(0);
    } else if (record.table != nullptr && record.table->name == "PagemapHead") {
      pages_id_ = record.as<schema::PagemapHead>()->pages_id();
      runs_.begin(facts_, record.key.file);
    } else {
      runs_.chunk(record, [&](const model::PageRun& run, std::uint64_t) {
        const PageRange range{run.address, run.address + run.pages * vma::kPage};
        if (!have_.empty() && have_.back().end == range.begin) {
          have_.back().end = range.end;
        } else {
          have_.push_back(range);
        }
      });
    }
    return {};
  }

  /// Takes what this level's page map has, or leaves to its own parent, out of `wanted`.
  void read(FileKey file, std::map<FileKey, Ranges>& wanted) {
    have_.clear();
    pages_id_.reset();
    ++facts_.report.summary().files;
    const Result<void> done = facts_.reader.read(file, *this);
    bool is_told = false;
    if (damage_ != nullptr) {
      is_told = judge_damage(facts_.report, facts_.reader, file, damage_->take(), pages_id_);
    }
    if (!done && !is_told) {
      facts_.report.add(RuleId::PGM_6, facts_.at(file), done.error().line());
    }
    const auto found = wanted.find(file);
    if (found == wanted.end()) {
      facts_.in_parent.erase(file);  // of a task that the image does not have any more
      return;
    }
    const bool is_whole = done && !is_told;
    const Ranges missing = is_whole ? without(found->second, have_) : Ranges{};
    auto on = facts_.in_parent.find(file);
    if (on != facts_.in_parent.end()) {
      on->second = common(on->second, found->second);
    }
    for (const PageRange& range : missing) {
      facts_.report.add(RuleId::PGM_5,
                        facts_.at(file, 0, "vaddr", fmt::format("0x{:x}", range.begin)),
                        fmt::format("pages 0x{:x} to 0x{:x} are not there, and the level above "
                                    "leaves them to this one",
                                    range.begin, range.end));
    }
    wanted.erase(found);
  }

 private:
  Facts& facts_;
  DamageLog* damage_;
  PageRuns runs_;
  Ranges have_;
  std::optional<std::uint64_t> pages_id_;
};

void no_parent(Facts& facts, const std::map<FileKey, Ranges>& wanted) {
  for (const auto& [file, ranges] : wanted) {
    if (!ranges.empty()) {
      facts.report.add(RuleId::PGM_6, facts.at(file, 0, "flags", "PE_PARENT"),
                       fmt::format("leaves pages from 0x{:x} to a parent, and the image has none",
                                   ranges[0].begin));
    }
  }
}

void absolute_link(Facts& facts) {
  const auto* provenance = facts.reader.header().provenance();
  const auto* link = provenance == nullptr ? nullptr : provenance->parent_link();
  if (link != nullptr && link->size() != 0 && link->c_str()[0] == '/') {
    Where where{facts.reader.place(), "parent", 0, {}, link->str(), 0};
    facts.report.add(RuleId::PGM_6, Severity::warning, std::move(where),
                     "an absolute link: the chain is lost when it is moved");
  }
}

/// A parent is older, and of the same kind of machine.
void age_and_page(const Facts& level, std::uint32_t page_size, std::uint64_t uptime_above) {
  if (level.dump_uptime != 0 && uptime_above != 0 && level.dump_uptime > uptime_above) {
    level.report.add(
        RuleId::PGM_7,
        level.at({Kind::inventory, 0}, 1, "dump_uptime", std::to_string(level.dump_uptime)),
        fmt::format("was dumped later than the level above it ({}), or after another "
                    "boot",
                    uptime_above));
  }
  if (level.reader.header().page_size() != page_size) {
    level.report.add(RuleId::PGM_7, level.at({Kind::inventory, 0}),
                     fmt::format("has pages of {} bytes, and the level above of {}",
                                 level.reader.header().page_size(), page_size));
  }
}

void judge_levels(Facts& child, const Options& options) {
  DamageLog* const damage = options.damage;
  std::map<FileKey, Ranges> wanted = std::move(child.in_parent);
  model::ImageReader* above = &child.reader;
  std::optional<Facts> level;
  for (;;) {
    Facts& from = level ? *level : child;
    absolute_link(from);
    auto parent = above->parent();
    if (damage != nullptr) {
      static_cast<void>(damage->take());  // opening one says the same again
    }
    if (!parent) {
      Where where{above->place(), "parent", 0, {}, {}, 0};
      child.report.add(RuleId::PGM_6, std::move(where), parent.error().line());
      return;
    }
    if (*parent == nullptr) {
      no_parent(from, wanted);
      return;
    }
    ++child.report.summary().levels;
    const std::uint64_t uptime = from.dump_uptime;
    level.emplace(**parent, child.report, options);
    auto files = (*parent)->files();
    if (!files) {
      child.report.add(RuleId::PGM_6, {(*parent)->place(), "", 0, {}, {}, 0}, files.error().line());
      return;
    }
    level->present = std::move(*files);
    std::sort(level->present.begin(), level->present.end());
    if (!level->has(Kind::inventory)) {
      child.report.add(RuleId::PGM_6, level->at({Kind::inventory, 0}),
                       "is not there, so this is no level of a chain");
    }
    Level reading(*level, damage);
    for (const FileKey file : level->present) {
      if (file.kind == Kind::inventory || file.kind == Kind::pagemap ||
          file.kind == Kind::pagemap_shmem) {
        reading.read(file, wanted);
      }
    }
    // A level is read only in part, so its records are not counted.
    judge_store(*level, options, (*parent)->header().records());
    age_and_page(*level, above->header().page_size(), uptime);
    for (const auto& [file, ranges] : wanted) {
      if (!ranges.empty()) {
        child.report.add(RuleId::PGM_5, level->at(file),
                         "is not there, and the level above leaves pages to it");
      }
    }
    wanted = std::move(level->in_parent);
    above = *parent;
  }
}

}  // namespace

void judge_chain(Facts& facts, const Options& options) {
  judge_levels(facts, options);
}

}  // namespace img::check
