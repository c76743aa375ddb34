// SPDX-License-Identifier: MIT
#include "libimg/check/check.h"

#include <algorithm>
#include <thread>

#include "libimg/check/facts.h"
#include "libimg/check/read_ahead.h"
#include "schema/pagemap_generated.h"

namespace img::check {
namespace {

constexpr RuleSetMaker kMakers[] = {
    set_rules,  tree_rules,    core_rules,     namespace_rules, memory_rules, shared_memory_rules,
    file_rules, remap_rules,   pipe_rules,     socket_rules,    tty_rules,    event_rules,
    lock_rules, mount_rules,   net_rules,      ipc_rules,       cgroup_rules, security_rules,
    need_rules, archive_rules, settings_rules,
};

constexpr RuleSetMaker kHostMakers[] = {host_task_rules, host_file_rules, host_system_rules};

/// Files are read in an order in which what is named comes before what names it, and a task's
/// mappings right before its page map, so that no more than one task's are ever held.
int phase(Kind kind) {
  switch (kind) {
    case Kind::inventory: return 0;
    case Kind::pstree: return 1;
    case Kind::files: return 2;
    case Kind::core:
    case Kind::zombie: return 4;
    case Kind::ids: return 5;
    case Kind::fdinfo: return 6;
    case Kind::mm:
    case Kind::vmas:
    case Kind::pagemap: return 7;
    case Kind::pagemap_shmem: return 8;
    case Kind::pages: return 10;
    default: return model::old_file_kind(kind) != FdTypes::UND ? 2 : 3;
  }
}

std::vector<FileKey> in_reading_order(std::vector<FileKey> files) {
  std::sort(files.begin(), files.end(), [](FileKey a, FileKey b) {
    const int pa = phase(a.kind);
    const int pb = phase(b.kind);
    if (pa != pb) {
      return pa < pb;
    }
    // One task after the other; mm and vmas have lower numbers than pagemap only by luck of names.
    const auto rank = [](Kind kind) { return kind == Kind::pagemap ? 1 : 0; };
    if (pa == phase(Kind::mm) && a.id != b.id) {
      return a.id < b.id;
    }
    return pa == phase(Kind::mm) ? rank(a.kind) < rank(b.kind) : a < b;
  });
  return files;
}

class Judge {
 public:
  explicit Judge(Facts& facts) : facts_(facts) {
    for (const RuleSetMaker make : kMakers) {
      sets_.push_back(make(facts));
    }
    if (facts.host != nullptr) {
      for (const RuleSetMaker make : kHostMakers) {
        sets_.push_back(make(facts));
      }
    }
  }

  void record(const Record& record) {
    ++facts_.report.summary().records;
    if (record.table != nullptr && record.table->name == "PagemapHead") {
      pages_id_ = record.as<schema::PagemapHead>()->pages_id();
    }
    facts_.take(record);
    for (const auto& set : sets_) {
      set->record(record);
    }
  }

  /// After its last record.
  void file(FileKey file, const FileRead& read) {
    ++facts_.report.summary().files;
    const bool is_told = judge_damage(facts_.report, facts_.reader, file, read.damage, pages_id_);
    pages_id_.reset();
    if (!read.done && !is_told && file.kind != Kind::unknown_file) {
      judge_error(facts_, file, read.done.error());
    }
    if (!read.done || is_told) {
      facts_.damaged.insert(file.kind == Kind::zombie ? Kind::core : file.kind);
    }
  }

  void finish() {
    std::sort(facts_.descriptors.begin(), facts_.descriptors.end());
    for (const auto& set : sets_) {
      set->finish();
    }
  }

 private:
  Facts& facts_;
  std::vector<std::unique_ptr<RuleSet>> sets_;
  std::optional<std::uint64_t> pages_id_;  // of the page map being read
};

/// Our own images are for live-restore, others for who made them.
Restorer maker_of(const model::ImageReader& image) {
  const auto* provenance = image.header().provenance();
  switch (provenance == nullptr ? schema::Origin::live : provenance->origin()) {
    case schema::Origin::live: return Restorer::stasis;
    case schema::Origin::archive: return Restorer::podman;
    default: return Restorer::criu;
  }
}

/// A pre-dump has the memory of tasks, and nothing about them.
bool looks_like_predump(const Facts& facts) {
  constexpr Kind kOfDumps[] = {Kind::pstree, Kind::core, Kind::zombie,
                               Kind::mm,     Kind::fs,   Kind::files};
  return facts.has(Kind::inventory) && std::none_of(std::begin(kOfDumps), std::end(kOfDumps),
                                                    [&](Kind kind) { return facts.has_any(kind); });
}

}  // namespace

std::function<void(const criu::Damage&)> DamageLog::sink() {
  return [this](const criu::Damage& damage) {
    const std::lock_guard lock(mutex_);
    met_[std::this_thread::get_id()].push_back(damage);
  };
}

std::vector<criu::Damage> DamageLog::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(met_[std::this_thread::get_id()], {});
}

Result<Summary> check(model::ImageReader& image, const Options& options, FindingSink& findings) {
  Report report(findings, options.most_per_rule);
  Facts facts(image, report, options);
  IMG_ASSIGN(facts.present, image.files());
  std::sort(facts.present.begin(), facts.present.end());
  facts.is_predump = looks_like_predump(facts);
  facts.has_files =
      std::any_of(facts.present.begin(), facts.present.end(), [](const FileKey& file) {
        return file.kind == Kind::files || model::old_file_kind(file.kind) != FdTypes::UND;
      });
  facts.restorer = options.restorer.value_or(maker_of(image));
  report.summary().restorer = facts.restorer;
  report.summary().is_predump = facts.is_predump;
  report.summary().levels = 1;
  Judge judge(facts);
  ReadAhead(image, options.damage, in_reading_order(facts.present))
      .run([&](const Record& record) { judge.record(record); },
           [&](FileKey file, const FileRead& read) { judge.file(file, read); });
  judge.finish();
  if (options.host != nullptr) {
    for (const Rule& known : rules()) {
      if (known.scope == Scope::host && !known.not_built.empty()) {
        report.not_asked(known.rule, std::string(known.not_built));
      }
    }
  }
  judge_store(facts, options, report.summary().records);
  judge_chain(facts, options);
  return report.summary();
}

}  // namespace img::check
