// SPDX-License-Identifier: MIT
#include "libimg/gc/dumped_mounts.h"

#include "libimg/model/process_tree.h"
#include "schema/mounts_generated.h"

namespace img::gc {
namespace {

using model::Kind;

// mountinfo's word for what CRIU has a number for. Of the others it keeps the word, or nothing.
std::string type_of(const schema::MntEntry& entry) {
  switch (static_cast<schema::Fstype>(entry.fstype())) {
    case schema::Fstype::UNSUPPORTED: return {};
    case schema::Fstype::AUTO: return entry.fsname() == nullptr ? "" : entry.fsname()->str();
    case schema::Fstype::TMPFS: return "tmpfs";
    case schema::Fstype::DEVTMPFS: return "devtmpfs";
    case schema::Fstype::OVERLAYFS: return "overlay";
    case schema::Fstype::MQUEUE: return "mqueue";
    default: break;
  }
  std::string name = schema::EnumNameFstype(static_cast<schema::Fstype>(entry.fstype()));
  for (char& letter : name) {
    letter = static_cast<char>(letter >= 'A' && letter <= 'Z' ? letter - 'A' + 'a' : letter);
  }
  return name;
}

// The kernel's own packing, which is not that of dev_t.
Device device_of(std::uint32_t packed) {
  return {packed >> 20, packed & 0xfffff};
}

// Images before 3.0 have "./mnt" for "/mnt".
std::string point_of(std::string text) {
  if (text.starts_with('.')) {
    text.erase(0, 1);
  }
  return text.empty() ? "/" : text;
}

struct Mounts : model::RecordSink {
  explicit Mounts(std::map<std::uint32_t, DumpedMount>& into) : all(into) {}
  std::map<std::uint32_t, DumpedMount>& all;

  Result<void> record(const model::Record& record) override {
    if (record.key.seq == 0 || record.table == nullptr) {
      return {};
    }
    const auto& entry = *record.as<schema::MntEntry>();
    DumpedMount mount;
    mount.space = static_cast<std::uint32_t>(record.key.file.id);
    mount.id = entry.mnt_id();
    mount.device = device_of(entry.root_dev());
    // An old external mount has its key there.
    mount.root = entry.ext_mount().value_or(false) ? "" : entry.root()->str();
    if (mount.root.find('\0') != std::string::npos) {
      mount.root.clear();  // no kernel said that
    }
    mount.point = point_of(entry.mountpoint()->str());
    mount.type = type_of(entry);
    mount.source = entry.source()->str();
    mount.is_deleted = entry.deleted().value_or(false);
    const bool is_external = entry.ext_key() != nullptr || entry.ext_mount().value_or(false);
    mount.in_memory = !is_external && (mount.type == "tmpfs" || mount.type == "ramfs" ||
                                       mount.type == "hugetlbfs" || mount.type == "mqueue");
    all.try_emplace(mount.id, std::move(mount));
    return {};
  }
};

}  // namespace

Result<DumpedMounts> DumpedMounts::read(model::ImageReader& image) {
  DumpedMounts mounts;
  IMG_ASSIGN(const std::vector<model::FileKey> files, image.files());
  Mounts sink(mounts.by_id_);
  for (const model::FileKey& file : files) {
    if (file.kind == Kind::mountpoints) {
      IMG_TRY(image.read(file, sink));
    }
  }
  IMG_ASSIGN(const model::ProcessTree tree, model::ProcessTree::read(image));
  if (!tree.processes().empty()) {
    mounts.first_space_ = tree.processes().front().ids.mnt_ns;
  }
  return mounts;
}

const DumpedMount* DumpedMounts::root_of(std::uint32_t space) const {
  for (const auto& [id, mount] : by_id_) {
    if (mount.space == space && mount.point == "/") {
      return &mount;
    }
  }
  return nullptr;
}

const DumpedMount* DumpedMounts::mount_of(const std::string& path,
                                          std::optional<std::int32_t> id) const {
  if (id && *id != -1) {
    const auto found = by_id_.find(static_cast<std::uint32_t>(*id));
    return found == by_id_.end() ? nullptr : &found->second;
  }
  const DumpedMount* nearest = nullptr;
  bool is_only = true;  // of two at one place, nobody knows which is on top
  for (const auto& [number, mount] : by_id_) {
    if (mount.space != first_space_ || !path_below(path, mount.point)) {
      continue;
    }
    if (nearest == nullptr || mount.point.size() > nearest->point.size()) {
      nearest = &mount;
      is_only = true;
    } else if (mount.point == nearest->point) {
      is_only = false;
    }
  }
  return is_only ? nearest : nullptr;
}

std::optional<std::string> path_below(const std::string& path, const std::string& folder) {
  if (folder == "/") {
    return path.starts_with('/') ? std::optional(path.substr(1)) : std::nullopt;
  }
  if (path == folder) {
    return std::string();
  }
  return path.starts_with(folder + "/") ? std::optional(path.substr(folder.size() + 1))
                                        : std::nullopt;
}

}  // namespace img::gc
