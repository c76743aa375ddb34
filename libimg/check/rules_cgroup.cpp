// SPDX-License-Identifier: MIT
// CGR-*: who is in which control groups.
#include <fmt/core.h>

#include <algorithm>

#include "libimg/check/facts.h"
#include "libimg/check/paths.h"
#include "schema/cgroup_generated.h"

namespace img::check {
namespace {

constexpr std::size_t kMaxPath = 4095;

class CgroupRules : public RuleSet {
 public:
  explicit CgroupRules(Facts& facts) : facts_(facts) {}

  void record(const Record& record) override {
    if (record.key.seq == 0) {
      return;
    }
    if (record.key.file.kind == Kind::cgroup) {
      const auto& entry = *record.as<schema::CgroupEntry>();
      controllers(record, entry);
      sets(record, entry);
    } else if (record.key.file.kind == Kind::core) {
      core(record, *record.as<schema::CoreEntry>());
    }
  }

  void finish() override {
    threads();
    if (!lost_.empty()) {
      if (!facts_.has(Kind::cgroup)) {
        facts_.report.add(
            RuleId::CGR_1, facts_.at({Kind::cgroup, 0}),
            fmt::format("is not there, and tasks are in set {}", lost_.front().value));
      } else if (facts_.is_whole(Kind::cgroup)) {
        for (const Where& where : lost_) {
          facts_.report.add(RuleId::CGR_1, where, "is no set of cgroup.img");
        }
      }
    }
    if (has_members_) {
      for (const Where& where : in_none_) {
        facts_.report.add_plain(RuleId::CGR_1, Severity::warning, where,
                                "is in no set, where others are: a restore leaves it in the "
                                "control groups of criu itself");
      }
    }
  }

 private:
  void core(const Record& record, const schema::CoreEntry& core) {
    const auto* thread = core.thread_core();
    const auto tid = static_cast<std::uint32_t>(record.key.file.id);
    if (thread != nullptr && thread->cg_set()) {
      member(record, "thread_core.cg_set", *thread->cg_set());
      if (core.tc() == nullptr) {
        threads_.push_back(
            {tid, *thread->cg_set(),
             facts_.at(record, "thread_core.cg_set", std::to_string(*thread->cg_set()))});
      } else {
        leaders_[tid] = *thread->cg_set();
      }
    }
    if (core.tc() != nullptr && core.tc()->cg_set()) {
      member(record, "tc.cg_set", *core.tc()->cg_set());
      leaders_.try_emplace(tid, *core.tc()->cg_set());
    }
  }

  /// A thread that is not where its process is gets moved, and cgroup.img must say to where: it
  /// does not of the set that criu itself was in.
  void threads() {
    for (const Thread& thread : threads_) {
      const Process* process = facts_.process_of(thread.tid);
      const auto leader = process == nullptr ? leaders_.end() : leaders_.find(process->pid);
      if (leader == leaders_.end() || leader->second == thread.set || sets_.contains(thread.set) ||
          (thread.set != 0 && thread.set != facts_.root_cg_set)) {
        continue;
      }
      facts_.report.add(RuleId::CGR_1, thread.where,
                        fmt::format("thread {} is to move there from set {} of its process, and "
                                    "cgroup.img does not have it",
                                    thread.tid, leader->second));
    }
  }

  void member(const Record& record, const char* field, std::uint32_t set) {
    if (set == 0) {
      in_none_.push_back(facts_.at(record, field, "0"));
      return;
    }
    has_members_ = true;
    if (set != facts_.root_cg_set && !sets_.contains(set)) {
      lost_.push_back(facts_.at(record, field, std::to_string(set)));
    }
  }

  void sets(const Record& record, const schema::CgroupEntry& entry) {
    if (entry.sets() == nullptr) {
      return;
    }
    std::vector<std::string_view> wanted;
    std::uint32_t first = 0;
    for (const schema::CgSetEntry* set : *entry.sets()) {
      const Where where = facts_.at(record, "sets.id", std::to_string(set->id()));
      if (set->id() == 0 || !sets_.insert(set->id()).second) {
        facts_.report.add(RuleId::CGR_1, where,
                          set->id() == 0 ? "0 means none" : "two sets have this id");
      }
      std::vector<std::string_view> names;
      for (flatbuffers::uoffset_t i = 0; set->ctls() != nullptr && i < set->ctls()->size(); ++i) {
        names.push_back(set->ctls()->Get(i)->name()->string_view());
        place(record, *set, *set->ctls()->Get(i));
      }
      std::sort(names.begin(), names.end());
      if (std::adjacent_find(names.begin(), names.end()) != names.end()) {
        facts_.report.add(RuleId::CGR_2, where,
                          fmt::format("set {} has a controller twice", set->id()));
      }
      if (first == 0) {
        first = set->id();
        wanted = std::move(names);
      } else if (names != wanted) {
        facts_.report.add(
            RuleId::CGR_2, where,
            fmt::format("set {} does not have the same controllers as set {}", set->id(), first));
      }
    }
  }

  void place(const Record& record, const schema::CgSetEntry& set,
             const schema::CgMemberEntry& member) {
    const std::string_view path = member.path()->string_view();
    const Where where =
        facts_.at(record, fmt::format("sets[{}].ctls.path", set.id()), member.path()->str());
    if (climbs(path)) {
      facts_.report.add_plain(RuleId::CGR_3, Severity::error, where,
                              "climbs out with '..', which no kernel gives: a restore would move "
                              "tasks elsewhere; do not restore this image");
    } else if (path.size() > kMaxPath) {
      facts_.report.add(RuleId::CGR_3, where, "is longer than a path can be");
    } else if (!names_.contains(member.name()->string_view())) {
      facts_.report.add(
          RuleId::CGR_3, where,
          fmt::format("no controller of cgroup.img is called '{}'", member.name()->string_view()));
    }
    if (member.cgns_prefix().value_or(0) > path.size()) {
      facts_.report.add(RuleId::CGR_3,
                        facts_.at(record, fmt::format("sets[{}].ctls.cgns_prefix", set.id()),
                                  std::to_string(*member.cgns_prefix())),
                        "is longer than the path it is the beginning of");
    }
  }

  void controllers(const Record& record, const schema::CgroupEntry& entry) {
    if (entry.controllers() == nullptr) {
      return;
    }
    for (const schema::CgControllerEntry* controller : *entry.controllers()) {
      if (controller->cnames() == nullptr || controller->cnames()->size() == 0) {
        facts_.report.add(RuleId::CGR_3, facts_.at(record, "controllers.cnames", "0"),
                          "a controller without a name");
      } else {
        for (const flatbuffers::String* name : *controller->cnames()) {
          names_.insert(name->str());
        }
      }
      if (controller->dirs() != nullptr) {
        for (const schema::CgroupDirEntry* dir : *controller->dirs()) {
          directory(record, *dir, 0);
        }
      }
    }
  }

  void directory(const Record& record, const schema::CgroupDirEntry& dir, std::size_t length) {
    const std::string_view name = dir.dir_name()->string_view();
    length += name.size() + 1;
    if (climbs(name)) {
      facts_.report.add_plain(RuleId::CGR_4, Severity::error,
                              facts_.at(record, "controllers.dirs.dir_name", std::string(name)),
                              "climbs out with '..': do not restore this image");
    } else if (length > kMaxPath) {
      facts_.report.add(RuleId::CGR_4,
                        facts_.at(record, "controllers.dirs.dir_name", std::to_string(length)),
                        "is longer than a path can be");
    }
    for (flatbuffers::uoffset_t i = 0; dir.properties() != nullptr && i < dir.properties()->size();
         ++i) {
      const flatbuffers::String& property = *dir.properties()->Get(i)->name();
      if (property.string_view().find('/') != std::string_view::npos || property.size() == 0) {
        facts_.report.add(RuleId::CGR_4,
                          facts_.at(record, "controllers.dirs.properties.name", property.str()),
                          "is no name of a file");
      }
    }
    // The verifier bounds the depth.
    for (flatbuffers::uoffset_t i = 0; dir.children() != nullptr && i < dir.children()->size();
         ++i) {
      directory(record, *dir.children()->Get(i), length);
    }
  }

  struct Thread {
    std::uint32_t tid = 0;
    std::uint32_t set = 0;
    Where where;
  };

  Facts& facts_;
  std::vector<Thread> threads_;                               // but the first of each process
  std::unordered_map<std::uint32_t, std::uint32_t> leaders_;  // set, by pid
  std::unordered_set<std::uint32_t> sets_;
  std::set<std::string, std::less<>> names_;
  std::vector<Where> lost_;
  std::vector<Where> in_none_;
  bool has_members_ = false;
};

}  // namespace

std::unique_ptr<RuleSet> cgroup_rules(Facts& facts) {
  return std::make_unique<CgroupRules>(facts);
}

}  // namespace img::check
