// SPDX-License-Identifier: MIT
// MNT-*: the mounts of mount namespaces.
#include <fmt/core.h>

#include <algorithm>

#include "libimg/check/facts.h"
#include "schema/mounts_generated.h"

namespace img::check {
namespace {

constexpr std::uint32_t kUnsupported = 0;
constexpr std::uint32_t kTmpfs = 5;
constexpr std::uint32_t kAuto = 16;
constexpr std::uint32_t kLastOfRow = 19;
constexpr std::uint32_t kCgroup2 = 23;

class MountRules : public RuleSet {
 public:
  explicit MountRules(Facts& facts) : facts_(facts) {}

  void record(const Record& record) override {
    if (record.key.seq == 0) {
      return;
    }
    switch (record.key.file.kind) {
      case Kind::mountpoints: mount(record, *record.as<schema::MntEntry>()); break;
      case Kind::binfmt_misc:
      case Kind::binfmt_misc_old: binary(record, *record.as<schema::BinfmtMiscEntry>()); break;
      case Kind::tmpfs:
      case Kind::tmpfs_dev: content(record); break;
      default: break;
    }
  }

  void finish() override {
    std::unordered_map<std::uint32_t, std::size_t> by_id;
    for (std::size_t i = 0; i < mounts_.size(); ++i) {
      if (!by_id.try_emplace(mounts_[i].id, i).second) {
        facts_.report.add(RuleId::MNT_1, at(mounts_[i], "mnt_id", mounts_[i].id),
                          "two mounts have this id");
      }
    }
    if (!facts_.is_whole(Kind::mountpoints)) {
      return;
    }
    parents(by_id);
    binds();
  }

 private:
  struct Mount {
    FileKey file;
    std::uint64_t entry = 0;
    std::uint32_t id = 0;
    std::uint32_t parent = 0;
    std::uint32_t device = 0;
    std::uint32_t master = 0;
    std::uint32_t fstype = 0;
    bool is_root = false;      // of its namespace
    bool is_whole = false;     // shows its file system from the top
    bool is_external = false;  // someone else brings it
    bool is_deleted = false;
  };

  Where at(const Mount& mount, const char* field, std::uint64_t value) const {
    return facts_.at(mount.file, mount.entry, field, std::to_string(value));
  }

  void mount(const Record& record, const schema::MntEntry& entry) {
    if (entry.fstype() > kLastOfRow && entry.fstype() != kCgroup2) {
      facts_.report.add(RuleId::MNT_3, facts_.at(record, "fstype", std::to_string(entry.fstype())),
                        "is no type of file system");
    }
    const bool has_name = entry.fsname() != nullptr && entry.fsname()->size() != 0;
    if (entry.fstype() == kAuto && !has_name) {
      facts_.report.add(RuleId::MNT_3, facts_.at(record, "fsname"),
                        "is not set, and the type has no name otherwise");
    } else if (entry.fstype() != kAuto && entry.fsname() != nullptr) {
      facts_.report.add(RuleId::MNT_3, facts_.at(record, "fsname", entry.fsname()->str()),
                        "is set, and the type has a name already");
    }
    Mount mount;
    mount.file = record.key.file;
    mount.entry = record.key.seq;
    mount.id = entry.mnt_id();
    mount.parent = entry.parent_mnt_id();
    mount.device = entry.root_dev();
    mount.master = entry.master_id().value_or(0);
    mount.fstype = entry.fstype();
    mount.is_root = entry.mountpoint()->string_view() == "/";
    mount.is_whole = entry.root()->string_view() == "/";
    mount.is_external = entry.ext_key() != nullptr || entry.ext_mount().value_or(false) ||
                        entry.with_plugin().value_or(false);
    mount.is_deleted = entry.deleted().value_or(false);
    shared_.insert(entry.shared_id().value_or(0));
    if (!places_.insert({mount.file.id, mount.parent, entry.mountpoint()->str()}).second &&
        !mount.is_root) {
      facts_.report.add(RuleId::MNT_2, facts_.at(record, "mountpoint", entry.mountpoint()->str()),
                        fmt::format("mount {} has two children there", mount.parent));
    }
    mounts_.push_back(mount);
  }

  void parents(const std::unordered_map<std::uint32_t, std::size_t>& by_id) {
    std::unordered_map<std::uint64_t, std::size_t> roots;  // by namespace
    for (const Mount& mount : mounts_) {
      const auto parent = by_id.find(mount.parent);
      const bool has_parent = parent != by_id.end() && mount.parent != mount.id &&
                              mounts_[parent->second].file == mount.file;
      if (has_parent) {
        continue;
      }
      if (!mount.is_root) {
        facts_.report.add(RuleId::MNT_1, at(mount, "parent_mnt_id", mount.parent),
                          fmt::format("mount {} is on mount {}, which its namespace does not have",
                                      mount.id, mount.parent));
      } else if (++roots[mount.file.id] > 1) {
        facts_.report.add(RuleId::MNT_1, at(mount, "parent_mnt_id", mount.parent),
                          "is a second root of its namespace");
      }
    }
    for (const FileKey file : facts_.present) {
      if (file.kind == Kind::mountpoints && !roots.contains(file.id)) {
        facts_.report.add(RuleId::MNT_1, facts_.at(file), "has no root mount");
      }
    }
    cycles(by_id);
  }

  /// Each mount is coloured once on the way up.
  void cycles(const std::unordered_map<std::uint32_t, std::size_t>& by_id) {
    std::vector<std::size_t> colour(mounts_.size(), 0);
    for (std::size_t start = 0; start < mounts_.size(); ++start) {
      std::size_t here = start;
      while (colour[here] == 0) {
        colour[here] = start + 1;
        const auto parent = by_id.find(mounts_[here].parent);
        if (parent == by_id.end() || parent->second == here) {
          break;
        }
        here = parent->second;
        if (colour[here] == start + 1) {
          facts_.report.add(RuleId::MNT_1, at(mounts_[here], "parent_mnt_id", mounts_[here].parent),
                            fmt::format("mount {} is below itself", mounts_[here].id));
        }
      }
    }
  }

  void binds() {
    // Of an external mount every part can be bound, in all namespaces.
    std::unordered_set<std::uint32_t> whole;
    std::unordered_set<std::uint32_t> external;
    for (const Mount& mount : mounts_) {
      if (mount.is_whole || mount.is_root || mount.is_external) {
        whole.insert(mount.device);
      }
      if (mount.is_external || mount.is_root) {
        external.insert(mount.device);
      }
    }
    const bool has_external = std::any_of(mounts_.begin(), mounts_.end(),
                                          [](const Mount& mount) { return mount.is_external; });
    std::unordered_set<std::uint32_t> judged;
    for (const Mount& mount : mounts_) {
      if (mount.is_external || mount.is_root) {
        continue;
      }
      if (mount.is_whole && mount.fstype == kUnsupported) {
        facts_.report.add(RuleId::MNT_3, at(mount, "fstype", mount.fstype),
                          "is a file system that CRIU cannot mount");
      }
      if (!whole.contains(mount.device)) {
        facts_.report.add(
            RuleId::MNT_4, at(mount, "root_dev", mount.device),
            "a part of a file system whose top is not mounted, and not external either");
      }
      if (mount.master != 0 && !shared_.contains(mount.master)) {
        // It may be a group outside, that an external mount or the root brings.
        const bool may_be_outside = has_external || external.contains(mount.device);
        facts_.report.add(
            RuleId::MNT_6, may_be_outside ? Severity::warning : Severity::error,
            at(mount, "master_id", mount.master),
            "is the slave of a group that is not in the image: it has to be external");
      }
      const bool needs_content = mount.fstype == kTmpfs && mount.is_whole && !mount.is_deleted &&
                                 !external.contains(mount.device);
      if (needs_content && judged.insert(mount.device).second &&
          !facts_.has(Kind::tmpfs_dev, mount.device) && !facts_.has(Kind::tmpfs, mount.id)) {
        facts_.report.add(
            RuleId::MNT_7, facts_.at({Kind::tmpfs_dev, mount.device}),
            fmt::format("is not there, and tmpfs mount {} needs its files", mount.id));
      }
    }
  }

  void content(const Record& record) {
    constexpr std::byte kGzip[] = {std::byte{0x1f}, std::byte{0x8b}};
    const Bytes first = record.payload.parts.empty() ? Bytes{} : record.payload.parts.front();
    if (first.size() < 2 || first[0] != kGzip[0] || first[1] != kGzip[1]) {
      facts_.report.add(RuleId::MNT_7, facts_.at(record.key.file),
                        first.empty() ? "is empty" : "is no gzip file");
    }
  }

  void binary(const Record& record, const schema::BinfmtMiscEntry& entry) {
    constexpr std::int64_t kHeader = 128;
    if (entry.magic() == nullptr && entry.extension() == nullptr) {
      facts_.report.add(RuleId::MNT_9, facts_.at(record, "magic"),
                        "is not set, nor is an extension");
    }
    if (entry.magic() != nullptr) {
      const auto bytes = static_cast<std::int64_t>(entry.magic()->size() / 2);
      const std::int64_t offset = entry.offset().value_or(0);
      if (offset < 0 || offset + bytes > kHeader) {
        facts_.report.add(RuleId::MNT_9, facts_.at(record, "offset", std::to_string(offset)),
                          "lies past the 128 bytes that the kernel looks at");
      }
    }
  }

  Facts& facts_;
  std::vector<Mount> mounts_;
  std::unordered_set<std::uint32_t> shared_;
  std::set<std::tuple<std::uint64_t, std::uint32_t, std::string>> places_;
};

}  // namespace

std::unique_ptr<RuleSet> mount_rules(Facts& facts) {
  return std::make_unique<MountRules>(facts);
}

}  // namespace img::check
