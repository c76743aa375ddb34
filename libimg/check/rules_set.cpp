// SPDX-License-Identifier: MIT
// SET-*, INV-*: the files of an image as a set, and its inventory.
#include <fmt/core.h>

#include "libimg/check/facts.h"
#include "schema/pack_generated.h"

namespace img::check {
namespace {

class SetRules : public RuleSet {
 public:
  explicit SetRules(Facts& facts) : facts_(facts) {}

  void record(const Record& record) override {
    if (record.key.seq == 0) {
      header_form(record);
    } else if (record.key.file.kind == Kind::pages && record.payload.size() != 0) {
      // The memory of a page map does not come as a record of its own.
      facts_.report.add_plain(RuleId::SET_6, Severity::note, facts_.at(record.key.file),
                              "memory that no page map stands for");
    } else if (record.key.file.kind == Kind::inventory) {
      inventory(record, *record.as<schema::InventoryEntry>());
    }
  }

  void finish() override {
    headers();
    if (!facts_.has(Kind::inventory)) {
      facts_.report.add(RuleId::SET_1, facts_.at({Kind::inventory, 0}), "is not there");
    }
    if (facts_.is_predump) {
      facts_.report.add_plain(RuleId::SET_7, Severity::note, facts_.at({Kind::inventory, 0}),
                              "a pre-dump: holds memory for the next increment, and cannot be "
                              "restored alone");
      return;
    }
    if (!facts_.has(Kind::pstree)) {
      facts_.report.add(RuleId::SET_1, facts_.at({Kind::pstree, 0}), "is not there");
    }
    if (!facts_.has_files) {
      for (const Process& process : facts_.tree.processes()) {
        if (!process.is_zombie()) {
          facts_.report.add(RuleId::SET_1, facts_.at({Kind::files, 0}),
                            fmt::format("is not there, and process {} needs it", process.pid));
          break;
        }
      }
    }
    orphans();
  }

 private:
  void header_form(const Record& record) {
    const schema::KindInfo* info = schema::find_kind(record.key.file.kind);
    const auto& note = *record.as<schema::ImageFile>();
    if (info == nullptr || info->is_service() || note.form() == schema::FileForm::standard ||
        record.key.file.kind == Kind::unknown_file) {
      return;
    }
    odd_headers_.emplace_back(record.key.file, note.form());
  }

  /// Where most files have the other version's header, it is the inventory that lies.
  void headers() {
    const auto [odd, form] =
        odd_headers_.empty() ? std::pair<FileKey, schema::FileForm>() : odd_headers_.front();
    if (odd_headers_.size() > facts_.present.size() / 2) {
      facts_.report.add_plain(
          RuleId::SET_1, Severity::error, facts_.at({Kind::inventory, 0}, 1, "img_version"),
          fmt::format("says version {}, and {} files have the headers of the other, {} first: criu "
                      "restore refuses them",
                      form == schema::FileForm::magic_only ? 2 : 1, odd_headers_.size(),
                      facts_.reader.file_name(odd)));
      return;
    }
    for (const auto& [file, odd_form] : odd_headers_) {
      facts_.report.add(RuleId::SET_1, facts_.at(file),
                        odd_form == schema::FileForm::magic_only
                            ? "has no common header word, in an image of version 2"
                            : "has the common header word, in an image of version 1");
    }
  }

  void inventory(const Record& record, const schema::InventoryEntry& entry) {
    if (facts_.is_predump) {
      return;  // nobody restores it, and CRIU writes version 0
    }
    if (entry.img_version() != 1 && entry.img_version() != 2) {
      facts_.report.add(
          RuleId::INV_1, facts_.at(record, "img_version", std::to_string(entry.img_version())),
          fmt::format("image version {}, where 1 and 2 are known", entry.img_version()));
    }
    if (!entry.fdinfo_per_id().value_or(false)) {
      facts_.report.add(RuleId::INV_2, facts_.at(record, "fdinfo_per_id", "false"),
                        "fdinfo files are not named by table, as before CRIU 0.4");
    }
    if (entry.root_ids() == nullptr) {
      facts_.report.add(RuleId::INV_3, facts_.at(record, "root_ids"), "is not set");
    }
    if (entry.root_cg_set() == 0U) {
      facts_.report.add(RuleId::INV_4, facts_.at(record, "root_cg_set", "0"),
                        "cgroup set 0 is none");
    }
    if (entry.pre_dump_mode().value_or(1) > 2) {
      facts_.report.add(RuleId::INV_7,
                        facts_.at(record, "pre_dump_mode", std::to_string(*entry.pre_dump_mode())),
                        "neither splice (1) nor read (2)");
    }
    if (entry.network_lock_method().value_or(0) > 2) {
      facts_.report.add(
          RuleId::INV_7,
          facts_.at(record, "network_lock_method", std::to_string(*entry.network_lock_method())),
          "neither iptables (0) nor nftables (1) nor skip (2)");
    }
  }

  /// Files of a task that pstree.img does not have.
  void orphans() {
    if (!facts_.is_whole(Kind::pstree) || !facts_.has(Kind::pstree)) {
      return;
    }
    for (const FileKey file : facts_.present) {
      switch (file.kind) {
        case Kind::core:
        case Kind::zombie:
          orphan(file, facts_.process_of(static_cast<std::uint32_t>(file.id)) != nullptr);
          break;
        case Kind::ids:
        case Kind::mm:
        case Kind::pagemap:
        case Kind::fs:
          orphan(file, facts_.tree.find(static_cast<std::uint32_t>(file.id)) != nullptr);
          break;
        default: break;
      }
    }
  }

  void orphan(FileKey file, bool is_named) {
    if (!is_named) {
      facts_.report.add_plain(RuleId::SET_6, Severity::warning, facts_.at(file),
                              fmt::format("belongs to task {}, which pstree.img does not have: a "
                                          "restore leaves it out",
                                          file.id));
    }
  }

  Facts& facts_;
  std::vector<std::pair<FileKey, schema::FileForm>> odd_headers_;
};

}  // namespace

std::unique_ptr<RuleSet> set_rules(Facts& facts) {
  return std::make_unique<SetRules>(facts);
}

}  // namespace img::check
