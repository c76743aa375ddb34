// SPDX-License-Identifier: MIT
#include "libimg/gc/left_root.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "libimg/base/file.h"
#include "libimg/base/plain_path.h"

namespace img::gc {
namespace {

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

std::string place_of(const Way& way) {
  std::string place = way.place;
  if (!place.ends_with('/')) {
    place += '/';
  }
  return place + way.rest;
}

// What keeps a file from being looked at says what becomes of it.
void explain(FoundFile& found, const Error& error) {
  if (error.sys_errno == ENOENT || error.sys_errno == ENOTDIR) {
    return;  // missing
  }
  const bool is_elsewhere = error.sys_errno == ELOOP || error.sys_errno == EXDEV;
  found.state = FoundFile::State::other;
  found.why = is_elsewhere ? "a link is on the way to it, or another mount" : error.why;
}

}  // namespace

Result<LeftRoot> LeftRoot::open(const std::string& root) {
  IMG_ASSIGN(UniqueFd fd, open_directory(AT_FDCWD, root, root));
  return LeftRoot(std::move(fd), root);
}

Result<LeftRoot> LeftRoot::rebuild(model::ImageReader& image, const std::string& root) {
  IMG_ASSIGN(LeftRoot left, open(root));
  IMG_ASSIGN(left.yard_, MountYard::open(image, root));
  return left;
}

Result<Way> LeftRoot::way_to(const LeftFile& file) const {
  if (yard_) {
    return yard_->way_to(file.path, file.mount);
  }
  Way way;
  way.kind = Way::Kind::open;
  IMG_ASSIGN(way.from, open_directory(root_.get(), ".", place_));
  way.rest = file.path.substr(1);
  way.place = place_;
  return way;
}

// The kernel walks: no link on the way, none of /proc's either, never above the start, and within
// one mount where that is known.
Result<UniqueFd> LeftRoot::open_parent(const Way& way) const {
  const std::size_t slash = way.rest.rfind('/');
  const std::string parent = slash == std::string::npos ? "." : way.rest.substr(0, slash);
  open_how how{};
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  how.resolve |= yard_ ? RESOLVE_NO_XDEV : 0;
  UniqueFd fd(
      static_cast<int>(::syscall(SYS_openat2, way.from.get(), parent.c_str(), &how, sizeof how)));
  if (!fd.is_open()) {
    return fail(sys_error(errno, place_of(way), "open its directory"));
  }
  return fd;
}

Result<FoundFile> LeftRoot::look(const LeftFile& file) const {
  FoundFile found;
  found.file = file;
  IMG_ASSIGN(const Way way, way_to(file));
  if (way.kind != Way::Kind::open) {
    found.state =
        way.kind == Way::Kind::gone ? FoundFile::State::missing : FoundFile::State::unreachable;
    found.why = way.why;
    return found;
  }
  found.place = place_of(way);
  const auto parent = open_parent(way);
  if (!parent) {
    explain(found, parent.error());
    return found;
  }
  struct stat status {};
  if (::fstatat(parent->get(), file_part(file.path).c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    explain(found, sys_error(errno, found.place, "stat"));
    return found;
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
  IMG_ASSIGN(const Way way, way_to(found.file));
  if (way.kind != Way::Kind::open) {
    return false;
  }
  IMG_ASSIGN(const UniqueFd parent, open_parent(way));
  const std::string name = file_part(found.file.path);
  const std::string aside = fmt::format(".img-gc.{:016x}", random_bits());
  if (::renameat2(parent.get(), name.c_str(), parent.get(), aside.c_str(), RENAME_NOREPLACE) != 0) {
    return errno == ENOENT ? Result<bool>(false) : fail(sys_error(errno, found.place, "remove"));
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
    return fail(sys_error(errno, found.place, "remove"));
  }
  return true;
}

}  // namespace img::gc
