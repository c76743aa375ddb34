// SPDX-License-Identifier: MIT
#include "libimg/gc/left_files.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "libimg/base/file.h"
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

// Absolute, and of plain parts only: what a kernel says of a file that is open.
bool is_plain_path(const std::string& path) {
  return path.starts_with('/') && path.size() < 4096 && path.find('\0') == std::string::npos &&
         (path + "/").find("/./") == std::string::npos &&
         (path + "/").find("/../") == std::string::npos && !path.ends_with('/');
}

std::string file_part(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
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
  if (!is_plain_path(left.path) ||
      file_part(left.path) != fmt::format("link_remap.{}", static_cast<int>(remap.remap_id))) {
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

std::string difference(const LeftFile& file, const struct stat& status) {
  const std::uint32_t type = file.mode.value_or(S_IFREG) & S_IFMT;
  const bool is_link = file.kind == LeftFile::Kind::link;
  if ((status.st_mode & S_IFMT) != type) {
    return "is another type of file than the image has";
  }
  if (is_link && status.st_nlink < 2) {
    return "is the last name of its content by now";
  }
  if (!is_link && status.st_nlink != 1) {
    return "has other names too";
  }
  if (is_link && file.mode && (status.st_mode & 07777) != (*file.mode & 07777)) {
    return "has another mode than the image has";
  }
  const auto size = static_cast<std::uint64_t>(status.st_size);
  // A restore that failed may have come only so far with the copy.
  if (file.size && S_ISREG(status.st_mode) && (is_link ? size != *file.size : size > *file.size)) {
    return fmt::format("has {} bytes where the image has {}", size, *file.size);
  }
  return {};
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

Result<LeftRoot> LeftRoot::open(const std::string& root) {
  IMG_ASSIGN(UniqueFd fd, open_directory(AT_FDCWD, root, root));
  return LeftRoot(std::move(fd), root);
}

// The kernel walks: no link on the way, none of /proc's either, and never above the root.
Result<UniqueFd> LeftRoot::open_parent(const std::string& path) const {
  const std::string parent = "." + path.substr(0, path.rfind('/'));
  open_how how{};
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  UniqueFd fd(
      static_cast<int>(::syscall(SYS_openat2, root_.get(), parent.c_str(), &how, sizeof how)));
  if (!fd.is_open()) {
    return fail(sys_error(errno, place_ + path, "open its directory"));
  }
  return fd;
}

Result<FoundFile> LeftRoot::look(const LeftFile& file) const {
  FoundFile found{file, FoundFile::State::missing, {}, 0, 0, 0};
  const auto parent = open_parent(file.path);
  if (!parent) {
    const int error = parent.error().sys_errno;
    if (error == ENOENT || error == ENOTDIR) {
      return found;
    }
    found.state = FoundFile::State::other;
    found.why =
        error == ELOOP || error == EXDEV ? "a link is on the way to it" : parent.error().why;
    return found;
  }
  struct stat status {};
  if (::fstatat(parent->get(), file_part(file.path).c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno == ENOENT ? Result<FoundFile>(std::move(found))
                           : fail(sys_error(errno, place_ + file.path, "stat"));
  }
  found.why = difference(file, status);
  found.state = found.why.empty() ? FoundFile::State::there : FoundFile::State::other;
  found.bytes = file.kind == LeftFile::Kind::ghost ? static_cast<std::uint64_t>(status.st_size) : 0;
  found.device = status.st_dev;
  found.inode = status.st_ino;
  return found;
}

// No call removes a name only if it is a certain file's. So it is renamed first, where nobody looks
// for it, and looked at again.
Result<bool> LeftRoot::remove(const FoundFile& found) const {
  IMG_ASSIGN(const UniqueFd parent, open_parent(found.file.path));
  const std::string name = file_part(found.file.path);
  const std::string aside = fmt::format(".img-gc.{:016x}", random_bits());
  if (::renameat2(parent.get(), name.c_str(), parent.get(), aside.c_str(), RENAME_NOREPLACE) != 0) {
    return errno == ENOENT ? Result<bool>(false)
                           : fail(sys_error(errno, place_ + found.file.path, "remove"));
  }
  struct stat status {};
  const bool is_it = ::fstatat(parent.get(), aside.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
                     status.st_dev == found.device && status.st_ino == found.inode &&
                     difference(found.file, status).empty();
  if (!is_it) {
    static_cast<void>(
        ::renameat2(parent.get(), aside.c_str(), parent.get(), name.c_str(), RENAME_NOREPLACE));
    return false;
  }
  if (::unlinkat(parent.get(), aside.c_str(), 0) != 0) {
    return fail(sys_error(errno, place_ + found.file.path, "remove"));
  }
  return true;
}

}  // namespace img::gc
