// SPDX-License-Identifier: MIT
#include "libimg/gc/left_files.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>

#include "libimg/base/plain_path.h"
#include "libimg/base/text.h"
#include "libimg/model/file_table.h"
#include "libimg/model/process_tree.h"
#include "libimg/model/remap.h"
#include "schema/inventory_generated.h"

namespace img::gc {
namespace {

using model::Kind;

struct Remaps : model::RecordSink {
  std::vector<model::Remap> all;
  Result<void> record(const model::Record& record) override {
    if (record.key.seq != 0 && record.table != nullptr) {
      all.push_back(model::remap_from(*record.as<schema::RemapFilePathEntry>()));
    }
    return {};
  }
};

struct Ghost : model::RecordSink {
  std::optional<std::uint32_t> mode;
  std::uint64_t size = 0;
  Result<void> record(const model::Record& record) override {
    if (record.key.seq == 1 && record.table != nullptr) {
      const auto* entry = record.as<schema::GhostFileEntry>();
      mode = entry->mode();
      size = entry->size().value_or(record.payload.size());
    }
    return {};
  }
};

struct DumpersMounts : model::RecordSink {
  std::optional<std::uint32_t> id;
  Result<void> record(const model::Record& record) override {
    if (record.key.seq != 0 && record.table != nullptr) {
      const auto* ids = record.as<schema::InventoryEntry>()->root_ids();
      id = ids == nullptr ? std::nullopt : std::optional(model::TaskIds::of(*ids).mnt_ns);
    }
    return {};
  }
};

Failure odd_name(const model::ImageReader& image, std::uint32_t id, const std::string& path) {
  return fail(Fault::corrupt, image.place(), fmt::format("remap of file {:#x}", id),
              "its name is not one that CRIU makes: " + escaped(path, 200));
}

Result<LeftFile> link_of(const model::ImageReader& image, const model::FileTable& files,
                         const model::Remap& remap, LeftFile left) {
  const model::OpenFile* target = files.find(remap.remap_id, schema::FdTypes::REG);
  const auto* entry =
      target == nullptr ? nullptr : target->as<schema::RegFileEntry>(schema::FdTypes::REG);
  if (entry == nullptr || entry->name() == nullptr) {
    return fail(Fault::corrupt, image.place(), fmt::format("remap of file {:#x}", remap.orig_id),
                "the file that it leads to is not there");
  }
  left.kind = LeftFile::Kind::link;
  left.path = entry->name()->str();
  // Beside the name that was lost, or above where that folder has gone too.
  const std::size_t folder = left.path.rfind('/') + 1;
  if (!is_plain_path(left.path) ||
      left.path.substr(folder) != fmt::format("link_remap.{}", static_cast<int>(remap.remap_id)) ||
      !left.original.starts_with(left.path.substr(0, folder))) {
    return odd_name(image, remap.orig_id, left.path);
  }
  return left;
}

Result<LeftFile> ghost_of(model::ImageReader& image, const model::Remap& remap, LeftFile left) {
  Ghost ghost;
  IMG_TRY(image.read({Kind::ghost_file, remap.remap_id}, ghost));
  left.kind = LeftFile::Kind::ghost;
  left.path = fmt::format("{}.cr.{:x}.ghost", left.original, remap.remap_id);
  left.mode = ghost.mode;
  left.size = ghost.size;
  return is_plain_path(left.path) ? Result<LeftFile>(std::move(left))
                                  : odd_name(image, remap.orig_id, left.path);
}

}  // namespace

Result<std::vector<LeftFile>> left_files(model::ImageReader& image) {
  Remaps remaps;
  IMG_TRY(image.read({Kind::remap_fpath, 0}, remaps));
  std::vector<LeftFile> all;
  if (remaps.all.empty()) {
    return all;
  }
  IMG_ASSIGN(const model::FileTable files, model::FileTable::read(image));
  for (const model::Remap& remap : remaps.all) {
    if (remap.type == schema::RemapType::PROCFS) {
      continue;
    }
    const model::OpenFile* file = files.find(remap.orig_id, schema::FdTypes::REG);
    const auto* entry =
        file == nullptr ? nullptr : file->as<schema::RegFileEntry>(schema::FdTypes::REG);
    if (entry == nullptr || entry->name() == nullptr) {
      return fail(Fault::corrupt, image.place(), fmt::format("remap of file {:#x}", remap.orig_id),
                  "there is no such file");
    }
    LeftFile left;
    left.id = remap.remap_id;
    left.original = entry->name()->str();
    left.mount = entry->mnt_id() ? std::optional<std::int32_t>(*entry->mnt_id()) : std::nullopt;
    left.size = entry->size() ? std::optional<std::uint64_t>(*entry->size()) : std::nullopt;
    left.mode = entry->mode() ? std::optional<std::uint32_t>(*entry->mode()) : std::nullopt;
    IMG_ASSIGN(left, remap.type == schema::RemapType::LINKED
                         ? link_of(image, files, remap, std::move(left))
                         : ghost_of(image, remap, std::move(left)));
    // Several files can share one.
    if (std::ranges::find(all, left.path, &LeftFile::path) == all.end()) {
      all.push_back(std::move(left));
    }
  }
  return all;
}

Result<bool> has_own_mounts(model::ImageReader& image) {
  DumpersMounts dumper;
  IMG_TRY(image.read({Kind::inventory, 0}, dumper));
  IMG_ASSIGN(const model::ProcessTree tree, model::ProcessTree::read(image));
  if (tree.processes().empty() || !dumper.id || *dumper.id == 0) {
    return false;
  }
  const std::uint32_t own = tree.processes().front().ids.mnt_ns;
  return own != 0 && own != *dumper.id;
}

}  // namespace img::gc
