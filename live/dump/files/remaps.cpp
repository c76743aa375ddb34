// SPDX-License-Identifier: MIT
#include "live/dump/files/remaps.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

namespace img::dump {
namespace {

constexpr std::string_view kDeleted = " (deleted)";
constexpr pid_t kInit = 1;  // is always there, and always its own

std::string without_deleted(const std::string& link) {
  return link.ends_with(kDeleted) ? link.substr(0, link.size() - kDeleted.size()) : link;
}

// "/proc/12/maps": 12, or 0.
pid_t pid_in(std::string_view link) {
  constexpr std::string_view kProc = "/proc/";
  pid_t pid = 0;
  if (link.starts_with(kProc)) {
    link.remove_prefix(kProc.size());
    const auto [stop, error] = std::from_chars(link.data(), link.data() + link.size(), pid);
    if (error != std::errc{} ||
        (stop != link.data() + link.size() && *stop != '/' && *stop != ' ')) {
      return 0;
    }
  }
  return pid;
}

}  // namespace

void Remaps::add_remap(std::uint32_t id, std::uint32_t stand_in, schema::RemapType type) {
  auto& builder = bench_.builder();
  bench_.records().add(Kind::remap_fpath, 0,
                       schema::CreateRemapFilePathEntry(builder, id, stand_in, type));
}

Result<std::string> Remaps::path_for(const OpenFile& file, std::uint32_t id) {
  IMG_ASSIGN(const bool is_mounted, is_mounted_here(file));
  if (!is_mounted || !file.link.starts_with('/')) {
    bench_.refuse(file, state::Piece::file_unreachable);
    return std::string();
  }
  if (file.file_system == PROC_SUPER_MAGIC) {
    return in_proc(file, id);
  }
  if (file.file_system == DEVPTS_SUPER_MAGIC) {
    return without_deleted(file.link);
  }
  if (file.stat.st_nlink == 0) {
    IMG_TRY(add_ghost(file, id));
    return without_deleted(file.link);
  }
  struct stat named {};
  if (::fstatat(AT_FDCWD, file.link.c_str(), &named, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno != ENOENT && errno != ENOTDIR) {
      return fail(sys_error(errno, file.name(), "stat"));
    }
    const std::string path = without_deleted(file.link);
    // A deleted folder keeps its link count on some file systems; there is nothing in it.
    IMG_TRY(S_ISDIR(file.stat.st_mode) ? add_ghost(file, id) : add_link(file, id, path));
    return path;
  }
  if (named.st_ino != file.stat.st_ino || named.st_dev != file.stat.st_dev) {
    bench_.refuse(file, state::Piece::file_hidden);
    return std::string();
  }
  return file.link;
}

Result<bool> Remaps::is_mounted_here(const OpenFile& file) {
  // Also one that was opened before this mount namespace was made, of the one it is a copy of. To
  // ask for the mounts takes milliseconds, in which everybody stands still.
  struct stat named {};
  if (file.link.starts_with('/') &&
      ::fstatat(AT_FDCWD, file.link.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
      named.st_ino == file.stat.st_ino && named.st_dev == file.stat.st_dev) {
    return true;
  }
  IMG_ASSIGN(const std::span<const Mount> mounts, bench_.mounts());
  return std::any_of(mounts.begin(), mounts.end(),
                     [&](const Mount& one) { return one.id == file.info.mount; });
}

Result<std::string> Remaps::in_proc(const OpenFile& file, std::uint32_t id) {
  const std::string path = without_deleted(file.link);
  const pid_t pid = pid_in(path);
  if (pid == 0) {
    return path;
  }
  const std::string folder = "/proc/" + std::to_string(pid);
  if (path != file.link || ::faccessat(AT_FDCWD, folder.c_str(), F_OK, 0) != 0) {
    add_remap(id, static_cast<std::uint32_t>(pid), schema::RemapType::PROCFS);
  } else if (!bench_.is_member(pid) && pid != kInit) {
    bench_.refuse(file, state::Piece::proc_foreign);
  }
  return path;
}

Result<void> Remaps::add_ghost(const OpenFile& file, std::uint32_t id) {
  const auto [known, is_new] = known_ghosts_.try_emplace(
      {file.stat.st_dev, file.stat.st_ino}, static_cast<std::uint32_t>(known_ghosts_.size() + 1));
  if (is_new) {
    const auto bytes = static_cast<std::uint64_t>(file.stat.st_blocks) * 512;
    if (S_ISREG(file.stat.st_mode) && bytes > bench_.options().ghost_limit) {
      bench_.refuse(file, state::Piece::ghost_too_large, "--ghost-limit");
      return {};
    }
    IMG_TRY(add_ghost_file(file, known->second, bench_));
  }
  add_remap(id, known->second, schema::RemapType::GHOST);
  return {};
}

// Where the folder of the old name is gone too, the link goes into the one above it.
Result<void> Remaps::add_link(const OpenFile& file, std::uint32_t id, const std::string& path) {
  if (!bench_.options().link_remap) {
    bench_.refuse(file, state::Piece::link_remap_needed, "--link-remap");
    return {};
  }
  const std::uint32_t link_id = bench_.new_id();
  std::string folder = path.substr(0, path.rfind('/'));
  std::string link;
  for (;;) {
    link = folder + "/link_remap." + std::to_string(link_id);
    if (bench_.options().dry_run ||
        ::linkat(file.copy.get(), "", AT_FDCWD, link.c_str(), AT_EMPTY_PATH) == 0) {
      break;
    }
    if (errno == EEXIST) {
      return fail(Fault::conflict, link, "link", "the name is taken",
                  "img-gc --link-remaps takes away what an earlier dump left");
    }
    if ((errno != ENOENT && errno != ENOTDIR) || folder.empty()) {
      return fail(sys_error(errno, link, "link"));
    }
    folder.resize(folder.rfind('/'));
  }
  if (!bench_.options().dry_run) {
    bench_.records().undo_if_unwritten([link] { ::unlink(link.c_str()); });
  }
  auto& builder = bench_.builder();
  const auto owner = owner_entry(builder, {});
  const auto name = builder.CreateString(link);
  bench_.add_file(schema::FdTypes::REG, link_id,
                  schema::CreateRegFileEntry(builder, link_id, 0, 0, owner, name),
                  &schema::FileEntryBuilder::add_reg);
  add_remap(id, link_id, schema::RemapType::LINKED);
  return {};
}

}  // namespace img::dump
